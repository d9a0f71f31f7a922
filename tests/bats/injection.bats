#!/usr/bin/env bats
# Goal: whatever system call a command dies at, or is failed at, the store lists
# whole snapshots, and the next commands work and clean up: see injection.py.
#
# RUVSNAP_TEST_EXHAUSTIVE=1 tries every call, else every ninth or so.

load helper

# every COMMAND STRIDE: each fault at the calls of COMMAND.  Each fault begins at
# another call, so that together they see more of them.
every() {
  local fault stride=$2 offset=0
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "sanitizers and ptrace do not mix"
  strace -f -o /dev/null true 2>/dev/null || skip "no ptrace here"
  [[ -z ${RUVSNAP_TEST_EXHAUSTIVE:-} ]] || stride=1
  for fault in KILL EIO ENOSPC; do
    run python3 "$BATS_TEST_DIRNAME/injection.py" "$RUVSNAP" "$BATS_TEST_TMPDIR/$fault" "$1" "$fault" \
      --stride "$stride" --offset "$offset"
    echo "# ${lines[0]}" >&3
    ((status == 0)) || fail "$output"
    offset=$((offset + 3))
  done
}

@test "a full snapshot" { every create-full 9; }

@test "an increment" { every create-increment 8; }

@test "delete" { every delete 6; }

@test "prune" { every prune 17; }

@test "collect" { every collect 10; }
