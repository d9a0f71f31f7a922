#!/usr/bin/env bats
# Goal: list, show, ls and cat answer for people and, with --json, for programs.

load helper

setup_file() {
  export src=$BATS_FILE_TMPDIR/db store=$BATS_FILE_TMPDIR/store
  load helper
  make_sample "$src"
  mkdir "$src/sub"
  echo inner >"$src/sub/inner.txt"
  ln -s inner.txt "$src/sub/link"
  printf 'odd' >"$src/odd"$'\n'"name"
  make_store "$store" "$src" first second
  ruvsnap create "$store" >/dev/null
}

id_of() { ruvsnap show "$store" "$1" --json | jq -er .id; }

# --- list ----------------------------------------------------------------------

@test "list shows each snapshot once, oldest first" {
  expect 0 ruvsnap list "$store"
  [[ $(grep -c first <<<"$output") -eq 1 ]]
  [[ $(grep -n first <<<"$output" | cut -d : -f 1) -lt $(grep -n second <<<"$output" | cut -d : -f 1) ]]
}

@test "list --json is one array of whole records" {
  expect 0 ruvsnap list "$store" --json
  assert_equal "$(json length)" 3
  assert_equal "$(json '.[0].name')" first
  jq -e '[.[].created_at] | . == sort' <<<"$output"
  assert_equal "$(jq -cS '.[1]' <<<"$output")" "$(ruvsnap show "$store" second --json | jq -cS .)"
}

@test "an option may stand before or after its arguments" {
  expect 0 ruvsnap list --json "$store"
  assert_equal "$(json length)" 3
}

# --- references ------------------------------------------------------------------

@test "a snapshot answers to its name, its id, a prefix of its id, latest" {
  local id
  id=$(id_of first)
  expect 0 ruvsnap show "$store" "$id" --json
  assert_equal "$(json .name)" first
  id=$(id_of latest)
  assert_equal "$(ruvsnap list "$store" --json | jq -r '.[-1].id')" "$id"
  expect 0 ruvsnap show "$store" "${id:0:20}" --json
  assert_equal "$(json .id)" "$id"
}

@test "a prefix that fits several is refused, one that fits none is not found" {
  local id
  id=$(id_of first)
  # All three were made in this century.
  expect "$EXIT_USAGE" ruvsnap show "$store" "${id:0:4}"
  expect "$EXIT_NOT_FOUND" ruvsnap show "$store" 19700101
  expect "$EXIT_NOT_FOUND" ruvsnap show "$store" nothing
  assert_has "$stderr" nothing
}

@test "what is no name at all is not found either, and no path" {
  local reference
  for reference in . .. / ../store snapshot-x '' '*' $'a\nb' "$(printf 'n%.0s' {1..5000})"; do
    run --separate-stderr ruvsnap show "$store" "$reference"
    [[ $status -eq $EXIT_NOT_FOUND || $status -eq $EXIT_USAGE ]] || fail "exit $status for '$reference'"
  done
}

# --- show ------------------------------------------------------------------------

@test "show is for people unless --json" {
  expect 0 ruvsnap show "$store" first
  assert_has "$output" first
  assert_has "$output" "$src"
  run ! jq -e . <<<"$output"
}

# --- ls --------------------------------------------------------------------------

@test "ls names what a folder holds" {
  expect 0 ruvsnap ls "$store" first
  assert_has "$output" vectors.bin
  assert_has "$output" sub
  expect 0 ruvsnap ls "$store" first sub
  assert_has "$output" inner.txt
  assert_lacks "$output" vectors.bin
  expect 0 ruvsnap ls "$store" first sub/
  assert_has "$output" inner.txt
  expect 0 ruvsnap ls "$store" first sub/inner.txt
  assert_has "$output" inner.txt
}

@test "ls of a path that is not there: exit 3" {
  local path
  for path in nowhere sub/nowhere vectors.bin/x sub/link/x ..; do
    expect "$EXIT_NOT_FOUND" ruvsnap ls "$store" first "$path"
  done
}

@test "ls --json tells type, size, mode, times" {
  expect 0 ruvsnap ls "$store" first --json
  assert_equal "$(json '.[] | select(.name == "vectors.bin") | .size')" 1500000
  assert_equal "$(json '.[] | select(.name == "vectors.bin") | .mtime')" 2026-03-04T05:06:07.123456789Z
  assert_equal "$(json '.[] | select(.name == "vectors.bin") | .sha256')" \
    "$(sha256sum <"$src/vectors.bin" | cut -d ' ' -f 1)"
}

@test "a name with a newline cannot fake a line" {
  expect 0 ruvsnap ls "$store" first
  [[ $(grep -c '^name$' <<<"$output") -eq 0 ]]
}

# --- cat -------------------------------------------------------------------------

@test "cat streams a file's bytes" {
  ruvsnap cat "$store" first vectors.bin | cmp - "$src/vectors.bin"
  ruvsnap cat "$store" first sub/inner.txt | cmp - "$src/sub/inner.txt"
  ruvsnap cat "$store" first ./sub//inner.txt | cmp - "$src/sub/inner.txt"
}

@test "cat of a folder is refused, of nothing not found" {
  run --separate-stderr ruvsnap cat "$store" first sub
  [[ $status -eq $EXIT_FAILED || $status -eq $EXIT_USAGE ]]
  assert_has "$stderr" sub
  expect "$EXIT_NOT_FOUND" ruvsnap cat "$store" first nowhere
  assert_equal "$output" ''
}

@test "cat into a pipe that closes ends quietly" {
  local first
  first=$(ruvsnap cat "$store" first vectors.bin 2>"$BATS_TEST_TMPDIR/stderr" | head -c 16 | od -An -tx1)
  assert_equal "$first" "$(head -c 16 "$src/vectors.bin" | od -An -tx1)"
  run ! grep -qi 'abort\|assert\|sanitizer' "$BATS_TEST_TMPDIR/stderr"
}

@test "output that cannot be written is an error" {
  [[ -c /dev/full ]] || skip "no /dev/full"
  run bash -c '"$RUVSNAP" cat "$1" first vectors.bin >/dev/full' _ "$store"
  [[ $status -ne 0 && $status -lt 126 ]]
  run bash -c '"$RUVSNAP" list "$1" >/dev/full' _ "$store"
  [[ $status -ne 0 && $status -lt 126 ]]
}
