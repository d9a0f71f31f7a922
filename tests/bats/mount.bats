#!/usr/bin/env bats
# Goal: the mount as a user meets it, driven by plain shell tools: snapshots as
# directories, control files, every refusal, damage, its start and its end.
#
# Scripts in quotes are for the shells that they are given to.
# shellcheck disable=SC2016

load helper
load mounted

setup() {
  [[ -w /dev/fuse ]] || skip "needs /dev/fuse"
  src=$BATS_TEST_TMPDIR/db store=$BATS_TEST_TMPDIR/store mnt=$BATS_TEST_TMPDIR/mnt
  make_tree "$src"
  mkdir "$mnt"
}

teardown() {
  release_store
  stop_started
  stop_mounts
}

# A small source with one of each kind of thing.
make_tree() {
  mkdir -p "$1/sub/deep"
  random_bytes 300000 >"$1/vectors.bin"
  echo hello >"$1/note"
  ln "$1/note" "$1/sub/hard"
  ln -s ../note "$1/sub/link"
  : >"$1/empty"
  truncate -s 1M "$1/sparse"
  printf 'tail' >>"$1/sparse"
  echo odd >"$1/sub/odd"$'\n'"name"
  chmod 640 "$1/note"
  touch -d '2026-03-04 05:06:07.123456789' "$1/vectors.bin" "$1/sub"
}

# refused COMMAND...: it fails because the mount is read-only.
refused() {
  run "$@"
  [[ $status -ne 0 && $output == *"Read-only file system"* ]] ||
    fail "status $status of: $*" "$output"
}

# --- starting ------------------------------------------------------------------

@test "a missing store is an error before anything goes to the background" {
  expect "$EXIT_NOT_FOUND" ruvsnapfs "$store" "$mnt"
  assert_has "$stderr" "$store"
  [[ ! -e $store ]]
  run ! mountpoint -q "$mnt"
}

@test "with --source the store is made" {
  start_mount "$store" "$mnt" --source "$src"
  [[ $(stat -c %a "$store") == 700 ]]
  expect 0 ruvsnap list "$store"
}

@test "a missing mount point, or one that is a file, is an error" {
  expect "$EXIT_NOT_FOUND" ruvsnapfs --source "$src" "$store" "$BATS_TEST_TMPDIR/nowhere"
  assert_has "$stderr" nowhere
  expect "$EXIT_USAGE" ruvsnapfs --source "$src" "$store" "$src/note"
  assert_has "$stderr" "not a directory"
  [[ ! -e $store ]]
}

@test "a missing source is an error and makes no store" {
  expect "$EXIT_NOT_FOUND" ruvsnapfs --source "$BATS_TEST_TMPDIR/nowhere" "$store" "$mnt"
  assert_has "$stderr" nowhere
  [[ ! -e $store ]]
}

@test "wrong usage is 2 and says what is wrong" {
  expect "$EXIT_USAGE" ruvsnapfs
  expect "$EXIT_USAGE" ruvsnapfs "$store"
  expect "$EXIT_USAGE" ruvsnapfs "$store" "$mnt" third
  assert_has "$stderr" third
  expect "$EXIT_USAGE" ruvsnapfs --bogus "$store" "$mnt"
  assert_has "$stderr" --bogus
  expect "$EXIT_USAGE" ruvsnapfs -o bogus --source "$src" "$store" "$mnt"
  assert_has "$stderr" bogus
  [[ ! -e $store ]]
}

@test "help and version" {
  expect 0 ruvsnapfs --help
  assert_has "$output" Usage
  expect 0 ruvsnapfs -V
  assert_has "$output" ruvsnapfs
}

@test "the options of mount and fstab are taken" {
  local words=rw,nosuid,nodev,noexec,auto,noauto,user,_netdev,nofail,dev,suid,exec
  start_mount "$store" "$mnt" -o "$words,x-systemd.automount,x-systemd.requires=a,defaults,source=$src"
  echo one >"$mnt/.create"
  [[ -e $mnt/one/note ]]
  fusermount3 -u "$mnt"
  start_mount "$store" "$mnt" -o ro
  refused write_to_create
  [[ -e $mnt/one/note ]]
}

write_to_create() { bash -c 'echo two >"$1/.create"' - "$mnt"; }

@test "mount(8) runs it" {
  [[ $EUID -eq 0 ]] || skip "needs root"
  mounted one
  fusermount3 -u "$mnt"
  # The long form of fuse.ruvsnapfs, for a program that is not installed.
  expect 0 mount -t fuse -o noatime,nofail,x-any=1 "$RUVSNAPFS#$store" "$mnt" 3>&-
  cmp "$src/note" "$mnt/one/note"
  assert_has "$(grep " $mnt " /proc/mounts)" "$store $mnt fuse.ruvsnapfs"
  umount "$mnt"
}

@test "as mount.fuse.ruvsnapfs it takes what mount(8) passes to helpers" {
  mounted one
  fusermount3 -u "$mnt"
  ln -s "$RUVSNAPFS" "$BATS_TEST_TMPDIR/mount.fuse.ruvsnapfs"
  expect 0 "$BATS_TEST_TMPDIR/mount.fuse.ruvsnapfs" "$store" "$mnt" -f -o rw
  run ! mountpoint -q "$mnt"
  expect 0 "$BATS_TEST_TMPDIR/mount.fuse.ruvsnapfs" "$store" "$mnt" -s -n -v -o rw,nofail -t fuse.ruvsnapfs 3>&-
  [[ -e $mnt/one/note ]]
}

# --- ending --------------------------------------------------------------------

@test "fusermount3 -u ends it with 0" {
  in_foreground
  fusermount3 -u "$mnt"
  wait "$started"
  run ! mountpoint -q "$mnt"
}

@test "SIGTERM, SIGINT and SIGHUP end it with 0 and unmount" {
  local signal
  for signal in TERM INT HUP; do
    in_foreground
    kill -s "$signal" "$started"
    wait "$started"
    run ! mountpoint -q "$mnt"
  done
}

@test "in the background it holds neither the terminal nor the directory" {
  local pid
  mounted
  pid=$(pgrep -f "^$RUVSNAPFS --source $src $store $mnt")
  assert_equal "$(readlink "/proc/$pid/cwd")" /
  assert_equal "$(readlink "/proc/$pid/fd/1")" /dev/null
  assert_equal "$(ps -o sid= -p "$pid" | tr -d ' ')" "$pid"
}

# --- snapshots as directories ----------------------------------------------------

@test "a snapshot is the source: names, attributes, bytes, links, holes" {
  mounted one
  diff -r --no-dereference "$src" "$mnt/one"
  compare_trees "$src" "$mnt/one"
  [[ $mnt/one/note -ef $mnt/one/sub/hard ]]
  assert_equal "$(readlink "$mnt/one/sub/link")" ../note
  assert_equal "$(stat -c '%s %b' "$mnt/one/note")" "$(stat -c '%s %b' "$src/note")"
}

@test "a sparse file keeps its holes" {
  mounted one
  (($(allocated "$mnt/one/sparse") <= 65536 * 2))
  python3 - "$mnt/one/sparse" <<'PYTHON'
import errno, os, sys
file = os.open(sys.argv[1], os.O_RDONLY)
size = os.fstat(file).st_size
assert os.lseek(file, 0, os.SEEK_HOLE) == 0
data = os.lseek(file, 0, os.SEEK_DATA)
assert 0 < data <= 1 << 20, data
assert os.lseek(file, data, os.SEEK_HOLE) == size
try:
    os.lseek(file, size, os.SEEK_DATA)
    raise SystemExit("SEEK_DATA at the end")
except OSError as error:
    assert error.errno == errno.ENXIO
PYTHON
}

@test "reads at any place and size give the source's bytes" {
  mounted one
  python3 - "$src/vectors.bin" "$mnt/one/vectors.bin" <<'PYTHON'
import os, random, sys
left, right = (os.open(path, os.O_RDONLY) for path in sys.argv[1:])
size = os.fstat(left).st_size
random.seed(1)
for _ in range(500):
    offset, length = random.randrange(size + 10), random.randrange(1, 70000)
    assert os.pread(left, length, offset) == os.pread(right, length, offset), (offset, length)
PYTHON
}

# Places, and small files one after the other: the kernel's cache is filled with
# what lies around them.
@test "what was not asked for is right, too" {
  mkdir "$src/many"
  local i
  for i in {100..399}; do
    printf '%s ' {1..300} "$i" >"$src/many/file$i"
  done
  head -c 3000000 /dev/urandom >"$src/random"
  mounted one
  for i in {1..40}; do
    dd if="$mnt/one/random" bs=4096 count=1 skip=$((i * 37 % 700)) status=none >/dev/null
  done
  cat "$mnt"/one/many/file1* >/dev/null
  diff -r "$src" "$mnt/one"
}

@test "latest is the newest, and absent when there is none" {
  mounted
  [[ ! -L $mnt/latest ]]
  echo one >"$mnt/.create"
  assert_equal "$(readlink "$mnt/latest")" one
  echo two >"$mnt/.create"
  assert_equal "$(readlink "$mnt/latest")" two
  mv "$mnt/two" "$mnt/three"
  assert_equal "$(readlink "$mnt/latest")" three
  cmp "$src/note" "$mnt/latest/note"
  rmdir "$mnt/three"
  assert_equal "$(readlink "$mnt/latest")" one
}

@test "the root lists the snapshots; ls -a the control files too" {
  mounted b a
  assert_equal "$(shown)" "a b latest "
  assert_has "$(shown -A)" ".create .delete "
  assert_has "$(shown -A)" " a b latest "
  assert_equal "$(stat -c '%A %s' "$mnt/.create")" "-rw------- $(wc -c <"$mnt/.create")"
}

@test "what another program makes, renames and deletes shows at once" {
  mounted one
  ruvsnap create "$store" two
  assert_equal "$(shown)" "latest one two "
  cmp "$src/note" "$mnt/two/note"
  ruvsnap rename "$store" two three || skip "no rename yet"
  assert_equal "$(shown)" "latest one three "
  [[ -e $mnt/three/note ]]
  # The kernel may know the old name for a moment.
  until_true test ! -e "$mnt/two"
}

@test "two mounts of one store see each other's snapshots at once" {
  local other=$BATS_TEST_TMPDIR/other i
  mounted
  start_mount "$store" "$other"
  for i in 1 2 3; do
    echo "left$i" >"$mnt/.create"
    cmp "$src/note" "$other/left$i/note"
    echo "right$i" >"$other/.create"
    cmp "$src/note" "$mnt/right$i/note"
    assert_equal "$(ls "$mnt")" "$(ls "$other")"
  done
  rmdir "$mnt/left1"
  until_true test ! -e "$other/left1"
  assert_equal "$(ls "$mnt")" "$(ls "$other")"
}

@test "inode numbers stay as long as the mount, through renames" {
  local inode
  mounted one two
  inode=$(stat -c %i "$mnt/one/note")
  mv "$mnt/one" "$mnt/uno"
  assert_equal "$(stat -c %i "$mnt/uno/note")" "$inode"
  rmdir "$mnt/uno"
  echo one >"$mnt/.create"
  [[ $(stat -c %i "$mnt/one/note") != "$inode" ]]
}

@test "a shell in a deleted snapshot gets errors, not a hang" {
  mounted one
  cd "$mnt/one"
  rmdir "$mnt/one"
  run timeout 60 ls -la
  run timeout 60 cat note
  run timeout 60 cat sub/deep/none
  [[ $status -eq 1 ]]
  cd /
}

@test "the tree cache is bounded and a dropped tree is loaded again" {
  local name
  start_mount "$store" "$mnt" --source "$src" -o tree_cache=0
  for name in one two three; do
    echo "$name" >"$mnt/.create"
  done
  for name in one two three one two three; do
    cmp "$src/note" "$mnt/$name/note"
    cmp "$src/vectors.bin" "$mnt/$name/vectors.bin"
    diff -r --no-dereference "$src" "$mnt/$name"
  done
  assert_equal "$(jq .tree_cache.trees "$mnt/.status")" 1
}

@test "a listing of the root loads no tree" {
  mounted one two three
  fusermount3 -u "$mnt"
  start_mount "$store" "$mnt"
  ls "$mnt"
  assert_equal "$(jq .tree_cache.trees "$mnt/.status")" 0
}

# --- attributes ------------------------------------------------------------------

@test "every file has its SHA-256 as an attribute, beside its own attributes" {
  setfattr -n user.mine -v value "$src/note" || skip "no extended attributes here"
  mounted one
  assert_equal "$(getfattr --only-values -n user.ruvsnap.sha256 "$mnt/one/vectors.bin")" \
    "$(sha256sum <"$src/vectors.bin" | cut -d ' ' -f 1)"
  assert_equal "$(getfattr --only-values -n user.mine "$mnt/one/note")" value
  assert_equal "$(getfattr "$mnt/one/note" --absolute-names | grep -c '^user\.')" 2
  run getfattr -n user.none "$mnt/one/note"
  assert_has "$output" "No such attribute"
  python3 - "$mnt/one/note" <<'PYTHON'
import ctypes, errno, os, sys
libc, path, small = ctypes.CDLL(None, use_errno=True), sys.argv[1].encode(), ctypes.create_string_buffer(3)
assert libc.getxattr(path, b"user.mine", small, 3) == -1 and ctypes.get_errno() == errno.ERANGE
assert libc.getxattr(path, b"user.mine", None, 0) == 5
assert libc.listxattr(path, small, 3) == -1 and ctypes.get_errno() == errno.ERANGE
PYTHON
}

# acl_errno FILE: what getxattr(2) says of its access control list.
acl_errno() {
  python3 -c 'import errno, os, sys
try: os.getxattr(sys.argv[1], "system.posix_acl_access")
except OSError as e: print(errno.errorcode[e.errno])' "$1"
}

@test "access control lists are not supported where there are none, which spares ls asking for each file's" {
  mounted before
  setfacl -m u:1234:r "$src/note" || skip "no access control lists here"
  ruvsnap create "$store" with
  assert_equal "$(acl_errno "$mnt/before/note")" ENOTSUP
  assert_equal "$(acl_errno "$mnt/before/vectors.bin")" ENOTSUP
  assert_equal "$(acl_errno "$mnt/with/vectors.bin")" ENODATA
  assert_equal "$(acl_errno "$mnt/with/note")" ""
  assert_has "$(ls -l "$mnt/with/note")" "-rw-r-----+"
}

@test "the root names its store" {
  mounted
  assert_equal "$(getfattr --only-values --absolute-names -n user.ruvsnap.store "$mnt")" \
    "$(jq -r .uuid "$store/store.json")"
}

@test "df answers" {
  mounted
  expect 0 df "$mnt"
  assert_has "$output" "$store"
}

# --- .create ---------------------------------------------------------------------

@test ".create makes a snapshot and then shows its record" {
  mounted
  assert_equal "$(jq -c . "$mnt/.create")" '{}'
  echo nightly >"$mnt/.create"
  assert_equal "$(jq -r .name "$mnt/.create")" nightly
  assert_equal "$(jq -cS . "$mnt/.create")" "$(ruvsnap show "$store" nightly --json | jq -cS .)"
  assert_equal "$(wc -c <"$mnt/.create")" "$(stat -c %s "$mnt/.create")"
}

@test ".create: an empty line takes the id as the name" {
  mounted
  echo >"$mnt/.create"
  assert_equal "$(jq -r .name "$mnt/.create")" "$(jq -r .id "$mnt/.create")"
  [[ -e $mnt/$(jq -r .id "$mnt/.create")/note ]]
}

@test ".create takes options in words and as JSON" {
  mounted
  echo "one full a=1 b=x=y" >"$mnt/.create"
  assert_equal "$(jq -c '[.name, .snapshot_type, .metadata]' "$mnt/.create")" '["one","full",{"a":"1","b":"x=y"}]'
  # In one write: bash's own printf would make two of two lines.
  printf '{"name": "two",\n "full": true, "metadata": {"why": "a b"}}\n' | cat >"$mnt/.create"
  assert_equal "$(jq -c '[.name, .snapshot_type, .metadata]' "$mnt/.create")" '["two","full",{"why":"a b"}]'
}

@test ".create works from bash, dash, tee, cat, dd and python" {
  mounted
  bash -c 'echo bash > "$1"' - "$mnt/.create"
  dash -c 'echo dash > "$1"' - "$mnt/.create"
  bash -c 'echo append >> "$1"' - "$mnt/.create"
  echo tee | tee "$mnt/.create"
  echo cat | cat >"$mnt/.create"
  echo dd | dd of="$mnt/.create" status=none
  python3 -c 'import sys; open(sys.argv[1], "w").write("python\n")' "$mnt/.create"
  assert_equal "$(shown)" "append bash cat dash dd latest python tee "
}

@test ".create: two writes of one open file are two snapshots" {
  mounted
  { echo one; echo two; } >"$mnt/.create"
  assert_equal "$(shown)" "latest one two "
}

@test ".create: each error reaches the writer, and its text the reader" {
  mounted one
  local -A commands=(
    [EEXIST]='one' [ENOENT]='two base=nothing' [EINVAL]='bad/name'
  )
  local code
  for code in "${!commands[@]}"; do
    assert_equal "$(write_to .create "${commands[$code]}")" "$code"
    assert_equal "$(jq -r .error.errno "$mnt/.create")" "$code"
    jq -e '.error | .text != "" and .status != ""' "$mnt/.create"
  done
  assert_equal "$(shown)" "latest one "
}

@test ".create: what the grammar does not allow is EINVAL" {
  mounted one
  local text
  for text in 'two three' '=value' 'two a=1 a=2' 'base=' 'two full base=one' '../two' 'two three=4 five' \
    '{' '[]' '{"name": 1}' '{"nam": "two"}' '{"metadata": {"a": 1}}' '{"name": "two"} x' latest; do
    assert_equal "$text: $(write_to .create "$text")" "$text: EINVAL"
  done
  assert_equal "$(write_to .create "two a=$(printf '%05000d' 0)")" EINVAL
  assert_equal "$(write_to .create "two a=$(printf '%04090d' 0)")" EINVAL
  assert_equal "$(shown)" "latest one "
  assert_equal "$(write_to .create "two a=$(printf '%04000d' 0)")" OK
}

@test ".create: a text that the kernel would cut is refused whole" {
  mounted one
  assert_equal "$(write_to .create "two a=$(printf '%04000d' 0)" 'O_WRONLY|O_APPEND')" EINVAL
  assert_equal "$(shown)" "latest one "
}

@test ".create: a shell's echo prints the error and fails" {
  mounted one
  run bash -c 'echo one > "$1"' - "$mnt/.create"
  [[ $status -eq 1 && $output == *"File exists"* ]]
  run dash -c 'echo one > "$1"' - "$mnt/.create"
  [[ $status -eq 1 ]]
  run tee "$mnt/.create" <<<one
  [[ $status -eq 1 && $output == *"File exists"* ]]
}

@test ".create: a source that is gone is an error, and the mount goes on" {
  mounted one
  mv "$src" "$src.away"
  run bash -c 'echo two > "$1"' - "$mnt/.create"
  [[ $status -eq 1 ]]
  cmp "$src.away/note" "$mnt/one/note"
  mv "$src.away" "$src"
  echo two >"$mnt/.create"
}

@test ".create: reading goes on beside it, and Ctrl-C ends its waiting" {
  mounted one
  hold_store
  writer_to .create two
  timeout 60 cat "$mnt/.create" "$mnt/.status" "$mnt/one/note"
  assert_equal "$(shown)" "latest one "
  assert_equal "$(jq -c '.running | map([.command, .name])' "$mnt/.status")" '[["create","two"]]'
  kill -INT "$writer"
  assert_status 7 "$writer"
  assert_equal "$(jq -r .error.errno "$mnt/.create")" EINTR
  release_store
  assert_equal "$(shown)" "latest one "
  echo two >"$mnt/.create"
}

@test ".create: Ctrl-C while it copies leaves nothing behind" {
  mounted one
  random_bytes 1000000000 >"$src/large"
  writer_to .create two
  until_true is_copying
  kill -INT "$writer"
  assert_status 7 "$writer"
  assert_equal "$(shown)" "latest one "
  rm "$src/large"
  echo two >"$mnt/.create"
  assert_equal "$(find "$store" -maxdepth 1 -name '.tmp-*')" ""
}

@test ".create: the end of the mount cancels what runs" {
  in_foreground
  echo one >"$mnt/.create"
  hold_store
  writer_to .create two
  kill "$started"
  assert_status 0 "$started"
  assert_status 7 "$writer"
  run ! mountpoint -q "$mnt"
  release_store
  start_mount "$store" "$mnt"
  assert_equal "$(shown)" "latest one "
}

@test ".create waits for another writer, but not with O_NONBLOCK" {
  mounted one
  hold_store
  assert_equal "$(write_to .create three 'O_WRONLY|O_NONBLOCK')" EBUSY
  assert_equal "$(jq -r .error.status "$mnt/.create")" busy
  writer_to .create two
  release_store
  assert_status 0 "$writer"
  assert_equal "$(shown)" "latest one two "
}

@test ".create: more commands than may wait are refused, and reading goes on" {
  mounted one
  hold_store
  local count=0 _
  for _ in {1..16}; do
    writer_to .create "many$((count += 1))"
  done
  assert_equal "$(write_to .create more)" EBUSY
  timeout 60 cat "$mnt/one/note" "$mnt/one/vectors.bin" | cmp - <(cat "$src/note" "$src/vectors.bin")
  release_store
  assert_status 0 "$writer"
}

is_copying() { jq -e '.running | any(.done_bytes > 0)' "$mnt/.status"; }

# --- mkdir, mv, rmdir --------------------------------------------------------------

@test "mkdir creates, mv renames, rmdir deletes" {
  mounted
  mkdir "$mnt/one"
  cmp "$src/note" "$mnt/one/note"
  assert_equal "$(jq -r .name "$mnt/.create")" one
  mv "$mnt/one" "$mnt/two"
  [[ ! -e $mnt/one ]]
  cmp "$src/note" "$mnt/two/note"
  assert_equal "$(names_of "$store")" two
  rmdir "$mnt/two"
  assert_equal "$(shown)" ""
  assert_equal "$(names_of "$store")" ""
}

@test "mkdir, mv and rmdir refuse bad and taken names" {
  mounted one two
  run mkdir "$mnt/one"
  assert_has "$output" "File exists"
  run mkdir "$mnt/.three"
  assert_has "$output" "Invalid argument"
  run mv -T "$mnt/one" "$mnt/two"
  assert_has "$output" "File exists"
  run ! mv -T "$mnt/one" "$mnt/.three"
  run rmdir "$mnt/three"
  assert_has "$output" "No such file"
  assert_equal "$(shown)" "latest one two "
}

# --- everything else is read-only -----------------------------------------------------

@test "nothing else can be written" {
  mounted one
  refused bash -c 'echo >"$1/one/note"' - "$mnt"
  refused bash -c 'echo >>"$1/one/note"' - "$mnt"
  refused bash -c 'echo >"$1/one/new"' - "$mnt"
  refused bash -c 'echo >"$1/new"' - "$mnt"
  refused bash -c 'echo >"$1/.status"' - "$mnt"
  refused mkdir "$mnt/one/new"
  refused mkfifo "$mnt/one/new"
  refused ln "$mnt/one/note" "$mnt/one/new"
  refused ln -s note "$mnt/one/new"
  refused rm -f "$mnt/one/note"
  refused rm -f "$mnt/.create"
  refused rm -rf "$mnt/one"
  refused rmdir "$mnt/one/sub/deep"
  refused mv "$mnt/one/note" "$mnt/one/new"
  refused mv "$mnt/one/sub" "$mnt/new"
  refused mv "$mnt/latest" "$mnt/new"
  refused chmod 600 "$mnt/one/note"
  refused chown 1 "$mnt/one/note"
  refused touch "$mnt/one/note"
  refused truncate -s 1 "$mnt/one/note"
  refused setfattr -n user.a -v b "$mnt/one/note"
  refused setfattr -x user.ruvsnap.sha256 "$mnt/one/note"
  refused fallocate -l 10 "$mnt/one/note"
  refused cp "$src/note" "$mnt/one/note"
  refused touch "$mnt/.create"
  [[ ! -w $mnt/one/note && -r $mnt/one/note && -w $mnt/.create ]]
  compare_trees "$src" "$mnt/one"
}

@test "writing to a mapping of a file spoils it for nobody" {
  mounted one
  python3 - "$mnt/one/vectors.bin" <<'PYTHON'
import mmap, os, sys
mapping = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 0)
for place in range(0, len(mapping), 4096):
    mapping[place] ^= 1
try:
    mapping.flush()
    raise SystemExit("it was written")
except OSError:
    pass
mapping.close()
PYTHON
  until_true cmp "$src/vectors.bin" "$mnt/one/vectors.bin"
}

# --- other users ------------------------------------------------------------------------

@test "with allow_other others read by the ordinary rules and control nothing" {
  [[ $EUID -eq 0 ]] || skip "needs root"
  chmod a+rx "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.." 2>/dev/null
  chmod 644 "$src/vectors.bin"
  start_mount "$store" "$mnt" --source "$src" -o allow_other
  echo open >"$mnt/.create"
  chmod 700 "$src"
  echo closed >"$mnt/.create"
  as_nobody test -x "$mnt" || skip "nobody cannot reach the temporary folder"
  as_nobody cmp "$mnt/open/vectors.bin" "$mnt/open/vectors.bin"
  run as_nobody cat "$mnt/open/note"
  assert_has "$output" "Permission denied"
  run as_nobody cat "$mnt/closed/vectors.bin"
  assert_has "$output" "Permission denied"
  run as_nobody cat "$mnt/.create" "$mnt/.status"
  assert_has "$output" "Permission denied"
  run as_nobody mkdir "$mnt/new"
  assert_has "$output" "Permission denied"
  run ! as_nobody rmdir "$mnt/open"
  assert_equal "$(shown)" "closed latest open "
}

@test "without allow_other others see nothing" {
  [[ $EUID -eq 0 ]] || skip "needs root"
  mounted one
  run ! as_nobody ls "$mnt"
}

# --- .status and damage -------------------------------------------------------------------

@test ".status is about this mount and always fresh" {
  mounted one
  assert_equal "$(jq -r .store "$mnt/.status")" "$(realpath "$store")"
  assert_equal "$(jq -r .uuid "$mnt/.status")" "$(jq -r .uuid "$store/store.json")"
  assert_equal "$(jq -c '[.snapshots, .running, .damage, .last.command, .last.name]' "$mnt/.status")" \
    '[1,[],[],"create","one"]'
  echo two >"$mnt/.create"
  assert_equal "$(jq .snapshots "$mnt/.status")" 2
  assert_equal "$(wc -c <"$mnt/.status")" "$(stat -c %s "$mnt/.status")"
  run ! mkdir "$mnt/two"
  rmdir "$mnt/two"
  assert_equal "$(jq -r .last.command "$mnt/.status")" delete
}

@test "damage: EIO for the range, a line in the log, an entry in .status" {
  local stream
  in_foreground
  echo one >"$mnt/.create"
  fusermount3 -u "$mnt"
  wait "$started"
  stream=$(snapshot_dir "$store" one)/vectors.bin.gz
  flip_bit "$stream" 150000
  in_foreground
  run cat "$mnt/one/vectors.bin"
  assert_has "$output" "Input/output error"
  cmp "$src/note" "$mnt/one/note"
  cmp -n 4096 "$src/vectors.bin" "$mnt/one/vectors.bin"
  assert_equal "$(jq -c '.damage | map([.snapshot, .path, .stream, .times > 0]) | unique' "$mnt/.status")" \
    '[["one","vectors.bin","vectors.bin.gz",true]]'
  jq -e '.damage[0] | .member >= 0 and .reason != "" and .at != ""' "$mnt/.status"
  assert_equal "$(grep -c 'snapshot one, path vectors.bin, stream .*vectors.bin.gz, member' "$log")" \
    "$(jq '.damage | length' "$mnt/.status")"
}

@test "damage: a manifest that is gone spoils its snapshot alone" {
  mounted one "two full"
  fusermount3 -u "$mnt"
  rm -f "$(snapshot_dir "$store" one)/manifest"
  start_mount "$store" "$mnt"
  [[ $(shown) == *two* ]]
  run timeout 60 ls "$mnt/one"
  [[ $status -ne 0 ]]
  cmp "$src/note" "$mnt/two/note"
  assert_equal "$(jq -r '.damage[0].snapshot' "$mnt/.status")" one
  rmdir "$mnt/one"
  [[ ! -e $mnt/one ]]
}
