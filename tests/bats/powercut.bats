#!/usr/bin/env bats
# Goal: a snapshot that was reported made is there after the power went, and what
# was reported deleted is gone; a file system that is shut down without writing out
# its log stands in for the power cut.

load helper
load loop

setup() {
  src=$BATS_TEST_TMPDIR/db
  disk=$BATS_TEST_TMPDIR/disk
  image=$BATS_TEST_TMPDIR/image
  store=$disk/store
  make_sample "$src"
  mkdir "$src/sub"
  echo inner >"$src/sub/inner"
}

teardown() {
  unmount_loops
}

# cut_power [WRITER]: what is not on the disk by now never will be.  A process that
# is at work goes behind the disk, so that it cannot tidy up.  Then mount again.
cut_power() {
  python3 - "$disk" <<'PYTHON'
import fcntl, os, struct, sys
FS_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
folder = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(folder, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
PYTHON
  if [[ -n ${1:-} ]]; then
    kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
  fi
  replace_loop "$image" "$disk"
}

# assert_cut_loses: whether a cut loses what was not synced; without that the tests
# below would pass whatever ruvsnap does.
assert_cut_loses() {
  echo lost >"$disk/lost"
  cut_power
  [[ ! -s $disk/lost ]] || fail "that was no power cut"
}

# whole NAME...: these are listed and verify, and the last one is the source.
whole() {
  assert_equal "$(names_of "$store" | xargs)" "$*"
  expect 0 ruvsnap verify "$store"
  rm -rf "$BATS_TEST_TMPDIR/restored"
  expect 0 ruvsnap restore "$store" "${*: -1}" "$BATS_TEST_TMPDIR/restored"
  compare_restored "$src" "$BATS_TEST_TMPDIR/restored"
}

# after_each_step MIB TYPE: cut after everything that reports success.
after_each_step() {
  local size=$1 type=$2 number dir
  mount_loop "$image" "$disk" "$size" "$type"
  assert_cut_loses
  ruvsnap init "$store" --source "$src"
  cut_power
  expect 0 ruvsnap list "$store"
  ruvsnap create "$store" s0 >/dev/null
  cut_power
  whole s0
  for number in 1 2 3; do
    random_bytes 40960 "$number" | dd of="$src/vectors.bin" bs=4096 seek=$((number * 20)) conv=notrunc status=none
    random_bytes 100000 "$((number + 9))" >"$src/sub/new$number"
    rm -f "$src/sub/new$((number - 1))"
    ruvsnap create "$store" "s$number" >/dev/null
    cut_power
    # shellcheck disable=SC2046 # words
    whole $(seq -f 's%.0f' 0 "$number")
  done
  for dir in "$store"/snapshot-*; do
    (cd "$dir" && sha256sum --quiet -c checksum.sha256)
  done
  ruvsnap rename "$store" s2 renamed
  cut_power
  whole s0 s1 renamed s3
  ruvsnap pin "$store" s1
  cut_power
  assert_equal "$(ruvsnap show "$store" s1 --json | jq .pinned)" true
  # Rewrites and removes directories.
  ruvsnap delete "$store" s0
  cut_power
  whole s1 renamed s3
  ruvsnap prune "$store" --keep-last 1 >/dev/null
  cut_power
  whole s1 s3
  ruvsnap unpin "$store" s1
  ruvsnap delete "$store" s1
  cut_power
  whole s3
  ruvsnap collect "$store" >/dev/null
  cut_power
  whole s3
  ruvsnap create "$store" s4 --full >/dev/null
  cut_power
  whole s3 s4
  assert_equal "$(find "$store" -name '.tmp-*')" ''
}

@test "ext4: what was reported is so after a power cut" {
  after_each_step 64 ext4
}

@test "XFS: what was reported is so after a power cut" {
  after_each_step 400 xfs
}

@test "ext4: the power goes in the middle: whole snapshots, and the next command works" {
  local round before now rest writer
  mount_loop "$image" "$disk" 128
  ruvsnap init "$store" --source "$src"
  ruvsnap create "$store" base >/dev/null
  cut_power
  RANDOM=11
  for round in 1 2 3 4 5 6 7 8 9 10 11 12; do
    random_bytes 40960 "$round" | dd of="$src/vectors.bin" bs=4096 seek=$((round * 20)) conv=notrunc status=none
    before=$(names_of "$store" | xargs)
    rest=$before
    if ((round % 3)); then
      "$RUVSNAP" create "$store" "s$round" --full >/dev/null 2>&1 3>&- &
    else
      rest=$(names_of "$store" | tail -n +2 | xargs)
      "$RUVSNAP" delete "$store" "${before%% *}" >/dev/null 2>&1 3>&- &
    fi
    writer=$!
    sleep "0.$(printf '%03d' $((RANDOM % 120)))"
    kill -STOP "$writer" 2>/dev/null || true
    cut_power "$writer"
    now=$(names_of "$store" | xargs)
    [[ $now == "$before" || $now == "$before s$round" || $now == "$rest" ]] || fail "before: $before" "now: $now"
    expect 0 ruvsnap verify "$store"
    # One to delete.
    [[ -n $now ]] || ruvsnap create "$store" "again$round" >/dev/null
  done
  expect 0 ruvsnap create "$store" last
  expect 0 ruvsnap verify "$store"
  expect 0 ruvsnap collect "$store"
  assert_equal "$(find "$store" -name '.tmp-*')" ''
}
