#!/usr/bin/env bats
# Goal: a snapshot takes its source's place whole, and what was there can be had
# back by the same command; nothing that is in no snapshot is ever removed; while
# somebody uses the source, or whatever stops it, the source is whole.

load helper

setup() {
  top=$BATS_TEST_TMPDIR/top
  src=$top/db
  store=$BATS_TEST_TMPDIR/store
  mkdir "$top"
  make_sample "$src"
  mkdir -m 750 "$src/sub"
  ln -s ../vectors.bin "$src/sub/link"
  ln "$src/index.bin" "$src/sub/hard"
  setfattr -n user.note -v kept "$src/metadata.bin"
  make_store "$store" "$src" first
  cp -a "$src" "$BATS_TEST_TMPDIR/first"
  # What is there now: a file changed, one gone, one new.
  random_bytes 4096 7 | dd of="$src/vectors.bin" bs=4096 seek=9 conv=notrunc status=none
  rm "$src/metadata.bin"
  echo new >"$src/sub/new"
  cp -a "$src" "$BATS_TEST_TMPDIR/now"
}

teardown() {
  [[ -z ${holder:-} ]] || kill -KILL "$holder" 2>/dev/null || true
  [[ -z ${mounted:-} ]] || umount "$mounted" || true
}

is_first() { compare_restored "$BATS_TEST_TMPDIR/first" "$src"; }
is_now() { compare_restored "$BATS_TEST_TMPDIR/now" "$src"; }
beside() { find "$top" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs; }
alone() { assert_equal "$(beside)" "$(basename "$src")"; }

# hold WHERE COMMAND...: run it in WHERE until the test's end; returns when it
# uses the source.
hold() {
  local try
  (cd "$1" && shift && exec "$@") 3>&- &
  holder=$!
  for ((try = 0; try < 100; try++)); do
    sleep 0.1
    # It is not the shell any more that was to become it.
    [[ $(readlink "/proc/$holder/exe") == */bash ]] ||
      ! grep -qF "$src" <(ls -l "/proc/$holder"/{exe,cwd} "/proc/$holder/fd" 2>/dev/null; cat "/proc/$holder/maps") || return 0
  done
  fail "it never used the source"
}

@test "the snapshot is the source, and the undo is the same command" {
  expect 0 ruvsnap revert "$store" first
  is_first
  alone
  assert_has "$output" "$src is now first"
  assert_has "$output" 'to undo this: ruvsnap revert'
  local undo
  undo=$(sed -n 's/.*ruvsnap revert [^ ]* //p' <<<"$output")
  assert_equal "$(ruvsnap show "$store" "$undo" --json | jq -r '"\(.pinned) \(.metadata | keys[])"')" 'true before_revert_to'
  expect 0 ruvsnap revert "$store" "$undo" --json
  is_now
  alone
  assert_equal "$(json .source)" "$src"
  # And that one is undone as well.
  expect 0 ruvsnap revert "$store" "$(json .before)"
  is_first
  expect 0 ruvsnap verify "$store"
  # The next snapshots go on from there, and cost little.
  expect 0 ruvsnap create "$store" next --json
  (($(json .size_bytes) < 100000)) || fail "$(json .size_bytes) bytes"
}

@test "what follows a revert is incremental on what it reverted to, and stores none of it again" {
  local before
  random_bytes 3000000 8 >"$src/vectors.bin"
  ruvsnap create "$store" second >/dev/null
  ruvsnap revert "$store" first >/dev/null
  random_bytes 4096 9 | dd of="$src/vectors.bin" bs=4096 seek=5 conv=notrunc status=none
  cp -a "$src" "$BATS_TEST_TMPDIR/worked"
  cp -a "$store" "${store}2"
  expect 0 ruvsnap create "${store}2" next --json
  assert_equal "$(json .base_id)" "$(ruvsnap show "$store" first --json | jq -r .id)"
  (($(json .size_bytes) < 50000)) || fail "$(json .size_bytes) bytes"
  # Forward again: so is the state that this keeps, and the one after it.
  expect 0 ruvsnap revert "$store" second --json
  before=$(json .before)
  expect 0 ruvsnap show "$store" "$before" --json
  (($(json .size_bytes) < 50000)) || fail "$(json .size_bytes) bytes"
  expect 0 ruvsnap create "$store" last --json
  (($(json .size_bytes) < 50000)) || fail "$(json .size_bytes) bytes"
  expect 0 ruvsnap revert "$store" "$before"
  compare_restored "$BATS_TEST_TMPDIR/worked" "$src"
  expect 0 ruvsnap verify "$store"
}

@test "a revert that was killed before its end leaves the newest as the base" {
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "sanitizers and ptrace do not mix"
  strace -o /dev/null true 2>/dev/null || skip "no ptrace here"
  random_bytes 3000000 8 >"$src/vectors.bin"
  (strace -o /dev/null -e trace=renameat -e inject=renameat:signal=KILL:when=1 "$RUVSNAP" revert "$store" first || true) &>/dev/null
  assert_equal "$(ruvsnap show "$store" latest --json | jq -r '.metadata | keys[]')" before_revert_to
  expect 0 ruvsnap create "$store" next --json
  (($(json .size_bytes) < 50000)) || fail "$(json .size_bytes) bytes"
}

@test "a source that is gone comes back" {
  rm -r "$src"
  expect 0 ruvsnap revert "$store" first --json
  assert_equal "$(jq -r .before <<<"$output")" null
  is_first
  alone
}

@test "a source of one file: reverted, undone, and brought back" {
  local file=$top/one.redb undo
  echo old >"$file"
  chmod 640 "$file"
  touch -d 2020-02-02 "$file"
  cp -a "$file" "$BATS_TEST_TMPDIR/old.redb"
  ruvsnap init "${store}2" --source "$file" >/dev/null
  ruvsnap create "${store}2" old >/dev/null
  echo newer >"$file"
  expect 0 ruvsnap revert "${store}2" old --json
  undo=$(json .before)
  cmp "$file" "$BATS_TEST_TMPDIR/old.redb"
  assert_equal "$(stat -c '%a %y' "$file")" "$(stat -c '%a %y' "$BATS_TEST_TMPDIR/old.redb")"
  expect 0 ruvsnap revert "${store}2" "$undo"
  assert_equal "$(cat "$file")" newer
  rm "$file"
  expect 0 ruvsnap revert "${store}2" old
  cmp "$file" "$BATS_TEST_TMPDIR/old.redb"
  assert_equal "$(beside)" 'db one.redb'
}

@test "another place, by --source; a file and a directory do not mix" {
  mkdir "$top/other"
  echo x >"$top/other/x"
  expect 0 ruvsnap revert "$store" first --source "$top/other/"
  compare_restored "$BATS_TEST_TMPDIR/first" "$top/other"
  is_now
  echo file >"$top/file"
  expect "$EXIT_USAGE" ruvsnap revert "$store" first --source "$top/file"
  assert_equal "$(cat "$top/file")" file
  # By a symbolic link: what it leads to, and the link stays.
  ln -s other "$top/link"
  echo y >"$top/other/y"
  expect 0 ruvsnap revert "$store" first --source "$top/link"
  [[ -L $top/link && ! -e $top/other/y ]]
  assert_equal "$(beside)" 'db file link other'
}

# --- refusals ------------------------------------------------------------------

@test "refused while a process has a file open, mapped, or stands there" {
  local how
  for how in open map cwd exe; do
    case $how in
      open) hold / tail -f "$src/index.bin" >/dev/null ;;
      # A library: its descriptor is closed.
      map)
        cp "$(ldd "$(type -P bash)" | awk '/libc\.so/ { print $3 }')" "$src/lib.so"
        hold / env LD_PRELOAD="$src/lib.so" sleep 60
        ;;
      cwd) hold "$src/sub" sleep 60 ;;
      exe) cp "$(type -P sleep)" "$src/sleep"; hold / "$src/sleep" 60 ;;
    esac
    expect "$EXIT_BUSY" ruvsnap revert "$store" first
    assert_has "$stderr" "$holder ("
    kill -KILL "$holder"
    wait "$holder" 2>/dev/null || true
    holder=
  done
  rm "$src/sleep" "$src/lib.so"
  touch -r "$BATS_TEST_TMPDIR/now" "$src"
  is_now
  alone
  assert_equal "$(names_of "$store")" first
  expect 0 ruvsnap revert "$store" first
}

@test "refused where something is mounted on the source or below it, and for one that holds the store" {
  ((EUID == 0)) || skip "needs root"
  mkdir "$src/mnt"
  mount -t tmpfs none "$src/mnt" || skip "cannot mount"
  mounted=$src/mnt
  expect "$EXIT_FAILED" ruvsnap revert "$store" first
  assert_has "$stderr" 'something is mounted'
  umount "$src/mnt"
  mount --bind "$src" "$src"
  mounted=$src
  expect "$EXIT_FAILED" ruvsnap revert "$store" first
  assert_has "$stderr" 'something is mounted'
  umount "$src"
  mounted=
  rmdir "$src/mnt"
  touch -r "$BATS_TEST_TMPDIR/now" "$src"
  expect "$EXIT_FAILED" ruvsnap revert "$store" first --source "$BATS_TEST_TMPDIR"
  assert_has "$stderr" 'lies in the source'
  expect "$EXIT_FAILED" ruvsnap revert "$store" first --source /
  expect "$EXIT_NOT_FOUND" ruvsnap revert "$store" first --source "$top/a/b"
  expect "$EXIT_NOT_FOUND" ruvsnap revert "$store" none-such
  is_now
  alone
}

@test "a snapshot that is damaged leaves the source as it is" {
  local dir
  dir=$(snapshot_dir "$store" first)
  flip_bit "$dir/vectors.bin.gz" 700000
  expect "$EXIT_CORRUPT" ruvsnap revert "$store" first
  is_now
  alone
  assert_equal "$(names_of "$store")" first
}

@test "a disk that is full leaves the source as it is" {
  ((EUID == 0)) || skip "needs root"
  mount -t tmpfs -o size=4m none "$top" || skip "cannot mount"
  mounted=$top
  cp -a "$BATS_TEST_TMPDIR/now" "$src"
  head -c 1m /dev/zero | tr '\0' x >"$top/other"
  expect "$EXIT_NO_SPACE" ruvsnap revert "$store" first
  is_now
  assert_equal "$(beside)" 'db other'
  assert_equal "$(names_of "$store")" first
}

# --- what is in no snapshot ----------------------------------------------------

@test "what snapshots leave out stays beside the source, and is told" {
  local left
  ruvsnap init "${store}2" --source "$src" --exclude '*.log' >/dev/null
  ruvsnap create "${store}2" first >/dev/null
  echo precious >"$src/sub/app.log"
  expect 0 ruvsnap revert "${store}2" first --json
  left=$(json .leftover)
  assert_equal "$(cat "$left/sub/app.log")" precious
  assert_equal "$(find "$left" -type f)" "$left/sub/app.log"
  # The next one says so again, and removes what may go.
  expect 0 ruvsnap revert "${store}2" first --json
  assert_has "$stderr" 'in no snapshot'
  assert_equal "$(cat "$left/sub/app.log")" precious
  assert_equal "$(jq -r .leftover <<<"$output")" null
}

# --- stopped anywhere ----------------------------------------------------------

@test "killed anywhere: the old source or the new, whole, and the next one cleans up" {
  local call when exchange
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "sanitizers and ptrace do not mix"
  strace -o /dev/null true 2>/dev/null || skip "no ptrace here"
  # The exchange is the last of its kind.
  strace -o "$BATS_TEST_TMPDIR/log" -e trace=renameat2 "$RUVSNAP" revert "$store" first >/dev/null
  exchange=$(grep -n RENAME_EXCHANGE "$BATS_TEST_TMPDIR/log" | cut -d : -f 1)
  rm -r "$src"
  cp -a "$BATS_TEST_TMPDIR/now" "$src"
  for call in mkdir:1 renameat2:3 syncfs:1 fsync:4 renameat:1 renameat:2 "renameat2:$exchange" unlinkat:1 unlinkat:4; do
    when=${call#*:} call=${call%:*}
    (strace -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$when" "$RUVSNAP" revert "$store" first || true) &>/dev/null
    is_first &>/dev/null || is_now || fail "killed at $call number $when"
    expect 0 ruvsnap revert "$store" first
    is_first
    alone
    rm -r "$src"
    cp -a "$BATS_TEST_TMPDIR/now" "$src"
  done
  expect 0 ruvsnap verify "$store"
}

@test "interrupted: nothing is left" {
  local call
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "sanitizers and ptrace do not mix"
  strace -o /dev/null true 2>/dev/null || skip "no ptrace here"
  for call in utimensat renameat2 syncfs; do
    expect "$EXIT_INTERRUPTED" strace -f -o /dev/null -e "trace=$call" -e "inject=$call:signal=INT:when=1" "$RUVSNAP" revert "$store" first
    is_now
    alone
    assert_equal "$(names_of "$store")" first
  done
}
