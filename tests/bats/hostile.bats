#!/usr/bin/env bats
# Goal: whatever bytes a store holds, no program of ours crashes, hangs, takes
# gigabytes of memory, writes outside its target or hands out wrong bytes.

load helper

setup_file() {
  export src=$BATS_FILE_TMPDIR/db good=$BATS_FILE_TMPDIR/good
  load helper
  make_sample "$src"
  mkdir -p "$src/sub/deeper"
  echo inner >"$src/sub/deeper/inner.txt"
  ln -s inner.txt "$src/sub/deeper/link"
  ln "$src/metadata.bin" "$src/sub/hard"
  truncate -s 1M "$src/sparse"
  make_store "$good" "$src" one
}

setup() {
  store=$BATS_TEST_TMPDIR/store
  cp -a "$good" "$store"
  dir=$(echo "$store"/snapshot-*)
  original=$(echo "$good"/snapshot-*)
}

teardown() { stop_mounts; }

# rounds NORMAL SANITIZED
rounds() {
  if [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]]; then echo "$1"; else echo "$2"; fi
}

# sane CODE COMMAND...: exit codes that a refusal may have; never a signal, a
# sanitizer's 99, a timeout's 124 or 137.
sane() {
  local code=$1
  case $code in
    0 | "$EXIT_FAILED" | "$EXIT_NOT_FOUND" | "$EXIT_CORRUPT") ;;
    *) fail "exit code $code: ${*:2}" "stdout: ${output:0:500}" "stderr: ${stderr:0:2000}" ;;
  esac
}

# survives: every verb of reading stays sane on $store, and what is restored with
# exit code 0 is right.
survives() {
  local verb
  for verb in list show ls cat verify; do
    case $verb in
      list | verify) set -- "$verb" "$store" ;;
      show | ls) set -- "$verb" "$store" latest ;;
      cat) set -- "$verb" "$store" latest index.bin ;;
    esac
    run --separate-stderr limited "$RUVSNAP" "$@"
    sane "$status" "$@"
    [[ $status -eq 0 || -n $stderr$output ]] || fail "exit code $status without a word: $*"
  done
  rm -rf "$BATS_TEST_TMPDIR/out"
  run --separate-stderr limited "$RUVSNAP" restore "$store" latest "$BATS_TEST_TMPDIR/out"
  sane "$status" restore
  [[ $status -ne 0 ]] || compare_trees "$src" "$BATS_TEST_TMPDIR/out"
}

# noticed: that, and verify does not call it sound.
noticed() {
  survives
  run --separate-stderr limited "$RUVSNAP" verify "$store"
  [[ $status -ne 0 ]] || fail "verify says all is well"
}

# put_back NAME: undo damage to a file of the snapshot.
put_back() {
  rm -rf "${dir:?}/$1"
  cp -a "$original/$1" "$dir/$1"
}

@test "one flipped bit anywhere in a snapshot is noticed" {
  local file size offset bit count
  RANDOM=42
  count=$(rounds 25 4)
  for file in manifest members.idx checksum.sha256 metadata.json vectors.bin.gz index.bin.gz; do
    size=$(file_size "$dir/$file")
    for ((round = 0; round < count; round++)); do
      offset=$(((RANDOM * 32768 + RANDOM) % size))
      bit=$((RANDOM % 8))
      flip_bit "$dir/$file" "$offset" "$bit"
      run --separate-stderr limited "$RUVSNAP" verify "$store"
      sane "$status" "verify with bit $bit of $file at $offset flipped"
      [[ $status -ne 0 ]] || fail "bit $bit of $file at $offset: verify says all is well"
      rm -rf "$BATS_TEST_TMPDIR/out"
      run --separate-stderr limited "$RUVSNAP" restore "$store" latest "$BATS_TEST_TMPDIR/out"
      sane "$status" "restore with bit $bit of $file at $offset flipped"
      if [[ $status -eq 0 ]]; then
        compare_trees "$src" "$BATS_TEST_TMPDIR/out" || fail "bit $bit of $file at $offset: wrong bytes"
      fi
      flip_bit "$dir/$file" "$offset" "$bit"
    done
  done
  expect 0 ruvsnap verify "$store"
}

@test "every file of a snapshot cut short, at several lengths" {
  local file size length
  for file in manifest members.idx checksum.sha256 metadata.json vectors.bin.gz index.bin.gz; do
    size=$(file_size "$dir/$file")
    for length in 0 1 17 60 $((size / 3)) $((size - 1)); do
      truncate -s "$length" "$dir/$file"
      noticed
      put_back "$file"
    done
  done
}

@test "every file of a snapshot gone, or a folder, or a link" {
  local file
  for file in manifest members.idx checksum.sha256 metadata.json vectors.bin.gz; do
    rm "$dir/$file"
    if [[ $file == metadata.json ]]; then survives; else noticed; fi
    mkdir "$dir/$file"
    noticed
    put_back "$file"
    rm "$dir/$file"
    ln -s /dev/zero "$dir/$file"
    noticed
    put_back "$file"
  done
}

@test "every file of a snapshot followed by more" {
  local file
  for file in manifest members.idx checksum.sha256 metadata.json vectors.bin.gz; do
    printf 'trailing garbage' >>"$dir/$file"
    noticed
    put_back "$file"
  done
}

@test "files of a snapshot that are zeros, noise, or huge and empty" {
  local file
  for file in manifest members.idx metadata.json checksum.sha256; do
    head -c 5000 /dev/zero >"$dir/$file"
    noticed
    random_bytes 5000 3 >"$dir/$file"
    noticed
    : >"$dir/$file"
    truncate -s 4T "$dir/$file" 2>/dev/null || truncate -s 8G "$dir/$file"
    noticed
    put_back "$file"
  done
}

@test "gzip bombs in place of the manifest" {
  # 512 MiB of zeros are half a megabyte of gzip.
  head -c 512M /dev/zero | gzip -1 >"$dir/manifest"
  noticed
}

@test "store.json forged" {
  local text
  while IFS= read -r text; do
    printf '%s' "$text" >"$store/store.json"
    run --separate-stderr limited "$RUVSNAP" list "$store"
    sane "$status" "list with store.json: $text"
    run --separate-stderr limited "$RUVSNAP" create "$store" x
    [[ $status -ne 0 && $status -lt 124 && $status -ne 99 ]] || fail "create, exit $status, with store.json: $text"
  done <<'TEXTS'

{
[]
null
"text"
{}
{"format": "1"}
{"format": -1}
{"format": 0}
{"format": 1.5}
{"format": 1e400}
{"format": 99999999999999999999999999}
{"format": 1, "uuid": 7, "level": 1}
{"format": 1, "uuid": "00000000-0000-0000-0000-000000000000", "level": 77}
{"format": 1, "uuid": "00000000-0000-0000-0000-000000000000", "level": "1"}
{"format": 1, "uuid": "00000000-0000-0000-0000-000000000000", "level": 1, "source": ["/"]}
{"format": 1, "format": 2}
TEXTS
  # Nesting without end.
  python3 -c 'print("[" * 500000)' >"$store/store.json"
  expect_refusal
}

# The store is refused in words.
expect_refusal() {
  run --separate-stderr limited "$RUVSNAP" list "$store"
  [[ $status -eq $EXIT_FAILED || $status -eq $EXIT_CORRUPT ]] || fail "exit $status: $stderr"
  [[ -n $stderr ]]
}

@test "metadata.json forged" {
  local change
  while IFS= read -r change; do
    [[ -n $change ]] || continue
    jq "$change" "$original/metadata.json" >"$dir/metadata.json"
    noticed
  done <<'CHANGES'
.id = "20000101T000000Z-0000"
.id = "../../../../tmp/x"
.id = 5
.name = "../x"
.name = ".create"
.name = "a/b"
.name = ("n" * 5000)
.name = null
.created_at = "yesterday"
.created_at = "9999-99-99T99:99:99.999999999Z"
.size_bytes = -1
.total_bytes = 1e300
.files_count = "many"
.checksum = "00"
.checksum = "0000000000000000000000000000000000000000000000000000000000000000"
.snapshot_type = "other"
.snapshot_type = "incremental"
.metadata = [1, 2, 3]
.metadata = {"a": {"b": 1}}
del(.id)
del(.name)
del(.metadata)
del(.checksum)
[.]
CHANGES
  # With a checksum file that agrees, only the rules themselves are left.
  jq '.name = "../x"' "$original/metadata.json" >"$dir/metadata.json"
  (
    cd "$dir"
    sed 's/^[^ ]* [ *]//' "$original/checksum.sha256" | tr '\n' '\0' | xargs -0 sha256sum >"$BATS_TEST_TMPDIR/sums"
    cp "$BATS_TEST_TMPDIR/sums" checksum.sha256
  )
  survives
  python3 -c 'print("{\"a\":" * 200000)' >"$dir/metadata.json"
  survives
}

@test "labels.json forged" {
  local text
  while IFS= read -r text; do
    printf '%s' "$text" >"$store/labels.json"
    survives
  done <<'TEXTS'

{
[]
{"x": "y"}
{"names": {"20000101T000000Z-0000": "../x"}}
TEXTS
}

@test "a snapshot's folder under a forged id" {
  local id name
  id=${dir##*/snapshot-}
  for name in snapshot- snapshot-x snapshot-../x 'snapshot-99999999T999999Z-zzzz' snapshot-20000101T000000Z-0000; do
    [[ $name != */* ]] || continue
    cp -a "$dir" "$store/$name"
    run --separate-stderr limited "$RUVSNAP" list "$store"
    sane "$status" list
    run --separate-stderr limited "$RUVSNAP" show "$store" one
    sane "$status" show
    rm -r "${store:?}/$name"
  done
  # And a link out of the store.
  mv "$dir" "$BATS_TEST_TMPDIR/elsewhere"
  ln -s "$BATS_TEST_TMPDIR/elsewhere" "$dir"
  run --separate-stderr limited "$RUVSNAP" list "$store"
  sane "$status" list
  [[ -n $id ]]
}

@test "a snapshot that wears another one's manifest" {
  printf more >>"$src/../more"
  mkdir "$BATS_TEST_TMPDIR/other"
  random_bytes 100000 77 >"$BATS_TEST_TMPDIR/other/file"
  make_store "$BATS_TEST_TMPDIR/store2" "$BATS_TEST_TMPDIR/other" alien
  cp "$(snapshot_dir "$BATS_TEST_TMPDIR/store2")/manifest" "$dir/manifest"
  noticed
  cp "$(snapshot_dir "$BATS_TEST_TMPDIR/store2")/members.idx" "$dir/members.idx"
  noticed
}

@test "a create on top of a damaged newest snapshot works, or says why not" {
  random_bytes 3000 3 >"$dir/manifest"
  run --separate-stderr limited "$RUVSNAP" create "$store" two --full
  sane "$status" create
  if [[ $status -eq 0 ]]; then
    expect 0 ruvsnap verify "$store" two
    ruvsnap cat "$store" two index.bin | cmp - "$src/index.bin"
  fi
}

@test "the mount stays sane on damaged stores" {
  local file
  for file in manifest members.idx metadata.json vectors.bin.gz; do
    random_bytes 3000 5 >"$dir/$file"
    start_mount "$store" "$BATS_TEST_TMPDIR/mnt"
    run timeout 60 ls -la "$BATS_TEST_TMPDIR/mnt"
    [[ $status -lt 124 ]]
    run timeout 60 cat "$BATS_TEST_TMPDIR/mnt/one/vectors.bin"
    [[ $status -eq 1 ]]
    run timeout 60 find "$BATS_TEST_TMPDIR/mnt" -type f
    [[ $status -lt 124 ]]
    # It is still there, and ends when told.
    mountpoint -q "$BATS_TEST_TMPDIR/mnt"
    fusermount3 -u "$BATS_TEST_TMPDIR/mnt"
    put_back "$file"
  done
}
