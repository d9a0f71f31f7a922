#!/usr/bin/env bats
# Goal: one writer; others are told who it is, or wait; a dead one blocks nobody;
# readers and deleters do not wait for a writer at work.

load helper

setup() {
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  make_sample "$src"
  make_store "$store" "$src" one two
  writer=
}

teardown() {
  [[ -z $writer ]] || kill -KILL "$writer" 2>/dev/null || true
  stop_mounts
}

# is_stopped PID: every thread of it.
is_stopped() { ! grep -hE '^State:' "/proc/$1"/task/*/status | grep -qv 'T (stopped)'; }

# start_writer NAME [OPTION]...: a create that holds the lock and is stopped in the
# middle of taking in a large file; $writer is its process.
start_writer() {
  local name=$1 try
  shift
  truncate -s 0 "$src/large.bin"
  for try in 1 2 3 4; do random_bytes 30000000 "$((try + 70))" >>"$src/large.bin"; done
  for try in {1..20}; do
    "$RUVSNAP" create "$store" "$name" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
    writer=$!
    # Its draft is there: it has the lock, and much to do still.
    until compgen -G "$store/.tmp-*/large.bin.gz" >/dev/null || ! kill -0 "$writer" 2>/dev/null; do sleep 0.002; done
    kill -STOP "$writer" 2>/dev/null || continue
    until is_stopped "$writer" 2>/dev/null; do sleep 0.01; done
    ! names_of "$store" | grep -qx "$name" || fail "it was too fast"
    return 0
  done
  fail "no create could be stopped"
}

# end_writer: let it go on and end well.
end_writer() {
  local code=0
  kill -CONT "$writer"
  wait "$writer" || code=$?
  writer=
  ((code == 0)) || fail "exit $code: $(cat "$BATS_TEST_TMPDIR/err")"
}

# quickly COMMAND...: expected to succeed without waiting for the writer.
quickly() { expect 0 timeout 60 "$@"; }

@test "another create and a collect are refused: exit 5, and the holder's pid" {
  start_writer three
  expect "$EXIT_BUSY" timeout 60 "$RUVSNAP" create "$store" four
  assert_has "$stderr" "$writer"
  expect "$EXIT_BUSY" timeout 60 "$RUVSNAP" collect "$store"
  assert_has "$stderr" "$writer"
  end_writer
  quickly "$RUVSNAP" create "$store" four
  assert_equal "$(names_of "$store" | xargs)" 'one two three four'
}

@test "readers do not wait: list, show, ls, cat, diff, stats, verify, restore, a mount" {
  start_writer three
  quickly "$RUVSNAP" list "$store"
  assert_lacks "$output" three
  quickly "$RUVSNAP" show "$store" two
  quickly "$RUVSNAP" ls "$store" two
  quickly "$RUVSNAP" cat "$store" two metadata.bin
  quickly "$RUVSNAP" diff "$store" one two
  quickly "$RUVSNAP" stats "$store"
  quickly "$RUVSNAP" verify "$store"
  quickly "$RUVSNAP" restore "$store" one "$BATS_TEST_TMPDIR/restored"
  start_mount "$store" "$BATS_TEST_TMPDIR/mnt"
  cmp "$BATS_TEST_TMPDIR/mnt/one/vectors.bin" "$src/vectors.bin"
  assert_equal "$(find "$BATS_TEST_TMPDIR/mnt" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort | xargs)" 'one two'
  end_writer
  cmp "$BATS_TEST_TMPDIR/mnt/three/large.bin" "$src/large.bin"
}

@test "rename, pin and delete do not wait; what was deleted is collected by the writer" {
  random_bytes 2000000 90 >"$src/vectors.bin"
  ruvsnap create "$store" big >/dev/null
  random_bytes 1500000 1 >"$src/vectors.bin"
  start_writer three --base two
  quickly "$RUVSNAP" rename "$store" one first
  quickly "$RUVSNAP" pin "$store" first
  local before
  before=$(snapshot_dir "$store" big)
  quickly "$RUVSNAP" delete "$store" big
  assert_equal "$(names_of "$store" | xargs)" 'first two'
  # Left for the writer to free.
  [[ -d $before ]]
  end_writer
  [[ ! -d $before ]] || fail "the writer did not collect"
  assert_equal "$(names_of "$store" | xargs)" 'first two three'
  quickly "$RUVSNAP" verify "$store"
}

@test "the base of a create at work is deleted: the snapshot is whole all the same" {
  start_writer three --base two
  quickly "$RUVSNAP" delete "$store" one two
  assert_equal "$(names_of "$store")" ''
  end_writer
  assert_equal "$(names_of "$store")" three
  quickly "$RUVSNAP" verify "$store"
  quickly "$RUVSNAP" restore "$store" three "$BATS_TEST_TMPDIR/restored"
  compare_restored "$src" "$BATS_TEST_TMPDIR/restored"
}

@test "prune while a create is at work" {
  start_writer three
  quickly "$RUVSNAP" prune "$store" --keep-last 1
  assert_equal "$(names_of "$store")" two
  end_writer
  assert_equal "$(names_of "$store" | xargs)" 'two three'
  quickly "$RUVSNAP" verify "$store"
}

@test "--wait waits, and goes on when the writer has ended" {
  start_writer three
  "$RUVSNAP" create "$store" four --wait >"$BATS_TEST_TMPDIR/out4" 2>&1 3>&- &
  local waiter=$! code=0
  sleep 0.5
  kill -0 "$waiter" || fail "did not wait: $(cat "$BATS_TEST_TMPDIR/out4")"
  assert_equal "$(names_of "$store" | xargs)" 'one two'
  end_writer
  wait "$waiter" || code=$?
  assert_equal "$code" 0
  assert_equal "$(names_of "$store" | xargs)" 'one two three four'
}

@test "one that waits can be interrupted, and leaves the store alone" {
  local code=0 waiter
  start_writer three
  # A child of bash in the background ignores SIGINT; this one shall not.
  python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execv(sys.argv[1], sys.argv[1:])' "$RUVSNAP" create "$store" four --wait >/dev/null 2>&1 3>&- &
  waiter=$!
  sleep 0.7
  kill -INT "$waiter"
  wait "$waiter" || code=$?
  assert_equal "$code" "$EXIT_INTERRUPTED"
  end_writer
  assert_equal "$(names_of "$store" | xargs)" 'one two three'
}

@test "a name that was taken meanwhile: the one that ends later fails, with nothing left" {
  start_writer three
  quickly "$RUVSNAP" rename "$store" one three
  kill -CONT "$writer"
  local code=0
  wait "$writer" || code=$?
  writer=
  assert_equal "$code" "$EXIT_EXISTS"
  assert_equal "$(names_of "$store" | xargs)" 'three two'
  assert_equal "$(find "$store" -name '.tmp-*')" ''
}

@test "a dead holder never blocks, whatever its pid says" {
  start_writer three
  kill -KILL "$writer"
  wait "$writer" || true
  writer=
  quickly "$RUVSNAP" create "$store" four
  assert_equal "$(find "$store" -name '.tmp-*')" ''
  # The pid of somebody alive is no lock either.
  echo $$ >"$store/.lock"
  quickly "$RUVSNAP" create "$store" five
  quickly "$RUVSNAP" collect "$store"
  rm "$store/.lock"
  quickly "$RUVSNAP" create "$store" six
  quickly "$RUVSNAP" verify "$store"
}

@test "a busy store without a pid is busy all the same" {
  exec 9>"$store/.lock"
  flock 9
  expect "$EXIT_BUSY" timeout 60 "$RUVSNAP" create "$store" three 9>&-
  exec 9>&-
  quickly "$RUVSNAP" create "$store" three
}

@test "many at once: every one succeeds or is told busy, and no snapshot is lost" {
  local number code made=0 pids=()
  for number in {1..12}; do
    if ((number % 3)); then
      "$RUVSNAP" create "$store" "c$number" --wait >/dev/null 2>"$BATS_TEST_TMPDIR/err$number" 3>&- &
    else
      "$RUVSNAP" create "$store" "c$number" >/dev/null 2>"$BATS_TEST_TMPDIR/err$number" 3>&- &
    fi
    pids[number]=$!
  done
  "$RUVSNAP" delete "$store" one 3>&-
  for number in {1..12}; do
    code=0
    wait "${pids[number]}" || code=$?
    [[ $code -eq 0 || ($code -eq $EXIT_BUSY && $((number % 3)) -eq 0) ]] ||
      fail "c$number: exit $code: $(cat "$BATS_TEST_TMPDIR/err$number")"
    ((code)) || made=$((made + 1))
  done
  assert_equal "$(names_of "$store" | wc -l)" $((made + 1))
  quickly "$RUVSNAP" verify "$store"
}
