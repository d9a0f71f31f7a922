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
