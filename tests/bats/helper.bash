# What the bats files share: the programs under test, sample data, comparing
# trees, mounts that always end.  Load it first: `load helper`.
#
# RUVSNAP and RUVSNAPFS name the programs; by default those of build/.  Each
# test works in $BATS_TEST_TMPDIR, which bats makes and removes.
# RUVSNAP_TEST_LARGE=1 runs the tests that need gigabytes,
# RUVSNAP_TEST_SANITIZER is set where the programs are instrumented.
#
# shellcheck shell=bash

bats_require_minimum_version 1.5.0
export LC_ALL=C.UTF-8 TZ=UTC

project=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
export project
: "${RUVSNAP:=$(find "$project/build" -name ruvsnap -type f -perm -u+x 2>/dev/null | head -n 1)}"
: "${RUVSNAPFS:=$(find "$project/build" -name ruvsnapfs -type f -perm -u+x 2>/dev/null | head -n 1)}"
export RUVSNAP RUVSNAPFS

# What scripts read from the exit codes of the command.
# shellcheck disable=SC2034
{
  EXIT_FAILED=1 EXIT_USAGE=2 EXIT_NOT_FOUND=3 EXIT_EXISTS=4
  EXIT_BUSY=5 EXIT_CORRUPT=6 EXIT_NO_SPACE=7 EXIT_INTERRUPTED=130
}

ruvsnap() { "$RUVSNAP" "$@"; }
ruvsnapfs() { "$RUVSNAPFS" "$@"; }

# --- running and asserting -------------------------------------------------

fail() {
  printf '%s\n' "$@" >&2
  return 1
}

# expect CODE COMMAND...: run it; stdout lands in $output, stderr in $stderr.
# A signal (128 + N) is never expected, so a crash always shows.
expect() {
  local want=$1
  shift
  run --separate-stderr "$@"
  # shellcheck disable=SC2154 # run sets them
  [[ $status -eq $want ]] && return 0
  # shellcheck disable=SC2154
  printf '%s\n' "exit code $status, not $want: $*" "stdout: $output" "stderr: $stderr" >&2
  return 1
}

# assert_has TEXT PATTERN: PATTERN is a glob, looked for anywhere.
# shellcheck disable=SC2053 # a pattern on purpose
assert_has() {
  [[ $1 == *$2* ]] || fail "no '$2' in:" "$1"
}

assert_lacks() {
  # shellcheck disable=SC2053
  [[ $1 != *$2* ]] || fail "'$2' should not be in:" "$1"
}

assert_equal() {
  [[ $1 == "$2" ]] || fail "got:  $1" "want: $2"
}

# json FILTER: the answer of the last command, through jq.
json() {
  jq -er "$@" <<<"$output"
}

# --- bytes -----------------------------------------------------------------

# random_bytes COUNT [SEED]: the same bytes for the same seed, incompressible.
random_bytes() {
  local key
  key=$(printf '%032x' "$((${2:-1} + 1))")
  head -c "$1" /dev/zero | openssl enc -aes-128-ctr -K "$key" -iv "$(printf '%032x' 0)" -nosalt
}

# text_bytes COUNT [SEED]: lines that compress well.
text_bytes() {
  awk -v count="$1" -v seed="${2:-1}" 'BEGIN {
    srand(seed)
    for (i = 0; length_so_far < count; i++) {
      line = sprintf("{\"id\": %d, \"title\": \"document %d\", \"score\": %.6f}\n", i, i * seed, rand())
      length_so_far += length(line)
      printf "%s", line
    }
  }' | head -c "$1"
}

# flip_bit FILE OFFSET [BIT]: damage one bit in place, whatever the mode.
flip_bit() {
  python3 - "$1" "$2" "${3:-0}" <<'PYTHON'
import os, sys
path, offset, bit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
mode = os.stat(path).st_mode
os.chmod(path, 0o600)
with open(path, "r+b") as file:
    file.seek(offset)
    byte = file.read(1)[0]
    file.seek(offset)
    file.write(bytes([byte ^ (1 << bit)]))
os.chmod(path, mode & 0o7777)
PYTHON
}

file_size() { stat -c %s "$1"; }

# --- sample data -----------------------------------------------------------

# make_sample DIR [SEED]: a small database of the usual three files.
make_sample() {
  local dir=$1 seed=${2:-1}
  mkdir -p "$dir"
  random_bytes 1500000 "$seed" >"$dir/vectors.bin"
  { random_bytes 60000 "$((seed + 1))"; text_bytes 140000 "$seed"; } >"$dir/index.bin"
  text_bytes 20000 "$seed" >"$dir/metadata.bin"
  chmod 640 "$dir/index.bin"
  touch -d '2026-03-04 05:06:07.123456789' "$dir/vectors.bin"
}

# make_store STORE SOURCE [NAME]...: a store with one snapshot for each name.
make_store() {
  local store=$1 source=$2 name
  shift 2
  ruvsnap init "$store" --source "$source" >/dev/null
  for name in "$@"; do
    ruvsnap create "$store" "$name" >/dev/null
  done
}

# snapshot_dir STORE [REFERENCE]: the directory of a snapshot.
snapshot_dir() {
  printf '%s/snapshot-%s\n' "$1" "$(ruvsnap show "$1" "${2:-latest}" --json | jq -er .id)"
}

# names_of STORE: names of all snapshots, one a line.
names_of() {
  ruvsnap list "$1" --json | jq -r '.[].name'
}

# --- comparing trees -------------------------------------------------------

# listing DIR: every attribute that a snapshot keeps, NUL-terminated records in
# byte order.  Sizes of directories are the file system's own affair.
listing() {
  (cd "$1" && find . \
    -type d -printf '%P\t%y %m %U:%G - %T@ %n\0' -o \
    -printf '%P\t%y %m %U:%G %s %T@ %n %l\0' | LC_ALL=C sort -z)
}

# links DIR: which names are one file, whatever their inode numbers.
links() {
  (cd "$1" && find . -type f -links +1 -printf '%i\t%P\0' | LC_ALL=C sort -z -t "$(printf '\t')" -k2 |
    awk -v RS='\0' -F '\t' '{ if (!($1 in first)) first[$1] = $2; printf "%s = %s\n", $2, first[$1] }')
}

# contents DIR: a digest of each regular file.
contents() {
  (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum --)
}

# deep_contents DIR: the same where paths are longer than PATH_MAX.
deep_contents() {
  (cd "$1" && find . -type f -printf '%f ' -execdir sha256sum -- {} \; | LC_ALL=C sort)
}

# xattrs DIR: extended attributes but our own.
xattrs() {
  (
    cd "$1" || exit
    find . \( -type f -o -type d \) -print0 | LC_ALL=C sort -z |
      xargs -0 -r getfattr -h -d -m - -e hex -- 2>/dev/null | { grep -v '^user\.ruvsnap\.' || true; }
  )
}

same_output() {
  local what=$1 left right
  shift
  left=$("$what" "$1" | tr '\0' '\n')
  right=$("$what" "$2" | tr '\0' '\n')
  [[ $left == "$right" ]] && return 0
  echo "$what of $1 and $2 differ:" >&2
  diff <(echo "$left") <(echo "$right") | head -n 40 | cut -c 1-300 >&2
  return 1
}

# compare_trees A B: equal in type, mode, owner, size, mtime to the nanosecond,
# link count, link target, and in every byte.
compare_trees() {
  same_output listing "$1" "$2" && same_output links "$1" "$2" && same_output contents "$1" "$2"
}

# compare_restored A B: that, and extended attributes too.
compare_restored() {
  compare_trees "$1" "$2" && same_output xattrs "$1" "$2"
}

# allocated FILE: what it occupies; a sparse file stays well below its size.
allocated() { echo $(("$(stat -c '%b * %B' "$1")")); }

# --- mounts ----------------------------------------------------------------

# start_mount STORE MOUNTPOINT [OPTION]...: returns when it answers.
start_mount() {
  local store=$1 mountpoint=$2
  shift 2
  mkdir -p "$mountpoint"
  # Bats waits for whoever holds its descriptor 3.
  "$RUVSNAPFS" "$@" "$store" "$mountpoint" 3>&-
  mountpoint -q "$mountpoint"
}

# stop_mounts: end every mount below this test's folder; for teardown().
stop_mounts() {
  local mounted
  while read -r mounted; do
    # The path is escaped as in fstab.
    mounted=$(printf '%b' "$mounted")
    fusermount3 -u "$mounted" 2>/dev/null || fusermount3 -uz "$mounted" 2>/dev/null ||
      umount -l "$mounted" || true
  done < <(awk -v top="${1:-$BATS_TEST_TMPDIR}" 'index($5, top) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
}

# --- limits ----------------------------------------------------------------

# limited COMMAND...: fails where it would allocate gigabytes or run for ever.
# Instrumented programs map terabytes, so there the sanitizer bounds them.
limited() {
  (
    [[ -n ${RUVSNAP_TEST_SANITIZER:-} ]] || ulimit -v 3000000
    exec timeout --signal=KILL 120 "$@"
  )
}
