#!/usr/bin/env bats
# Goal: a tree of every kind of entry comes back as other programs see it: rsync,
# getfattr, getfacl, cp and lseek(2) find no difference, restored or mounted.

load helper

setup() {
  src=$BATS_TEST_TMPDIR/src
  store=$BATS_TEST_TMPDIR/store
  mnt=$BATS_TEST_TMPDIR/mnt
  restored=$BATS_TEST_TMPDIR/restored
  mkdir "$src"
}

teardown() {
  stop_mounts
  [[ -z ${open:-} ]] || rm -rf "$open"
}

# make_everything DIR: one of each kind.
make_everything() {
  local dir=$1
  mkdir -p "$dir/sub/deeper" "$dir/acl" "$dir/"$'d\xe9\xff' "$dir/sticky"
  random_bytes 300000 1 >"$dir/file"
  : >"$dir/empty"
  ln "$dir/file" "$dir/sub/hard"
  ln "$dir/file" "$dir/"$'hard \n\xfe'
  ln -s ../file "$dir/sub/link"
  ln -s $'nowhere \xff' "$dir/dangling"
  truncate -s 40M "$dir/sparse"
  printf island | dd of="$dir/sparse" bs=1 seek=20000000 conv=notrunc status=none
  text_bytes 5000 2 >"$dir/"$'d\xe9\xff/raw \xc3'
  mkfifo -m 621 "$dir/fifo"
  mknod "$dir/char" c 1 3
  mknod "$dir/block" b 7 200
  echo suid >"$dir/suid"
  chown 12:34 "$dir/suid" "$dir/sub/deeper"
  chmod 6751 "$dir/suid"
  chmod 1777 "$dir/sticky"
  echo with >"$dir/acl/with"
  setfacl -m u:1234:rw,g:77:r,m::rw "$dir/acl/with"
  setfacl -m u:5:rx -d -m u:1234:rwx,g:9:rx "$dir/acl"
  setfattr -n user.text -v value "$dir/file"
  setfattr -n user.bytes -v 0x00ff0a00 "$dir/sub"
  setfattr -n trusted.secret -v hidden "$dir/empty"
  touch -h -d '2001-02-03 04:05:06.123456789' "$dir/sub/link"
  touch -d '2002-02-03 04:05:06.987654321' "$dir/file" "$dir/fifo"
  touch -d '1960-01-01 00:00:00.000000001' "$dir/empty"
  python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$dir/socket"
  touch -d '2003-03-03 03:03:03.333333333' "$dir/sub/deeper" "$dir/sub" "$dir/acl" "$dir"
}

# attributes DIR, lists DIR: what getfattr and getfacl show of it all.
attributes() {
  # Ours alone are on the mount; and a socket is left out.
  (cd "$1" && find . ! -type s -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m - -e hex -- 2>/dev/null) |
    { grep -av '^user\.ruvsnap\.' || true; } |
    awk -v RS= -v ORS='\n\n' 'index($0, "\n")'
}
lists() {
  (cd "$1" && find . ! -type s ! -type l -print0 | LC_ALL=C sort -z | xargs -0 getfacl -n --)
}

# unlike A B: what rsync would transfer or change to make B equal A, times of
# directories and links included.
unlike() {
  rsync -aHAX --checksum --delete --dry-run --itemize-changes --exclude=/socket --filter='-x user.ruvsnap.*' "$1/" "$2/"
}

@test "rsync finds nothing to do, getfattr and getfacl see the same" {
  ((EUID == 0)) || skip "needs root for owners and devices"
  make_everything "$src"
  getfattr -n user.text "$src/file" >/dev/null || skip "no attributes on this file system"
  expect 0 ruvsnap init "$store" --source "$src"
  expect 0 ruvsnap create "$store" one
  assert_has "$stderr" "socket: a socket, left out"
  # It could find something.
  cp -a "$src" "$restored"
  printf x >>"$restored/file"
  chmod 600 "$restored/suid"
  setfacl -b "$restored/acl/with"
  [[ $(unlike "$src" "$restored" | wc -l) -ge 3 ]]
  rm -rf "$restored"

  expect 0 ruvsnap restore "$store" one "$restored"
  assert_equal "$(unlike "$src" "$restored")" ''
  same_output attributes "$src" "$restored"
  same_output lists "$src" "$restored"
  start_mount "$store" "$mnt"
  assert_equal "$(unlike "$src" "$mnt/one")" ''
  same_output attributes "$src" "$mnt/one"
  same_output lists "$src" "$mnt/one"
  # And out of the mount again, by another's hand.
  rsync -aHAX --sparse --filter='-x user.ruvsnap.*' "$mnt/one/" "$BATS_TEST_TMPDIR/copied/"
  assert_equal "$(unlike "$src" "$BATS_TEST_TMPDIR/copied")" ''
}

# holes FILE: where lseek(2) finds data.
holes() {
  python3 - "$1" <<'PYTHON'
import errno, os, sys
file, at = os.open(sys.argv[1], os.O_RDONLY), 0
end = os.fstat(file).st_size
while at < end:
    try:
        data = os.lseek(file, at, os.SEEK_DATA)
    except OSError as error:
        assert error.errno == errno.ENXIO
        break
    at = os.lseek(file, data, os.SEEK_HOLE)
    # Whole blocks of 64 KiB: that is the grain of a snapshot.
    print(data >> 16, (at + 65535) >> 16)
PYTHON
}

@test "holes are where they were, for lseek and for cp --sparse" {
  truncate -s 300M "$src/sparse"
  for at in 0 70000000 200000001; do
    printf island | dd of="$src/sparse" bs=1 seek="$at" conv=notrunc status=none
  done
  make_store "$store" "$src" one
  start_mount "$store" "$mnt"
  assert_equal "$(holes "$mnt/one/sparse")" "$(holes "$src/sparse")"
  [[ $(holes "$src/sparse" | wc -l) -eq 3 ]]
  expect 0 ruvsnap restore "$store" one "$restored"
  for way in auto always; do
    cp --sparse="$way" "$mnt/one/sparse" "$BATS_TEST_TMPDIR/$way"
    cmp "$src/sparse" "$BATS_TEST_TMPDIR/$way"
    (($(allocated "$BATS_TEST_TMPDIR/$way") < 1000000))
  done
  (($(allocated "$restored/sparse") < 1000000))
  (($(allocated "$mnt/one/sparse") < 1000000))
}

# SHA-256 covers holes as well, at a gigabyte a second: RUVSNAP_TEST_TERABYTE=1 takes
# half an hour.
@test "a file that is a hole but for its ends" {
  local size=$((1200 << 20))
  [[ -z ${RUVSNAP_TEST_TERABYTE:-} ]] || size=$((1 << 40))
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || size=$((300 << 20))
  truncate -s "$size" "$src/huge"
  printf head | dd of="$src/huge" conv=notrunc status=none
  printf tail | dd of="$src/huge" bs=1 seek=$((size - 4)) conv=notrunc status=none
  make_store "$store" "$src" one
  assert_equal "$(ruvsnap show "$store" one --json | jq .total_bytes)" "$size"
  (($(du -sk "$store" | cut -f 1) < 500))
  start_mount "$store" "$mnt"
  assert_equal "$(file_size "$mnt/one/huge")" "$size"
  assert_equal "$(holes "$mnt/one/huge")" "$(holes "$src/huge")"
  assert_equal "$(tail -c 4 "$mnt/one/huge")" tail
  [[ -n ${RUVSNAP_TEST_TERABYTE:-} ]] || assert_equal "$(sha256sum <"$src/huge" | cut -d ' ' -f 1)" \
    "$(getfattr --only-values -n user.ruvsnap.sha256 "$mnt/one/huge")"
  expect 0 ruvsnap restore "$store" one "$restored"
  assert_equal "$(file_size "$restored/huge")" "$size"
  (($(allocated "$restored/huge") < 1000000))
  # The next one does not read it.
  echo more >"$src/more"
  expect 0 ruvsnap create "$store" two
}

@test "a huge hole that is being hashed can be stopped" {
  truncate -s 1T "$src/huge"
  printf head | dd of="$src/huge" conv=notrunc status=none
  ruvsnap init "$store" --source "$src"
  expect 0 timeout --signal=KILL 60 python3 - "$RUVSNAP" "$store" <<'PYTHON'
import signal, subprocess, sys, time
child = subprocess.Popen([sys.argv[1], "create", sys.argv[2], "one"],
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
time.sleep(2)
child.send_signal(signal.SIGINT)
sys.exit(child.wait() != 130)
PYTHON
  assert_equal "$(names_of "$store")" ''
}

@test "an ordinary user restores what it may, and is told the rest" {
  ((EUID == 0)) || skip "needs root to make what others may not"
  make_everything "$src"
  make_store "$store" "$src" one
  # Where another user may come to.
  open=$(mktemp -d /tmp/ruvsnap-open-XXXXXX)
  cp "$RUVSNAP" "$open/ruvsnap"
  cp -r "$store" "$open/store"
  mkdir "$open/work"
  chmod 755 "$open"
  chown -R nobody "$open"
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "for the ordinary build"
  expect 0 setpriv --reuid=nobody --clear-groups "$open/ruvsnap" restore "$open/store" one "$open/work/out"
  assert_has "$stderr" "suid"
  assert_has "$stderr" "owner"
  assert_has "$stderr" "char"
  assert_has "$stderr" "trusted.secret"
  cmp "$src/file" "$open/work/out/file"
  cmp "$src/sparse" "$open/work/out/sparse"
  [[ ! -e $open/work/out/char ]]
  # A program of another user never becomes one that runs as this one.
  assert_equal "$(stat -c %A "$open/work/out/suid" | tr -d 'rwx-')" ''
  assert_equal "$(stat -c '%y' "$open/work/out/file")" "$(stat -c '%y' "$src/file")"
  assert_equal "$(getfattr --only-values -n user.text "$open/work/out/file")" value
  [[ $open/work/out/file -ef $open/work/out/sub/hard ]]
}
