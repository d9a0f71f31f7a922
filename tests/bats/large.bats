#!/usr/bin/env bats
# Goal: real sizes: a gigabyte of vectors, a tree of more than 20,000 files.
# They take time and disk, so only RUVSNAP_TEST_LARGE=1 runs them.

load helper

setup() {
  [[ -n ${RUVSNAP_TEST_LARGE:-} ]] || skip "RUVSNAP_TEST_LARGE is not set"
  src=$BATS_TEST_TMPDIR/src
  store=$BATS_TEST_TMPDIR/store
  mnt=$BATS_TEST_TMPDIR/mnt
}

teardown() {
  stop_mounts
  rm -rf "$BATS_TEST_TMPDIR"/{src,store,restored}
}

@test "a gigabyte of floats: through the mount, by gunzip, restored" {
  local digest
  "$project/scripts/make-sample" "$src" 1024
  start_mount "$store" "$mnt" --source "$src"
  echo big >"$mnt/.create"
  digest=$(sha256sum <"$src/vectors.bin")

  diff -r "$src" "$mnt/big"
  assert_equal "$(sha256sum <"$mnt/big/vectors.bin")" "$digest"
  assert_equal "$(getfattr --only-values -n user.ruvsnap.sha256 "$mnt/big/vectors.bin")" "${digest%% *}"
  assert_equal "$(gunzip -c "$(snapshot_dir "$store")/vectors.bin.gz" | sha256sum)" "$digest"
  expect 0 ruvsnap restore "$store" big "$BATS_TEST_TMPDIR/restored"
  compare_trees "$src" "$BATS_TEST_TMPDIR/restored"
  expect 0 ruvsnap verify "$store"
}

@test "a gigabyte of floats: random reads from eight processes at once" {
  "$project/scripts/make-sample" "$src" 1024
  make_store "$store" "$src" big
  start_mount "$store" "$mnt"
  python3 - "$src/vectors.bin" "$mnt/big/vectors.bin" <<'PYTHON'
import multiprocessing, os, random, sys

def check(seed):
    good, seen = (os.open(path, os.O_RDONLY) for path in sys.argv[1:3])
    size, rng = os.fstat(good).st_size, random.Random(seed)
    assert os.fstat(seen).st_size == size
    for _ in range(400):
        at, length = rng.randrange(size), rng.choice([1, 4096, 65537, 1 << 20])
        if os.pread(seen, length, at) != os.pread(good, length, at):
            return f"seed {seed}: {length} bytes at {at} differ"
    return None

with multiprocessing.Pool(8) as pool:
    wrong = [text for text in pool.map(check, range(8)) if text]
sys.exit("\n".join(wrong) or None)
PYTHON
}

@test "more than 20,000 small files: mount and restore equal the source" {
  mkdir -p "$src"
  cp -a /usr/include /usr/share/doc "$src"
  # A machine without many packages has fewer: fill up.
  local have
  have=$(find "$src" -type f | wc -l)
  if ((have < 20500)); then
    mkdir "$src/filling"
    (cd "$src/filling" && seq -f 'file number %.0f' $((20500 - have)) | split -l 1 -a 4 - f)
  fi
  start_mount "$store" "$mnt" --source "$src"
  echo tree >"$mnt/.create"

  # Links out of the tree dangle, in the copy as in the source.
  diff -r --no-dereference "$src" "$mnt/tree"
  compare_trees "$src" "$mnt/tree"
  expect 0 ruvsnap restore "$store" tree "$BATS_TEST_TMPDIR/restored"
  compare_restored "$src" "$BATS_TEST_TMPDIR/restored"
  # Inode numbers and blocks are each file system's own.
  assert_equal "$(cd "$mnt/tree" && find . -ls | awk '{ $1 = $2 = ""; print }' | sort | sha256sum)" \
    "$(cd "$src" && find . -ls | awk '{ $1 = $2 = ""; print }' | sort | sha256sum)"
  expect 0 ruvsnap verify "$store"
  (($(find "$(snapshot_dir "$store")" -type f | wc -l) < 1000))
}

@test "memory of a create stays bounded, whatever the size of the file" {
  mkdir "$src"
  # Its SHA-256 covers the zeros, so a hole takes time too.
  truncate -s 16G "$src/mostly-hole"
  random_bytes 300000000 >"$src/noise"
  printf end | dd of="$src/mostly-hole" bs=1 seek=$((12 * 1024 * 1024 * 1024)) conv=notrunc status=none
  ruvsnap init "$store" --source "$src"
  (ulimit -v 3000000 && exec "$RUVSNAP" create "$store" sparse)
  expect 0 ruvsnap restore "$store" sparse "$BATS_TEST_TMPDIR/restored"
  assert_equal "$(file_size "$BATS_TEST_TMPDIR/restored/mostly-hole")" "$(file_size "$src/mostly-hole")"
  (($(allocated "$BATS_TEST_TMPDIR/restored/mostly-hole") < 10000000))
  cmp "$src/noise" "$BATS_TEST_TMPDIR/restored/noise"
  assert_equal "$(dd if="$BATS_TEST_TMPDIR/restored/mostly-hole" bs=1 skip=$((12 * 1024 * 1024 * 1024)) count=3 status=none)" end
}
