# Sources that are being written: `load moment` after the helper.  Call
# stop_writers in teardown().
#
# shellcheck shell=bash

# write_pages FILE: overwrite the pages of FILE in order, round after round, each
# with the number of its round, and never rest.
write_pages() {
  start_writer - "$1" <<'PYTHON'
import os, sys, time
PAGES, PAGE = 1000, 4096
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
os.pwrite(file, bytes(PAGES * PAGE), 0)
print("ready", flush=True)
number = 0
while True:
    number += 1
    page = number.to_bytes(8, "little") * (PAGE // 8)
    for at in range(PAGES):
        os.pwrite(file, page, at * PAGE)
        time.sleep(0.0002)  # leaves the processor to others
PYTHON
}

# one_moment FILE: pages that write_pages wrote, as some instant had them.
one_moment() {
  python3 - "$1" <<'PYTHON'
import sys
pages = open(sys.argv[1], "rb").read()
found = []
for at in range(0, len(pages), 4096):
    page = pages[at:at + 4096]
    if page != page[:8] * 512:
        sys.exit(f"a torn page at {at}")
    found.append(int.from_bytes(page[:8], "little"))
steps = [at for at in range(1, len(found)) if found[at] != found[at - 1]]
if len(found) != 1000 or len(steps) > 1 or (steps and found[0] - found[-1] != 1):
    sys.exit(f"{len(found)} pages, {len(steps)} steps, from {found[0]} to {found[-1]}")
PYTHON
}

# write_pairs DIR: write the same number to DIR/a and then to DIR/b, many times,
# rest a while, and so on.  A number between whose two files this process was
# itself kept from working goes to DIR.late: then the pair really was torn.
write_pairs() {
  mkdir -p "$1"
  start_writer - "$1" <<'PYTHON'
import os, sys, time
folder = sys.argv[1]
late = open(folder + ".late", "w")
a, b = (os.open(f"{folder}/{name}", os.O_RDWR | os.O_CREAT, 0o644) for name in "ab")
number = 0
os.pwrite(a, b"%032d" % 0, 0)
os.pwrite(b, b"%032d" % 0, 0)
print("ready", flush=True)
while True:
    for _ in range(50 + number % 3000):
        number += 1
        text = b"%032d" % number
        start = time.monotonic()
        os.pwrite(a, text, 0)
        os.pwrite(b, text, 0)
        if time.monotonic() - start > 0.005:
            print(number, file=late, flush=True)
    time.sleep(0.15)
PYTHON
}

# same_pair DIR LATE: both files of write_pairs are of the same moment.
same_pair() {
  local a b
  a=$(<"$1/a") b=$(<"$1/b")
  [[ $a == "$b" ]] || grep -qx "$((10#$a))" "$2" || fail "a: $a" "b: $b"
}

# start_writer ARGUMENT...: python3 in the background, until it says it is ready;
# before all others, where that is allowed, so that it rests when it means to.
start_writer() {
  local ready=$BATS_TEST_TMPDIR/ready.$RANDOM first=()
  ! chrt --fifo 1 true 2>/dev/null || first=(chrt --fifo 1)
  # The shell would give it an empty standard input.
  "${first[@]}" python3 "$@" <&0 >"$ready" 3>&- &
  writers+=($!)
  until [[ -s $ready ]]; do
    kill -0 "$!" || fail "the writer ended"
    sleep 0.02
  done
}

stop_writers() {
  local writer
  for writer in "${writers[@]}"; do
    kill "$writer" 2>/dev/null || true
    wait "$writer" 2>/dev/null || true
  done
  writers=()
}
