#!/usr/bin/env bats
# Goal: a snapshot is one moment of its source, whoever writes to that, or there is
# none.  reflink.bats is about filesystems that can clone.

load helper
load moment

setup() {
  # shellcheck disable=SC2034 # moment.bash fills it
  writers=()
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  make_sample "$src"
}

teardown() {
  stop_writers
  stop_mounts
}

@test "two files written as a pair are never of two moments" {
  local round
  write_pairs "$src/pair"
  ruvsnap init "$store" --source "$src"
  for round in {1..15}; do
    expect 0 ruvsnap create "$store" "s$round" --json
    assert_equal "$(json .consistency)" settled
  done
  stop_writers
  start_mount "$store" "$BATS_TEST_TMPDIR/mnt"
  for round in {1..15}; do
    same_pair "$BATS_TEST_TMPDIR/mnt/s$round/pair" "$src/pair.late"
  done
  # They are not all of the moment before the writer began.
  (($(sort -u "$BATS_TEST_TMPDIR"/mnt/*/pair/a | wc -l) > 3))
}

@test "a file that never rests: EBUSY from .create too, with its name, and nothing kept" {
  ruvsnap init "$store" --source "$src" --settle-time 2s
  assert_equal "$(jq .settle_seconds "$store/store.json")" 2
  # Each look at them takes longer than a writer can be kept waiting.
  for number in 1 2 3 4; do write_pages "$src/restless$number"; done
  start_mount "$store" "$BATS_TEST_TMPDIR/mnt"
  run bash -c 'echo one >"$1"' - "$BATS_TEST_TMPDIR/mnt/.create"
  [[ $status -ne 0 ]]
  assert_has "$output" "Device or resource busy"
  assert_has "$(cat "$BATS_TEST_TMPDIR/mnt/.create")" restless1
  assert_equal "$(names_of "$store")" ''
  assert_equal "$(find "$store" -name 'snapshot-*' -o -name '.tmp-*')" ''
  expect "$EXIT_BUSY" ruvsnap create "$store" one --settle-time 1s
  assert_has "$stderr" restless1
  echo one best-effort >"$BATS_TEST_TMPDIR/mnt/.create"
  assert_equal "$(jq -r .consistency "$BATS_TEST_TMPDIR/mnt/.create")" best-effort
  cmp "$src/vectors.bin" "$BATS_TEST_TMPDIR/mnt/one/vectors.bin"
}

@test "a settle time that is none is refused" {
  local text
  for text in 0s 5 -1s x '' 2d; do
    expect "$EXIT_USAGE" ruvsnap init "$store" --source "$src" --settle-time "$text"
  done
  [[ ! -e $store ]]
  ruvsnap init "$store" --source "$src"
  expect "$EXIT_USAGE" ruvsnap create "$store" one --settle-time 25h
}
