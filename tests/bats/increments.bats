#!/usr/bin/env bats
# Goal: an increment costs what changed and misses nothing: unchanged files are not
# opened, changed ones cost their pages, moved ones cost nothing, and every
# snapshot of a chain gives back exactly what was there.

load helper
load loop

setup() {
  src=$BATS_TEST_TMPDIR/db
  store=$BATS_TEST_TMPDIR/store
  mkdir "$src"
}

teardown() {
  unmount_loops
}

# take NAME [OPTION]...: make a snapshot; its record is in $output.
take() {
  expect 0 ruvsnap create "$store" "$@" --json
}

# costs_less BYTES: the snapshot just taken.
costs_less() {
  local size
  size=$(json .size_bytes)
  ((size < $1)) || fail "$(json .name) costs $size bytes, not less than $1"
}

# occupies_less NAME BYTES: the whole directory, with its record and checksums.
occupies_less() {
  local size
  size=$(du -s -B1 --apparent-size "$(snapshot_dir "$store" "$1")" | cut -f 1)
  ((size < $2)) || fail "$1 occupies $size bytes, not less than $2"
}

# gives_back NAME TREE
gives_back() {
  rm -rf "$BATS_TEST_TMPDIR/restored"
  expect 0 ruvsnap restore "$store" "$1" "$BATS_TEST_TMPDIR/restored"
  compare_restored "$2" "$BATS_TEST_TMPDIR/restored"
}

# rewrite_pages FILE PERCENT SEED: as many different pages, at random; prints the
# bytes rewritten.
rewrite_pages() {
  python3 - "$@" <<'PYTHON'
import os, random, sys
path, percent, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
pages = os.path.getsize(path) // 4096
chance = random.Random(seed)
chosen = chance.sample(range(pages), int(pages * percent / 100))
with open(path, "r+b") as file:
    for page in chosen:
        file.seek(page * 4096)
        file.write(chance.randbytes(4096))
print(len(chosen) * 4096)
PYTHON
}

# many_files FIRST LAST BYTES: below d, of random bytes.
many_files() {
  python3 - "$src/d" "$@" <<'PYTHON'
import random, sys
folder, (first, last, size) = sys.argv[1], map(int, sys.argv[2:])
chance = random.Random(size)
for number in range(first, last + 1):
    with open(f"{folder}/{number}", "wb") as file:
        file.write(chance.randbytes(size))
PYTHON
}

# insert FILE OFFSET BYTES: random bytes, everything behind them moves.
insert() {
  { head -c "$2" "$1"; random_bytes "$3" 99; tail -c "+$(($2 + 1))" "$1"; } >"$1.new"
  cat "$1.new" >"$1"
  rm "$1.new"
}

can_trace() {
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "sanitizers and ptrace do not mix"
  strace -f -o /dev/null true 2>/dev/null || skip "no ptrace here"
}

# opened_in TRACE: the source's regular files that strace saw opened.
opened_in() {
  grep -oE 'open(at|at2)?\([^)]*' "$1" | grep -oE '"[^"]*"' | tr -d '"' |
    while read -r path; do
      [[ -f $src/${path#"$src"/} ]] && echo "$path"
    done || true
}

# --- what did not change -----------------------------------------------------

@test "an unchanged tree: kilobytes, and no file of it is opened" {
  can_trace
  make_sample "$src"
  mkdir "$src/many"
  (cd "$src/many" && seq -f 'small %.0f' 2000 | split -l 1 -a 4 - small)
  sleep 0.1
  make_store "$store" "$src" one
  sleep 0.1
  strace -f -qq -e trace=open,openat,openat2 -o "$BATS_TEST_TMPDIR/trace" \
    "$RUVSNAP" create "$store" two --json >"$BATS_TEST_TMPDIR/record"
  output=$(cat "$BATS_TEST_TMPDIR/record")
  assert_equal "$(json .snapshot_type)" incremental
  costs_less 65536
  occupies_less two 65536
  assert_equal "$(opened_in "$BATS_TEST_TMPDIR/trace")" ''
  # The same look at a first snapshot does see them, so the look is a good one.
  strace -f -qq -e trace=open,openat,openat2 -o "$BATS_TEST_TMPDIR/trace" \
    "$RUVSNAP" create "$store" three --full >/dev/null
  assert_has "$(opened_in "$BATS_TEST_TMPDIR/trace")" vectors.bin
  gives_back two "$src"
}

@test "of the base no more is read than changed chunks need" {
  local stream
  can_trace
  head -c 16777216 /dev/urandom >"$src/vectors.bin"
  make_store "$store" "$src" first
  rewrite_pages "$src/vectors.bin" 0.1 1
  stream=$(snapshot_dir "$store" first)/vectors.bin.gz
  strace -f -qq -e trace=pread64,read -P "$stream" -o "$BATS_TEST_TMPDIR/trace" "$RUVSNAP" create "$store" second
  # Four pages: eight members of at most 256 KiB, were each at an end of one.
  awk '/= [0-9]+$/ { sum += $NF } END { exit !(sum > 0 && sum < 2200000) }' "$BATS_TEST_TMPDIR/trace" ||
    fail "$(cat "$BATS_TEST_TMPDIR/trace")"
  gives_back second "$src"
}

@test "the increment is the default, its base the newest; --full and --base say otherwise" {
  local one two
  make_sample "$src"
  ruvsnap init "$store" --source "$src"
  take one
  assert_equal "$(json .snapshot_type)" full
  assert_equal "$(json '.base_id == null')" true
  one=$(json .id)
  take two
  assert_equal "$(json .snapshot_type)" incremental
  assert_equal "$(json .base_id)" "$one"
  two=$(json .id)
  take three
  assert_equal "$(json .base_id)" "$two"
  take four --base one
  assert_equal "$(json .base_id)" "$one"
  take five --base "${two}"
  assert_equal "$(json .base_id)" "$two"
  take six --base latest
  assert_equal "$(json .base_id)" "$(ruvsnap show "$store" five --json | jq -r .id)"
  take seven --full
  assert_equal "$(json .snapshot_type)" full
  assert_equal "$(json '.base_id == null')" true
  (($(json .size_bytes) > 1500000)) || fail "a full snapshot shares nothing"
  expect "$EXIT_NOT_FOUND" ruvsnap create "$store" eight --base nothing
  expect "$EXIT_USAGE" ruvsnap create "$store" eight --full --base one
  expect 0 ruvsnap verify "$store"
}

@test "a full snapshot needs no other: its directory alone gives back the files" {
  make_sample "$src"
  make_store "$store" "$src" one two
  rewrite_pages "$src/vectors.bin" 5 1 >/dev/null
  take three
  take four --full
  local alone
  alone=$(snapshot_dir "$store" four)
  ruvsnap delete "$store" one two three
  (cd "$alone" && sha256sum --quiet -c checksum.sha256)
  for file in vectors.bin index.bin metadata.bin; do
    gunzip -c "$alone/$file.gz" | cmp - "$src/$file"
  done
}

@test "plain tools: streams of increments unzip and checksums hold" {
  local name dir
  make_sample "$src"
  make_store "$store" "$src" one
  for name in two three four; do
    rewrite_pages "$src/vectors.bin" 3 "${#name}" >/dev/null
    echo "$name" >>"$src/metadata.bin"
    echo "$name" >"$src/new-$name"
    take "$name"
  done
  for name in one two three four; do
    dir=$(snapshot_dir "$store" "$name")
    (cd "$dir" && sha256sum --quiet -c checksum.sha256)
    find "$dir" -name '*.gz' -print0 | xargs -0 -r gunzip -c >/dev/null
    gzip -dc <"$dir/manifest" >/dev/null
  done
  # Files that came with an increment are whole in it.
  gunzip -c "$(snapshot_dir "$store" four)/new-four.gz" | cmp - "$src/new-four"
}

# --- what changed ------------------------------------------------------------

@test "1% of the pages of a file rewritten at random cost hardly more than they hold" {
  local changed
  random_bytes 67108864 3 >"$src/vectors.bin"
  make_store "$store" "$src" one
  changed=$(rewrite_pages "$src/vectors.bin" 1 7)
  take two
  costs_less $((changed * 115 / 100))
  gives_back two "$src"
}

@test "pages edited again and again: each increment costs its own, and each comes back" {
  local round changed
  random_bytes 8388608 3 >"$src/vectors.bin"
  make_store "$store" "$src" s0
  for round in 1 2 3 4 5 6 7 8; do
    changed=$(rewrite_pages "$src/vectors.bin" 1 "$round")
    take "s$round"
    costs_less $((changed * 115 / 100 + 8192))
    cp -a "$src" "$BATS_TEST_TMPDIR/copy$round"
  done
  for round in 1 2 3 4 5 6 7 8; do
    gives_back "s$round" "$BATS_TEST_TMPDIR/copy$round"
  done
  expect 0 ruvsnap verify "$store"
}

@test "an append costs the append" {
  random_bytes 67108864 3 >"$src/vectors.bin"
  make_store "$store" "$src" one
  random_bytes 3355443 4 >>"$src/vectors.bin"
  take two
  costs_less $((3355443 + 400000))
  gives_back two "$src"
}

@test "1 MiB inserted in the middle of 50 MB costs less than 1 MB beyond it" {
  random_bytes 50000000 3 >"$src/vectors.bin"
  make_store "$store" "$src" one
  insert "$src/vectors.bin" 25000001 1048576
  take two
  costs_less $((1048576 + 1000000))
  gives_back two "$src"
}

@test "bytes cut out of the middle, and the front, cost no more than a few chunks" {
  random_bytes 20000000 3 >"$src/vectors.bin"
  make_store "$store" "$src" one
  { head -c 9000001 "$src/vectors.bin"; tail -c +9100000 "$src/vectors.bin"; } >"$BATS_TEST_TMPDIR/cut"
  cat "$BATS_TEST_TMPDIR/cut" >"$src/vectors.bin"
  take two
  costs_less 700000
  tail -c +12346 "$BATS_TEST_TMPDIR/cut" >"$src/vectors.bin"
  take three
  costs_less 700000
  gives_back three "$src"
}

@test "a file truncated, one grown by a hole: next to nothing" {
  random_bytes 8000000 3 >"$src/shrinks.bin"
  random_bytes 8000000 4 >"$src/grows.bin"
  make_store "$store" "$src" one
  truncate -s 3333333 "$src/shrinks.bin"
  truncate -s 90000000 "$src/grows.bin"
  take two
  costs_less 600000
  gives_back two "$src"
  (($(allocated "$BATS_TEST_TMPDIR/restored/grows.bin") < 20000000)) || fail "holes were filled"
}

@test "a rename, a copy, a moved folder: nothing but the manifest" {
  random_bytes 5000000 3 >"$src/vectors.bin"
  mkdir "$src/sub"
  random_bytes 3000000 4 >"$src/sub/index.bin"
  echo small >"$src/sub/small"
  make_store "$store" "$src" one
  mv "$src/vectors.bin" "$src/renamed.bin"
  take renamed
  costs_less 16384
  cp "$src/renamed.bin" "$src/copy.bin"
  take copied
  costs_less 16384
  mv "$src/sub" "$src/moved"
  take moved
  costs_less 16384
  cp "$src/copy.bin" "$src/moved/again.bin"
  rm "$src/copy.bin"
  take elsewhere
  costs_less 16384
  gives_back elsewhere "$src"
  expect 0 ruvsnap verify "$store"
}

@test "two new files with the same bytes are stored once" {
  echo x >"$src/x"
  make_store "$store" "$src" one
  random_bytes 4000000 5 >"$src/a.bin"
  cp "$src/a.bin" "$src/b.bin"
  take two
  costs_less 4200000
  gives_back two "$src"
}

@test "attributes alone: mode, owner, time, xattr; no data" {
  make_sample "$src"
  make_store "$store" "$src" one
  chmod 600 "$src/vectors.bin"
  take mode
  costs_less 16384
  gives_back mode "$src"
  touch -d '2020-02-02 02:02:02.000000002' "$src/vectors.bin"
  take time
  costs_less 16384
  gives_back time "$src"
  if ((EUID == 0)); then
    chown 1234:4321 "$src/vectors.bin"
    take owner
    costs_less 16384
    gives_back owner "$src"
  fi
  if setfattr -n user.note -v changed "$src/vectors.bin" 2>/dev/null; then
    take xattr
    costs_less 16384
    gives_back xattr "$src"
    setfattr -x user.note "$src/vectors.bin"
    take without
    gives_back without "$src"
  fi
  [[ $(ruvsnap cat "$store" one vectors.bin | sha256sum) == $(sha256sum <"$src/vectors.bin") ]]
}

@test "things that change their type" {
  local step
  echo file >"$src/a"
  mkdir "$src/b"
  echo inner >"$src/b/inner"
  ln -s target "$src/c"
  make_store "$store" "$src" s0
  cp -a "$src" "$BATS_TEST_TMPDIR/copy0"
  rm "$src/a" && mkdir "$src/a" && echo deep >"$src/a/deep"
  rm -r "$src/b" && ln -s a "$src/b"
  rm "$src/c" && echo 'a file now' >"$src/c"
  take s1
  cp -a "$src" "$BATS_TEST_TMPDIR/copy1"
  rm -r "$src/a" && mkfifo "$src/a"
  rm "$src/b" && echo 'file' >"$src/b"
  ln "$src/b" "$src/d"
  rm "$src/c" && ln -s d "$src/c"
  take s2
  cp -a "$src" "$BATS_TEST_TMPDIR/copy2"
  rm "$src/d" && cp "$src/b" "$src/d"
  take s3
  cp -a "$src" "$BATS_TEST_TMPDIR/copy3"
  find "$src" -mindepth 1 -delete
  take s4
  cp -a "$src" "$BATS_TEST_TMPDIR/copy4"
  for step in 0 1 2 3 4; do
    gives_back "s$step" "$BATS_TEST_TMPDIR/copy$step"
  done
  expect 0 ruvsnap verify "$store"
}

@test "a file replaced by another of the same size and time is read" {
  echo aaaaaaaa >"$src/file"
  touch -d '2021-01-01 00:00:00' "$src/file"
  make_store "$store" "$src" one
  sleep 0.1
  echo bbbbbbbb >"$src/other"
  touch -r "$src/file" "$src/other"
  mv "$src/other" "$src/file"
  take two
  assert_equal "$(ruvsnap cat "$store" two file)" bbbbbbbb
  sleep 0.1
  printf cccc | dd of="$src/file" conv=notrunc status=none
  touch -d '2021-01-01 00:00:00' "$src/file"
  take three
  assert_equal "$(ruvsnap cat "$store" three file)" ccccbbbb
}

# rot IMAGE: as a failing disk does; neither inode, size nor any time tells.
rot() {
  local at
  at=$(grep -abo 'THE BYTES THAT CHANGE' "$1" | head -n 1 | cut -d : -f 1)
  printf 'THE BITES' | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

@test "a change that no time betrays: unseen by default, found by --rehash" {
  local image=$BATS_TEST_TMPDIR/image
  mount_loop "$image" "$src" 64
  { random_bytes 300000 1; echo 'THE BYTES THAT CHANGE BELOW THE FILESYSTEM'; random_bytes 300000 2; } >"$src/file"
  sleep 0.1
  ruvsnap init "$store" --source "$src"
  take one
  sync -f "$src"
  replace_loop "$image" "$src" rot "$image"
  grep -aq 'THE BITES' "$src/file"
  take plain
  costs_less 16384
  assert_equal "$(ruvsnap cat "$store" plain file | grep -ac 'THE BITES')" 0
  take careful --rehash
  costs_less 32768
  ruvsnap cat "$store" careful file | cmp - "$src/file"
  [[ $(ruvsnap show "$store" plain --json | jq -r .checksum) != $(json .checksum) ]]
}

@test "--rehash reads every file, and stores nothing when all is as it was" {
  can_trace
  make_sample "$src"
  sleep 0.1
  make_store "$store" "$src" one
  sleep 0.1
  strace -f -qq -e trace=open,openat,openat2 -o "$BATS_TEST_TMPDIR/trace" \
    "$RUVSNAP" create "$store" two --rehash --json >"$BATS_TEST_TMPDIR/record"
  output=$(cat "$BATS_TEST_TMPDIR/record")
  costs_less 16384
  assert_equal "$(opened_in "$BATS_TEST_TMPDIR/trace" | sort -u | xargs)" 'index.bin metadata.bin vectors.bin'
}

@test "an edit in the very tick of a snapshot is not missed" {
  local rounds=80
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || rounds=15
  printf '%064d' 0 >"$src/file"
  make_store "$store" "$src"
  # Each round writes the file in place, same size, at a moment somewhere about a
  # snapshot's scan; the next snapshot must have it, whether this one did or not.
  python3 - "$RUVSNAP" "$store" "$src/file" "$rounds" <<'PYTHON'
import os, random, subprocess, sys, threading, time
program, store, path, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
chance = random.Random(5)
file = os.open(path, os.O_RDWR)

def write(number, delay):
    time.sleep(delay)
    os.pwrite(file, b"%064d" % number, 0)

def create():
    began = time.monotonic()
    subprocess.run([program, "create", store], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began

took = create()
for number in range(1, rounds + 1):
    writer = threading.Thread(target=write, args=(number, chance.uniform(0, took)))
    writer.start()
    took = (3 * took + create()) / 4
    if number % 2:
        os.pwrite(file, b"%064d" % (number + 1000), 0)  # at once behind it
    writer.join()
    create()
    found = subprocess.run([program, "cat", store, "latest", "file"], check=True, capture_output=True).stdout
    if found != os.pread(file, 100, 0):
        sys.exit(f"round {number}: the snapshot has {found}, the file {os.pread(file, 100, 0)}")
PYTHON
}

# --- odd bases ---------------------------------------------------------------

@test "a base of another source gives what is there, whatever it shares" {
  local other=$BATS_TEST_TMPDIR/other
  make_sample "$src"
  make_sample "$other" 50
  cp "$src/vectors.bin" "$other/same.bin"
  make_store "$store" "$src" one
  take two --source "$other" --base one
  costs_less 1900000
  gives_back two "$other"
  take three
  gives_back three "$src"
  # A single file, too.
  take four --source "$src/vectors.bin" --base one
  costs_less 16384
  expect 0 ruvsnap cat "$store" four vectors.bin
  ruvsnap cat "$store" four vectors.bin | cmp - "$src/vectors.bin"
}

@test "a damaged newest snapshot: the next is full, with a word about it; asked for by name it is refused" {
  make_sample "$src"
  make_store "$store" "$src" one
  local dir
  dir=$(snapshot_dir "$store" one)
  flip_bit "$dir/manifest" $(($(file_size "$dir/manifest") / 2)) 3
  expect "$EXIT_CORRUPT" ruvsnap create "$store" two --base one
  expect 0 ruvsnap create "$store" three
  assert_has "$stderr" full
  expect 0 ruvsnap verify "$store" three
  assert_equal "$(ruvsnap show "$store" three --json | jq -r .snapshot_type)" full
  gives_back three "$src"
}

@test "many small files, some changed: the others' bundle is shared" {
  local i
  mkdir "$src/d"
  many_files 1 600 2000
  make_store "$store" "$src" one
  for i in 3 300 599; do echo changed >"$src/d/$i"; done
  rm "$src/d/77"
  take two
  costs_less 65536
  gives_back two "$src"
  # More than half of them, so that they are bundled anew.
  many_files 1 300 2100
  take three
  costs_less 800000
  gives_back three "$src"
  expect 0 ruvsnap verify "$store"
}

@test "a chain of 40, its links deleted at random: all that is left is as it was" {
  # Not i: bats run has one of its own.
  local number left=()
  random_bytes 600000 1 >"$src/vectors.bin"
  make_store "$store" "$src"
  RANDOM=7
  for number in $(seq 40); do
    rewrite_pages "$src/vectors.bin" 4 "$number" >/dev/null
    echo "$number" >"$src/counter"
    take "s$number"
    sha256sum <"$src/vectors.bin" >"$BATS_TEST_TMPDIR/sum$number"
    left+=("$number")
    if ((RANDOM % 3 == 0)); then
      local gone=$((RANDOM % ${#left[@]}))
      expect 0 ruvsnap delete "$store" "s${left[gone]}"
      unset "left[gone]"
      left=("${left[@]}")
    fi
  done
  for number in "${left[@]}"; do
    assert_equal "$(ruvsnap cat "$store" "s$number" counter)" "$number"
    assert_equal "$(ruvsnap cat "$store" "s$number" vectors.bin | sha256sum)" "$(cat "$BATS_TEST_TMPDIR/sum$number")"
  done
  expect 0 ruvsnap verify "$store"
}
