#!/usr/bin/env bats
# Goal: whoever types what a page shows sees what the page shows.  The examples
# are taken from the pages themselves, see examples.py for what is run and how.
#
# A page has /srv and /mnt to itself, in a mount namespace.

load helper

setup() {
  ((EUID == 0)) || skip "a mount namespace of its own needs root"
  command -v jq >/dev/null
}

# run_page PAGE: its examples, on a database of 16 MiB.
run_page() {
  # shellcheck disable=SC2016 # the inner shell's
  PATH=$(dirname "$RUVSNAP"):$(dirname "$RUVSNAPFS"):$PATH expect 0 unshare --mount --propagation private bash -euc '
    mount -t tmpfs srv /srv
    mount -t tmpfs mnt /mnt
    "$project/scripts/make-sample" /srv/db 16
    cd /
    exec "$project/tests/bats/examples.py" "$1"' _ "$1" 3>&- || return
  echo "$output"
}

@test "README.md" {
  run_page "$project/README.md"
}

@test "ruvsnap(1)" {
  run_page "$project/engine/man/ruvsnap.1"
}

@test "ruvsnapfs(8)" {
  run_page "$project/fs/man/ruvsnapfs.8"
}

@test "ruvsnap-store(5)" {
  run_page "$project/engine/man/ruvsnap-store.5"
}

# shellcheck disable=SC2016 # Markdown's
@test "an example that is wrong is found" {
  printf '```console\n$ ruvsnap init /srv/snaps --source /srv/db\nmade the store elsewhere\n```\n' >"$BATS_TEST_TMPDIR/wrong.md"
  run ! run_page "$BATS_TEST_TMPDIR/wrong.md"
  printf '```sh\nruvsnap list /srv/snaps\n```\n' >"$BATS_TEST_TMPDIR/wrong.md"
  run ! run_page "$BATS_TEST_TMPDIR/wrong.md"
  printf 'no example\n' >"$BATS_TEST_TMPDIR/wrong.md"
  run ! run_page "$BATS_TEST_TMPDIR/wrong.md"
}
