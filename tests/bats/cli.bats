#!/usr/bin/env bats
# Goal: the command shows its progress to people and to programs, and to nobody
# else; no name plays tricks on a terminal; an interrupt leaves nothing behind.

load helper

setup() {
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  out=$BATS_TEST_TMPDIR/out
}

teardown() {
  stop_mounts
}

# slow_store: a store of data that takes one thread a second or more to read in.
slow_store() {
  mkdir "$src"
  { random_bytes 20000000; text_bytes 6000000; } >"$src/slow.bin"
  ruvsnap init "$store" --source "$src" --level 9 --quiet
}

# on_terminal COMMAND: its output with what a terminal gets, in $output.
on_terminal() {
  command -v script >/dev/null || skip "no script(1)"
  run env TERM=xterm SHELL=/bin/bash script -qec "$1" /dev/null </dev/null
}

verbs() {
  "$RUVSNAP" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'
}

# --- help and usage ------------------------------------------------------------

@test "every verb has help, on standard output, that begins with its usage" {
  local verb
  (($(verbs | wc -l) > 15))
  for verb in $(verbs); do
    expect 0 ruvsnap "$verb" --help
    assert_has "${lines[0]}" "usage: ruvsnap $verb STORE"
    assert_equal "$stderr" ''
    expect 0 ruvsnap "$verb" -h
  done
}

@test "every verb refuses what it does not know, and says how it is called" {
  local verb
  for verb in $(verbs); do
    expect "$EXIT_USAGE" ruvsnap "$verb" --frobnicate
    assert_has "$stderr" "$verb: --frobnicate"
    assert_has "$stderr" "usage: ruvsnap $verb"
    assert_has "$stderr" "ruvsnap $verb --help"
    expect "$EXIT_USAGE" ruvsnap "$verb"
    assert_has "$stderr" "$verb: an argument is missing"
    assert_equal "$output" ''
  done
}

@test "options of all verbs: bad values are refused" {
  local bad
  for bad in --threads=0 --threads=-1 --threads=x --threads=100000 --json=x --quiet=x -z; do
    expect "$EXIT_USAGE" ruvsnap list "$store" "$bad"
    [[ -n $stderr ]]
  done
  expect "$EXIT_USAGE" ruvsnap list "$store" --threads
}

@test "--threads 1 and --threads 7 make and read the same" {
  make_sample "$src"
  ruvsnap init "$store" --source "$src"
  expect 0 ruvsnap create "$store" a --threads 1
  expect 0 ruvsnap create "$store" b --threads 7 --full
  assert_equal "$(ruvsnap show "$store" a --json | jq -r .checksum)" "$(ruvsnap show "$store" b --json | jq -r .checksum)"
  expect 0 ruvsnap restore "$store" a "$BATS_TEST_TMPDIR/r" --threads 7
  compare_restored "$src" "$BATS_TEST_TMPDIR/r"
  expect 0 ruvsnap verify "$store" --threads 1
  expect 0 ruvsnap collect "$store" --threads 3
}

@test "one is one: counts are said as people do" {
  mkdir "$src"
  echo 1 >"$src/one"
  ruvsnap init "$store" --source "$src"
  expect 0 ruvsnap create "$store" a
  assert_has "$output" ' 1 file, '
  expect 0 ruvsnap restore "$store" a "$BATS_TEST_TMPDIR/r"
  assert_equal "$output" 'restored 1 file, 2 B'
  expect 0 ruvsnap verify "$store"
  assert_has "$output" '1 snapshot, 1 file, '
}

@test "a store that is not there: how to make one" {
  expect "$EXIT_NOT_FOUND" ruvsnap list "$store"
  assert_has "$stderr" "$store: No such file or directory; \`ruvsnap init\` makes one"
}

# --- quiet -----------------------------------------------------------------------

@test "--quiet: success says nothing, answers and errors are as ever" {
  make_sample "$src"
  local command
  for command in "init $store --source $src" "create $store a" "create $store b" "restore $store a $BATS_TEST_TMPDIR/r" \
    "verify $store" "delete $store a" "prune $store --keep-last 1" "collect $store" "tick $store"; do
    # shellcheck disable=SC2086 # words
    expect 0 ruvsnap $command --quiet
    assert_equal "$command: $output$stderr" "$command: "
  done
  expect 0 ruvsnap list "$store" -q
  assert_has "$output" b
  expect 0 ruvsnap create "$store" c -q --json
  assert_equal "$(json .name)" c
  expect "$EXIT_NOT_FOUND" ruvsnap show "$store" nothing -q
  assert_has "$stderr" nothing
}

# --- names that mean harm ----------------------------------------------------------

# hostile_tree DIR: names with controls, an escape sequence, C1, overrides of
# direction, bytes that are no UTF-8.
hostile_tree() {
  mkdir -p "$1"
  echo 1 >"$1/"$'clear\e[2Jscreen'
  echo 2 >"$1/"$'c1\xc2\x9b2J'
  echo 3 >"$1/"$'latin\xe9'
  echo 4 >"$1/"$'line\nbreak'
  echo 5 >"$1/"$'gpj.\xe2\x80\xaeexe'
  ln -s $'\e]0;title\a' "$1/link"
  echo 6 >"$1/"$'bell\a'
  echo 7 >"$1/"$'back\rdel\x7f'
}

# assert_harmless FILE: UTF-8 without control characters but the newline.
assert_harmless() {
  iconv -f utf-8 -t utf-8 "$1" >/dev/null || fail "no UTF-8: $(cat -v "$1")"
  ! grep -qP '[\x00-\x09\x0b-\x1f\x7f]' "$1" || fail "controls: $(cat -v "$1")"
  ! LC_ALL=C grep -qP '\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]' "$1" || fail "C1 or overrides: $(cat -v "$1")"
}

@test "names with control characters are escaped wherever they are printed" {
  hostile_tree "$src"
  ruvsnap init "$store" --source "$src"
  ruvsnap create "$store" old --quiet
  rm "$src/link"
  for file in "$src"/*; do echo changed >>"$file"; done
  ruvsnap create "$store" new --quiet --meta $'note=\e[2J' --meta $'\xc2\x9bkey=1'
  local command name
  local -a commands=("ls $store new" "ls $store old --json" "diff $store old new" "diff $store old new --json"
    "show $store new" "show $store new --json" "list $store --json=lines" "restore $store old $BATS_TEST_TMPDIR/r")
  for command in "${commands[@]}"; do
    # shellcheck disable=SC2086 # words
    expect 0 ruvsnap $command
    printf '%s\n' "$output" "$stderr" >"$out"
    assert_harmless "$out"
  done
  # And in what is said of an error.
  for name in "$src"/* $'no such\e[2J'; do
    name=$(basename "$name")
    run --separate-stderr ruvsnap cat "$store" old "${name}x"
    [[ $status -eq $EXIT_NOT_FOUND ]]
    printf '%s\n' "$stderr" >"$out"
    assert_harmless "$out"
    run --separate-stderr ruvsnap show "$store" "$name"
    printf '%s\n' "$stderr" >"$out"
    assert_harmless "$out"
    run --separate-stderr ruvsnap create "$store" "$name"
    printf '%s\n' "$stderr" >"$out"
    assert_harmless "$out"
    run --separate-stderr ruvsnap "$name" "$store"
    printf '%s\n' "$stderr" >"$out"
    assert_harmless "$out"
    run --separate-stderr ruvsnap list "$store" "--x$name"
    printf '%s\n' "$stderr" >"$out"
    assert_harmless "$out"
    run --separate-stderr ruvsnap list "$BATS_TEST_TMPDIR/$name"
    printf '%s\n' "$stderr" >"$out"
    assert_harmless "$out"
  done
}

@test "a store that others wrote plays no tricks either" {
  hostile_tree "$src"
  make_store "$store" "$src" a
  mv "$store"/snapshot-* "$store/"$'snapshot-\e[2J'
  cp -r "$store/"$'snapshot-\e[2J' "$store/snapshot-20260101T000000Z-0000"
  printf '{"name": "\\u001b[2J", "id": "\\u009b"}' >"$store/snapshot-20260101T000000Z-0000/metadata.json"
  local command
  for command in list verify stats collect "list --json" "verify --json"; do
    # shellcheck disable=SC2086 # words
    set -- $command
    run --separate-stderr ruvsnap "$1" "$store" "${@:2}"
    printf '%s\n' "$output" "$stderr" >"$out"
    assert_harmless "$out"
  done
}

@test "verify names the snapshot, and its id" {
  make_sample "$src"
  make_store "$store" "$src" nightly
  local id
  id=$(ruvsnap show "$store" nightly --json | jq -r .id)
  flip_bit "$(snapshot_dir "$store")/vectors.bin.gz" 5000
  expect "$EXIT_CORRUPT" ruvsnap verify "$store"
  assert_has "$output" "damaged: nightly ($id), file vectors.bin: "
  expect "$EXIT_CORRUPT" ruvsnap verify "$store" --json
  assert_equal "$(json '.damage[0].name')" nightly
  assert_equal "$(json '.damage[0].snapshot')" "$id"
}

@test "the driver escapes what it says, libfuse's words included" {
  make_sample "$src"
  make_store "$store" "$src" a
  mkdir "$BATS_TEST_TMPDIR/mnt"
  local option
  for option in $'-o\e[2J' $'-ocache=\e[2J' $'--\e[2J' $'-osource=/\e[2J' ; do
    run --separate-stderr ruvsnapfs "$option" "$store" "$BATS_TEST_TMPDIR/mnt"
    [[ $status -ne 0 && -n $stderr ]]
    printf '%s\n' "$output" "$stderr" >"$out"
    assert_harmless "$out"
  done
}

# --- progress -----------------------------------------------------------------------

@test "on a terminal a bar moves" {
  slow_store
  on_terminal "$RUVSNAP create $store a --threads 1"
  local shown
  shown=$(tr '\r' '\n' <<<"$output" | grep -oE 'create: +[0-9]+% \[[#.]+\] [0-9.]+ [KM]?i?B of 24.8 MiB' | sort -u | wc -l)
  ((shown >= 2)) || fail "$shown bars in:" "$output"
  assert_has "$output" '/s'
  # What it was drawn on is wiped.
  [[ $(tail -n 1 <<<"$output") == *$'\r\e[Ka  2'* ]]
  on_terminal "$RUVSNAP create $store b --full --quiet"
  assert_equal "$output" ''
  on_terminal "TERM=dumb $RUVSNAP create $store c --full"
  assert_lacks "$output" $'\r\e'
  on_terminal "$RUVSNAP verify $store"
  assert_has "$output" 'verify: '
  on_terminal "$RUVSNAP restore $store a $BATS_TEST_TMPDIR/r"
  assert_has "$output" 'restore: '
}

@test "a narrow terminal gets a shorter line, none that wraps" {
  slow_store
  on_terminal "stty cols 30; $RUVSNAP create $store a --threads 1"
  local line
  while read -r line; do
    line=${line//$'\e[K'/}
    ((${#line} < 30)) || [[ $line == a\ * ]] || fail "wraps: $line"
  done < <(tr '\r' '\n' <<<"$output")
}

@test "in a pipe there is no bar, and no colour" {
  slow_store
  expect 0 ruvsnap create "$store" a
  assert_equal "$stderr" ''
  assert_lacks "$output" $'\e'
  assert_equal "${#lines[@]}" 1
  expect "$EXIT_EXISTS" ruvsnap create "$store" a
  assert_lacks "$stderr" $'\e'
}

@test "colours are for terminals, and not with NO_COLOR" {
  on_terminal "$RUVSNAP list $store"
  assert_has "$output" $'\e[31m'
  on_terminal "NO_COLOR=1 $RUVSNAP list $store"
  assert_has "$output" "$store"
  assert_lacks "$output" $'\e'
  on_terminal "TERM=dumb $RUVSNAP list $store"
  assert_lacks "$output" $'\e'
}

@test "--json=lines: one object a line, progress first, the answer last" {
  slow_store
  expect 0 ruvsnap create "$store" a --json=lines --threads 1
  jq -es 'length >= 3' <<<"$output"
  assert_equal "$(jq -s length <<<"$output")" "${#lines[@]}"
  jq -es '.[:-1] | all(.progress.job == "create" and .progress.total_bytes == 26000000)' <<<"$output"
  jq -es '[.[:-1][].progress.done_bytes] | . == sort and .[-1] <= 26000000' <<<"$output"
  jq -es '.[1].progress | .bytes_per_second > 0 and .seconds_left > 0' <<<"$output"
  assert_equal "$(jq -cS . <<<"${lines[-1]}")" "$(ruvsnap show "$store" a --json | jq -cS .)"
  expect 0 ruvsnap restore "$store" a "$BATS_TEST_TMPDIR/r" --json=lines
  assert_equal "$(jq -r .files <<<"${lines[-1]}")" 1
  expect 0 ruvsnap restore "$store" a "$BATS_TEST_TMPDIR/r2" slow.bin --json=lines
  jq -e '.progress.total_bytes == 26000000' <<<"${lines[0]}"
  expect 0 ruvsnap verify "$store" --json=lines
  assert_equal "$(jq -r .findings <<<"${lines[-1]}")" 0
  expect "$EXIT_EXISTS" ruvsnap create "$store" a --json=lines
  assert_equal "$(jq -r .error.exit_code <<<"${lines[-1]}")" "$EXIT_EXISTS"
  flip_bit "$(snapshot_dir "$store")/slow.bin.gz" 5000
  expect "$EXIT_CORRUPT" ruvsnap verify "$store" --json=lines
  jq -e '.findings > 0' <<<"${lines[-1]}"
}

# --- interrupts ---------------------------------------------------------------------

# interrupted_at CALL NTH COMMAND...: run it, with SIGINT at the NTH such system
# call of a thread.  Its exit code lands in $status.  Threads that work for the
# first one take no signals: with them it counts for nothing.
interrupted_at() {
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "strace and sanitizers do not mix"
  local call=$1 nth=$2
  shift 2
  run strace -f -qq -o /dev/null -e "trace=$call" -e "inject=$call:signal=SIGINT:when=$nth" "$RUVSNAP" "$@"
}

# no_rest: nothing unfinished in the store.
no_rest() {
  [[ -z $(find "$store" -name '.tmp-*') ]] || fail "left: $(find "$store" -name '.tmp-*')"
}

@test "create, interrupted at any of its calls, ends with 130 and leaves nothing, or is done" {
  make_sample "$src"
  ruvsnap init "$store" --source "$src"
  local call nth interrupted=0
  for call in openat pread64 pwrite64 fsync renameat2 getdents64 fstat; do
    for nth in 1 2 7; do
      interrupted_at "$call" "$nth" create "$store" a --full
      if [[ $status -eq $EXIT_INTERRUPTED ]]; then
        interrupted=$((interrupted + 1))
        no_rest
        assert_equal "$(names_of "$store")" ''
      else
        assert_equal "$status" 0
        expect 0 ruvsnap verify "$store"
        ruvsnap delete "$store" a
      fi
    done
  done
  ((interrupted >= 5)) || fail "only $interrupted were interrupted"
}

@test "restore, interrupted at any of its calls, ends with 130 and leaves nothing, or is done" {
  make_sample "$src"
  mkdir -p "$src/sub/deeper"
  cp "$src/index.bin" "$src/sub/deeper"
  ln "$src/index.bin" "$src/sub/link"
  ln -s nowhere "$src/sub/symbolic"
  make_store "$store" "$src" a
  local call nth interrupted=0 target=$BATS_TEST_TMPDIR/r
  for call in pread64 pwrite64 openat renameat2 fchmod; do
    for nth in 1 2 3 5; do
      rm -rf "$target"
      interrupted_at "$call" "$nth" restore "$store" a "$target"
      if [[ $status -eq 0 ]]; then
        compare_restored "$src" "$target"
      else
        assert_equal "$status" "$EXIT_INTERRUPTED"
        interrupted=$((interrupted + 1))
        [[ ! -e $target ]] || fail "left by $call $nth: $(find "$target")"
      fi
    done
  done
  ((interrupted >= 8)) || fail "only $interrupted were interrupted"
}

@test "restore, interrupted, leaves alone what was there" {
  make_sample "$src"
  mkdir "$src/sub"
  cp "$src/index.bin" "$src/sub"
  make_store "$store" "$src" a
  local target=$BATS_TEST_TMPDIR/r
  mkdir -p "$target/sub"
  echo mine >"$target/sub/mine"
  echo mine >"$target/mine"
  # The first thread sets the times of directories, sub's to begin with.
  interrupted_at utimensat 1 restore "$store" a "$target" sub vectors.bin
  assert_equal "$status" "$EXIT_INTERRUPTED"
  assert_equal "$(cd "$target" && find . | sort | tr '\n' ' ')" '. ./mine ./sub ./sub/mine '
  # What is replaced is gone; then what replaces it is whole.
  echo old >"$target/sub/index.bin"
  interrupted_at utimensat 1 restore "$store" a "$target" sub vectors.bin --overwrite
  assert_equal "$status" "$EXIT_INTERRUPTED"
  [[ $(<"$target/sub/index.bin") == old ]] 2>/dev/null || cmp "$src/sub/index.bin" "$target/sub/index.bin"
  [[ ! -e $target/vectors.bin ]] || cmp "$src/vectors.bin" "$target/vectors.bin"
  assert_equal "$(cat "$target/mine" "$target/sub/mine" | uniq)" mine
}

@test "collect, interrupted, ends with 130, and what is left reads as before" {
  mkdir "$src"
  random_bytes 6000000 >"$src/a"
  random_bytes 3000000 2 >"$src/b"
  make_store "$store" "$src" full
  rm "$src/b"
  ruvsnap create "$store" next -q
  cp -a "$store" "${store}.kept"
  local call nth interrupted=0
  for call in pwrite64 pread64 fsync renameat2 openat; do
    for nth in 1 3; do
      rm -rf "$store"
      cp -a "${store}.kept" "$store"
      # Deleted by hand, so that nothing is collected with it.
      rm "$(snapshot_dir "$store" full)/metadata.json"
      interrupted_at "$call" "$nth" collect "$store"
      [[ $status -eq 0 || $status -eq $EXIT_INTERRUPTED ]] || fail "exit code $status: $output"
      [[ $status -eq 0 ]] || interrupted=$((interrupted + 1))
      no_rest
      ruvsnap cat "$store" next a | cmp - "$src/a"
      expect 0 ruvsnap verify "$store"
    done
  done
  ((interrupted >= 3)) || fail "only $interrupted were interrupted"
}

@test "prune, interrupted, ends with 130 between two snapshots; the next writer frees what went" {
  local name left
  mkdir "$src"
  ruvsnap init "$store" --source "$src"
  for name in {1..6}; do
    random_bytes 300000 "$name" >"$src/a"
    ruvsnap create "$store" "s$name" -q
  done
  interrupted_at unlinkat 2 prune "$store" --keep-last 1
  assert_equal "$status" "$EXIT_INTERRUPTED"
  assert_has "$output" '2 deleted, but: interrupted'
  assert_equal "$(names_of "$store" | xargs)" 's3 s4 s5 s6'
  no_rest
  expect 0 ruvsnap verify "$store"
  left=$(find "$store" -mindepth 1 -maxdepth 1 -name 'snapshot-*' | wc -l)
  assert_equal "$left" 6
  expect 0 ruvsnap create "$store" s7
  left=$(find "$store" -mindepth 1 -maxdepth 1 -name 'snapshot-*' | wc -l)
  assert_equal "$left" 5
  expect 0 ruvsnap prune "$store" --keep-last 1
  assert_equal "$(names_of "$store")" s7
  # When it comes while space is freed, all are deleted by then.
  random_bytes 300000 8 >"$src/a"
  ruvsnap create "$store" s8 -q
  interrupted_at openat "$(opens_before_freed)" prune "$store" --keep-last 1
  assert_equal "$status" "$EXIT_INTERRUPTED"
  assert_has "$output" '1 deleted, their space not freed yet: interrupted'
  assert_equal "$(names_of "$store")" s8
  expect 0 ruvsnap verify "$store"
}

# opens_before_freed: which openat(2) of a prune of a copy is the word's.
opens_before_freed() {
  cp -a "$store" "${store}.tried"
  strace -f -qq -e trace=openat -o "$BATS_TEST_TMPDIR/opens" "$RUVSNAP" prune "${store}.tried" --keep-last 1 >/dev/null
  grep -n '"\.collect"' "$BATS_TEST_TMPDIR/opens" | head -n 1 | cut -d : -f 1
}

# --- mount ---------------------------------------------------------------------------

@test "mount runs ruvsnapfs, found beside it or on PATH" {
  make_sample "$src"
  make_store "$store" "$src" a
  mkdir "$BATS_TEST_TMPDIR/mnt" "$BATS_TEST_TMPDIR/beside" "$BATS_TEST_TMPDIR/alone"
  cp "$RUVSNAP" "$RUVSNAPFS" "$BATS_TEST_TMPDIR/beside"
  cp "$RUVSNAP" "$BATS_TEST_TMPDIR/alone"
  PATH=/usr/bin:/bin expect 0 "$BATS_TEST_TMPDIR/beside/ruvsnap" mount "$store" "$BATS_TEST_TMPDIR/mnt" -o ro --threads 2 3>&-
  ls "$BATS_TEST_TMPDIR/mnt/a"
  fusermount3 -u "$BATS_TEST_TMPDIR/mnt"
  PATH=$(dirname "$RUVSNAPFS"):$PATH expect 0 "$BATS_TEST_TMPDIR/alone/ruvsnap" mount "$store" "$BATS_TEST_TMPDIR/mnt" 3>&-
  ls "$BATS_TEST_TMPDIR/mnt/a"
  fusermount3 -u "$BATS_TEST_TMPDIR/mnt"
  PATH=/usr/bin:/bin expect "$EXIT_FAILED" "$BATS_TEST_TMPDIR/alone/ruvsnap" mount "$store" "$BATS_TEST_TMPDIR/mnt"
  assert_has "$stderr" ruvsnapfs
  expect "$EXIT_NOT_FOUND" "$BATS_TEST_TMPDIR/beside/ruvsnap" mount "$store.none" "$BATS_TEST_TMPDIR/mnt"
}
