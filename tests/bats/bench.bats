#!/usr/bin/env bats
#
# The benchmark runs on a little data and tells its results in three ways.  How
# fast anything was is not looked at.

load helper

bench() {
  "$BATS_TEST_DIRNAME/../../scripts/bench" --scale 0.004 --rounds 1 --directory "$BATS_TEST_TMPDIR" \
    --without restic --without borg --without bup "$@" 2>"$BATS_TEST_TMPDIR/progress"
}

@test "a table, JSON and a picture" {
  run bench --only insert --only src --json "$BATS_TEST_TMPDIR/out.json" --plot "$BATS_TEST_TMPDIR/out.svg"
  [ "$status" -eq 0 ]
  [[ ${lines[0]} == work*ruvsnap*"cp -a"*goal ]]
  [[ $output == *"first snapshot of src"*"src, unchanged"* ]]

  run jq -r '.rows[] | select(.work == "first snapshot of src").programs | keys[]' "$BATS_TEST_TMPDIR/out.json"
  [ "$output" = $'cp -a\nruvsnap' ]
  jq -e '[.rows[].programs.ruvsnap.median | .s > 0 and .["MB memory"] > 0] | all' "$BATS_TEST_TMPDIR/out.json"
  # A peer that is not there neither meets a goal nor misses it.
  jq -e '[.rows[].goals[] | select(.goal | test("restic")) | .met == null] | all and length > 0' \
    "$BATS_TEST_TMPDIR/out.json"

  python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' "$BATS_TEST_TMPDIR/out.svg"
  grep -q 'first snapshot of src' "$BATS_TEST_TMPDIR/out.svg"
  [ -z "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'ruvsnap-bench-*')" ]
}

@test "a figure is better or worse as its unit says; goals of more than one kind" {
  cd "$BATS_TEST_DIRNAME/../bench"
  python3 - <<'END'
from rows import Goal, Limit, better

figures = {"ruvsnap": {"s": 2.0, "MB/s": 100.0}, "restic": {"s": 8.0, "MB/s": 50.0}, "borg": {"s": 1.0}}
assert better(figures, "restic", "s") == 4 and better(figures, "restic", "MB/s") == 2
assert better(figures, "borg", "MB/s") is None and better(figures, "bup", "s") is None
assert Goal("restic", 4).is_met(figures, "s") and not Goal("restic", 4.1).is_met(figures, "s")
assert Goal("best", 0.5).is_met(figures, "s") and not Goal("best", 0.6).is_met(figures, "s")
assert Goal("bup", 1).is_met(figures, "s") is None
assert Limit(2.1).is_met(figures, "s") and not Limit(2).is_met(figures, "s")
assert Limit(100).is_met(figures, "MB/s") and not Limit(101).is_met(figures, "MB/s")
END
}

@test "interrupted, it tells what it had measured" {
  local status=0
  bench --only walk --json "$BATS_TEST_TMPDIR/out.json" --plot "$BATS_TEST_TMPDIR/out.svg" >"$BATS_TEST_TMPDIR/table" &
  until grep -qs '^find -ls in src:' "$BATS_TEST_TMPDIR/progress"; do
    kill -0 $! || fail "it ended: $(cat "$BATS_TEST_TMPDIR/progress")"
    sleep 0.05
  done
  pkill -TERM -P $! -f bench.py || kill -TERM $!
  wait $! || status=$?
  [ "$status" -eq 143 ]
  grep -q '^find -ls in src, warm again' "$BATS_TEST_TMPDIR/table"
  jq -e '.rows | length >= 3' "$BATS_TEST_TMPDIR/out.json"
  [ -e "$BATS_TEST_TMPDIR/out.svg" ]
  [ -z "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'ruvsnap-bench-*')" ]
}

@test "a command that fails ends the benchmark with what it said" {
  RUVSNAP=/bin/false run bench --only insert
  [ "$status" -ne 0 ]
  grep -q 'exit 1' "$BATS_TEST_TMPDIR/progress"
}
