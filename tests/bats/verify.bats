#!/usr/bin/env bats
# Goal: verify finds every kind of damage, names what is damaged and what
# suffers, and says nothing is wrong only when nothing is.

load helper

setup() {
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  make_sample "$src"
  make_store "$store" "$src" one
  dir=$(snapshot_dir "$store" one)
}

# damaged PATTERN: verify exits 6 and says PATTERN.
damaged() {
  expect "$EXIT_CORRUPT" ruvsnap verify "$store"
  assert_has "$output$stderr" "$1"
}

@test "a sound store: exit 0, and how much was proved" {
  expect 0 ruvsnap verify "$store"
  [[ -n $output ]]
  expect 0 ruvsnap verify "$store" --json
  assert_equal "$(json .snapshots)" 1
  assert_equal "$(json .files)" 3
  assert_equal "$(json .bytes)" "$(cat "$src"/* | wc -c)"
  assert_equal "$(json .findings)" 0
}

@test "an empty store is sound" {
  ruvsnap init "${store}2"
  expect 0 ruvsnap verify "${store}2"
}

@test "chosen snapshots alone; one that is not there is not found" {
  echo more >"$src/more.bin"
  expect 0 ruvsnap create "$store" two --full
  rm "$(snapshot_dir "$store" two)/more.bin.gz"
  expect 0 ruvsnap verify "$store" one
  expect "$EXIT_CORRUPT" ruvsnap verify "$store" two
  expect "$EXIT_CORRUPT" ruvsnap verify "$store" one two
  expect "$EXIT_NOT_FOUND" ruvsnap verify "$store" three
}

@test "a flipped bit in a stream: stream, member and file are named" {
  flip_bit "$dir/vectors.bin.gz" $(($(file_size "$dir/vectors.bin.gz") / 2)) 5
  damaged vectors.bin
  assert_has "$output$stderr" vectors.bin.gz
  [[ $output$stderr =~ member\ [0-9]+ ]]
  assert_has "$output$stderr" "${dir##*/snapshot-}"
  assert_lacks "$output$stderr" index.bin
}

@test "--json gives each finding its parts" {
  flip_bit "$dir/vectors.bin.gz" $(($(file_size "$dir/vectors.bin.gz") / 2)) 5
  expect "$EXIT_CORRUPT" ruvsnap verify "$store" --json
  assert_equal "$(json '[.damage[] | select(.path == "vectors.bin") | .stream] | unique | .[]')" vectors.bin.gz
  json '.damage[] | select(.path == "vectors.bin" and .member != null) | .member'
}

@test "a damaged file: cat gives exit 6 and only good bytes, other files are well" {
  flip_bit "$dir/vectors.bin.gz" $(($(file_size "$dir/vectors.bin.gz") / 2)) 5
  ruvsnap cat "$store" one vectors.bin >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || code=$?
  assert_equal "$code" "$EXIT_CORRUPT"
  assert_has "$(cat "$BATS_TEST_TMPDIR/err")" vectors.bin
  cmp -n "$(file_size "$BATS_TEST_TMPDIR/out")" "$BATS_TEST_TMPDIR/out" "$src/vectors.bin"
  ruvsnap cat "$store" one index.bin | cmp - "$src/index.bin"
}

@test "a stream that was cut" {
  truncate -s -1 "$dir/index.bin.gz"
  damaged index.bin
  truncate -s 100 "$dir/index.bin.gz"
  damaged index.bin
  truncate -s 0 "$dir/index.bin.gz"
  damaged index.bin
}

@test "a stream that is gone" {
  rm "$dir/index.bin.gz"
  damaged index.bin
  ruvsnap cat "$store" one vectors.bin | cmp - "$src/vectors.bin"
}

@test "a stream that is something else" {
  rm "$dir/index.bin.gz"
  mkdir "$dir/index.bin.gz"
  damaged index.bin
  rmdir "$dir/index.bin.gz"
  ln -s /etc/passwd "$dir/index.bin.gz"
  damaged index.bin
  rm "$dir/index.bin.gz"
  mkfifo "$dir/index.bin.gz"
  damaged index.bin
}

@test "two members that changed places" {
  python3 - "$dir/vectors.bin.gz" <<'PYTHON'
import struct, sys
data = open(sys.argv[1], "rb").read()
# A member's header states its whole length, FORMAT.md.
parts, at = [], 0
while at < len(data):
    length = struct.unpack_from("<I", data, at + 20)[0]
    parts.append(data[at:at + length])
    at += length
assert len(parts) > 2 and at == len(data)
parts[0], parts[1] = parts[1], parts[0]
open(sys.argv[1], "wb").write(b"".join(parts))
PYTHON
  gzip -t "$dir/vectors.bin.gz"
  damaged vectors.bin
}

@test "the manifest or the index damaged, cut, gone" {
  local name
  for name in manifest members.idx; do
    cp "$dir/$name" "$BATS_TEST_TMPDIR/good"
    flip_bit "$dir/$name" $(($(file_size "$dir/$name") / 2))
    damaged "$name"
    truncate -s 10 "$dir/$name"
    damaged "$name"
    rm "$dir/$name"
    damaged "$name"
    cp "$BATS_TEST_TMPDIR/good" "$dir/$name"
    expect 0 ruvsnap verify "$store"
  done
}

@test "the record damaged: the snapshot is reported, not silently dropped" {
  cp "$dir/metadata.json" "$BATS_TEST_TMPDIR/good"
  printf '{' >"$dir/metadata.json"
  damaged metadata.json
  # A changed record that still reads is caught by the checksum file.
  jq '.vector_count = 42' "$BATS_TEST_TMPDIR/good" >"$dir/metadata.json"
  damaged metadata.json
}

@test "the checksum file damaged or gone" {
  flip_bit "$dir/checksum.sha256" 3
  damaged checksum.sha256
  rm "$dir/checksum.sha256"
  damaged checksum.sha256
}

@test "a file in the snapshot's folder that does not belong there" {
  echo stray >"$dir/stray.gz"
  run --separate-stderr ruvsnap verify "$store"
  # To say so is good, to fail for it as well; to crash is not.
  [[ $status -eq 0 || $status -eq $EXIT_CORRUPT ]]
}

@test "many damages are all named" {
  rm "$dir/index.bin.gz"
  flip_bit "$dir/vectors.bin.gz" $(($(file_size "$dir/vectors.bin.gz") / 2))
  truncate -s -5 "$dir/metadata.bin.gz"
  damaged index.bin
  assert_has "$output$stderr" vectors.bin
  assert_has "$output$stderr" metadata.bin
}

@test "the mount: a damaged range gives EIO, everything else reads well" {
  local size
  size=$(file_size "$src/vectors.bin")
  flip_bit "$dir/vectors.bin.gz" $(($(file_size "$dir/vectors.bin.gz") / 2)) 5
  start_mount "$store" "$BATS_TEST_TMPDIR/mnt"
  run cat "$BATS_TEST_TMPDIR/mnt/one/vectors.bin"
  [[ $status -ne 0 ]]
  # Its beginning and its end, by random access.
  cmp -n 65536 "$src/vectors.bin" "$BATS_TEST_TMPDIR/mnt/one/vectors.bin"
  cmp <(tail -c 65536 "$src/vectors.bin") <(tail -c 65536 "$BATS_TEST_TMPDIR/mnt/one/vectors.bin")
  cmp "$src/index.bin" "$BATS_TEST_TMPDIR/mnt/one/index.bin"
  # Every 4 KiB block is either right or an error.
  python3 - "$src/vectors.bin" "$BATS_TEST_TMPDIR/mnt/one/vectors.bin" "$size" <<'PYTHON'
import errno, os, sys
good, bad = (os.open(path, os.O_RDONLY) for path in sys.argv[1:3])
failed = 0
for at in range(0, int(sys.argv[3]), 4096):
    try:
        assert os.pread(bad, 4096, at) == os.pread(good, 4096, at), at
    except OSError as error:
        assert error.errno == errno.EIO, error
        failed += 1
assert 0 < failed < int(sys.argv[3]) // 4096, failed
PYTHON
  stop_mounts
}

teardown() { stop_mounts; }
