#!/usr/bin/env bats
# Goal: a store is laid out as FORMAT.md says, and plain tools read it.

load helper

setup() {
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  make_sample "$src"
}

@test "the directory of a database of three files holds exactly the names of the design" {
  make_store "$store" "$src" one
  assert_equal "$(cd "$(snapshot_dir "$store")" && find . -mindepth 1 | sort | xargs)" \
    "./checksum.sha256 ./index.bin.gz ./manifest ./members.idx ./metadata.bin.gz ./metadata.json ./vectors.bin.gz"
}

@test "the store holds nothing but its own files and snapshots" {
  local name
  make_store "$store" "$src" one two
  while IFS= read -r name; do
    case $name in
      store.json | labels.json | .lock | .list.lock | .signatures | snapshot-*) ;;
      *) fail "$name" ;;
    esac
  done < <(ls -A "$store")
  assert_equal "$(stat -c %a "$store")" 700
}

@test "gunzip gives every file back" {
  local name
  make_store "$store" "$src" one
  for name in vectors.bin index.bin metadata.bin; do
    gunzip -c "$(snapshot_dir "$store")/$name.gz" | cmp - "$src/$name"
  done
}

@test "sha256sum -c proves the directory, and lists all of it" {
  make_store "$store" "$src" one
  cd "$(snapshot_dir "$store")"
  sha256sum -c --strict --quiet checksum.sha256
  assert_equal "$(sed 's/^[^ ]* [ *]//' checksum.sha256 | sort | xargs)" \
    "$(find . -type f ! -name checksum.sha256 -printf '%P\n' | sort | xargs)"
}

@test "sha256sum -c holds for names that need escaping, and in folders" {
  mkdir -p "$src/a/b"
  echo one >"$src/a/b/inner"
  echo two >"$src/new"$'\n'"line"
  echo three >"$src/back\\slash"
  echo four >"$src/raw"$'\xff'
  make_store "$store" "$src" one
  cd "$(snapshot_dir "$store")"
  sha256sum -c --strict --quiet checksum.sha256
}

@test "the manifest is gzip too" {
  make_store "$store" "$src" one
  gzip -dc <"$(snapshot_dir "$store")/manifest" >"$BATS_TEST_TMPDIR/manifest"
  grep -q vectors.bin "$BATS_TEST_TMPDIR/manifest"
}

@test "store.json and metadata.json are JSON with the agreed members" {
  make_store "$store" "$src" one
  jq -e '.format == 1 and (.uuid | length) == 36 and .level >= 0' "$store/store.json"
  jq -e '.id and .name == "one" and .checksum and .snapshot_type == "full"' "$(snapshot_dir "$store")/metadata.json"
}

@test "every member states its number, lengths and digest in its header" {
  make_store "$store" "$src" one
  python3 - "$(snapshot_dir "$store")" <<'PYTHON'
import hashlib, pathlib, struct, sys, zlib
numbers = []
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.gz")):
    data, at = path.read_bytes(), 0
    while at < len(data):
        assert data[at:at + 3] == b"\x1f\x8b\x08" and data[at + 3] & 4, path
        extra_len, = struct.unpack_from("<H", data, at + 10)
        tag, length, number, stored, plain = struct.unpack_from("<2sHIII", data, at + 12)
        digest = data[at + 28:at + 60]
        assert tag == b"RV" and length == 44 and extra_len == 48, path
        body = zlib.decompressobj(wbits=31)
        bytes_ = body.decompress(data[at:at + stored])
        assert body.eof and not body.unused_data
        assert len(bytes_) == plain and hashlib.sha256(bytes_).digest() == digest, path
        numbers.append(number)
        at += stored
assert len(set(numbers)) == len(numbers)
PYTHON
}

@test "a database of a few files has one stream for each, however small" {
  rm "$src"/*
  for name in a b c d; do echo "$name" >"$src/$name.bin"; done
  make_store "$store" "$src" one
  for name in a b c d; do
    assert_equal "$(gunzip -c "$(snapshot_dir "$store")/$name.bin.gz")" "$name"
  done
}

@test "very many small files do not become very many objects" {
  (
    cd "$src"
    seq -f 'small file %.0f' 10000 | split -l 1 -a 4 - small
  )
  make_store "$store" "$src" one
  (($(find "$(snapshot_dir "$store")" -type f | wc -l) < 50))
  # Compressed together: about their own size, not a block of the disk each.
  (($(du -sk "$store" | cut -f 1) < 8000))
  # The large one keeps its own stream.
  gunzip -c "$(snapshot_dir "$store")/vectors.bin.gz" | cmp - "$src/vectors.bin"
}

@test "files that are equal or have holes are still whole by gunzip in a full snapshot" {
  cp "$src/vectors.bin" "$src/copy.bin"
  make_store "$store" "$src" one
  run ! cmp <(gunzip -c "$(snapshot_dir "$store")/vectors.bin.gz") "$src/index.bin"
  gunzip -c "$(snapshot_dir "$store")/copy.bin.gz" | cmp - "$src/copy.bin" ||
    gunzip -c "$(snapshot_dir "$store")/vectors.bin.gz" | cmp - "$src/vectors.bin"
}

@test "bytes that do not compress cost next to nothing more" {
  rm "$src"/*
  random_bytes 4000000 >"$src/noise"
  make_store "$store" "$src" one
  (($(file_size "$(snapshot_dir "$store")/noise.gz") < 4020000))
}

# recipe: the shell recipe of FORMAT.md, the first block of shell in it that
# reads streams.
recipe() {
  awk '/^```(sh|bash|shell)?$/ && !open { open = 1; block = ""; next }
       /^```$/ && open { open = 0; if (block ~ /gunzip|gzip -d/ && block ~ /sha256sum/) { printf "%s", block; exit } next }
       open { block = block $0 "\n" }' "$project/engine/FORMAT.md"
}

@test "the recipe in FORMAT.md restores a full snapshot with no program of ours" {
  make_store "$store" "$src" one
  recipe >"$BATS_TEST_TMPDIR/recipe"
  [[ -s $BATS_TEST_TMPDIR/recipe ]]
  run ! grep -q ruvsnap "$BATS_TEST_TMPDIR/recipe"
  (($(grep -c . "$BATS_TEST_TMPDIR/recipe") <= 8))
  snapshot=$(snapshot_dir "$store") target=$BATS_TEST_TMPDIR/target bash -eu "$BATS_TEST_TMPDIR/recipe"
  diff -r "$src" "$BATS_TEST_TMPDIR/target"
}

@test "a store of a newer format: a clear error, exit 1, untouched" {
  make_store "$store" "$src" one
  jq '.format = 99' "$store/store.json" >"$BATS_TEST_TMPDIR/newer"
  cp "$BATS_TEST_TMPDIR/newer" "$store/store.json"
  local before verb
  before=$(listing "$store" | sha256sum)
  for verb in "create S x" "list S" "show S one" "ls S one" "cat S one index.bin" "restore S one $BATS_TEST_TMPDIR/out" "verify S"; do
    # shellcheck disable=SC2086
    set -- $verb
    expect "$EXIT_FAILED" ruvsnap "$1" "$store" "${@:3}"
    assert_has "$stderr" 99
  done
  run -"$EXIT_FAILED" "$RUVSNAPFS" "$store" "$BATS_TEST_TMPDIR"
  assert_equal "$(listing "$store" | sha256sum)" "$before"
  [[ ! -e $BATS_TEST_TMPDIR/out ]]
}
