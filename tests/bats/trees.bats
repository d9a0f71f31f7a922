#!/usr/bin/env bats
# Goal: whatever a file system can hold comes back as it was, both restored and
# seen through the mount.

load helper

setup() {
  src=$BATS_TEST_TMPDIR/src
  store=$BATS_TEST_TMPDIR/store
  mkdir "$src"
}

teardown() { stop_mounts; }

# survives [COMPARE]: snapshot $src, restore it and mount it, compare both.
survives() {
  local compare=${1:-compare_trees}
  make_store "$store" "$src" one
  expect 0 ruvsnap restore "$store" one "$BATS_TEST_TMPDIR/restored"
  "$compare" "$src" "$BATS_TEST_TMPDIR/restored"
  start_mount "$store" "$BATS_TEST_TMPDIR/mnt"
  "$compare" "$src" "$BATS_TEST_TMPDIR/mnt/one"
  expect 0 ruvsnap verify "$store"
}

@test "names with spaces, newlines, UTF-8, raw bytes, glob and shell characters" {
  local name
  # shellcheck disable=SC2016 # nothing is to expand
  for name in 'two  spaces' ' leading' 'trailing ' $'new\nline' $'tab\there' $'bell\a' '-rf' '--' '*' '?x[y]' \
    'back\slash' '"quoted"' "it's" '$(id)' '#hash' '%2F' '%' 'ünïcödé' '日本語' $'latin1-\xe9' $'\xff\xfe' $'\x01' \
    '~' '...' '..x' ':' 'a:b'; do
    printf '%s' "$name" >"$src/$name"
    mkdir "$src/d$name"
    printf '%s' "inner $name" >"$src/d$name/$name"
  done
  survives
  diff -r "$src" "$BATS_TEST_TMPDIR/mnt/one"
}

@test "names that the store uses itself" {
  local name
  for name in manifest metadata.json members.idx checksum.sha256 0.bundle store.json labels.json .lock .tmp-x \
    data.gz data data.gz.gz manifest.gz checksum.sha256.gz snapshot-20261122T101500Z-9f2c; do
    random_bytes 5000 7 >"$src/$name"
    echo "$name" >>"$src/$name"
  done
  # One flat name must never stand for two paths.
  mkdir -p "$src/a"
  echo slash >"$src/a/b"
  for name in 'a%2Fb' 'a%2fb' 'a_b' 'a-b' 'a\b' 'a%b' 'a%%b' 'a+b' 'a:b' 'a.b' 'a\x2fb'; do
    echo "$name" >"$src/$name"
  done
  survives
  cd "$(snapshot_dir "$store")"
  sha256sum -c --quiet checksum.sha256
}

@test "names of 255 bytes, in files, folders, links" {
  local name
  name=$(printf 'x%.0s' {1..255})
  mkdir "$src/$name"
  echo deep >"$src/$name/$name"
  ln -s "$name" "$src/${name/x/l}"
  random_bytes 200000 >"$src/${name/x/y}"
  # 85 characters, 255 bytes.
  echo utf8 >"$src/$(printf '語%.0s' {1..85})"
  # Just short of the limit with the suffix of a stream.
  for length in 250 251 252 253 254; do
    echo "$length" >"$src/$(head -c "$length" /dev/zero | tr '\0' n)"
  done
  survives
}

@test "folders 200 deep" {
  local dir=$src level
  for ((level = 0; level < 200; level++)); do
    dir=$dir/d$level
  done
  mkdir -p "$dir"
  echo bottom >"$dir/file"
  survives
  diff -r "$src" "$BATS_TEST_TMPDIR/mnt/one"
}

@test "paths longer than PATH_MAX" {
  local name level
  name=$(printf 'n%.0s' {1..240})
  (
    cd "$src"
    for ((level = 0; level < 40; level++)); do
      mkdir "$name"
      cd "./$name"
      echo "level $level" >file
    done
  )
  compare_deep() {
    same_output listing "$1" "$2" && same_output deep_contents "$1" "$2"
  }
  survives compare_deep
}

@test "empty files, empty folders, an empty source" {
  make_store "$store" "$src" empty
  mkdir -p "$src/empty folder/another" "$src/third"
  : >"$src/empty file"
  : >"$src/third/empty"
  expect 0 ruvsnap create "$store" filled
  for name in empty filled; do
    expect 0 ruvsnap restore "$store" "$name" "$BATS_TEST_TMPDIR/$name"
  done
  [[ -z $(ls -A "$BATS_TEST_TMPDIR/empty") ]]
  compare_trees "$src" "$BATS_TEST_TMPDIR/filled"
  expect 0 ruvsnap verify "$store"
}

@test "sizes around the units of reading and compression" {
  local base size
  for base in 4096 65536 131072 262144 1048576; do
    for size in $((base - 1)) "$base" $((base + 1)); do
      random_bytes "$size" "$size" >"$src/random-$size"
      text_bytes "$size" "$size" >"$src/text-$size"
    done
  done
  printf x >"$src/one byte"
  survives
}

@test "sparse files keep their holes" {
  truncate -s 64M "$src/all hole"
  truncate -s 50M "$src/islands"
  for offset in 0 10000000 40000001 52428794; do
    printf 'island' | dd of="$src/islands" bs=1 seek="$offset" conv=notrunc status=none
  done
  # Written zeros are not holes in the source; what comes back is equal in bytes.
  head -c 4M /dev/zero >"$src/written zeros"
  { head -c 1M /dev/zero; echo end; } >"$src/tail"
  { echo start; head -c 1M /dev/zero; } >"$src/head"
  survives
  (($(allocated "$BATS_TEST_TMPDIR/restored/all hole") < 1000000))
  (($(allocated "$BATS_TEST_TMPDIR/restored/islands") < 1000000))
  # A stream of a full snapshot holds its zeros, well compressed.
  (($(du -sk "$store" | cut -f 1) < 500))
}

@test "symbolic links of every kind, kept and not followed" {
  mkdir "$src/dir"
  echo target >"$src/dir/file"
  ln -s dir/file "$src/relative"
  ln -s /etc/passwd "$src/absolute"
  ln -s nowhere "$src/dangling"
  ln -s dir "$src/folder"
  ln -s loop "$src/loop"
  ln -s ../.. "$src/dir/up"
  ln -s $'odd \n \xff' "$src/raw bytes"
  ln -s "$(head -c 4000 /dev/zero | tr '\0' t)" "$src/long"
  touch -h -d '2001-02-03 04:05:06.987654321' "$src/relative"
  [[ $EUID -ne 0 ]] || chown -h 12:34 "$src/dangling"
  survives
}

@test "hard links stay one file" {
  mkdir "$src/a" "$src/b"
  random_bytes 300000 >"$src/b/first"
  ln "$src/b/first" "$src/a/second"
  ln "$src/b/first" "$src/third"
  : >"$src/empty1"
  ln "$src/empty1" "$src/empty2"
  ln -s x "$src/link1"
  ln "$src/link1" "$src/b/link2"
  survives
  assert_equal "$(stat -c %h "$BATS_TEST_TMPDIR/restored/third")" 3
  [[ $BATS_TEST_TMPDIR/restored/third -ef $BATS_TEST_TMPDIR/restored/a/second ]]
  [[ $BATS_TEST_TMPDIR/mnt/one/third -ef $BATS_TEST_TMPDIR/mnt/one/a/second ]]
  # One file's bytes, however many names it has.
  assert_equal "$(ruvsnap show "$store" one --json | jq .files_count)" 2
}

@test "a hard link whose other name is outside the source" {
  random_bytes 1000 >"$BATS_TEST_TMPDIR/outside"
  ln "$BATS_TEST_TMPDIR/outside" "$src/inside"
  make_store "$store" "$src" one
  expect 0 ruvsnap restore "$store" one "$BATS_TEST_TMPDIR/restored"
  cmp "$src/inside" "$BATS_TEST_TMPDIR/restored/inside"
  assert_equal "$(stat -c %h "$BATS_TEST_TMPDIR/restored/inside")" 1
}

@test "fifos and, for root, device nodes" {
  mkfifo -m 620 "$src/fifo"
  if [[ $EUID -eq 0 ]] && mknod "$src/null" c 1 3 2>/dev/null; then
    mknod "$src/block" b 7 200
    chmod 604 "$src/block"
  fi
  survives
  if [[ -c $src/null ]]; then
    assert_equal "$(stat -c '%t:%T' "$BATS_TEST_TMPDIR/restored/block")" "$(stat -c '%t:%T' "$src/block")"
  fi
}

@test "a socket does not stop a snapshot" {
  python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$src/socket"
  echo beside >"$src/file"
  make_store "$store" "$src" one
  expect 0 ruvsnap restore "$store" one "$BATS_TEST_TMPDIR/restored"
  cmp "$src/file" "$BATS_TEST_TMPDIR/restored/file"
}

@test "modes with setuid, setgid and sticky bits, or none at all" {
  local mode
  for mode in 0000 0001 0200 0400 0644 0755 0777 1644 2755 4755 6711 7777; do
    echo "$mode" >"$src/f$mode"
    chmod "$mode" "$src/f$mode"
    mkdir "$src/d$mode"
    echo inside >"$src/d$mode/file"
    chmod "$mode" "$src/d$mode"
  done
  chmod 2751 "$src"
  [[ $EUID -eq 0 ]] || skip "needs root to read what no one may"
  survives
}

@test "owners" {
  [[ $EUID -eq 0 ]] || skip "needs root to give files away"
  mkdir "$src/dir"
  echo a >"$src/dir/file"
  chown 1234:5678 "$src/dir/file"
  chown 4294967294:4000000000 "$src/dir"
  # setuid is lost when chown comes after chmod.
  echo b >"$src/setuid"
  chown 1:1 "$src/setuid"
  chmod 6755 "$src/setuid"
  survives
}

@test "times to the nanosecond, before 1970 and far ahead" {
  mkdir "$src/dir"
  echo a >"$src/dir/file"
  echo b >"$src/old"
  echo c >"$src/epoch"
  echo d >"$src/future"
  touch -d '2026-11-22 10:15:00.123456789' "$src/dir/file"
  touch -d '1969-12-31 23:59:59.999999999' "$src/old"
  touch -d '@0.000000001' "$src/epoch"
  touch -d '2399-12-31 23:59:59.000000007' "$src/future"
  touch -d '2000-01-01 00:00:00.5' "$src/dir"
  touch -d '1999-01-01 00:00:00.25' "$src"
  survives
}

@test "extended attributes and access lists" {
  mkdir "$src/dir"
  echo a >"$src/file"
  ln -s file "$src/link"
  setfattr -n user.plain -v value "$src/file" || skip "no user attributes on this file system"
  setfattr -n user.binary -v 0x00ff0a00 "$src/file"
  setfattr -n user.empty "$src/file"
  setfattr -n user.long -v "0x$(random_bytes 3000 | od -An -tx1 | tr -d ' \n')" "$src/file"
  setfattr -n user.folder -v yes "$src/dir"
  setfattr -n user.root -v yes "$src"
  if setfacl -m u:1234:rw "$src/file" 2>/dev/null; then
    setfacl -d -m g:5678:rx "$src/dir"
  fi
  survives
  same_output xattrs "$src" "$BATS_TEST_TMPDIR/restored"
  # On the mount there is a digest besides.
  assert_equal "$(getfattr --only-values -n user.plain "$BATS_TEST_TMPDIR/mnt/one/file")" value
  assert_equal "$(getfattr --only-values -n user.ruvsnap.sha256 "$BATS_TEST_TMPDIR/mnt/one/file")" \
    "$(sha256sum <"$src/file" | cut -d ' ' -f 1)"
}

@test "5,000 files in one folder, sharing few objects" {
  mkdir "$src/many"
  (
    cd "$src/many"
    seq -f 'content of file %.0f' 5000 | split -l 1 -a 4 - f
  )
  survives
  diff -r "$src" "$BATS_TEST_TMPDIR/mnt/one"
  # Not one object for each of them.
  (($(find "$(snapshot_dir "$store")" -type f | wc -l) < 20))
}

@test "a copy of what an earlier snapshot holds adds next to nothing" {
  random_bytes 2000000 >"$src/a"
  make_store "$store" "$src" one
  cp "$src/a" "$src/b"
  mkdir "$src/dir"
  { random_bytes 1000 5; cat "$src/a"; } >"$src/dir/shifted"
  expect 0 ruvsnap create "$store" two
  expect 0 ruvsnap restore "$store" two "$BATS_TEST_TMPDIR/restored"
  compare_trees "$src" "$BATS_TEST_TMPDIR/restored"
  (($(ruvsnap show "$store" two --json | jq .size_bytes) < 500000))
}

@test "a source that is one file" {
  random_bytes 700000 >"$src/data.db"
  chmod 640 "$src/data.db"
  ruvsnap init "$store" --source "$src/data.db"
  expect 0 ruvsnap create "$store" one
  expect 0 ruvsnap ls "$store" one
  assert_has "$output" data.db
  ruvsnap cat "$store" one data.db | cmp - "$src/data.db"
  expect 0 ruvsnap restore "$store" one "$BATS_TEST_TMPDIR/restored"
  compare_file() { assert_equal "$(stat -c '%a %U %s %.9Y' "$1")" "$(stat -c '%a %U %s %.9Y' "$2")" && cmp "$1" "$2"; }
  compare_file "$src/data.db" "$BATS_TEST_TMPDIR/restored/data.db"
  start_mount "$store" "$BATS_TEST_TMPDIR/mnt"
  compare_file "$src/data.db" "$BATS_TEST_TMPDIR/mnt/one/data.db"
}
