#!/usr/bin/env bats
# Goal: whatever moment kills a create, the list is what it was, the next create
# works and no garbage stays.  injection.bats goes through the system calls.

load helper

setup() {
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  make_sample "$src"
}

# Everything in the store that is neither its own file nor a listed snapshot.
garbage() {
  local folders
  folders=$(ruvsnap list "$1" --json | jq -r '.[] | "snapshot-" + .id')
  find "$1" -mindepth 1 -maxdepth 1 -printf '%f\n' |
    grep -vxF -e store.json -e labels.json -e .lock -e .list.lock -e .signatures -f <(echo "$folders") || true
}

# survived BEFORE NAME: after a create of NAME was killed the store lists BEFORE,
# or that and NAME, when the kill came after the snapshot was complete.
survived() {
  local now
  now=$(names_of "$store" | xargs)
  if [[ $now == "$1 $2" ]]; then
    ruvsnap verify "$store" "$2" >/dev/null || fail "$2 is listed but damaged"
  else
    assert_equal "$now" "$1"
  fi
}

# recovers NAME: one more create works and sweeps.
recovers() {
  expect 0 ruvsnap create "$store" "$1"
  assert_equal "$(garbage "$store")" ''
}

@test "kill -9 at 50 random moments" {
  local rounds=50 round before killed=0 took start delay
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || rounds=12
  # Long enough to be hit in every phase.
  for round in 1 2 3; do random_bytes 12000000 "$round" >"$src/big$round"; done
  (cd "$src" && seq -f 'small %.0f' 2000 | split -l 1 -a 4 - small)
  make_store "$store" "$src" base
  start=$(date +%s%N)
  ruvsnap create "$store" timed --full >/dev/null
  took=$((($(date +%s%N) - start) / 1000))

  RANDOM=20261122
  for ((round = 0; round < rounds; round++)); do
    before=$(names_of "$store" | xargs)
    delay=$((took * (RANDOM % 1100) / 1000))
    "$RUVSNAP" create "$store" "k$round" --full >/dev/null 2>&1 3>&- &
    local writer=$!
    sleep "$((delay / 1000000)).$(printf '%06d' $((delay % 1000000)))"
    kill -KILL "$writer" 2>/dev/null || true
    wait "$writer" 2>/dev/null || true
    survived "$before" "k$round"
    if [[ $(names_of "$store" | xargs) == "$before" ]]; then
      killed=$((killed + 1))
    elif ((delay < took)); then
      took=$delay # it was done by then: the machine is less busy now
    fi
  done
  recovers after
  expect 0 ruvsnap verify "$store"
  # Had all of them come too late, this would have tested nothing.
  ((killed >= rounds / 3)) || fail "only $killed of $rounds kills hit a create"
}

@test "leftovers of a killed create are swept by the next, and by nothing else" {
  make_store "$store" "$src" one
  mkdir -p "$store/.tmp-dead/sub"
  echo garbage >"$store/.tmp-dead/sub/vectors.bin.gz"
  expect 0 ruvsnap list "$store"
  expect 0 ruvsnap verify "$store"
  [[ -e $store/.tmp-dead ]]
  recovers two
}

@test "a snapshot without its record is not listed: it was being deleted" {
  make_store "$store" "$src" one two
  rm "$(snapshot_dir "$store" one)/metadata.json"
  assert_equal "$(names_of "$store")" two
  expect "$EXIT_NOT_FOUND" ruvsnap show "$store" one
}

@test "kill -9 of a restore leaves whole files and no lock" {
  local file writer
  for round in 1 2 3; do random_bytes 30000000 "$round" >"$src/big$round"; done
  make_store "$store" "$src" one
  "$RUVSNAP" restore "$store" one "$BATS_TEST_TMPDIR/target" >/dev/null 2>&1 3>&- &
  writer=$!
  until [[ -e $BATS_TEST_TMPDIR/target/big1 ]] || ! kill -0 "$writer" 2>/dev/null; do sleep 0.001; done
  kill -KILL "$writer" 2>/dev/null || true
  wait "$writer" 2>/dev/null || true
  for file in "$src"/*; do
    [[ ! -e $BATS_TEST_TMPDIR/target/${file##*/} ]] || cmp "$file" "$BATS_TEST_TMPDIR/target/${file##*/}"
  done
  expect 0 ruvsnap restore "$store" one "$BATS_TEST_TMPDIR/again"
  compare_trees "$src" "$BATS_TEST_TMPDIR/again"
}
