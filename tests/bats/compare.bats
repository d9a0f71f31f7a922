#!/usr/bin/env bats
# Goal: diff names what differs and nothing else, from manifests alone; stats adds
# up, and says of each snapshot what deleting it frees.

load helper

setup() {
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  make_sample "$src"
}

can_trace() {
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "sanitizers and ptrace do not mix"
  strace -f -o /dev/null true 2>/dev/null || skip "no ptrace here"
}

# differs OLD NEW LINE...: what diff prints is just these lines.
differs() {
  local old=$1 new=$2
  shift 2
  expect 0 ruvsnap diff "$store" "$old" "$new"
  assert_equal "$output" "$(printf '%s\n' "$@")"
}

@test "snapshots of the same tree do not differ" {
  make_store "$store" "$src" one two
  ruvsnap create "$store" three --full >/dev/null
  differs one two ''
  differs two three ''
  differs one one ''
  expect 0 ruvsnap diff "$store" one three --json
  assert_equal "$(json length)" 0
}

@test "added, removed, changed, attributes: each by its sign, both ways" {
  mkdir "$src/kept" "$src/gone"
  echo x >"$src/gone/x"
  echo y >"$src/kept/y"
  ln -s one "$src/link"
  make_store "$store" "$src" one
  rm -r "$src/gone"
  mkdir "$src/new"
  echo z >"$src/new/z"
  echo more >>"$src/metadata.bin"
  chmod 600 "$src/vectors.bin"
  touch -d '2022-02-02' "$src/index.bin"
  ln -sfn two "$src/link"
  ruvsnap create "$store" two >/dev/null
  differs one two '- gone' '- gone/x' 'A index.bin' 'M link' 'M metadata.bin' '+ new' '+ new/z' 'A vectors.bin'
  differs two one '+ gone' '+ gone/x' 'A index.bin' 'M link' 'M metadata.bin' '- new' '- new/z' 'A vectors.bin'
  differs one latest '- gone' '- gone/x' 'A index.bin' 'M link' 'M metadata.bin' '+ new' '+ new/z' 'A vectors.bin'
}

@test "the same bytes written again differ in time alone; a rename is one less and one more" {
  make_store "$store" "$src" one
  cat "$src/index.bin" >"$src/copy"
  cat "$src/copy" >"$src/index.bin"
  mv "$src/copy" "$src/metadata.bin.old"
  mv "$src/vectors.bin" "$src/renamed.bin"
  ruvsnap create "$store" two >/dev/null
  differs one two 'A index.bin' '+ metadata.bin.old' '+ renamed.bin' '- vectors.bin'
}

@test "things that change their type" {
  echo a >"$src/file-to-dir"
  mkdir "$src/dir-to-file"
  echo inner >"$src/dir-to-file/inner"
  echo b >"$src/file-to-link"
  ln -s x "$src/link-to-file"
  echo c >"$src/file-to-fifo"
  make_store "$store" "$src" one
  rm "$src/file-to-dir" && mkdir "$src/file-to-dir" && echo a >"$src/file-to-dir/a"
  rm -r "$src/dir-to-file" && echo a >"$src/dir-to-file"
  rm "$src/file-to-link" && ln -s b "$src/file-to-link"
  rm "$src/link-to-file" && echo x >"$src/link-to-file"
  rm "$src/file-to-fifo" && mkfifo "$src/file-to-fifo"
  ruvsnap create "$store" two >/dev/null
  differs one two '- dir-to-file' '- dir-to-file/inner' '+ dir-to-file' \
    '- file-to-dir' '+ file-to-dir' '+ file-to-dir/a' 'M file-to-fifo' 'M file-to-link' 'M link-to-file'
}

@test "extended attributes are attributes" {
  setfattr -n user.note -v one "$src/index.bin" 2>/dev/null || skip "no user xattrs here"
  make_store "$store" "$src" one
  setfattr -n user.note -v two "$src/index.bin"
  ruvsnap create "$store" two >/dev/null
  differs one two 'A index.bin'
}

@test "--json: change, path, sizes; names that are no text" {
  local name
  name=$'line\nbreak \xff'
  make_store "$store" "$src" one
  echo 12345 >"$src/$name"
  echo more >>"$src/metadata.bin"
  rm "$src/index.bin"
  ruvsnap create "$store" two >/dev/null
  expect 0 ruvsnap diff "$store" one two --json
  assert_equal "$(json length)" 3
  assert_equal "$(json '[.[].change] | sort | join(" ")')" 'added changed removed'
  assert_equal "$(json '.[] | select(.change == "added") | .path')" $'line\nbreak \\xff'
  assert_equal "$(json '.[] | select(.change == "added") | .size_after')" 6
  assert_equal "$(json '.[] | select(.path == "metadata.bin") | "\(.size_before) \(.size_after)"')" '20000 20005'
  assert_equal "$(json '.[] | select(.path == "index.bin") | .size_before')" 200000
  # A line for each, whatever the names.
  expect 0 ruvsnap diff "$store" one two
  assert_equal "$(wc -l <<<"$output")" 3
}

@test "diff opens no stream" {
  can_trace
  make_store "$store" "$src" one
  random_bytes 1500000 9 >"$src/vectors.bin"
  ruvsnap create "$store" two >/dev/null
  strace -f -qq -e trace=open,openat,openat2 -o "$BATS_TEST_TMPDIR/trace" "$RUVSNAP" diff "$store" one two >/dev/null
  grep -q manifest "$BATS_TEST_TMPDIR/trace"
  ! grep -E '\.gz"|bundle"' "$BATS_TEST_TMPDIR/trace" || fail "that is data"
}

@test "no such snapshot, no such store, damage" {
  make_store "$store" "$src" one
  echo two >"$src/two"
  ruvsnap create "$store" two >/dev/null
  expect "$EXIT_NOT_FOUND" ruvsnap diff "$store" one three
  expect "$EXIT_NOT_FOUND" ruvsnap diff "$store" three one
  expect "$EXIT_USAGE" ruvsnap diff "$store" one
  expect "$EXIT_USAGE" ruvsnap diff "$store" one two three
  local manifest
  manifest=$(snapshot_dir "$store" one)/manifest
  flip_bit "$manifest" $(($(file_size "$manifest") - 20)) 2
  expect "$EXIT_CORRUPT" ruvsnap diff "$store" one two
  expect "$EXIT_CORRUPT" ruvsnap stats "$store"
}

@test "streams that are gone do not matter to diff and stats" {
  make_store "$store" "$src" one
  rm "$(snapshot_dir "$store" one)/vectors.bin.gz"
  echo more >>"$src/metadata.bin"
  ruvsnap create "$store" two >/dev/null
  differs one two 'M metadata.bin'
  expect 0 ruvsnap stats "$store"
}

# --- stats -------------------------------------------------------------------

stored() { du -s -B1 --apparent-size "$store" | cut -f 1; }

@test "stats of a store without snapshots" {
  ruvsnap init "$store" --source "$src"
  expect 0 ruvsnap stats "$store"
  expect 0 ruvsnap stats "$store" --json
  assert_equal "$(json '[.logical_bytes, .stored_bytes, .shared_bytes, .dead_bytes, (.snapshots | length)] | join(" ")')" '0 0 0 0 0'
}

@test "stats --json adds up: logical, stored, shared, unique, dead" {
  local number total
  make_store "$store" "$src" one
  for number in two three; do
    random_bytes 300000 "4${#number}" >"$src/$number.bin"
    ruvsnap create "$store" "$number" >/dev/null
  done
  expect 0 ruvsnap stats "$store" --json
  assert_equal "$(json '[.snapshots[].name] | join(" ")')" 'one two three'
  total=$(find "$src" -type f -printf '%s\n' | awk '{ s += $1 } END { print s }')
  assert_equal "$(json '.snapshots[2].total_bytes')" "$total"
  assert_equal "$(json .logical_bytes)" "$(json '[.snapshots[].total_bytes] | add')"
  assert_equal "$(json .stored_bytes)" "$(json '.shared_bytes + .dead_bytes + ([.snapshots[].unique_bytes] | add)')"
  assert_equal "$(json .dead_bytes)" 0
  # Members are all but the indexes, records and checksums.
  (($(json .stored_bytes) <= $(stored) && $(json .stored_bytes) > $(stored) - 30000)) ||
    fail "stored: $(json .stored_bytes), the directory: $(stored)"
  assert_equal "$(json '.snapshots[1].added_bytes')" "$(ruvsnap show "$store" two --json | jq .size_bytes)"
}

@test "what stats says that deleting one frees is what it frees" {
  local number name before predicted freed
  make_store "$store" "$src" s0
  for number in 1 2 3 4; do
    random_bytes $((number * 200000)) $((number + 40)) >"$src/own.bin"
    random_bytes 100000 $((number + 50)) >"$src/kept$number.bin"
    ruvsnap create "$store" "s$number" >/dev/null
  done
  for name in s2 s0 s4 s1; do
    expect 0 ruvsnap stats "$store" --json
    predicted=$(json ".snapshots[] | select(.name == \"$name\") | .unique_bytes")
    before=$(stored)
    ruvsnap delete "$store" "$name"
    freed=$((before - $(stored)))
    # Its record and index go besides; what is rewritten is so for a fifth.
    ((freed > predicted * 9 / 10 - 2000 && freed < predicted * 11 / 10 + 30000)) ||
      fail "$name: deleting was to free $predicted bytes and freed $freed"
  done
  expect 0 ruvsnap verify "$store"
}

@test "a deleted snapshot that serves others is shared or dead, no longer listed" {
  make_store "$store" "$src" one two three
  ruvsnap delete "$store" one
  expect 0 ruvsnap stats "$store" --json
  assert_equal "$(json '.snapshots | length')" 2
  (($(json .shared_bytes) > 1000000)) || fail "shared: $(json .shared_bytes)"
  assert_equal "$(json .stored_bytes)" "$(json '.shared_bytes + .dead_bytes + ([.snapshots[].unique_bytes] | add)')"
}
