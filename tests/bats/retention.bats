#!/usr/bin/env bats
# Goal: any snapshot may be deleted at any time: the others stay what they were,
# what nobody uses is freed, and a reader of the deleted one never sees wrong bytes.
# Rules that go by time are in tests/unit/test_retention.c.

load helper
load loop

setup() {
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  make_sample "$src"
}

teardown() {
  [[ -z ${reader:-} ]] || kill -KILL "$reader" 2>/dev/null || true
  stop_mounts
  unmount_loops
}

stored() { du -s -B1 --apparent-size "$store" | cut -f 1; }

# chain COUNT: snapshots s1 to sCOUNT, each with a file of its own, with some
# pages of vectors.bin rewritten, and a copy of the source to compare with.
chain() {
  local number
  make_store "$store" "$src"
  for ((number = 1; number <= $1; number++)); do
    rm -f "$src"/own*.bin
    random_bytes 300000 "$((number + 60))" >"$src/own$number.bin"
    random_bytes 40960 "$((number + 80))" | dd of="$src/vectors.bin" bs=4096 seek="$((number * 11))" conv=notrunc status=none
    ruvsnap create "$store" "s$number" >/dev/null
    cp -a "$src" "$BATS_TEST_TMPDIR/copy-s$number"
  done
}

# intact NAME...: just these are listed, verify, and give back their files.
intact() {
  local name
  assert_equal "$(names_of "$store" | xargs)" "$*"
  expect 0 ruvsnap verify "$store"
  for name in "$@"; do
    rm -rf "$BATS_TEST_TMPDIR/restored"
    expect 0 ruvsnap restore "$store" "$name" "$BATS_TEST_TMPDIR/restored"
    compare_restored "$BATS_TEST_TMPDIR/copy-$name" "$BATS_TEST_TMPDIR/restored"
  done
}

# --- delete ------------------------------------------------------------------

@test "deleting the base of others, the middle, the newest: the rest is intact" {
  chain 5
  expect 0 ruvsnap delete "$store" s1
  intact s2 s3 s4 s5
  expect 0 ruvsnap delete "$store" s3
  intact s2 s4 s5
  expect 0 ruvsnap delete "$store" s5
  intact s2 s4
  # The next is made on what is left.
  expect 0 ruvsnap create "$store" s6
  cp -a "$src" "$BATS_TEST_TMPDIR/copy-s6"
  intact s2 s4 s6
}

@test "all deleted: nothing is left but the store itself" {
  chain 4
  expect 0 ruvsnap delete "$store" s2 s4 s1 s3
  assert_equal "$(names_of "$store")" ''
  assert_equal "$(find "$store" -mindepth 1 ! -name '.*' -printf '%f\n' | sort | xargs)" 'labels.json store.json'
  assert_equal "$(find "$store" -mindepth 1 -name '.*' -size +0)" ''
  expect 0 ruvsnap create "$store" s5
  cp -a "$src" "$BATS_TEST_TMPDIR/copy-s5"
  intact s5
}

@test "delete by name, id and prefix; one that is not there, and none" {
  local id
  chain 3
  id=$(ruvsnap show "$store" s2 --json | jq -r .id)
  expect 0 ruvsnap delete "$store" "$id"
  expect "$EXIT_NOT_FOUND" ruvsnap delete "$store" "$id"
  expect "$EXIT_NOT_FOUND" ruvsnap delete "$store" s2
  expect "$EXIT_USAGE" ruvsnap delete "$store"
  expect 0 ruvsnap delete "$store" latest
  intact s1
}

@test "several at once: it ends at the first that is not there, and says so" {
  chain 4
  expect "$EXIT_NOT_FOUND" ruvsnap delete "$store" s1 nothing s2
  assert_has "$stderr" nothing
  intact s2 s3 s4
}

@test "the space of a deleted snapshot is really freed" {
  local before freed
  chain 4
  before=$(stored)
  # Its own 300,000 bytes, and pages that later ones wrote over.
  ruvsnap delete "$store" s2
  freed=$((before - $(stored)))
  ((freed > 300000)) || fail "freed $freed bytes"
  intact s1 s3 s4
  # With one left the store is about one snapshot.
  ruvsnap delete "$store" s1 s3
  intact s4
  ruvsnap init "${store}2" --source "$src"
  ruvsnap create "${store}2" fresh >/dev/null
  (($(stored) * 10 < 13 * $(du -s -B1 --apparent-size "${store}2" | cut -f 1))) || fail "$(stored) bytes are kept"
}

@test "a snapshot that somebody deletes while another is verified or listed is no damage" {
  local round
  chain 2
  for round in 1 2 3 4 5 6 7 8; do
    ruvsnap create "$store" "x$round" >/dev/null
    "$RUVSNAP" delete "$store" "x$round" 3>&- &
    local deleter=$!
    expect 0 ruvsnap list "$store"
    expect 0 ruvsnap stats "$store"
    wait "$deleter"
  done
  intact s1 s2
}

# --- labels ------------------------------------------------------------------

@test "rename: to a free name; EXISTS, NOT FOUND, a bad name" {
  local id
  chain 2
  id=$(ruvsnap show "$store" s1 --json | jq -r .id)
  expect 0 ruvsnap rename "$store" s1 first
  assert_equal "$(names_of "$store" | xargs)" 'first s2'
  assert_equal "$(ruvsnap show "$store" first --json | jq -r .id)" "$id"
  expect "$EXIT_NOT_FOUND" ruvsnap show "$store" s1
  expect "$EXIT_NOT_FOUND" ruvsnap rename "$store" s1 other
  expect "$EXIT_EXISTS" ruvsnap rename "$store" first s2
  local bad
  for bad in '' latest .hidden -x a/b 'two words' "$(printf 'x%.0s' {1..129})" 20261122T101500Z-9f2c; do
    expect "$EXIT_USAGE" ruvsnap rename "$store" -- first "$bad"
  done
  assert_equal "$(names_of "$store" | xargs)" 'first s2'
  # The name that became free may be used; the one in use may not.
  expect "$EXIT_EXISTS" ruvsnap create "$store" first
  expect 0 ruvsnap create "$store" s1
  expect 0 ruvsnap rename "$store" s2 "$(printf 'x%.0s' {1..128})"
  expect 0 ruvsnap rename "$store" first s2
  expect 0 ruvsnap verify "$store"
  ruvsnap cat "$store" s2 own1.bin | cmp - "$BATS_TEST_TMPDIR/copy-s1/own1.bin"
}

@test "rename to the name it has" {
  chain 1
  run ruvsnap rename "$store" s1 s1
  [[ $status -eq 0 || $status -eq $EXIT_EXISTS ]]
  intact s1
}

@test "two snapshots may swap their names by way of a third" {
  chain 2
  ruvsnap rename "$store" s1 t
  ruvsnap rename "$store" s2 s1
  ruvsnap rename "$store" t s2
  assert_equal "$(names_of "$store" | xargs)" 's2 s1'
  expect 0 ruvsnap delete "$store" s2
  ruvsnap cat "$store" s1 own2.bin | cmp - "$BATS_TEST_TMPDIR/copy-s2/own2.bin"
}

@test "pin and unpin" {
  chain 3
  expect 0 ruvsnap pin "$store" s1 s2
  expect 0 ruvsnap pin "$store" s1
  assert_has "$(ruvsnap show "$store" s1)" 'yes'
  assert_equal "$(ruvsnap list "$store" --json | jq -c '[.[].pinned]')" '[true,true,false]'
  expect 0 ruvsnap rename "$store" s1 other
  assert_equal "$(ruvsnap show "$store" other --json | jq .pinned)" true
  expect 0 ruvsnap rename "$store" other s1
  expect 0 ruvsnap prune "$store" --keep-last 1
  intact s1 s2 s3
  expect 0 ruvsnap unpin "$store" s2
  expect "$EXIT_NOT_FOUND" ruvsnap pin "$store" nothing
  expect "$EXIT_NOT_FOUND" ruvsnap unpin "$store" nothing
  expect 0 ruvsnap prune "$store" --keep-last 1
  intact s1 s3
}

# --- prune -------------------------------------------------------------------

@test "prune without a rule is refused, and rules that make no sense" {
  chain 2
  expect "$EXIT_USAGE" ruvsnap prune "$store"
  expect "$EXIT_USAGE" ruvsnap prune "$store" --dry-run
  local bad
  for bad in --keep-last=0 --keep-last=x --keep-last=-1 --keep-daily= --keep-within=0d --keep-within=7 \
    --keep-within=d --keep-within=-1d --keep-within=7q --keep-last=99999999999999999999; do
    expect "$EXIT_USAGE" ruvsnap prune "$store" "$bad"
  done
  intact s1 s2
}

@test "prune --dry-run: each snapshot with its reasons, and nothing happens" {
  chain 4
  ruvsnap pin "$store" s1
  expect 0 ruvsnap prune "$store" --keep-last 1 --keep-name 's[24]' --dry-run
  assert_has "$output" keep*s1*pinned
  assert_has "$output" keep*s2*name
  assert_has "$output" delete*s3
  assert_has "$output" 'keep*s4*last, name'
  assert_has "$output" '1 would be deleted'
  expect 0 ruvsnap prune "$store" --keep-last 1 --keep-name 's[24]' --dry-run --json
  assert_equal "$(json '[.[] | "\(.name) \(.keep) \(.reasons)"] | join("; ")')" \
    's1 true pinned; s2 true name; s3 false ; s4 true last, name'
  intact s1 s2 s3 s4
  expect 0 ruvsnap prune "$store" --keep-last 1 --keep-name 's[24]'
  assert_has "$output" '1 deleted'
  intact s1 s2 s4
}

@test "prune by each rule: made just now they are of one hour, or two" {
  local rule
  chain 3
  for rule in hourly daily weekly monthly yearly; do
    expect 0 ruvsnap prune "$store" "--keep-$rule" 1 --dry-run --json
    assert_equal "$(json '[.[] | select(.keep) | "\(.name) \(.reasons)"] | join("; ")')" "s3 $rule"
    # More than there are; they may straddle an hour, a day, ... now and then.
    expect 0 ruvsnap prune "$store" "--keep-$rule" 100 --dry-run --json
    (($(json '[.[] | select(.keep)] | length') <= 2)) || fail "$rule: $output"
  done
  for rule in 1h 90m 36h 7d 4w 6M 2y; do
    expect 0 ruvsnap prune "$store" --keep-within "$rule" --dry-run --json
    assert_equal "$(json '[.[] | select(.reasons == "within")] | length')" 3
  done
  sleep 1.1
  expect 0 ruvsnap prune "$store" --keep-within 1s --dry-run --json
  assert_equal "$(json '[.[] | select(.keep)] | length')" 0 || [[ $output == *false* ]]
  expect 0 ruvsnap prune "$store" --keep-daily 1
  intact s3
}

@test "prune that keeps all deletes nothing; one that keeps none leaves none" {
  chain 2
  expect 0 ruvsnap prune "$store" --keep-last 2
  intact s1 s2
  expect 0 ruvsnap prune "$store" --keep-name no-such-name
  assert_equal "$(names_of "$store")" ''
  expect 0 ruvsnap prune "$store" --keep-last 2
}

# --- collect -----------------------------------------------------------------

# unlist NAME...: as far as a delete comes that dies before it frees anything.
unlist() {
  local name
  for name in "$@"; do rm "$(snapshot_dir "$store" "$name")/metadata.json"; done
}

@test "collect --dry-run says about what collect then frees, and frees nothing" {
  local before said freed
  chain 5
  unlist s1 s2 s3
  before=$(stored)
  expect 0 ruvsnap collect "$store" --dry-run --json
  said=$(json .freed_bytes)
  assert_equal "$(stored)" "$before"
  expect 0 ruvsnap collect "$store" --dry-run
  assert_has "$output" 'would be'
  expect 0 ruvsnap collect "$store" --json
  freed=$((before - $(stored)))
  ((said > 600000)) || fail "said $said"
  ((freed > said * 8 / 10 && freed < said * 12 / 10 + 20000)) || fail "said $said, freed $freed"
  intact s4 s5
  expect 0 ruvsnap collect "$store" --json
  assert_equal "$(json '"\(.removed) \(.rewritten) \(.freed_bytes)"')" '0 0 0'
}

@test "what collect rewrote still unzips, and its checksums hold" {
  local dir
  chain 5
  unlist s1 s2 s3
  expect 0 ruvsnap collect "$store" --json
  (($(json .rewritten) > 0)) || fail "nothing was rewritten"
  for dir in "$store"/snapshot-*; do
    [[ -e $dir/metadata.json ]] || [[ -e $dir/members.idx ]]
    (cd "$dir" && sha256sum --quiet --ignore-missing -c checksum.sha256)
    find "$dir" -name '*.gz' -print0 | xargs -0 -r gunzip -c >/dev/null
  done
  intact s4 s5
}

@test "while a snapshot cannot be read nothing is collected" {
  local manifest before
  chain 4
  unlist s1
  manifest=$(snapshot_dir "$store" s3)/manifest
  flip_bit "$manifest" $(($(file_size "$manifest") - 20)) 2
  before=$(stored)
  expect "$EXIT_CORRUPT" ruvsnap collect "$store"
  assert_equal "$(stored)" "$before"
  # Once the damaged one is gone it goes on.
  run ruvsnap delete "$store" s3
  expect 0 ruvsnap collect "$store"
  (($(stored) < before)) || fail "nothing was freed"
  intact s2 s4
}

@test "a damaged member that serves others is not copied as if it were good" {
  local dir before
  chain 3
  dir=$(snapshot_dir "$store" s1)
  flip_bit "$dir/vectors.bin.gz" $(($(file_size "$dir/vectors.bin.gz") - 5000)) 2
  unlist s1
  run ruvsnap collect "$store"
  expect "$EXIT_CORRUPT" ruvsnap verify "$store"
  assert_has "$output$stderr" vectors.bin
  ruvsnap cat "$store" s3 own3.bin | cmp - "$BATS_TEST_TMPDIR/copy-s3/own3.bin"
}

@test "a full disk: deleting makes room again" {
  local disk=$BATS_TEST_TMPDIR/disk number
  mount_loop "$BATS_TEST_TMPDIR/image" "$disk" 24
  store=$disk/store
  random_bytes 6000000 1 >"$src/vectors.bin"
  make_store "$store" "$src" one
  random_bytes 6000000 2 >"$src/vectors.bin"
  ruvsnap create "$store" two >/dev/null
  random_bytes 14000000 3 >"$src/vectors.bin"
  expect "$EXIT_NO_SPACE" ruvsnap create "$store" three
  assert_equal "$(find "$store" -name '.tmp-*')" ''
  # To the last block.
  cat /dev/zero >"$disk/filler" 2>/dev/null || true
  for number in {1..40}; do echo x >"$disk/filler$number" 2>/dev/null || true; done
  expect 0 ruvsnap list "$store"
  expect 0 ruvsnap verify "$store"
  expect 0 ruvsnap delete "$store" one
  assert_equal "$(names_of "$store")" two
  (($(df --output=avail -B1 "$disk" | tail -n 1) > 5000000)) || fail "nothing was freed"
  random_bytes 3000000 3 >"$src/vectors.bin"
  expect 0 ruvsnap create "$store" three
  expect 0 ruvsnap verify "$store"
}

@test "labels that cannot be written: room is made first, then they are" {
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "strace and sanitizers do not mix"
  make_store "$store" "$src" one
  echo more >"$src/more"
  ruvsnap create "$store" two >/dev/null
  echo still more >"$src/more"
  ruvsnap create "$store" three >/dev/null
  ruvsnap rename "$store" three third
  # The first thing that is renamed is the new labels.json: no room for it.
  expect 0 strace -f -qq -o "$BATS_TEST_TMPDIR/calls" -e trace=rename,renameat,renameat2 \
    -e inject=rename,renameat,renameat2:error=ENOSPC:when=1 "$RUVSNAP" prune "$store" --keep-last 1
  assert_has "$(grep INJECTED "$BATS_TEST_TMPDIR/calls")" labels.json
  assert_equal "$(names_of "$store")" third
  assert_equal "$(jq -r 'map(.name) | .[]' "$store/labels.json")" third
  expect 0 ruvsnap verify "$store"
}

# --- readers of what goes ----------------------------------------------------

# large_pair: two snapshots, the first with 48 MB of its own.
large_pair() {
  random_bytes 48000000 30 >"$src/vectors.bin"
  cp "$src/vectors.bin" "$BATS_TEST_TMPDIR/first.bin"
  make_store "$store" "$src" one
  random_bytes 1000000 31 >"$src/vectors.bin"
  ruvsnap create "$store" two >/dev/null
}

# right_so_far FILE: it is what one held, or the beginning of it.
right_so_far() {
  cmp -n "$(file_size "$1")" "$1" "$BATS_TEST_TMPDIR/first.bin"
}

@test "cat of a snapshot that is deleted meanwhile: to the end, or an error, never wrong bytes" {
  local code=0 out=$BATS_TEST_TMPDIR/out
  large_pair
  mkfifo "$BATS_TEST_TMPDIR/pipe"
  "$RUVSNAP" cat "$store" one vectors.bin >"$BATS_TEST_TMPDIR/pipe" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
  reader=$!
  exec 4<"$BATS_TEST_TMPDIR/pipe"
  head -c 1000000 <&4 >"$out"
  expect 0 ruvsnap delete "$store" one
  assert_equal "$(names_of "$store")" two
  cat <&4 >>"$out"
  exec 4<&-
  wait "$reader" || code=$?
  reader=
  right_so_far "$out"
  case $code in
    0) cmp "$out" "$BATS_TEST_TMPDIR/first.bin" ;;
    "$EXIT_FAILED" | "$EXIT_NOT_FOUND" | "$EXIT_CORRUPT") assert_has "$(cat "$BATS_TEST_TMPDIR/err")" 'ruvsnap: ' ;;
    *) fail "exit code $code: $(cat "$BATS_TEST_TMPDIR/err")" ;;
  esac
  expect 0 ruvsnap verify "$store"
}

@test "cat of a snapshot whose base is rewritten meanwhile reads on to the end" {
  local code=0 out=$BATS_TEST_TMPDIR/out number
  random_bytes 48000000 30 >"$src/vectors.bin"
  make_store "$store" "$src" one
  # Half of its members die with one.
  random_bytes 24000000 31 | dd of="$src/vectors.bin" bs=1M conv=notrunc status=none
  ruvsnap create "$store" two >/dev/null
  cp "$src/vectors.bin" "$BATS_TEST_TMPDIR/first.bin"
  mkfifo "$BATS_TEST_TMPDIR/pipe"
  "$RUVSNAP" cat "$store" two vectors.bin >"$BATS_TEST_TMPDIR/pipe" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
  reader=$!
  exec 4<"$BATS_TEST_TMPDIR/pipe"
  head -c 100000 <&4 >"$out"
  number=$(stored)
  expect 0 ruvsnap delete "$store" one
  (($(stored) < number - 20000000)) || fail "nothing was rewritten"
  cat <&4 >>"$out"
  exec 4<&-
  wait "$reader" || code=$?
  reader=
  assert_equal "$code" 0
  cmp "$out" "$BATS_TEST_TMPDIR/first.bin"
}

@test "a mount with a file of a deleted snapshot open: right bytes, or EIO or ENOENT" {
  local mnt=$BATS_TEST_TMPDIR/mnt
  large_pair
  start_mount "$store" "$mnt"
  run --separate-stderr python3 - "$mnt/one/vectors.bin" "$BATS_TEST_TMPDIR/first.bin" "$RUVSNAP" "$store" <<'PYTHON'
import errno, os, subprocess, sys
path, expected, program, store = sys.argv[1:]
good = open(expected, "rb").read()
file = os.open(path, os.O_RDONLY)
assert os.pread(file, 4096, 0) == good[:4096]
subprocess.run([program, "delete", store, "one"], check=True)
for offset in range(0, len(good), 1 << 20):
    try:
        found = os.pread(file, 1 << 20, offset)
    except OSError as error:
        assert error.errno in (errno.EIO, errno.ENOENT, errno.ESTALE), error
        print("ended at", offset, error.strerror)
        break
    assert found == good[offset:offset + (1 << 20)], offset
else:
    print("read to the end")
PYTHON
  ((status == 0)) || fail "$output" "$stderr"
  [[ ! -e $mnt/one ]] || fail "one is still seen"
  cmp "$mnt/two/vectors.bin" "$src/vectors.bin"
}
