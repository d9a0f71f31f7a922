#!/usr/bin/env bats
# Goal: what cannot be read fails a snapshot, with all its names, or is left out
# where that was asked for, and the record says so.  What is another filesystem
# is left out, or entered where that was asked for.

load helper

setup() {
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  make_sample "$src"
  ruvsnap init "$store" --source "$src" >/dev/null
}

teardown() {
  stop_mounts
  chmod -R u+rwX "$src"
}

# confined COMMAND...: root without root's right to read everything.
confined() {
  ((EUID == 0)) || {
    "$@"
    return
  }
  setpriv --bounding-set=-dac_override,-dac_read_search "$@"
}

close_some() {
  mkdir -p "$src/closed" "$src/half"
  echo a >"$src/closed/inner"
  echo b >"$src/half/inner"
  chmod 000 "$src/index.bin" "$src/closed"
  chmod 600 "$src/half" # names can be listed, and no more
  ! confined cat "$src/index.bin" 2>/dev/null || skip "cannot give up the right to read"
}

@test "unreadable files and folders: exit 1, all of them named, nothing made" {
  close_some
  expect "$EXIT_FAILED" confined "$RUVSNAP" create "$store" one
  for name in index.bin closed half/inner; do assert_has "$stderr" "$name: Permission denied"; done
  assert_has "$stderr" --skip-unreadable
  assert_equal "$(names_of "$store")" ''
  assert_equal "$(find "$store" -name '.tmp-*')" ''
}

@test "very many unreadable files: some are named, the others counted" {
  mkdir "$src/many"
  (cd "$src/many" && seq 400 | split -l 1 -a 4 - && chmod 000 ./*)
  close_some
  expect "$EXIT_FAILED" confined "$RUVSNAP" create "$store" one
  assert_has "$stderr" "cannot read 403 of"
  assert_has "$stderr" " more"
  expect 0 confined "$RUVSNAP" create "$store" one --skip-unreadable --json
  assert_equal "$(json .skipped_count)" 403
  assert_equal "$(json '.skipped | length')" 100
}

@test "--skip-unreadable goes on without them, and says so" {
  close_some
  expect 0 confined "$RUVSNAP" create "$store" one --skip-unreadable --json
  assert_has "$stderr" "index.bin: Permission denied"
  assert_equal "$(json .skipped_count)" 3
  assert_equal "$(json '.skipped | sort | join(" ")')" \
    "closed: Permission denied half/inner: Permission denied index.bin: Permission denied"
  assert_equal "$(json .files_count)" 2
  expect 0 ruvsnap show "$store" one --json
  assert_equal "$(json .skipped_count)" 3
  expect 0 ruvsnap restore "$store" one "$BATS_TEST_TMPDIR/restored"
  [[ ! -e $BATS_TEST_TMPDIR/restored/index.bin && ! -e $BATS_TEST_TMPDIR/restored/half/inner ]]
  [[ -z $(ls -A "$BATS_TEST_TMPDIR/restored/closed") ]]
  cmp "$src/vectors.bin" "$BATS_TEST_TMPDIR/restored/vectors.bin"
  (cd "$(snapshot_dir "$store")" && sha256sum -c --quiet checksum.sha256)
  # Once they can be read they are in the next one, which has nothing to say.
  chmod -R u+rwX "$src"
  expect 0 confined "$RUVSNAP" create "$store" two --json
  assert_equal "$(jq 'has("skipped") or has("skipped_count")' <<<"$output")" false
  expect 0 ruvsnap restore "$store" two "$BATS_TEST_TMPDIR/two"
  compare_trees "$src" "$BATS_TEST_TMPDIR/two"
}

@test "the mount takes skip-unreadable as well, and errors reach the shell" {
  close_some
  mkdir "$BATS_TEST_TMPDIR/mnt"
  confined "$RUVSNAPFS" "$store" "$BATS_TEST_TMPDIR/mnt" 3>&- || skip "no mount without these rights"
  run bash -c 'echo one >"$1"' - "$BATS_TEST_TMPDIR/mnt/.create"
  [[ $status -ne 0 ]]
  assert_has "$(cat "$BATS_TEST_TMPDIR/mnt/.create")" index.bin
  echo one skip-unreadable >"$BATS_TEST_TMPDIR/mnt/.create"
  assert_equal "$(jq .skipped_count "$BATS_TEST_TMPDIR/mnt/.create")" 3
}

# failing PATH CALL [WHEN]: a create while CALL on PATH gives EIO.
failing() {
  strace -f -qq -o /dev/null -P "$1" -e "inject=$2:error=EIO${3:+:when=$3}" "$RUVSNAP" create "$store" "${@:4}"
}

@test "a disk that cannot be read: the file is named, or left out, stream and all" {
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "for the ordinary build"
  random_bytes 3000000 4 >"$src/large"
  for when in 1+ 3+ 20+; do
    expect "$EXIT_FAILED" failing "$src/large" pread64 "$when" one
    assert_has "$stderr" "large: Input/output error"
    assert_equal "$(names_of "$store")" ''
  done
  for when in 1+ 20+; do
    expect 0 failing "$src/large" pread64 "$when" "s$when" --skip-unreadable --full --json
    assert_equal "$(json '.skipped | join(" ")')" "large: Input/output error"
    [[ ! -e $(snapshot_dir "$store")/large.gz ]]
    expect 0 ruvsnap verify "$store"
  done
  # Not read since it did not change, so that nothing is amiss.
  expect 0 ruvsnap create "$store" whole
  expect 0 failing "$src/large" pread64 1+ unchanged --json
  # Changed, and an incremental one.
  echo more >>"$src/large"
  expect 0 failing "$src/large" pread64 20+ changed --skip-unreadable --json
  assert_equal "$(json .skipped_count)" 1
  expect 0 ruvsnap verify "$store"
  expect 0 ruvsnap restore "$store" changed "$BATS_TEST_TMPDIR/restored"
  cmp "$src/vectors.bin" "$BATS_TEST_TMPDIR/restored/vectors.bin"
}

@test "small files of a tree of many that cannot be read" {
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "for the ordinary build"
  mkdir "$src/many"
  (cd "$src/many" && seq 600 | split -l 1 -a 4 -)
  expect "$EXIT_FAILED" failing "$src/many/xaabc" pread64 1+ one
  assert_has "$stderr" "many/xaabc: Input/output error"
  expect 0 failing "$src/many/xaabc" pread64 1+ one --skip-unreadable --json
  assert_equal "$(json '.skipped | join(" ")')" "many/xaabc: Input/output error"
  assert_equal "$(json .files_count)" 602
}

# --- other filesystems -------------------------------------------------------

mount_below() {
  ((EUID == 0)) || skip "needs root to mount"
  mkdir "$src/other"
  mount -t tmpfs tmpfs "$src/other" || skip "cannot mount"
  echo there >"$src/other/file"
  mkdir "$src/proc"
  mount -t proc proc "$src/proc" || skip "cannot mount"
}

@test "filesystems mounted below are left out, their folders stay" {
  mount_below
  for option in '' --one-file-system; do
    # shellcheck disable=SC2086 # no word when empty
    expect 0 ruvsnap create "$store" --full $option
    assert_has "$stderr" "another filesystem"
    expect 0 ruvsnap ls "$store" latest
    assert_has "$output" other
    expect 0 ruvsnap ls "$store" latest other
    assert_equal "$output" ''
  done
}

@test "--cross-filesystems enters them, but for those that the kernel makes up" {
  mount_below
  expect 0 ruvsnap create "$store" one --cross-filesystems
  assert_has "$stderr" "proc: no files of a disk"
  assert_lacks "$stderr" "another filesystem"
  assert_equal "$(ruvsnap cat "$store" one other/file)" there
  expect 0 ruvsnap ls "$store" one proc
  assert_equal "$output" ''
  # The store may say so, and a create not.
  expect 0 ruvsnap init "$store.all" --source "$src" --cross-filesystems
  expect 0 ruvsnap create "$store.all" one
  assert_equal "$(ruvsnap cat "$store.all" one other/file)" there
  expect 0 ruvsnap create "$store.all" two --one-file-system
  expect "$EXIT_NOT_FOUND" ruvsnap cat "$store.all" two other/file
}
