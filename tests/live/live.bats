#!/usr/bin/env bats
# Goal: a real Ruvector database, snapshotted through the mount and copied out,
# opens and answers as before, also where its owner never stopped writing.
#
# RUVSNAP_TEST_LIVE=full takes 20 copies of both databases with every tool there
# is, as `table.mjs` does; its table is then the test's output.

load ../bats/helper

setup() {
  db=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  mnt=$BATS_TEST_TMPDIR/mnt
  mkdir "$db"
}

teardown() { stop_mounts; }

database() {
  timeout 300 node "$BATS_TEST_DIRNAME/database.mjs" "$@"
}

@test "10,000 vectors of 128 dimensions come back: same count, same answers" {
  local before
  # The process ends, so no one writes from here on.
  before=$(database make "$db/vectors.db" 10000 128)
  assert_equal "$(jq .count <<<"$before")" 10000

  start_mount "$store" "$mnt" --source "$db"
  echo nightly >"$mnt/.create"
  cmp "$db/vectors.db" "$mnt/nightly/vectors.db"

  # Opening writes to the file, so it is copied out first.
  cp "$mnt/nightly/vectors.db" "$BATS_TEST_TMPDIR/copy.db"
  assert_equal "$(database ask "$BATS_TEST_TMPDIR/copy.db" 128)" "$before"

  # The same by the command, and by gunzip alone.
  expect 0 ruvsnap restore "$store" nightly "$BATS_TEST_TMPDIR/restored"
  assert_equal "$(database ask "$BATS_TEST_TMPDIR/restored/vectors.db" 128)" "$before"
  gunzip -c "$(snapshot_dir "$store")/vectors.db.gz" >"$BATS_TEST_TMPDIR/plain.db"
  assert_equal "$(database ask "$BATS_TEST_TMPDIR/plain.db" 128)" "$before"
}

@test "the record of a snapshot of a database counts its vectors" {
  database make "$db/vectors.db" 2500 32
  ruvsnap init "$store" --source "$db"
  expect 0 ruvsnap create "$store" one --json
  assert_equal "$(json .vector_count)" 2500
}

@test "two states of one database, each as it was" {
  local first second
  first=$(database make "$db/vectors.db" 2000 64)
  start_mount "$store" "$mnt" --source "$db"
  echo first >"$mnt/.create"
  rm "$db/vectors.db"
  second=$(database make "$db/vectors.db" 3000 64)
  echo second >"$mnt/.create"
  cp "$mnt/first/vectors.db" "$BATS_TEST_TMPDIR/first.db"
  cp "$mnt/second/vectors.db" "$BATS_TEST_TMPDIR/second.db"
  assert_equal "$(database ask "$BATS_TEST_TMPDIR/first.db" 64)" "$first"
  assert_equal "$(database ask "$BATS_TEST_TMPDIR/second.db" 64)" "$second"
}

# row WRITER: what the last table says of it.
row() {
  jq -c --arg writer "$1" 'select(.writer == $writer)' <<<"$output"
}

@test "copies of a database that is written all the time hold, and cost what changed" {
  local writer
  if [[ ${RUVSNAP_TEST_LIVE:-} == full ]]; then
    "$BATS_TEST_DIRNAME/table.mjs" --directory "$BATS_TEST_TMPDIR" >&3
    return
  fi
  expect 0 "$BATS_TEST_DIRNAME/table.mjs" --json --directory "$BATS_TEST_TMPDIR" \
    --databases small --tools ruvsnap --copies 5
  for writer in single batch; do
    row "$writer" | jq -e '.hold == 5 and .refused == 0 and .added > 0'
    # What changed by a vector or two is less than the pages of what describes it.
    row "$writer" | jq -e '.stored_later < .changed + 4 * 200000'
    # The live file is read once, its copy when it is proved, verified, stored.
    row "$writer" | jq -e '.asked < 6'
    # Its caches bound what the driver holds, not the database.
    row "$writer" | jq -e '.memory < 400e6'
  done
}

@test "a database damaged at 200 places: a copy that Ruvector opens, or a reason" {
  local damage wrong
  damage=$(dirname "$(dirname "$(dirname "$RUVSNAP")")")/tests/redb_damage
  database make "$db/vectors.db" 2000 32
  mkdir "$BATS_TEST_TMPDIR/copies"
  expect 0 timeout 60 "$damage" "$db/vectors.db" 200 "$BATS_TEST_TMPDIR/copies"
  assert_equal "$(json '.whole + .corrupt + .busy + .refused')" 200
  json '.whole >= 20 and .corrupt > 0'

  # Two commits of a thousand: both, or the first where the newest is damaged.
  database count "$BATS_TEST_TMPDIR"/copies/*.db 32 >"$BATS_TEST_TMPDIR/counts"
  assert_equal "$(wc -l <"$BATS_TEST_TMPDIR/counts")" "$(json .whole)"
  wrong=$(grep -cvx -e 1000 -e 2000 "$BATS_TEST_TMPDIR/counts" || true)
  assert_equal "$wrong" 0
}
