#!/usr/bin/env bats
# Goal: `init` and `create` do what they say, refuse what makes no sense, and
# whatever fails leaves the store as it was.

load helper

setup() {
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  make_sample "$src"
}

teardown() {
  stop_mounts
  [[ ! -e ${background:-} ]] || rm -f "$background"
}

# --- the command itself ------------------------------------------------------

@test "no verb, an unknown verb, an unknown option, missing arguments: exit 2" {
  expect "$EXIT_USAGE" ruvsnap
  expect "$EXIT_USAGE" ruvsnap frobnicate "$store"
  expect "$EXIT_USAGE" ruvsnap create
  expect "$EXIT_USAGE" ruvsnap create "$store" name extra
  expect "$EXIT_USAGE" ruvsnap init "$store" --source "$src" --frobnicate
  [[ -n $stderr ]]
  [[ ! -e $store ]]
}

@test "help and version go to standard output" {
  expect 0 ruvsnap --help
  assert_has "$output" restore
  expect 0 ruvsnap --version
  assert_has "$output" "$(awk -F "'" '/version:/ { print $2; exit }' "$project/meson.build")"
}

@test "a store that is not there: exit 3 and its name, for every verb" {
  local verb
  for verb in "create" "list" "show S latest" "ls S latest" "cat S latest file" "restore S latest $BATS_TEST_TMPDIR/out" "verify"; do
    # shellcheck disable=SC2086 # words on purpose
    set -- $verb
    expect "$EXIT_NOT_FOUND" ruvsnap "$1" "$store" "${@:3}"
    assert_has "$stderr" "$store"
  done
  [[ ! -e $store ]]
}

# --- init --------------------------------------------------------------------

@test "init makes a private, empty store" {
  expect 0 ruvsnap init "$store" --source "$src"
  assert_equal "$(stat -c %a "$store")" 700
  jq -e . "$store/store.json"
  expect 0 ruvsnap list "$store" --json
  assert_equal "$(json length)" 0
}

@test "init accepts an empty folder, refuses a store and a folder that holds anything" {
  mkdir "$store"
  expect 0 ruvsnap init "$store" --source "$src"
  expect "$EXIT_EXISTS" ruvsnap init "$store" --source "$src"
  assert_has "$stderr" "$store"
  mkdir "$BATS_TEST_TMPDIR/full"
  touch "$BATS_TEST_TMPDIR/full/mine"
  expect "$EXIT_EXISTS" ruvsnap init "$BATS_TEST_TMPDIR/full" --source "$src"
  assert_equal "$(ls -A "$BATS_TEST_TMPDIR/full")" mine
}

@test "init keeps a relative source as an absolute one" {
  cd "$BATS_TEST_TMPDIR"
  expect 0 ruvsnap init store --source db
  cd /
  expect 0 ruvsnap create "$store" one
  expect 0 ruvsnap show "$store" one --json
  assert_equal "$(json .source)" "$src"
}

@test "every level from 0 to 9 makes a snapshot that is right" {
  local level
  for level in 0 1 2 3 4 5 6 7 8 9; do
    expect 0 ruvsnap init "$store$level" --source "$src" --level "$level"
    expect 0 ruvsnap create "$store$level" one
    ruvsnap cat "$store$level" one index.bin | cmp - "$src/index.bin"
    gzip -t "$(snapshot_dir "$store$level")/index.bin.gz"
  done
  # Level 0 does not compress, level 9 does.
  (($(file_size "$(snapshot_dir "${store}0")/index.bin.gz") > 200000))
  (($(file_size "$(snapshot_dir "${store}9")/index.bin.gz") < 130000))
}

@test "a level that is none is refused" {
  for level in 10 -1 x '' 1x; do
    expect "$EXIT_USAGE" ruvsnap init "$store" --source "$src" --level "$level"
    [[ ! -e $store ]]
  done
}

# --- create ------------------------------------------------------------------

@test "create prints the record" {
  ruvsnap init "$store" --source "$src"
  expect 0 ruvsnap create "$store" nightly
  assert_has "$output" nightly
  expect 0 ruvsnap create "$store" second --full --json
  assert_equal "$(json .name)" second
}

@test "the record holds what the design names" {
  ruvsnap init "$store" --source "$src"
  expect 0 ruvsnap create "$store" one --json --meta model=minilm --meta 'note=a = b' --meta empty=
  local before=$output
  [[ $(json .id) =~ ^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}$ ]]
  [[ $(json .created_at) =~ ^[0-9-]{10}T[0-9:]{8}\.[0-9]+Z$ ]]
  [[ $(json .checksum) =~ ^[0-9a-f]{64}$ ]]
  assert_equal "$(json .snapshot_type)" full
  assert_equal "$(jq -r .base_id <<<"$output")" null
  assert_equal "$(json .files_count)" 3
  assert_equal "$(json .total_bytes)" "$(cat "$src"/* | wc -c)"
  (($(json .size_bytes) > 1000000))
  assert_equal "$(json .metadata.model)" minilm
  assert_equal "$(json .metadata.note)" 'a = b'
  assert_equal "$(jq -r .metadata.empty <<<"$output")" ''
  assert_equal "$(json .source)" "$src"
  assert_equal "$(json .consistency)" settled
  jq -e 'has("vector_count") and has("tool_version")' <<<"$output"
  expect 0 ruvsnap show "$store" one --json
  assert_equal "$(jq -S . <<<"$output")" "$(jq -S . <<<"$before")"
}

@test "without a name the id is the name" {
  ruvsnap init "$store" --source "$src"
  expect 0 ruvsnap create "$store" --json
  assert_equal "$(json .name)" "$(json .id)"
}

@test "the checksum is that of the tree: equal for equal trees, whatever the store" {
  ruvsnap init "$store" --source "$src" --level 0
  ruvsnap init "${store}2" --source "$src" --level 9
  expect 0 ruvsnap create "$store" a --json
  local first
  first=$(json .checksum)
  expect 0 ruvsnap create "${store}2" b --json
  assert_equal "$(json .checksum)" "$first"
  chmod 600 "$src/index.bin"
  expect 0 ruvsnap create "$store" c --json
  [[ $(json .checksum) != "$first" ]]
  chmod 640 "$src/index.bin"
  printf x | dd of="$src/index.bin" bs=1 seek=777 conv=notrunc status=none
  expect 0 ruvsnap create "$store" d --json
  [[ $(json .checksum) != "$first" ]]
}

@test "names: what is allowed is kept as it is" {
  local name
  ruvsnap init "$store" --source "$src"
  for name in a 0 A.b_c-d:e@f+g 'x..' "$(printf 'n%.0s' {1..128})" latest2 create; do
    expect 0 ruvsnap create "$store" "$name" --json
    assert_equal "$(json .name)" "$name"
  done
}

@test "names: nothing is sanitised, a bad one is refused and nothing is made" {
  local name
  ruvsnap init "$store" --source "$src"
  for name in .hidden -x _x 'a b' a/b ../x . .. 'a*' $'a\nb' $'a\n' é $'\xff' "$(printf 'n%.0s' {1..129})" \
    latest 20261122T101500Z-9f2c 'a%' 'a,b' 'a=b' 'a\b'; do
    expect "$EXIT_USAGE" ruvsnap create "$store" -- "$name"
  done
  assert_equal "$(ruvsnap list "$store" --json | jq length)" 0
  expect 0 find "$store" -name '.tmp-*'
  assert_equal "$output" ''
}

@test "a name that is taken: exit 4, the first stays" {
  make_store "$store" "$src" one
  local id
  id=$(ruvsnap show "$store" one --json | jq -r .id)
  expect "$EXIT_EXISTS" ruvsnap create "$store" one
  assert_has "$stderr" one
  assert_equal "$(ruvsnap show "$store" one --json | jq -r .id)" "$id"
  assert_equal "$(names_of "$store")" one
}

@test "metadata that is no KEY=VALUE is refused" {
  ruvsnap init "$store" --source "$src"
  for meta in novalue =value ''; do
    expect "$EXIT_USAGE" ruvsnap create "$store" x --meta "$meta"
  done
}

@test "a store without a source takes it from --source" {
  ruvsnap init "$store"
  expect "$EXIT_USAGE" ruvsnap create "$store" none
  expect 0 ruvsnap create "$store" one --source "$src"
  ruvsnap cat "$store" one metadata.bin | cmp - "$src/metadata.bin"
}

@test "a source that is gone: an error with its name, no snapshot" {
  make_store "$store" "$src" one
  mv "$src" "$src.away"
  expect "$EXIT_NOT_FOUND" ruvsnap create "$store" two
  assert_has "$stderr" "$src"
  assert_equal "$(names_of "$store")" one
}

@test "the store inside its source is refused" {
  ruvsnap init "$src/store" --source "$src"
  expect "$EXIT_USAGE" ruvsnap create "$src/store" one
  assert_has "$stderr" "$src"
  assert_has "$stderr" inside
}

@test "a mount of the store inside the source is refused, and so is a source around a mount" {
  make_store "$store" "$src" one
  mkdir "$src/mnt"
  run ! ruvsnapfs "$store" "$src/mnt" 3>&-
  assert_has "$output" inside
  mkdir "$BATS_TEST_TMPDIR/around"
  start_mount "$store" "$BATS_TEST_TMPDIR/around/mnt"
  run ruvsnap create "$store" two --source "$BATS_TEST_TMPDIR/around"
  [[ $status -ne 0 ]]
  assert_equal "$(names_of "$store")" one
}

@test "a second writer is told who is busy: exit 5, with the process" {
  make_store "$store" "$src" one
  random_bytes 200000000 >"$src/big"
  "$RUVSNAP" create "$store" two >/dev/null 3>&- &
  local writer=$!
  until compgen -G "$store/.tmp-*" >/dev/null; do sleep 0.002; done
  kill -STOP "$writer"
  expect "$EXIT_BUSY" ruvsnap create "$store" three
  assert_has "$stderr" "$writer"
  # Reading asks for no lock.
  expect 0 ruvsnap verify "$store"
  kill -CONT "$writer"
  wait "$writer"
  assert_equal "$(names_of "$store" | xargs)" "one two"
}

@test "--wait waits for the other writer" {
  make_store "$store" "$src" one
  flock --exclusive "$store/.lock" sleep 2 3>&- &
  until ! flock --nonblock "$store/.lock" true; do sleep 0.05; done
  expect 0 ruvsnap create "$store" two --wait
  wait
}

@test "creates at the same time, all waiting: each is there and right" {
  local i
  ruvsnap init "$store" --source "$src"
  for i in 1 2 3 4 5 6; do
    ruvsnap create "$store" "n$i" --wait >/dev/null 3>&- &
  done
  wait
  assert_equal "$(names_of "$store" | sort | xargs)" "n1 n2 n3 n4 n5 n6"
  expect 0 ruvsnap verify "$store"
}

# --- a source that moves -------------------------------------------------------

# write_for_ever FILE: until $background is gone.  The file is large, so that each
# look at it takes longer than a busy machine lets its writer wait.
write_for_ever() {
  random_bytes 100000000 >"$1"
  background=$BATS_TEST_TMPDIR/writing
  touch "$background"
  (while [[ -e $background ]]; do printf 'more' >>"$1"; done) 3>&- &
}

@test "a file that never stands still: exit 5 with its name, no snapshot" {
  ruvsnap init "$store" --source "$src"
  write_for_ever "$src/restless.log"
  expect "$EXIT_BUSY" ruvsnap create "$store" one --settle-time 2s
  assert_has "$stderr" restless.log
  assert_equal "$(ruvsnap list "$store" --json | jq length)" 0
  assert_equal "$(find "$store" -name '.tmp-*')" ''
}

@test "--best-effort takes it all the same and says so" {
  ruvsnap init "$store" --source "$src"
  write_for_ever "$src/restless.log"
  expect 0 ruvsnap create "$store" one --best-effort --json
  rm "$background"
  assert_equal "$(json .consistency)" best-effort
  expect 0 ruvsnap verify "$store"
  ruvsnap cat "$store" one vectors.bin | cmp - "$src/vectors.bin"
}

# --- failures ------------------------------------------------------------------

@test "an unreadable file is named, and nothing is made" {
  [[ $EUID -eq 0 ]] || skip "needs root to become another user"
  ruvsnap init "$store" --source "$src"
  chmod 000 "$src/index.bin"
  chmod 755 "$BATS_TEST_TMPDIR" "$src"
  chown -R nobody "$store"
  setpriv --reuid=nobody --clear-groups true || skip "cannot become another user"
  # Folders above may be closed to others; only go on where they are not.
  setpriv --reuid=nobody --clear-groups test -r "$src/vectors.bin" || skip "the temporary folder is private"
  expect "$EXIT_FAILED" setpriv --reuid=nobody --clear-groups "$RUVSNAP" create "$store" one
  assert_has "$stderr" index.bin
  assert_equal "$(ruvsnap list "$store" --json | jq length)" 0
}

@test "Ctrl-C: exit 130, nothing left behind" {
  local i
  for i in 1 2 3 4; do random_bytes 50000000 "$i" >"$src/big$i"; done
  ruvsnap init "$store" --source "$src"
  # A job in the background of a script ignores SIGINT, so Python starts it.
  expect "$EXIT_INTERRUPTED" python3 - "$RUVSNAP" "$store" <<'PYTHON'
import glob, signal, subprocess, sys, time
child = subprocess.Popen([sys.argv[1], "create", sys.argv[2], "one"],
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
while child.poll() is None and not glob.glob(sys.argv[2] + "/.tmp-*/*"):
    time.sleep(0.001)
child.send_signal(signal.SIGINT)
code = child.wait()
sys.exit(code if code >= 0 else 128 - code)
PYTHON
  assert_equal "$(ruvsnap list "$store" --json | jq length)" 0
  assert_equal "$(find "$store" -name '.tmp-*')" ''
  assert_equal "$(find "$store" -name 'snapshot-*')" ''
}

@test "a full disk: exit 7, the store as it was, and room again afterwards" {
  [[ $EUID -eq 0 ]] || skip "needs root to mount a small disk"
  mkdir "$BATS_TEST_TMPDIR/disk"
  mount -t tmpfs -o size=4m tmpfs "$BATS_TEST_TMPDIR/disk" || skip "cannot mount"
  make_store "$BATS_TEST_TMPDIR/disk/store" "$src" one
  random_bytes 6000000 9 >"$src/too-much"
  expect "$EXIT_NO_SPACE" ruvsnap create "$BATS_TEST_TMPDIR/disk/store" two
  assert_equal "$(names_of "$BATS_TEST_TMPDIR/disk/store")" one
  assert_equal "$(find "$BATS_TEST_TMPDIR/disk" -name '.tmp-*')" ''
  rm "$src/too-much"
  echo small >"$src/small"
  expect 0 ruvsnap create "$BATS_TEST_TMPDIR/disk/store" three
  expect 0 ruvsnap verify "$BATS_TEST_TMPDIR/disk/store"
  umount "$BATS_TEST_TMPDIR/disk"
}
