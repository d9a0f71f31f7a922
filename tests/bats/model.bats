#!/usr/bin/env bats
# Goal: random edits, snapshots, deletes, collects and kills, checked after each
# step against a model: see ../model/model.py, of which this is a short run.
#
# RUVSNAP_TEST_MODEL_SECONDS makes it longer, RUVSNAP_TEST_MODEL_SEED another.

load helper

@test "a seeded model" {
  local seed=${RUVSNAP_TEST_MODEL_SEED:-1}
  run python3 "$BATS_TEST_DIRNAME/../model/model.py" "$RUVSNAP" "$BATS_TEST_TMPDIR/model" \
    --seed "$seed" --steps 100000 --seconds "${RUVSNAP_TEST_MODEL_SECONDS:-18}"
  echo "# ${output##*$'\n'}" >&3
  ((status == 0)) || fail "$output"
}
