# What bats files about a mount share: $src is its source, $store its store, $mnt
# where it is.  Load helper first.
#
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # the files set them, or read them

# until_true COMMAND...: wait for it, for as long as a slow machine may need.
until_true() {
  local _
  for _ in {1..1200}; do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.05
  done
  fail "never became true: $*"
}

# mounted [NAME]...: the store, made by the mount itself, with these snapshots.
mounted() {
  local name
  start_mount "$store" "$mnt" --source "$src"
  for name in "$@"; do
    echo "$name" >"$mnt/.create"
  done
}

# shown [-A]: the names in the root, each followed by a space.
# shellcheck disable=SC2012 # a listing is what is tested
shown() { timeout 60 ls "$@" "$mnt" | tr '\n' ' '; }

# --- a mount in the foreground ---------------------------------------------------

# in_foreground [OPTION]...: the mount, with its process in $started and what it
# says in $log.  Jobs of a script ignore SIGINT unless they are told otherwise.
in_foreground() {
  log=$BATS_TEST_TMPDIR/log
  python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$RUVSNAPFS" -f --source "$src" "$@" "$store" "$mnt" 2>"$log" 3>&- &
  started=$!
  until_true mountpoint -q "$mnt"
}

stop_started() {
  [[ -n ${started:-} ]] || return 0
  kill "$started" 2>/dev/null || true
  wait "$started" 2>/dev/null || true
  started=
}

# assert_status CODE PID: how a process in the background ends.
assert_status() {
  local code=0
  wait "$2" || code=$?
  [[ $code -eq $1 ]] || fail "exit code $code, not $1"
}

# --- writing to control files ----------------------------------------------------

# write_to FILE TEXT [FLAGS]: in one write(2), and say how that went: OK or the
# errno.
write_to() {
  python3 - "$mnt/$1" "$2" "${3:-O_WRONLY}" <<'PYTHON'
import errno, functools, operator, os, sys
path, text, flags = sys.argv[1:]
flags = functools.reduce(operator.or_, (getattr(os, flag) for flag in flags.split("|")))
file = os.open(path, flags)
try:
    os.write(file, text.encode("utf-8", "surrogateescape"))
    print("OK")
except OSError as error:
    print(errno.errorcode[error.errno])
PYTHON
}

# writer_to FILE TEXT: the same in the background, as $writer; it exits with 7
# when the write was interrupted.  Returns when it runs.
writer_to() {
  # Not os.write, which tries again after a signal.
  python3 -c 'import ctypes, errno, os, signal, sys
signal.signal(signal.SIGINT, lambda *_: None)
libc = ctypes.CDLL(None, use_errno=True)
file = os.open(sys.argv[1], os.O_WRONLY)
if libc.write(file, sys.argv[2].encode(), len(sys.argv[2])) < 0:
    sys.exit(7 if ctypes.get_errno() == errno.EINTR else 1)' "$mnt/$1" "$2" 3>&- &
  writer=$!
  until_true runs "${1#.}" "${2%% *}"
}

# runs COMMAND [NAME]: the mount is at it.
runs() {
  jq -e --arg command "$1" --arg name "${2:-}" \
    '.running | any(.command == $command and ($name == "" or .name == null or .name == $name))' "$mnt/.status"
}

# --- another writer of the store -------------------------------------------------

# hold_store [LOCK]: be one who never ends, until release_store.
hold_store() {
  flock "$store/${1:-.lock}" sleep 3600 3>&- &
  holder=$!
  until_true is_held "${1:-.lock}"
}

is_held() { ! flock --nonblock "$store/$1" true; }

release_store() {
  [[ -n ${holder:-} ]] || return 0
  # The sleep has the lock too.
  pkill -P "$holder" || true
  wait "$holder" 2>/dev/null || true
  holder=
}

# --- another user ----------------------------------------------------------------

# as_nobody COMMAND...: as a user who owns nothing here.
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"; }

# mounting_as_nobody COMMAND...: the same, where that user may mount: in a mount
# namespace with a /dev/fuse that is open to all.
mounting_as_nobody() {
  local node=$BATS_TEST_TMPDIR/fuse-node
  mknod -m 666 "$node" c 10 229
  # shellcheck disable=SC2016 # for the shell inside
  unshare --mount --propagation private bash -ec 'mount --bind "$1" /dev/fuse
    shift
    exec setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"' - "$node" "$@"
}
