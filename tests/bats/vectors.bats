#!/usr/bin/env bats
# Goal: a snapshot knows how many vectors it holds, in every format that is
# recognised; what cannot be counted is told and fails nothing.

load helper

setup() {
  src=$BATS_TEST_TMPDIR/src
  store=$BATS_TEST_TMPDIR/store
  samples=$project/tests/fuzz/corpus/vectors
  mkdir "$src"
  ruvsnap init "$store" --source "$src"
}

# snapshot: make one, with its record in $output and its warnings in $stderr.
snapshot() {
  expect 0 ruvsnap create "$store" --json
}

# counted: vector_count of the record.
counted() { jq .vector_count <<<"$output"; }

# Sample, the name that tells its format where nothing else does, vectors.
files_of_vectors() {
  cat <<'END'
redb x.db 42
rvf x.rvf 17
npy x.npy 30
fvecs base.fvecs 15
ivecs base.ivecs 15
bvecs base.bvecs 16
END
}
indexes() {
  cat <<'END'
faiss x.index 9
usearch x.usearch 11
hnswlib index.bin 6
END
}

@test "each format is counted" {
  local sample name count
  while read -r sample name count; do
    rm -f "$src"/*
    cp "$samples/$sample" "$src/$name"
    snapshot
    assert_equal "$sample $(counted)" "$sample $count"
  done < <(files_of_vectors; indexes)
}

@test "files are summed, whatever their format; indexes count where no file does" {
  local sample name count sum=0
  cp "$samples"/text "$src"
  snapshot
  assert_equal "$(counted)" null

  while read -r sample name count; do
    cp "$samples/$sample" "$src/$name"
    : $((sum += count))
  done < <(indexes)
  snapshot
  assert_equal "$(counted)" "$sum"

  sum=0
  while read -r sample name count; do
    cp "$samples/$sample" "$src/$name"
    : $((sum += count))
  done < <(files_of_vectors)
  snapshot
  assert_equal "$(counted)" "$sum"
  # Of files that are not read again, too.
  snapshot
  assert_equal "$(counted)" "$sum"
}

@test "a damaged file: no count, a note that names it, and a snapshot" {
  local sample name
  while read -r sample name; do
    rm -f "$src"/*
    cp "$samples/$sample" "$src/$name"
    # A database that was written a moment ago might be in the middle of it.
    touch -d '1 hour ago' "$src/$name"
    snapshot
    assert_equal "$sample $(counted)" "$sample null"
    assert_has "$stderr" "$name: its vectors are not counted: "
    ruvsnap cat "$store" latest "$name" | cmp - "$src/$name"
  done <<'END'
redb-slots-fail-checksum x.db
rvf-cut-in-a-segment x.rvf
npy-shorter-than-shape x.npy
faiss-count-beyond-the-file x.index
hnswlib-over-capacity index.bin
fvecs-cut-in-a-vector base.fvecs
END
}

@test "one damaged file among good ones: what is known of them is not given as the whole" {
  cp "$samples/npy" "$src/good.npy"
  cp "$samples/rvf-without-manifest" "$src/bad.rvf"
  snapshot
  assert_equal "$(counted)" null
  assert_has "$stderr" bad.rvf
  assert_lacks "$stderr" good.npy
}
