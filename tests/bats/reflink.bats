#!/usr/bin/env bats
# Goal: where files can be cloned, a file that never rests is in the snapshot as
# some instant had it, the record says reflink, and no clone outlives its use.

load helper
load loop
load moment

setup() {
  # shellcheck disable=SC2034 # for stop_writers
  writers=()
  disk=$BATS_TEST_TMPDIR/disk
  src=$disk/db
}

teardown() {
  stop_writers
  stop_mounts "$BATS_TEST_TMPDIR/mnt"
  unmount_loops
}

# make_disk TYPE: with a source on it, and two stores: there, and elsewhere.
make_disk() {
  mount_loop "$BATS_TEST_TMPDIR/image" "$disk" 500 "$1"
  make_sample "$src"
  stores=("$disk/store" "$BATS_TEST_TMPDIR/store")
  for store in "${stores[@]}"; do
    ruvsnap init "$store" --source "$src"
  done
}

# consistent STORE WORD [OPTION]...: a snapshot is made, says WORD, and verifies.
consistent() {
  local store=$1 word=$2
  shift 2
  expect 0 ruvsnap create "$store" --json "$@"
  assert_equal "$(json .consistency)" "$word"
  rm -rf "$BATS_TEST_TMPDIR/restored"
  expect 0 ruvsnap restore "$store" latest "$BATS_TEST_TMPDIR/restored"
}

# overwritten: one file never rests.
overwritten() {
  local round store
  make_disk "$1"
  write_pages "$src/pages"
  for round in 1 2 3; do
    for store in "${stores[@]}"; do
      consistent "$store" reflink
      one_moment "$BATS_TEST_TMPDIR/restored/pages"
      cmp "$src/vectors.bin" "$BATS_TEST_TMPDIR/restored/vectors.bin"
    done
  done
  stop_writers
  # What moved behind its clone is read again.
  for store in "${stores[@]}"; do
    consistent "$store" reflink
    diff -r "$src" "$BATS_TEST_TMPDIR/restored"
    expect 0 ruvsnap verify "$store"
  done
  assert_equal "$(find "$src" -mindepth 1 -printf '%P\n' | sort | xargs)" "index.bin metadata.bin pages vectors.bin"
}

@test "XFS: a file that is overwritten without rest" { overwritten xfs; }

@test "btrfs: a file that is overwritten without rest" { overwritten btrfs; }

@test "XFS: two files written as a pair are never of two moments" {
  local round
  make_disk xfs
  write_pairs "$src/pair"
  for round in {1..10}; do
    consistent "${stores[round % 2]}" reflink
    same_pair "$BATS_TEST_TMPDIR/restored/pair" "$src/pair.late"
  done
}

@test "a tree of more files than are cloned: those that move are" {
  make_disk xfs
  mkdir "$src/many"
  (cd "$src/many" && seq 1000 | split -l 1 -a 4 -)
  consistent "${stores[0]}" settled
  write_pages "$src/pages"
  consistent "${stores[1]}" reflink
  one_moment "$BATS_TEST_TMPDIR/restored/pages"
  diff -r "$src/many" "$BATS_TEST_TMPDIR/restored/many"
}

@test "files that never rest are busy, and named" {
  local number
  make_disk xfs
  # So many that not all of their writers are kept from working at once.
  for number in 1 2 3 4 5; do write_pages "$src/pages$number"; done
  jq '.settle_seconds = 1' "${stores[0]}/store.json" >"$BATS_TEST_TMPDIR/json"
  cp "$BATS_TEST_TMPDIR/json" "${stores[0]}/store.json"
  expect "$EXIT_BUSY" ruvsnap create "${stores[0]}" one
  assert_has "$stderr" pages1
  assert_has "$stderr" pages2
  assert_equal "$(names_of "${stores[0]}")" ''
  consistent "${stores[0]}" best-effort --best-effort
}

@test "btrfs: a file without copy-on-write is cloned as well" {
  make_disk btrfs
  touch "$src/plain"
  chattr +C "$src/plain"
  random_bytes 300000 >"$src/plain"
  consistent "${stores[0]}" reflink
  cmp "$src/plain" "$BATS_TEST_TMPDIR/restored/plain"
}

@test "holes, hard links and attributes come through a clone" {
  make_disk xfs
  truncate -s 30M "$src/sparse"
  printf island | dd of="$src/sparse" bs=1 seek=9000000 conv=notrunc status=none
  ln "$src/index.bin" "$src/link"
  setfattr -n user.color -v blue "$src/index.bin"
  setfacl -m u:1234:rw "$src/metadata.bin"
  for store in "${stores[@]}"; do
    consistent "$store" reflink
    compare_restored "$src" "$BATS_TEST_TMPDIR/restored"
    (($(allocated "$BATS_TEST_TMPDIR/restored/sparse") < 1000000))
  done
}

@test "a source that cannot be written to is read as it is" {
  make_disk xfs
  mount -o remount,ro "$disk"
  consistent "${stores[1]}" settled
  compare_restored "$src" "$BATS_TEST_TMPDIR/restored"
}

@test "kill -9 while clones are open leaves nothing, beside the source or in the store" {
  local round store before writer
  make_disk xfs
  random_bytes 60000000 >"$src/big"
  sync
  before=$(listing "$src" | tr '\0' '\n')
  for round in {1..12}; do
    store=${stores[round % 2]}
    "$RUVSNAP" create "$store" "s$round" --full >/dev/null 2>&1 3>&- &
    writer=$!
    # While it is cloning, or reading the clones.
    until [[ -n $(find "$store" -name '*.gz') ]] || ! kill -0 "$writer" 2>/dev/null; do
      ((round % 3)) || break
    done
    kill -KILL "$writer" 2>/dev/null || true
    wait "$writer" 2>/dev/null || true
    assert_equal "$(listing "$src" | tr '\0' '\n')" "$before"
  done
  for store in "${stores[@]}"; do
    consistent "$store" reflink --full
    assert_equal "$(find "$store" -name '.tmp-*')" ''
    expect 0 ruvsnap verify "$store"
  done
}
