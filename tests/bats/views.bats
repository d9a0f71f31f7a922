#!/usr/bin/env bats
# Goal: the hidden views of the mount: snapshots by id and by time, what lay at
# a path, snapshots as plain gzip files; and that every mount sees what becomes
# of them.

load helper

setup() {
  [[ -w /dev/fuse ]] || skip "needs /dev/fuse"
  src=$BATS_TEST_TMPDIR/db store=$BATS_TEST_TMPDIR/store mnt=$BATS_TEST_TMPDIR/mnt
  mkdir "$src"
  ruvsnap init "$store" --source "$src" >/dev/null
}

teardown() { stop_mounts; }

snap() { ruvsnap create "$store" "$@" >/dev/null; }

# names DIR: what it lists, each name followed by a space.
# shellcheck disable=SC2012 # a listing is what is tested
names() { timeout 60 ls "$@" | tr '\n' ' '; }

# id_of NAME, time_of NAME: from its record.
id_of() { ruvsnap show "$store" "$1" --json | jq -er .id; }
time_of() { ruvsnap show "$store" "$1" --json | jq -er .created_at; }

# gmt_of NAME: the second it was made, as Samba spells it.
gmt_of() { date -u -d "$(time_of "$1")" '+@GMT-%Y.%m.%d-%H.%M.%S'; }

# as_nobody COMMAND...: as a user who owns nothing here.
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"; }

# denied COMMAND...: it fails for want of permission.
denied() {
  run "$@"
  [[ $status -ne 0 && $output == *"Permission denied"* ]] || fail "status $status of: $*" "$output"
}

# until_true COMMAND...: wait for it, for as long as a slow machine may need.
until_true() {
  local _
  for _ in {1..600}; do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.05
  done
  fail "never became true: $*"
}

# --- by id and by time -----------------------------------------------------

@test "hidden views are found by name and never listed" {
  echo data >"$src/file"
  snap one
  start_mount "$store" "$mnt"
  assert_equal "$(find "$mnt" -name '.by*' -o -name .raw -o -name .history)" ""
  [[ -d $mnt/.by-id && -d $mnt/.by-time && -d $mnt/.raw && -d $mnt/.history ]]
  cp -r "$mnt/one" "$BATS_TEST_TMPDIR/copy"
  for view in .by-id .by-time .raw .history; do
    run -1 rmdir "$mnt/$view"
    assert_has "$output" "Read-only file system"
    run -1 mv "$mnt/$view" "$mnt/two"
    assert_has "$output" "Read-only file system"
    run -1 mkdir "$mnt/$view/new"
    assert_has "$output" "Read-only file system"
  done
}

@test ".by-id has every snapshot by its id, whatever it is renamed to" {
  mkdir "$src/sub"
  echo first >"$src/sub/file"
  snap one
  echo second >"$src/sub/file"
  snap two
  start_mount "$store" "$mnt"
  one=$(id_of one) two=$(id_of two)
  assert_equal "$(ls "$mnt/.by-id")" "$(printf '%s\n' "$one" "$two" | sort)"
  compare_trees "$mnt/one" "$mnt/.by-id/$one"
  cd "$mnt/.by-id/$one/sub"
  mv "$mnt/one" "$mnt/three"
  mv "$mnt/two" "$mnt/one"
  assert_equal "$(cat file)" first
  assert_equal "$(cat "$mnt/.by-id/$one/sub/file")" first
  assert_equal "$(cat "$mnt/one/sub/file")" second
  run ! stat "$mnt/.by-id/one"
  run ! stat "$mnt/.by-id/${one%?}"
  cd /
}

@test ".by-time has RFC 3339 and the names that Samba looks for" {
  echo first >"$src/file"
  snap one
  sleep 1.1
  echo second >"$src/file"
  snap two
  start_mount "$store" "$mnt"
  assert_equal "$(ls "$mnt/.by-time")" \
    "$(printf '%s\n' "$(time_of one)" "$(time_of two)" "$(gmt_of one)" "$(gmt_of two)" | sort)"
  assert_equal "$(cat "$mnt/.by-time/$(time_of one)/file")" first
  assert_equal "$(cat "$mnt/.by-time/$(time_of two)/file")" second
  assert_equal "$(cat "$mnt/.by-time/$(gmt_of one)/file")" first
  assert_equal "$(cat "$mnt/.by-time/$(gmt_of two)/file")" second
  compare_trees "$mnt/one" "$mnt/.by-time/$(gmt_of one)"
  run ! stat "$mnt/.by-time/one"
  run ! stat "$mnt/.by-time/@GMT-2001.02.03-04.05.06"
}

@test ".by-time: of snapshots made in one second the newest has Samba's name" {
  for i in {1..12}; do
    echo "$i" >"$src/file"
    snap "s$i"
  done
  start_mount "$store" "$mnt"
  # No name twice, and the last of each second.
  assert_equal "$(names "$mnt/.by-time" | wc -w)" "$((12 + $(for i in {1..12}; do gmt_of "s$i"; done | sort -u | wc -l)))"
  assert_equal "$(cat "$mnt/.by-time/$(gmt_of s12)/file")" 12
}

# --- history ---------------------------------------------------------------

@test ".history: three versions in 200 snapshots are three entries" {
  mkdir "$src/sub"
  for i in {1..200}; do
    case $i in 1 | 70 | 140) echo "version of $i" >"$src/sub/file" ;; esac
    echo "$i" >"$src/noise"
    snap "s$i"
  done
  start_mount "$store" "$mnt"
  assert_equal "$(ls "$mnt/.history/sub/file")" "$(time_of s1; time_of s70; time_of s140)"
  assert_equal "$(cat "$mnt/.history/sub/file"/*)" "$(printf 'version of %s\n' 1 70 140)"
  assert_equal "$(find "$mnt/.history/noise" -type f | wc -l)" 200
  assert_equal "$(names "$mnt/.history")" "noise sub "
  assert_equal "$(names "$mnt/.history/sub")" "file "
}

@test ".history: paths that were deleted, renamed, replaced by other things" {
  mkdir -p "$src/gone/deep"
  echo one >"$src/gone/deep/file"
  echo file >"$src/changes"
  snap one
  rm -r "$src/gone" "$src/changes"
  mkdir "$src/changes"
  echo inside >"$src/changes/inner"
  snap two
  rm -r "$src/changes"
  ln -s inner "$src/changes"
  echo new >"$src/new"
  snap three
  start_mount "$store" "$mnt"
  assert_equal "$(names "$mnt/.history")" "changes gone new "
  assert_equal "$(cat "$mnt/.history/gone/deep/file/"*)" one
  assert_equal "$(names "$mnt/.history/changes")" "$(time_of one) $(time_of three) inner "
  assert_equal "$(cat "$mnt/.history/changes/$(time_of one)")" file
  assert_equal "$(readlink "$mnt/.history/changes/$(time_of three)")" inner
  assert_equal "$(cat "$mnt/.history/changes/inner/$(time_of two)")" inside
  run ! stat "$mnt/.history/never"
  run ! stat "$mnt/.history/new/$(time_of one)"
  run ! stat "$mnt/.history/new/never"
}

@test ".history: a version is the file of its snapshot, with all it has" {
  random_bytes 300000 >"$src/vectors.bin"
  ln "$src/vectors.bin" "$src/z-link"
  chmod 640 "$src/vectors.bin"
  snap one
  start_mount "$store" "$mnt"
  version=$mnt/.history/vectors.bin/$(time_of one)
  cmp "$version" "$src/vectors.bin"
  assert_equal "$(stat -c '%a %U %s %Y %h %i' "$version")" "$(stat -c '%a %U %s %Y %h %i' "$mnt/one/vectors.bin")"
  assert_equal "$(getfattr -n user.ruvsnap.sha256 --only-values "$version" 2>/dev/null)" \
    "$(sha256sum "$src/vectors.bin" | cut -d ' ' -f 1)"
  cmp "$mnt/.history/z-link/$(time_of one)" "$src/vectors.bin"
}

@test ".history: hostile names and many files" {
  mkdir "$src/many"
  for i in {1..600}; do echo "$i" >"$src/many/file $i"; done
  odd=$'new\nline \\ * \xff\xfe -rf'
  echo odd >"$src/$odd"
  echo time >"$src/2026-11-22T10:15:00.123456789Z"
  snap one
  echo changed >"$src/many/file 300"
  echo odder >"$src/$odd"
  snap two
  start_mount "$store" "$mnt"
  cmp <(printf '%s\n' odd odder) <(cat "$mnt/.history/$odd"/*)
  diff <(ls "$src/many") <(ls "$mnt/.history/many")
  assert_equal "$(find "$mnt/.history/many/file 300" -type f | wc -l)" 2
  assert_equal "$(find "$mnt/.history/many/file 301" -type f | wc -l)" 1
  assert_equal "$(cat "$mnt/.history/2026-11-22T10:15:00.123456789Z"/*)" time
}

@test ".history follows snapshots that come and go" {
  echo one >"$src/file"
  snap one
  start_mount "$store" "$mnt"
  assert_equal "$(cat "$mnt/.history/file"/*)" one
  first=$(time_of one)
  echo two >"$src/file"
  snap two
  assert_equal "$(cat "$mnt/.history/file"/*)" "$(printf '%s\n' one two)"
  ruvsnap delete "$store" one
  assert_equal "$(cat "$mnt/.history/file"/*)" two
  run ! cat "$mnt/.history/file/$first"
  ruvsnap delete "$store" two
  until_true test ! -e "$mnt/.history/file"
  assert_equal "$(names "$mnt/.history")" ""
}

@test ".history: other users see what they may see in every snapshot" {
  [[ $EUID -eq 0 ]] || skip "needs root"
  chmod a+rx "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.." "$src"
  mkdir -m 755 "$src/open" "$src/shut" "$src/secret"
  echo readable >"$src/open/file"
  install -m 600 /dev/null "$src/open/private"
  echo secret >"$src/open/private"
  echo once >"$src/shut/file"
  chmod 700 "$src/secret"
  install -m 644 /dev/null "$src/secret/file"
  snap one
  chmod 700 "$src/shut"
  snap two
  start_mount "$store" "$mnt" -o allow_other
  as_nobody test -x "$mnt" || skip "nobody cannot reach the temporary folder"
  assert_equal "$(as_nobody cat "$mnt/one/open/file")" readable
  assert_equal "$(as_nobody cat "$mnt/.history/open/file"/*)" readable
  denied as_nobody cat "$mnt/.history/open/private/$(time_of one)"
  denied as_nobody ls "$mnt/.history/secret"
  denied as_nobody cat "$mnt/.history/secret/file/$(time_of one)"
  # It was open once, but is not any more.
  denied as_nobody ls "$mnt/.history/shut"
  denied as_nobody ls "$mnt/.history/shut/file"
  assert_equal "$(cat "$mnt/.history/secret/file"/* "$mnt/.history/shut/file"/*)" once
}

# --- raw -------------------------------------------------------------------

# expect_streams COPY SOURCE: the checksums hold, each stream is a file of the
# source, and all files in no bundle are there.
expect_streams() {
  local stream
  (cd "$1" && sha256sum --quiet -c checksum.sha256)
  while IFS= read -r -d '' stream; do
    gunzip -c <"$1/$stream" | cmp - "$2/${stream%.gz}"
  done < <(cd "$1" && find . -name '*.gz' -type f -print0)
}

# expect_snapshot COPY NAME: as a snapshot of a store of its own it is whole, and
# restores to what the mount shows.
expect_snapshot() {
  local other=$BATS_TEST_TMPDIR/other
  rm -rf "$other" "$other.restored"
  ruvsnap init "$other" >/dev/null
  cp -r "$1" "$other/snapshot-$(jq -r .id "$1/metadata.json")"
  expect 0 ruvsnap verify "$other"
  expect 0 ruvsnap show "$other" latest --json
  assert_equal "$(json .snapshot_type)" full
  expect 0 ruvsnap restore "$other" latest "$other.restored"
  compare_trees "$mnt/$2" "$other.restored"
}

@test ".raw of the last of 50 increments: gunzip gives the source, sha256sum -c passes" {
  make_sample "$src"
  mkdir "$src/sub"
  text_bytes 300000 >"$src/sub/text"
  : >"$src/empty"
  for i in {1..50}; do
    random_bytes 9000 "$i" | dd of="$src/vectors.bin" bs=1000 seek=$((i * 29)) conv=notrunc status=none
    echo "line $i" >>"$src/sub/text"
    snap "s$i"
  done
  start_mount "$store" "$mnt"
  assert_equal "$(find "$mnt/.raw" -mindepth 1 -maxdepth 1 | wc -l)" 50
  cp -r "$mnt/.raw/s50" "$BATS_TEST_TMPDIR/usb"
  expect_streams "$BATS_TEST_TMPDIR/usb" "$src"
  assert_equal "$(find "$BATS_TEST_TMPDIR/usb" -name '*.gz' | wc -l)" 5
  expect_snapshot "$BATS_TEST_TMPDIR/usb" s50
  # It reads the same again, and beside what ls says.
  stop_mounts
  start_mount "$store" "$mnt"
  diff -r "$mnt/.raw/s50" "$BATS_TEST_TMPDIR/usb"
  cp -r "$mnt/.raw/s25" "$BATS_TEST_TMPDIR/middle"
  (cd "$BATS_TEST_TMPDIR/middle" && sha256sum --quiet -c checksum.sha256)
  gunzip -c <"$BATS_TEST_TMPDIR/middle/vectors.bin.gz" | cmp - "$mnt/s25/vectors.bin"
}

@test ".raw of a full snapshot is its directory in the store" {
  make_sample "$src"
  mkdir -p "$src/a/b"
  echo deep >"$src/a/b/c"
  snap one
  start_mount "$store" "$mnt"
  diff -r "$mnt/.raw/one" "$(snapshot_dir "$store" one)"
  assert_equal "$(stat -c %s "$mnt/.raw/one/vectors.bin.gz")" \
    "$(stat -c %s "$(snapshot_dir "$store" one)/vectors.bin.gz")"
  mv "$mnt/one" "$mnt/two"
  diff -r "$mnt/.raw/two" "$(snapshot_dir "$store" two)"
  run ! stat "$mnt/.raw/one"
}

@test ".raw of increments of many small files, of holes and hostile names" {
  mkdir "$src/many"
  for i in {1..400}; do echo "file $i" >"$src/many/$i"; done
  truncate -s 3M "$src/sparse"
  odd=$'new\nline \\ \xff -rf.gz'
  random_bytes 50000 >"$src/$odd"
  mkdir "$src/folder.gz"
  echo below >"$src/folder.gz/file"
  snap one
  rm "$src/many/7"
  echo changed >"$src/many/300"
  printf data | dd of="$src/sparse" bs=1 seek=2000000 conv=notrunc status=none
  printf more >>"$src/$odd"
  snap two
  # More than a mount's own view: what the first alone used goes.
  ruvsnap delete "$store" one
  start_mount "$store" "$mnt"
  cp -r "$mnt/.raw/two" "$BATS_TEST_TMPDIR/usb"
  expect_streams "$BATS_TEST_TMPDIR/usb" "$src"
  expect_snapshot "$BATS_TEST_TMPDIR/usb" two
}

@test ".raw is the mounting user's alone" {
  [[ $EUID -eq 0 ]] || skip "needs root"
  chmod a+rx "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.." "$src"
  echo secret >"$src/private"
  chmod 600 "$src/private"
  snap one
  start_mount "$store" "$mnt" -o allow_other
  as_nobody test -x "$mnt" || skip "nobody cannot reach the temporary folder"
  denied as_nobody ls "$mnt/.raw"
  denied as_nobody cat "$mnt/.raw/one/private.gz"
  assert_equal "$(gunzip -c <"$mnt/.raw/one/private.gz")" secret
  assert_equal "$(stat -c %a "$mnt/.raw/one" "$mnt/.raw/one/private.gz")" $'700\n600'
}

@test ".raw stays the mounting user's where everything else is given to another" {
  [[ $EUID -eq 0 ]] || skip "needs root"
  chmod a+rx "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.." "$src"
  echo data >"$src/file"
  snap one
  start_mount "$store" "$mnt" -o allow_other,uid=65534,umask=022
  as_nobody test -x "$mnt" || skip "nobody cannot reach the temporary folder"
  assert_equal "$(as_nobody cat "$mnt/one/file" "$mnt/.history/file"/*)" $'data\ndata'
  denied as_nobody ls "$mnt/.raw"
  denied as_nobody ls "$mnt/.raw/one"
}

@test ".raw: damage is an error, never a checksum that holds" {
  make_sample "$src"
  snap one
  echo more >>"$src/metadata.bin"
  snap two
  flip_bit "$(snapshot_dir "$store" one)/vectors.bin.gz" 700000
  start_mount "$store" "$mnt"
  run ! cat "$mnt/.raw/two/checksum.sha256"
  assert_has "$output" "Input/output error"
  run ! cat "$mnt/.raw/two/vectors.bin.gz"
  assert_equal "$(jq -r '.damage[0].stream' "$mnt/.status")" vectors.bin.gz
  cat "$mnt/.raw/two/metadata.bin.gz" >/dev/null
}

# --- live ------------------------------------------------------------------

# is_there PID DIR: the process is in that directory.
is_there() { [[ $(readlink "/proc/$1/cwd") == "$2" ]]; }

@test "snapshots made, renamed and deleted by others are seen by every mount" {
  echo one >"$src/file"
  start_mount "$store" "$mnt"
  start_mount "$store" "$mnt.second"
  assert_equal "$(names "$mnt")" ""
  echo one >"$mnt.second/.create"
  for m in "$mnt" "$mnt.second"; do
    until_true test -e "$m/one/file"
    assert_equal "$(names "$m")" "latest one "
    assert_equal "$(readlink "$m/latest")" one
    assert_equal "$(names "$m/.raw")" "one "
  done
  mv "$mnt/one" "$mnt/two"
  until_true test -e "$mnt.second/two/file"
  until_true test ! -e "$mnt.second/one"
  until_true test "$(readlink "$mnt.second/latest")" = two
  [[ -e $mnt.second/.raw/two && ! -e $mnt.second/.raw/one ]]
  id=$(id_of two)
  ls "$mnt.second/.by-id/$id" "$mnt.second/.by-time/$(time_of two)" >/dev/null
  ruvsnap delete "$store" two
  for m in "$mnt" "$mnt.second"; do
    until_true test ! -e "$m/two"
    assert_equal "$(names "$m")$(names "$m/.by-id")$(names "$m/.by-time")$(names "$m/.raw")" ""
    [[ ! -e $m/.by-id/$id ]]
  done
}

@test "a deleted snapshot ends cleanly for who is in it" {
  mkdir "$src/sub"
  random_bytes 3000000 >"$src/vectors.bin"
  echo deep >"$src/sub/file"
  snap one
  snap two
  start_mount "$store" "$mnt"
  sha256sum <"$mnt/one/vectors.bin" >"$BATS_TEST_TMPDIR/before"
  exec 5<"$mnt/one/vectors.bin"
  for place in "$mnt/one" "$mnt/one/sub" "$mnt/.by-id/$(id_of one)"; do
    (cd "$place" && exec sleep 600 3>&- 5<&-) &
    sleepers+=($!)
  done
  until_true is_there "${sleepers[1]}" "$mnt/one/sub"
  ruvsnap delete "$store" one
  # The kernel is told, without that anyone asks for a name in the mount.
  # shellcheck disable=SC2016 # eval's
  until_true eval '[[ $(readlink "/proc/${sleepers[0]}/cwd") == *deleted* ]]'
  # shellcheck disable=SC2016 # eval's
  until_true eval '[[ $(readlink "/proc/${sleepers[2]}/cwd") == *deleted* ]]'
  # What lies open may be read on; what is not gives an error; nothing hangs.
  for pid in "${sleepers[@]}"; do
    run timeout 60 ls "/proc/$pid/cwd/"
    [[ $status -eq 0 || $output == *"No such file"* || $output == *"Stale file handle"* ]] ||
      fail "status $status: $output"
    run timeout 60 cat "/proc/$pid/cwd/file"
    [[ $output == deep || $status -ne 0 ]] || fail "$output"
  done
  ruvsnap delete "$store" two
  ruvsnap collect "$store" >/dev/null
  run timeout 60 sha256sum <&5
  [[ $output == "$(cat "$BATS_TEST_TMPDIR/before")" || $status -ne 0 ]] || fail "$output"
  exec 5<&-
  kill "${sleepers[@]}"
  until_true test ! -e "$mnt/two"
  assert_equal "$(names "$mnt")" ""
}

@test "names that pass from one snapshot to another never show the wrong one" {
  echo one >"$src/file"
  snap a
  echo two >"$src/file"
  snap b
  start_mount "$store" "$mnt"
  start_mount "$store" "$mnt.second"
  for _ in {1..10}; do
    assert_equal "$(cat "$mnt/a/file" "$mnt/b/file" "$mnt.second/a/file" "$mnt.second/b/file")" \
      $'one\ntwo\none\ntwo'
    mv "$mnt/a" "$mnt/c"
    mv "$mnt/b" "$mnt/a"
    mv "$mnt/c" "$mnt/b"
    until_true grep -q two "$mnt.second/a/file"
    assert_equal "$(cat "$mnt.second/b/file")" one
    mv "$mnt.second/a" "$mnt.second/c"
    mv "$mnt.second/b" "$mnt.second/a"
    mv "$mnt.second/c" "$mnt.second/b"
    until_true grep -q one "$mnt/a/file"
  done
}
