#!/usr/bin/env bats
# Goal: scripts/check-layers passes on the source as it is, and can fail.

load helper

setup() {
  copy=$BATS_TEST_TMPDIR/copy
  mkdir "$copy"
  cp -r "$project/engine" "$project/fs" "$copy"
}

# plant FILE INCLUDE: one line too much.
plant() {
  mkdir -p "$(dirname "$copy/$1")"
  printf '#include %s\n' "$2" >>"$copy/$1"
}

# refuses FILE: check-layers fails and names that file with the planted line.
refuses() {
  expect 1 "$project/scripts/check-layers" "$copy"
  assert_has "$output" "$1:$(wc -l <"$copy/$1"):"
}

@test "the source keeps its layers" {
  expect 0 "$project/scripts/check-layers"
}

@test "an include from a folder further right is refused" {
  plant engine/base/buf.c '"store/backend.h"'
  touch "$copy/engine/store/backend.h"
  refuses engine/base/buf.c
}

@test "a way round through .. is refused" {
  plant engine/format/digest.c '"../job/planted.h"'
  mkdir -p "$copy/engine/job"
  touch "$copy/engine/job/planted.h"
  refuses engine/format/digest.c
}

@test "angle brackets hide nothing" {
  plant engine/base/buf.c '<store/planted.h>'
  touch "$copy/engine/store/planted.h"
  refuses engine/base/buf.c
}

@test "the command uses public headers alone" {
  plant engine/cli/planted.c '"base/buf.h"'
  refuses engine/cli/planted.c
}

@test "the driver uses public headers alone" {
  plant fs/planted.c '"base/buf.h"'
  refuses fs/planted.c
}

@test "public headers include no private ones" {
  plant engine/include/rvs/store.h '"base/buf.h"'
  refuses engine/include/rvs/store.h
}

@test "a folder that is in no layer is refused" {
  plant engine/extra/planted.c '"base/buf.h"'
  refuses engine/extra/planted.c
}

@test "a file that does not exist is named" {
  plant engine/base/buf.c '"nowhere.h"'
  refuses engine/base/buf.c
}

@test "no source at all is no success" {
  expect 1 "$project/scripts/check-layers" "$BATS_TEST_TMPDIR"
}
