#!/usr/bin/env bats
# Goal: restore gives back what was there, never more than was asked for, never
# outside its target, and never bytes it did not prove.

load helper

setup() {
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  target=$BATS_TEST_TMPDIR/target
  make_sample "$src"
  mkdir -p "$src/sub/deeper"
  echo inner >"$src/sub/inner.txt"
  echo deep >"$src/sub/deeper/deep.txt"
  ln -s inner.txt "$src/sub/link"
  make_store "$store" "$src" one
}

@test "into a folder that is not there yet" {
  expect 0 ruvsnap restore "$store" one "$target"
  compare_restored "$src" "$target"
}

@test "into an empty folder" {
  mkdir "$target"
  expect 0 ruvsnap restore "$store" one "$target"
  compare_restored "$src" "$target"
}

@test "by id and as latest" {
  expect 0 ruvsnap restore "$store" latest "$target"
  compare_trees "$src" "$target"
  expect 0 ruvsnap restore "$store" "$(ruvsnap show "$store" one --json | jq -r .id)" "$target.id"
  compare_trees "$src" "$target.id"
}

@test "a folder that holds anything is refused and left alone" {
  mkdir "$target"
  echo mine >"$target/mine"
  expect "$EXIT_EXISTS" ruvsnap restore "$store" one "$target"
  assert_has "$stderr" "$target"
  assert_equal "$(ls -A "$target")" mine
}

@test "--overwrite replaces what the snapshot has and keeps what it has not" {
  mkdir -p "$target/sub"
  echo mine >"$target/mine"
  echo old >"$target/index.bin"
  echo old >"$target/sub/inner.txt"
  expect 0 ruvsnap restore "$store" one "$target" --overwrite
  assert_equal "$(cat "$target/mine")" mine
  rm "$target/mine"
  touch -r "$src" "$target"
  compare_restored "$src" "$target"
}

@test "--overwrite of a file goes by rename: who holds the old one keeps it whole" {
  mkdir "$target"
  echo 'the old one' >"$target/index.bin"
  ln "$target/index.bin" "$BATS_TEST_TMPDIR/held"
  expect 0 ruvsnap restore "$store" one "$target" --overwrite
  assert_equal "$(cat "$BATS_TEST_TMPDIR/held")" 'the old one'
  cmp "$src/index.bin" "$target/index.bin"
}

@test "a file where a folder must be, a folder where a file must be: refused, nothing lost" {
  mkdir -p "$target/index.bin/precious"
  run --separate-stderr ruvsnap restore "$store" one "$target" --overwrite
  [[ $status -ne 0 ]]
  assert_has "$stderr" index.bin
  [[ -d $target/index.bin/precious ]]
  rm -r "$target"
  mkdir "$target"
  echo precious >"$target/sub"
  run --separate-stderr ruvsnap restore "$store" one "$target" --overwrite
  # Replacing the file is as good an answer, losing part of the snapshot is not.
  if [[ $status -eq 0 ]]; then
    compare_trees "$src" "$target"
  else
    assert_has "$stderr" sub
  fi
}

@test "chosen paths: a file, a folder with what is below it, nothing else" {
  expect 0 ruvsnap restore "$store" one "$target" metadata.bin sub/deeper
  assert_equal "$(cd "$target" && find . -type f | sort | xargs)" "./metadata.bin ./sub/deeper/deep.txt"
  cmp "$src/metadata.bin" "$target/metadata.bin"
  cmp "$src/sub/deeper/deep.txt" "$target/sub/deeper/deep.txt"
}

@test "a chosen path that is not in the snapshot: exit 3" {
  expect "$EXIT_NOT_FOUND" ruvsnap restore "$store" one "$target" nowhere
  assert_has "$stderr" nowhere
  expect "$EXIT_NOT_FOUND" ruvsnap restore "$store" one "$target" ../db
}

@test "a snapshot that is not there: exit 3, no target made" {
  expect "$EXIT_NOT_FOUND" ruvsnap restore "$store" nothing "$target"
  [[ ! -e $target ]]
}

@test "links below the target are never followed" {
  local outside=$BATS_TEST_TMPDIR/outside
  mkdir -p "$outside" "$target"
  echo safe >"$outside/file"
  ln -s "$outside" "$target/sub"
  ln -s "$outside/file" "$target/index.bin"
  run --separate-stderr ruvsnap restore "$store" one "$target" --overwrite
  assert_equal "$(ls -A "$outside")" file
  assert_equal "$(cat "$outside/file")" safe
  # Either the links were replaced or the restore says why it stopped.
  if [[ $status -eq 0 ]]; then
    compare_trees "$src" "$target"
  else
    assert_has "$stderr" sub
  fi
}

@test "the target itself may be reached by a link" {
  mkdir "$BATS_TEST_TMPDIR/real"
  ln -s real "$target"
  expect 0 ruvsnap restore "$store" one "$target"
  compare_trees "$src" "$BATS_TEST_TMPDIR/real"
}

@test "no temporary file stays" {
  expect 0 ruvsnap restore "$store" one "$target"
  assert_equal "$(find "$target" | wc -l)" "$(find "$src" | wc -l)"
}

@test "a file that fails its proof: exit 6, named, and not there half right" {
  local dir
  dir=$(snapshot_dir "$store" one)
  flip_bit "$dir/vectors.bin.gz" $(($(file_size "$dir/vectors.bin.gz") / 2))
  expect "$EXIT_CORRUPT" ruvsnap restore "$store" one "$target"
  assert_has "$stderr" vectors.bin
  [[ ! -e $target/vectors.bin ]]
  # The others can still be had.
  expect 0 ruvsnap restore "$store" one "$target.rest" index.bin metadata.bin sub
  cmp "$src/index.bin" "$target.rest/index.bin"
  cmp "$src/sub/inner.txt" "$target.rest/sub/inner.txt"
}

@test "with --overwrite a file that fails its proof leaves the old one alone" {
  local dir
  dir=$(snapshot_dir "$store" one)
  flip_bit "$dir/vectors.bin.gz" $(($(file_size "$dir/vectors.bin.gz") / 2))
  mkdir "$target"
  echo old >"$target/vectors.bin"
  expect "$EXIT_CORRUPT" ruvsnap restore "$store" one "$target" --overwrite
  assert_equal "$(cat "$target/vectors.bin")" old
}

@test "a full disk: exit 7, and no file that is not whole" {
  [[ $EUID -eq 0 ]] || skip "needs root to mount a small disk"
  mkdir "$target"
  mount -t tmpfs -o size=1m tmpfs "$target" || skip "cannot mount"
  run --separate-stderr ruvsnap restore "$store" one "$target"
  local found=$status name=''
  # vectors.bin is larger than the disk.
  [[ ! -e $target/vectors.bin ]] || name=vectors.bin
  umount "$target"
  assert_equal "$found" "$EXIT_NO_SPACE"
  assert_equal "$name" ''
}

@test "--json tells what was written" {
  expect 0 ruvsnap restore "$store" one "$target" --json
  assert_equal "$(json .files)" 5
}
