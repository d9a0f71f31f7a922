#!/usr/bin/env bats
# Goal: a store keeps its schedule and its policy, and says no to what is none;
# `tick` makes what is due, once, whoever else ticks and whatever kills it.
# When a schedule runs, at any time, is in tests/unit/test_schedule.c.

load helper

setup() {
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  mkdir "$src"
  random_bytes 100000 >"$src/vectors.bin"
  make_store "$store" "$src"
}

# missed: the schedule's runs since 1 January were not made.
missed() {
  echo '{"last": "2026-01-01T00:00:00.000000000Z"}' >"$store/schedule.json"
}

count() { ruvsnap list "$store" --json | jq length; }

# --- schedule ------------------------------------------------------------------

@test "schedule: none, set, shown, changed, taken away" {
  local text
  expect 0 ruvsnap schedule "$store"
  assert_has "$output" 'schedule*none'
  expect 0 ruvsnap schedule "$store" --json
  assert_equal "$(jq -c '[.schedule, .next]' <<<"$output")" '[null,null]'
  # Words need no quotes, but the stars of cron do.
  expect 0 ruvsnap schedule "$store" daily at 03:00
  assert_has "$output" 'schedule*daily at 03:00'
  assert_has "$output" 'next run*03:00:00'
  for text in 'every 15m' hourly 'weekly on sun at 03:00' 'monthly on 15' '*/5 3 * * mon-fri'; do
    expect 0 ruvsnap schedule "$store" "$text" --json
    assert_equal "$(json .schedule)" "$text"
    assert_equal "$(jq -r .schedule "$store/store.json")" "$text"
    [[ $(json .next) > $(date -u +%FT%T) ]] || fail "$output"
    [[ $(json .due) == false ]] || fail "just set, nothing was missed: $output"
  done
  expect 0 ruvsnap schedule "$store" none
  assert_equal "$(jq -r .schedule "$store/store.json")" null
}

@test "schedule: what is none is refused with the reason, and the old one stays" {
  local bad before
  ruvsnap schedule "$store" hourly >/dev/null
  before=$(sha256sum "$store/store.json")
  for bad in often 'every 15' 'daily at 25:00' '* * * *' '61 * * * *' '0 0 31 2 *' 'hourly hourly' "$(printf 'x%.0s' {1..9999})"; do
    expect "$EXIT_USAGE" ruvsnap schedule "$store" "$bad"
    [[ -n $stderr ]]
  done
  expect "$EXIT_USAGE" ruvsnap schedule "$store" '0 24 * * *'
  assert_has "$stderr" '"24" is no hour'
  assert_equal "$(sha256sum "$store/store.json")" "$before"
  expect "$EXIT_NOT_FOUND" ruvsnap schedule "$store-not-there" hourly
}

@test "schedule goes by the time zone" {
  TZ=XXX-5:45 expect 0 ruvsnap schedule "$store" daily at 12:00 --json
  assert_has "$(json .next)" T06:15:00
}

# --- policy --------------------------------------------------------------------

@test "policy: none, set, shown, replaced, taken away; what is none is refused" {
  local bad
  expect 0 ruvsnap policy "$store"
  assert_equal "$output" none
  expect 0 ruvsnap policy "$store" --keep-last 8 --keep-daily 14 --keep-within 7d --keep-name 'release*'
  assert_equal "$output" 'keep-last=8 keep-daily=14 keep-within=7d keep-name=release*'
  expect 0 ruvsnap policy "$store" --keep-last 3 --json
  assert_equal "$(json .policy)" keep-last=3
  assert_equal "$(jq -r .policy "$store/store.json")" keep-last=3
  for bad in --keep-last=0 --keep-last=x --keep-within=7 --keep-often=3 '--keep-name=a b' all; do
    expect "$EXIT_USAGE" ruvsnap policy "$store" "$bad"
  done
  expect "$EXIT_USAGE" ruvsnap policy "$store" none --keep-last 3
  assert_equal "$(jq -r .policy "$store/store.json")" keep-last=3
  expect 0 ruvsnap policy "$store" none
  assert_equal "$(jq -r .policy "$store/store.json")" null
}

@test "prune without a rule goes by the store's policy, with one by that" {
  local name
  for name in a b c d; do ruvsnap create "$store" "$name" >/dev/null; done
  expect "$EXIT_USAGE" ruvsnap prune "$store"
  ruvsnap policy "$store" --keep-last 2 >/dev/null
  expect 0 ruvsnap prune "$store" --keep-last 3
  assert_equal "$(names_of "$store" | xargs)" 'b c d'
  expect 0 ruvsnap prune "$store"
  assert_equal "$(names_of "$store" | xargs)" 'c d'
}

# --- tick ----------------------------------------------------------------------

@test "tick: without a schedule, with nothing due, with a run that was missed" {
  expect 0 ruvsnap tick "$store"
  assert_has "$output" 'no schedule'
  ruvsnap schedule "$store" daily at 03:00 >/dev/null
  expect 0 ruvsnap tick "$store" --json
  assert_equal "$(jq -c '[.scheduled, .due, .made]' <<<"$output")" '[true,false,null]'
  assert_equal "$(count)" 0
  missed
  expect 0 ruvsnap schedule "$store"
  assert_has "$output" missed
  expect 0 ruvsnap tick "$store" --json
  assert_equal "$(json '.made.metadata | "\(.schedule), \(.scheduled_at[10:])"')" 'daily at 03:00, T03:00:00.000000000Z'
  expect 0 ruvsnap tick "$store"
  assert_has "$output" 'nothing is due'
  assert_equal "$(count)" 1
  # Deleted, it is made all the same.
  ruvsnap delete "$store" latest
  expect 0 ruvsnap tick "$store"
  assert_equal "$(count)" 0
}

@test "tick, time after time: the policy keeps two" {
  local run
  ruvsnap create "$store" pinned >/dev/null
  ruvsnap pin "$store" pinned
  ruvsnap schedule "$store" every 1s >/dev/null
  ruvsnap policy "$store" --keep-last 2 >/dev/null
  for run in 1 2 3 4; do
    sleep 1.1
    random_bytes 4096 "$run" >>"$src/vectors.bin"
    expect 0 ruvsnap tick "$store"
    assert_has "$output" made
  done
  assert_equal "$(count)" 3
  expect 0 ruvsnap verify "$store"
}

@test "tick: a run that fails deletes nothing, is told, and is made up" {
  ruvsnap create "$store" a >/dev/null
  ruvsnap create "$store" b >/dev/null
  ruvsnap schedule "$store" hourly >/dev/null
  ruvsnap policy "$store" --keep-last 1 >/dev/null
  missed
  mv "$src" "$src.away"
  expect "$EXIT_NOT_FOUND" ruvsnap tick "$store"
  assert_equal "$(names_of "$store" | xargs)" 'a b'
  expect 0 ruvsnap schedule "$store"
  assert_has "$output" "why*$src"
  mv "$src.away" "$src"
  expect 0 ruvsnap tick "$store"
  assert_equal "$(count)" 1
  expect 0 ruvsnap schedule "$store"
  assert_lacks "$output" why
}

@test "ticks at the same moment make one snapshot" {
  local i pids=()
  ruvsnap schedule "$store" hourly >/dev/null
  missed
  for i in 1 2 3 4 5 6 7 8; do
    "$RUVSNAP" tick "$store" >/dev/null 3>&- &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i"; done
  assert_equal "$(count)" 1
}

@test "a tick that is killed anywhere is made up for, once" {
  local when call
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "sanitizers and ptrace do not mix"
  strace -o /dev/null true 2>/dev/null || skip "no ptrace here"
  for call in fsync:1 fsync:5 renameat2:1 renameat:1 renameat:2 unlinkat:1 flock:2; do
    when=${call#*:} call=${call%:*}
    rm -rf "$store"
    make_store "$store" "$src" old
    ruvsnap schedule "$store" hourly >/dev/null
    ruvsnap policy "$store" --keep-last 1 >/dev/null
    missed
    # A subshell's report of the signal is no output of the test.
    (strace -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$when" "$RUVSNAP" tick "$store" || true) &>/dev/null
    expect 0 ruvsnap verify "$store"
    expect 0 ruvsnap tick "$store"
    assert_equal "$(ruvsnap list "$store" --json | jq '[.[] | select(.metadata.scheduled_at)] | length')" 1 ||
      fail "killed at $call number $when"
    expect 0 ruvsnap tick "$store"
    assert_has "$output" 'nothing is due'
    ruvsnap create "$store" next >/dev/null
    assert_lacks "$(ls -A "$store")" .tmp-
  done
}
