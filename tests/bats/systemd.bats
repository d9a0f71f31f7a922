#!/usr/bin/env bats
# Goal: the units are what systemd takes, and shut in no more than lets the work
# be done: with the capabilities, the system calls and the writable places that
# they leave, a tick ticks and a mount mounts.
#
# systemd itself need not run here.

load helper

setup() {
  built=$(cd "$(dirname "$RUVSNAP")/../../scripts/systemd" && pwd)
  units=$BATS_TEST_TMPDIR/units
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  mkdir "$units" "$src"
  # As installed, but for where the programs are.
  sed "s#^\(Exec[A-Za-z]*=\)[^ ]*/ruvsnap #\1$RUVSNAP #" "$built/ruvsnap-tick@.service" >"$units/ruvsnap-tick@.service"
  sed "s#^\(Exec[A-Za-z]*=\)[^ ]*/ruvsnapfs #\1$RUVSNAPFS #" "$built/ruvsnapfs@.service" >"$units/ruvsnapfs@.service"
  cp "$project/scripts/systemd/ruvsnap-tick@.timer" "$units"
  tick=$units/ruvsnap-tick@srv-snaps.service
  mount=$units/ruvsnapfs@snaps.service
  cp "$units/ruvsnap-tick@.service" "$tick"
  cp "$units/ruvsnapfs@.service" "$mount"
  cp "$units/ruvsnap-tick@.timer" "$units/ruvsnap-tick@srv-snaps.timer"
}

teardown() { stop_mounts; }

# values UNIT KEY: all that the key is set to, in words.
values() { sed -n "s/^$2=//p" "$1" | xargs; }

# bounds UNIT: its capabilities, as setpriv(1) names them.
bounds() { values "$1" CapabilityBoundingSet | sed 's/CAP_/+/g; s/ /,/g; s/^/-all,/' | tr '[:upper:]' '[:lower:]'; }

# allowed UNIT: the system calls that its filters leave, one a line.
allowed() {
  local line
  while read -r line; do
    case $line in
      '~'*) expand "${line#\~}" | sort -u >"$BATS_TEST_TMPDIR/no" && comm -23 "$BATS_TEST_TMPDIR/yes" "$BATS_TEST_TMPDIR/no" >"$BATS_TEST_TMPDIR/rest" &&
        mv "$BATS_TEST_TMPDIR/rest" "$BATS_TEST_TMPDIR/yes" ;;
      *) expand "$line" | sort -u >"$BATS_TEST_TMPDIR/yes" ;;
    esac
  done < <(sed -n 's/^SystemCallFilter=//p' "$1")
  cat "$BATS_TEST_TMPDIR/yes"
}

# expand SET...: sets hold sets.
expand() {
  local word set
  # shellcheck disable=SC2048,SC2086 # words on purpose
  for word in $*; do
    [[ $word == @* ]] || { echo "$word"; continue; }
    set=$(systemd-analyze syscall-filter "$word" | sed -n 's/^ *\([-@a-z0-9_]*\)$/\1/p' | grep -vxF "$word")
    expand "$set"
  done
}

# within UNIT LOG: each call of strace's log is one that the unit lets through.
within() {
  local beyond
  beyond=$(comm -13 <(allowed "$1") <(sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$2" | sort -u))
  [[ -z $beyond ]] || fail "not allowed: $beyond"
}

due() {
  text_bytes 100000 >"$src/file"
  make_store "$store" "$src"
  ruvsnap schedule "$store" hourly >/dev/null
  echo '{"last": "2026-01-01T00:00:00.000000000Z"}' >"$store/schedule.json"
}

@test "systemd takes the units as they are" {
  expect 0 systemd-analyze verify --man=no "$tick" "$units/ruvsnap-tick@srv-snaps.timer" "$mount"
  assert_equal "$stderr" ''
  # The check itself can fail.
  sed -i 's/^PrivateDevices=.*/PrivateDevices=perhaps/' "$tick"
  run systemd-analyze verify --man=no "$tick"
  assert_has "$output" perhaps
}

@test "they are shut in: systemd's own score" {
  # In tenths: 18 and 40 where this was written; 96 for a unit that says nothing.
  expect 0 systemd-analyze security --offline=yes --threshold=25 "$tick"
  expect 0 systemd-analyze security --offline=yes --threshold=45 "$mount"
  for unit in "$tick" "$mount"; do
    assert_equal "$(values "$unit" NoNewPrivileges)" yes
  done
  assert_equal "$(values "$tick" ProtectSystem)" strict
  assert_equal "$(values "$tick" ReadWritePaths)" %f
}

@test "they are installed where systemd looks, and call the programs where those are" {
  DESTDIR=$BATS_TEST_TMPDIR/root expect 0 meson install -C "$(dirname "$RUVSNAP")/../.." --no-rebuild
  local dir
  dir=$(find "$BATS_TEST_TMPDIR/root" -type d -path '*/lib/systemd/system')
  assert_equal "$(find "$dir" -type f -printf '%f\n' | sort | xargs)" 'ruvsnap-tick@.service ruvsnap-tick@.timer ruvsnapfs@.service'
  assert_lacks "$(cat "$dir"/*)" @bindir@
  local program
  while read -r program; do
    [[ -x $BATS_TEST_TMPDIR/root$program ]] || fail "there is no $program"
  done < <(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$dir"/*.service)
}

@test "a tick with the unit's capabilities and writable places, of files of another owner" {
  ((EUID == 0)) || skip "needs root"
  due
  chown -R nobody "$src"
  chmod -R go= "$src"
  unshare -m true 2>/dev/null || skip "no mount namespaces here"
  # shellcheck disable=SC2016
  expect 0 unshare -m bash -c 'set -e
    mount --make-rprivate /
    mount --bind "$1" "$1"
    mount -o remount,bind,ro /
    ! touch "$2/x" 2>/dev/null
    exec setpriv --no-new-privs --bounding-set "$3" "${@:4}"' \
    tick "$store" "$src" "$(bounds "$tick")" "$RUVSNAP" tick "$store" --json
  assert_equal "$(json .made.files_count)" 1
}

@test "a tick makes no system call that the unit forbids" {
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "sanitizers and ptrace do not mix"
  strace -f -o /dev/null true 2>/dev/null || skip "no ptrace here"
  due
  ruvsnap create "$store" old >/dev/null
  ruvsnap policy "$store" --keep-last 1 >/dev/null
  expect 0 strace -f -o "$BATS_TEST_TMPDIR/log" "$RUVSNAP" tick "$store"
  assert_has "$output" '1 pruned'
  within "$tick" "$BATS_TEST_TMPDIR/log"
  # The check itself can fail.
  echo '1 init_module(' >>"$BATS_TEST_TMPDIR/log"
  run within "$tick" "$BATS_TEST_TMPDIR/log"
  assert_has "$output" init_module
}

@test "a mount with the unit's capabilities and system calls" {
  local mnt=$BATS_TEST_TMPDIR/mnt try
  ((EUID == 0)) || skip "needs root"
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "sanitizers and ptrace do not mix"
  due
  chown -R nobody "$src"
  chmod -R go= "$src"
  mkdir "$mnt"
  setpriv --no-new-privs --bounding-set "$(bounds "$mount")" "$RUVSNAPFS" "$store" "$mnt" 3>&-
  mountpoint -q "$mnt"
  echo first >"$mnt/.create"
  cmp "$src/file" "$mnt/first/file"
  setpriv --no-new-privs --bounding-set "$(bounds "$mount")" umount "$mnt"
  strace -f -o /dev/null true 2>/dev/null || skip "no ptrace here"
  # It follows the mount to its end.
  strace -f -o "$BATS_TEST_TMPDIR/log" "$RUVSNAPFS" "$store" "$mnt" 3>&- &
  for ((try = 0; try < 100; try++)); do
    ! mountpoint -q "$mnt" || break
    sleep 0.1
  done
  echo second >"$mnt/.create"
  cmp "$src/file" "$mnt/second/file"
  umount "$mnt"
  wait
  within "$mount" "$BATS_TEST_TMPDIR/log"
}
