#!/usr/bin/env bats
# Goal: a real Ruvector database, snapshotted through the mount and copied out,
# opens and answers as before.

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
