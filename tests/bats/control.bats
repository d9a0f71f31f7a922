#!/usr/bin/env bats
# Goal: the mount as the whole interface: every control file, what it takes, what
# it refuses and what it tells, as root and as another user; what is done by
# itself; the options of a mount and where it refuses to be.
#
# Scripts in quotes are for the shells that they are given to.
# shellcheck disable=SC2016

load helper
load mounted

setup() {
  [[ -w /dev/fuse ]] || skip "needs /dev/fuse"
  src=$BATS_TEST_TMPDIR/db store=$BATS_TEST_TMPDIR/store mnt=$BATS_TEST_TMPDIR/mnt
  mkdir "$src" "$mnt"
  random_bytes 200000 >"$src/vectors.bin"
  echo hello >"$src/note"
}

teardown() {
  release_store
  stop_started
  stop_mounts
  [[ -z ${outside:-} ]] || rm -rf "$outside"
}

# alone COMMAND...: without bats' descriptor 3, for which it would wait; bats itself
# reports a failure there.
alone() { "$@" 3>&-; }

# refuses FILE TEXT ERRNO: a shell's write says so, and the file tells the whole.
declare -A reasons=([EINVAL]="Invalid argument" [ENOENT]="No such file" [EEXIST]="File exists")
refuses() {
  local said
  if said=$( (printf '%s\n' "$2" >"$mnt/$1") 2>&1); then fail "$1 took '$2'"; fi
  assert_has "$1 '$2': $said" "${reasons[$3]}"
  assert_equal "$1 '$2': $(jq -r '.error | select(.text != "" and .status != "") | .errno' "$mnt/$1")" "$1 '$2': $3"
}

# status_of FILTER: what .status tells.
status_of() { jq -rc "$1" "$mnt/.status"; }

is_idle() { jq -e '.running == []' "$mnt/.status"; }

# --- as root and as others -------------------------------------------------------

@test "every file by plain echo, cat, mkdir, mv and rmdir" {
  expect 0 alone timeout 120 bash "$BATS_TEST_DIRNAME/control_session.bash" "$RUVSNAPFS" "$BATS_TEST_TMPDIR/mnt"
  assert_equal "$output$stderr" ""
}

@test "the same as another user" {
  [[ $EUID -eq 0 ]] || skip "needs root"
  # Others have no way into the folder of a test.
  outside=$(mktemp -d /tmp/ruvsnap-control-XXXXXX)
  chmod 755 "$outside"
  mkdir "$outside/work"
  chown 65534:65534 "$outside/work"
  cp "$BATS_TEST_DIRNAME/control_session.bash" "$RUVSNAPFS" "$outside"
  expect 0 alone mounting_as_nobody timeout 120 bash "$outside/control_session.bash" "$outside/ruvsnapfs" "$outside/work"
  assert_equal "$output$stderr" ""
}

@test "with allow_other others read what is for all and control nothing" {
  [[ $EUID -eq 0 ]] || skip "needs root"
  local file
  outside=$(mktemp -d /tmp/ruvsnap-control-XXXXXX)
  chmod 755 "$outside"
  mnt=$outside/mnt
  start_mount "$store" "$mnt" --source "$src" -o allow_other
  echo one >"$mnt/.create"
  as_nobody cmp "$src/note" "$mnt/one/note" || as_nobody cat "$mnt/one/note"
  as_nobody cat "$mnt/.help" "$mnt/.metrics" >/dev/null
  for file in .create .delete .rename .pin .unpin .verify .prune .collect .schedule .policy .cancel .status; do
    run -1 as_nobody cat "$mnt/$file"
    assert_has "$output" "Permission denied"
    run -1 as_nobody bash -c 'echo one >"$1"' - "$mnt/$file"
    assert_has "$output" "Permission denied"
  done
  run -1 as_nobody rmdir "$mnt/one"
  run -1 as_nobody mv "$mnt/one" "$mnt/two"
  run -1 as_nobody mkdir "$mnt/two"
  stop_mounts "$outside"
}

@test "modes and owners" {
  mounted
  assert_equal "$(cd "$mnt" && stat -c '%a %n' .[a-z]* | sort -k2 | tr '\n' ' ')" \
    "600 .cancel 600 .collect 600 .create 600 .delete 444 .help 444 .metrics 600 .pin 600 .policy 600 .prune 600 .rename 600 .schedule 400 .status 600 .unpin 600 .verify "
  assert_equal "$(stat -c %u:%g "$mnt"/.[a-z]* | sort -u)" "$(id -u):$(id -g)"
}

# --- what each refuses -----------------------------------------------------------

@test "the errors of each file reach the writer, and their text the reader" {
  mounted one two
  refuses .create one EEXIST
  refuses .create ".bad" EINVAL
  refuses .create "three base=none" ENOENT
  refuses .create "three full base=one" EINVAL

  refuses .delete "" EINVAL
  refuses .delete none ENOENT
  refuses .delete "one none" ENOENT
  refuses .delete "one one" EINVAL
  refuses .delete "one a=b" EINVAL
  refuses .delete '{"snapshot": "one"}' EINVAL
  refuses .delete '{"snapshots": [1]}' EINVAL

  refuses .rename "" EINVAL
  refuses .rename one EINVAL
  refuses .rename "one two three" EINVAL
  refuses .rename "none three" ENOENT
  refuses .rename "one two" EEXIST
  refuses .rename "one .three" EINVAL
  refuses .rename "one latest" EINVAL

  local file
  for file in .pin .unpin; do
    refuses "$file" "" EINVAL
    refuses "$file" "one none" ENOENT
    refuses "$file" "one x=y" EINVAL
  done

  refuses .verify "none wait" ENOENT
  refuses .verify "x=y" EINVAL
  refuses .verify '{"wait": 1}' EINVAL

  refuses .prune "" EINVAL
  refuses .prune "dry-run" EINVAL
  refuses .prune "keep-last=x" EINVAL
  refuses .prune "keep-last=0" EINVAL
  refuses .prune "keep-within=7q" EINVAL
  refuses .prune '{"keep-name": ["a b"]}' EINVAL
  refuses .prune "all" EINVAL

  refuses .collect all EINVAL
  refuses .collect '{"dry-run": "yes"}' EINVAL

  refuses .schedule "" EINVAL
  refuses .schedule sometimes EINVAL
  refuses .schedule "every 0m" EINVAL
  refuses .schedule "61 * * * *" EINVAL
  refuses .schedule "0 0 31 2 *" EINVAL

  refuses .policy "" EINVAL
  refuses .policy "keep-last=0" EINVAL
  refuses .policy "keep-last=1 none" EINVAL
  refuses .policy "dry-run" EINVAL

  assert_equal "$(shown)" "latest one two "
  assert_equal "$(jq -c '[.schedule, .policy]' "$store/store.json")" "[null,null]"
}

@test "all refuse what is no text of theirs" {
  mounted one
  local file
  for file in .create .delete .rename .pin .unpin .verify .prune .collect .schedule .policy .cancel; do
    refuses "$file" "{" EINVAL
    refuses "$file" '{"a": 1}' EINVAL
    refuses "$file" '{"nowait": 1, "nowait": 2}' EINVAL
    assert_equal "$(write_to "$file" "$(printf '%05000d' 0)")" EINVAL
    run ! bash -c 'printf "one\0two" | cat >"$1"' - "$mnt/$file"
    assert_has "$(jq -r .error.text "$mnt/$file")" NUL
  done
  assert_equal "$(shown)" "latest one "
}

@test "nothing can be written to those that only tell" {
  mounted
  local file
  for file in .status .metrics .help; do
    run ! bash -c 'echo x >"$1"' - "$mnt/$file"
    assert_has "$output" "Read-only file system"
  done
}

# --- what they do ----------------------------------------------------------------

@test ".delete deletes several, or none when one is not there" {
  mounted one two three
  refuses .delete "one three four" ENOENT
  assert_equal "$(shown)" "latest one three two "
  echo one three >"$mnt/.delete"
  assert_equal "$(jq -c '[.state, (.result.deleted | map(.name))]' "$mnt/.delete")" '["done",["one","three"]]'
  assert_equal "$(shown)" "latest two "
}

@test "a snapshot whose name looks like an option can be told in JSON" {
  mounted
  echo '{"name": "nowait"}' >"$mnt/.create"
  mkdir "$mnt/full"
  assert_equal "$(shown)" "full latest nowait "
  refuses .delete nowait EINVAL
  echo '{"snapshots": ["nowait", "full"]}' >"$mnt/.delete"
  assert_equal "$(shown)" ""
}

@test ".prune keeps what is pinned, and says why each stays" {
  mounted one two three
  echo one >"$mnt/.pin"
  echo keep-last=1 >"$mnt/.prune"
  assert_equal "$(jq -c '.snapshots | map([.name, .keep, .reasons])' "$mnt/.prune")" \
    '[["one",true,"pinned"],["two",false,""],["three",true,"last"]]'
  assert_equal "$(shown)" "latest one three "
}

@test ".verify goes on in the background and tells its damage" {
  mounted one
  local id
  flip_bit "$(snapshot_dir "$store" one)/vectors.bin.gz" 100000
  echo >"$mnt/.verify"
  id=$(jq .job "$mnt/.verify")
  until_true is_idle
  assert_equal "$(jq -c '[.job, .state, .error.errno, .result.findings > 0]' "$mnt/.verify")" "[$id,\"failed\",\"EIO\",true]"
  local file
  for file in .verify .status; do
    jq -e '.damage | any(.path == "vectors.bin" and .stream == "vectors.bin.gz")' "$mnt/$file"
  done
  assert_equal "$(write_to .verify wait)" EIO
  grep -q '^ruvsnap_damage_met_total [1-9]' "$mnt/.metrics"
}

@test ".collect waits for another writer, but not with O_NONBLOCK" {
  mounted one
  hold_store
  assert_equal "$(write_to .collect $'\n' 'O_WRONLY|O_NONBLOCK')" EBUSY
  writer_to .collect dry-run
  release_store
  assert_status 0 "$writer"
}

@test "nowait gives a job's number at once, and its result later" {
  mounted one
  local id
  hold_store
  timeout 60 bash -c 'echo two nowait why=x >"$1"' - "$mnt/.create"
  id=$(jq -er .job "$mnt/.create")
  assert_equal "$(jq -r .state "$mnt/.create")" running
  assert_equal "$(status_of ".running | map([.job, .command, .name])")" "[[$id,\"create\",\"two\"]]"
  jq -e '.running[0] | has("bytes_per_second") and has("seconds_left") and has("done_bytes")' "$mnt/.status"
  assert_equal "$(shown)" "latest one "
  release_store
  until_true is_idle
  assert_equal "$(jq -c '[.name, .metadata.why]' "$mnt/.create")" '["two","x"]'
  assert_equal "$(status_of ".ended[] | select(.job == $id) | [.state, .error, .result.name]")" '["done",null,"two"]'
  echo two nowait >"$mnt/.create"
  until_true is_idle
  assert_equal "$(jq -r .error.errno "$mnt/.create")" EEXIST
}

@test "progress, rate and time left while it copies" {
  mounted
  random_bytes 1000000000 >"$src/large"
  echo one nowait >"$mnt/.create"
  until_true jq -e '.running[0] | .total_bytes > 1000000000 and .done_bytes > 0 and .bytes_per_second > 0 and .seconds_left >= 0' "$mnt/.status"
  fusermount3 -u "$mnt"
}

@test "Ctrl-C ends a command that waits, and nothing is done" {
  mounted one
  hold_store
  writer_to .collect $'\n'
  kill -INT "$writer"
  assert_status 7 "$writer"
  assert_equal "$(jq -r .error.errno "$mnt/.collect")" EINTR
  release_store
}

@test ".cancel ends what runs, by its number, its name, or all" {
  mounted one two three
  local id
  hold_store
  echo four nowait >"$mnt/.create"
  id=$(jq -er .job "$mnt/.create")
  writer_to .collect $'\n'
  refuses .cancel "" EINVAL
  refuses .cancel "$id five" ENOENT
  assert_has "$(jq -r .error.text "$mnt/.cancel")" "'five' is not running"
  runs create four
  echo "$id" >"$mnt/.cancel"
  assert_equal "$(jq -c '.cancelled | map([.job, .command, .name])' "$mnt/.cancel")" "[[$id,\"create\",\"four\"]]"
  # The others go on.
  until_true has_ended "$id"
  runs collect
  assert_equal "$(status_of ".ended[] | select(.job == $id) | [.state, .error.errno]")" '["failed","EINTR"]'
  assert_equal "$(jq -r .error.errno "$mnt/.create")" EINTR
  refuses .cancel "$id" ENOENT
  assert_has "$(jq -r .error.text "$mnt/.cancel")" "'$id' is not running any more: it is failed"
  echo four nowait >"$mnt/.create"
  echo four >"$mnt/.cancel"
  until_true has_ended $((id + 2))
  # One that somebody waits for, too: it is as if he had interrupted it.
  echo all >"$mnt/.cancel"
  assert_status 7 "$writer"
  until_true is_idle
  refuses .cancel all ENOENT
  release_store
  assert_equal "$(shown)" "latest one three two "
  assert_equal "$(find "$store" -maxdepth 1 -name '.tmp-*')" ""
  echo four >"$mnt/.create"
}

has_ended() { jq -e --argjson id "$1" '.ended | any(.job == $id)' "$mnt/.status"; }

@test ".cancel ends a .prune that is at work, between two snapshots" {
  mounted one two three
  # It waits for the list of snapshots when it is told.
  hold_store .list.lock
  echo keep-last=1 nowait >"$mnt/.prune"
  echo all >"$mnt/.cancel"
  release_store
  until_true is_idle
  assert_equal "$(jq -c '[.error.errno, .result.deleted]' "$mnt/.prune")" '["EINTR",0]'
  assert_equal "$(shown)" "latest one three two "
}

@test "the end of the mount ends what runs in the background" {
  in_foreground
  echo one >"$mnt/.create"
  hold_store
  echo two nowait >"$mnt/.create"
  fusermount3 -u "$mnt"
  assert_status 0 "$started"
  release_store
  assert_equal "$(find "$store" -maxdepth 1 -name '.tmp-*')" ""
  start_mount "$store" "$mnt"
  assert_equal "$(shown)" "latest one "
}

@test ".status remembers what ended last, in order" {
  mounted one
  local _
  for _ in {1..40}; do
    echo one >"$mnt/.unpin"
  done
  assert_equal "$(status_of '.ended | length')" 32
  assert_equal "$(status_of '[.ended[].job] == ([.ended[].job] | sort) and .last == .ended[-1]')" true
  assert_equal "$(status_of '.sizes.newest_bytes')" "$(cat "$src"/* | wc -c)"
  jq -e '.sizes | .disk_free_bytes > 0 and .added_bytes > 0' "$mnt/.status"
}

@test "promtool takes .metrics, and its numbers are right" {
  local PATH=$PATH:$project/tests/tools
  command -v promtool >/dev/null || skip "needs promtool"
  mounted
  expect 0 promtool check metrics <"$mnt/.metrics"
  echo one >"$mnt/.create"
  echo two full >"$mnt/.create"
  echo one >"$mnt/.pin"
  run ! write_fails
  echo every 1h >"$mnt/.schedule"
  echo wait >"$mnt/.verify"
  expect 0 promtool check metrics <"$mnt/.metrics"
  assert_equal "$output$stderr" ""
  grep -qx 'ruvsnap_snapshots 2' "$mnt/.metrics"
  grep -qx 'ruvsnap_snapshots_pinned 1' "$mnt/.metrics"
  grep -qx 'ruvsnap_newest_snapshot_files 2' "$mnt/.metrics"
  grep -qx 'ruvsnap_jobs_total{command="create",result="done"} 2' "$mnt/.metrics"
  grep -qx 'ruvsnap_jobs_total{command="create",result="failed"} 1' "$mnt/.metrics"
  grep -qx "ruvsnap_logical_bytes $((2 * $(cat "$src"/* | wc -c)))" "$mnt/.metrics"
  grep -qx "ruvsnap_schedule_next_timestamp_seconds $(date -d "$(jq -r .next_at "$mnt/.schedule")" +%s)" "$mnt/.metrics"
}

write_fails() { bash -c 'echo one >"$1"' - "$mnt/.create"; }

# --- by itself -------------------------------------------------------------------

@test ".schedule makes snapshots and .policy prunes them" {
  mounted
  echo keep-last=2 >"$mnt/.policy"
  echo every 1s >"$mnt/.schedule"
  until_true has_pruned
  echo none >"$mnt/.schedule"
  until_true is_idle
  assert_equal "$(names_of "$store" | wc -l)" 2
  assert_equal "$(jq -r '.schedule, .next_at' "$mnt/.schedule" | tr '\n' ' ')" "null null "
}

has_pruned() { jq -e '.ended | any(.command == "schedule" and .result.deleted > 0)' "$mnt/.status"; }

@test "what was missed is made up for once, when it is mounted again" {
  mounted
  echo every 1h >"$mnt/.schedule"
  assert_equal "$(shown)" ""
  fusermount3 -u "$mnt"
  # As if nobody had mounted it for days.
  echo '{"last": "2026-01-02T00:00:00.000000000Z"}' >"$store/schedule.json"
  start_mount "$store" "$mnt"
  until_true test -e "$mnt/latest"
  until_true is_idle
  assert_equal "$(names_of "$store" | wc -l)" 1
  assert_equal "$(status_of '.ended | map(.command)')" '["schedule"]'
  fusermount3 -u "$mnt"
  start_mount "$store" "$mnt"
  fusermount3 -u "$mnt"
  assert_equal "$(names_of "$store" | wc -l)" 1
}

@test "a run that fails is told, and tried again" {
  mounted
  mv "$src" "$src.away"
  echo every 1s >"$mnt/.schedule"
  until_true jq -e '.failure != null and .failed_at != null' "$mnt/.schedule"
  grep -qx 'ruvsnap_schedule_failed 1' "$mnt/.metrics"
  mv "$src.away" "$src"
  echo every 1s >"$mnt/.schedule"
  until_true test -e "$mnt/latest"
  grep -qx 'ruvsnap_schedule_failed 0' "$mnt/.metrics"
}

@test "a scheduled run that waits ends with the mount" {
  in_foreground
  hold_store
  echo every 1s >"$mnt/.schedule"
  until_true runs schedule
  kill "$started"
  assert_status 0 "$started"
  release_store
  assert_equal "$(names_of "$store")" ""
}

@test "the life of a store without the command" {
  mkdir "$BATS_TEST_TMPDIR/restored"
  ruvsnap() { fail "the command was used"; }
  # Made by mounting, scheduled by echo.
  in_foreground
  echo keep-last=2 keep-name='release*' >"$mnt/.policy"
  echo every 1s >"$mnt/.schedule"
  until_true test -e "$mnt/latest"
  # A release, by hand, which stays.
  echo none >"$mnt/.schedule"
  until_true is_idle
  echo important >"$src/note"
  mkdir "$mnt/release-1"
  echo worthless >"$src/note"
  echo every 1s >"$mnt/.schedule"
  until_true has_pruned
  until_true jq -e '.ended | map(select(.command == "schedule")) | length > 3' "$mnt/.status"
  echo none >"$mnt/.schedule"
  until_true is_idle
  assert_equal "$(find "$mnt" -mindepth 1 -maxdepth 1 -type d | wc -l)" 3
  # Proved, restored by cp.
  echo wait >"$mnt/.verify"
  assert_equal "$(jq -c '[.state, .result.snapshots, .damage]' "$mnt/.verify")" '["done",3,[]]'
  cp -a "$mnt/release-1/." "$BATS_TEST_TMPDIR/restored"
  assert_equal "$(cat "$BATS_TEST_TMPDIR/restored/note")" important
  cmp "$src/vectors.bin" "$BATS_TEST_TMPDIR/restored/vectors.bin"
  # The rest is deleted, and its room freed.
  find "$mnt" -mindepth 1 -maxdepth 1 -type d -name '20*' -exec rmdir {} +
  echo >"$mnt/.collect"
  assert_equal "$(shown)" "latest release-1 "
  fusermount3 -u "$mnt"
  assert_status 0 "$started"
  in_foreground
  cmp "$BATS_TEST_TMPDIR/restored/note" "$mnt/release-1/note"
}

# --- options ---------------------------------------------------------------------

@test "ro: snapshots are read, nothing is controlled, nothing is scheduled" {
  mounted one
  echo every 1s >"$mnt/.schedule"
  fusermount3 -u "$mnt"
  start_mount "$store" "$mnt" -o ro
  assert_equal "$(shown -A)" ".metrics .status $(shown)"
  assert_equal "$(cat "$mnt/one/note")" hello
  local count
  count=$(names_of "$store" | wc -l)
  sleep 1.5
  assert_equal "$(names_of "$store" | wc -l)" "$count"
  local try
  for try in "mkdir $mnt/two" "rmdir $mnt/one" "mv $mnt/one $mnt/two" "touch $mnt/.create"; do
    # shellcheck disable=SC2086 # words
    run -1 $try
    assert_has "$output" "Read-only file system"
  done
}

@test "ro makes no store" {
  expect "$EXIT_NOT_FOUND" ruvsnapfs -o ro --source "$src" "$store" "$mnt"
  [[ ! -e $store ]]
}

@test "uid=, gid= and umask= are of what is in snapshots" {
  mounted one
  fusermount3 -u "$mnt"
  start_mount "$store" "$mnt" -o uid=1234,gid=2345,umask=027
  assert_equal "$(stat -c '%u:%g %A' "$mnt/one" "$mnt/one/note" | tr '\n' ' ')" "1234:2345 drwxr-x--- 1234:2345 -rwxr-x--- "
  assert_equal "$(stat -c '%u:%a' "$mnt" "$mnt/.create" | tr '\n' ' ')" "$EUID:755 $EUID:600 "
}

@test "fstab and mount(8)" {
  [[ $EUID -eq 0 ]] || skip "needs root"
  mounted one
  fusermount3 -u "$mnt"
  # The long form of fuse.ruvsnapfs, for a program that is not installed.
  echo "$RUVSNAPFS#$store $mnt fuse ro,noauto,nofail,allow_other,default_permissions,uid=5,_netdev 0 0" >"$BATS_TEST_TMPDIR/fstab"
  expect 0 alone mount --fstab "$BATS_TEST_TMPDIR/fstab" "$mnt"
  assert_equal "$(stat -c %u "$mnt/one/note")" 5
  assert_has "$(grep " $mnt " /proc/mounts)" "$store $mnt fuse.ruvsnapfs ro,"
  umount "$mnt"
}

@test "noverify is told" {
  start_mount "$store" "$mnt" --source "$src" -o noverify
  assert_equal "$(status_of .reads_proved_by)" crc32
  fusermount3 -u "$mnt"
  start_mount "$store" "$mnt"
  assert_equal "$(status_of .reads_proved_by)" sha256
}

@test "idle-timeout ends a mount that nobody uses, and no other" {
  in_foreground --idle-timeout=4
  exec 7<"$mnt/.help"
  sleep 6
  mountpoint -q "$mnt"
  exec 7<&-
  until_true not_mounted
  assert_status 0 "$started"
}

# Without a look at the mount, which would be a use of it.
not_mounted() { ! grep -qF " $mnt " /proc/self/mounts; }

@test "a mount that was killed leaves no dead mount point, unless told to" {
  in_foreground
  kill -KILL "$started"
  assert_status 137 "$started"
  until_true not_mounted
  ls "$mnt"
  in_foreground -o noauto_unmount
  kill -KILL "$started"
  assert_status 137 "$started"
  run ! ls "$mnt"
  assert_has "$output" "not connected"
  fusermount3 -u "$mnt"
}

# --- where it refuses to be --------------------------------------------------------

# not_at MOUNTPOINT REASON [OPTION]...
not_at() {
  local mountpoint=$1 reason=$2
  shift 2
  expect "$EXIT_FAILED" ruvsnapfs "$@" "$store" "$mountpoint"
  assert_has "$stderr" "$reason"
}

@test "a mount point in or around the store or the source is refused" {
  mkdir "$src/mnt"
  not_at "$src/mnt" "inside the source" --source "$src"
  not_at "$src" "inside the source" --source "$src"
  not_at "$BATS_TEST_TMPDIR" "would hide the store" --source "$src"
  [[ ! -e $store ]]
  mounted one
  fusermount3 -u "$mnt"
  mkdir "$store/mnt"
  not_at "$store/mnt" "inside the store"
  not_at "$src/mnt" "inside the source"
  ln -s "$src/mnt" "$BATS_TEST_TMPDIR/link"
  not_at "$BATS_TEST_TMPDIR/link" "inside the source"
  run ! mountpoint -q "$src/mnt"
}

@test "a second mount on the same point is refused" {
  mounted one
  not_at "$mnt" "already"
  assert_equal "$(grep -c " $mnt " /proc/self/mounts)" 1
}

@test "a store that others could have written to is refused, but to read" {
  mounted one
  fusermount3 -u "$mnt"
  chmod g+w "$store/store.json"
  not_at "$mnt" "others may write"
  chmod g-w "$store/store.json"
  if [[ $EUID -eq 0 ]]; then
    chown 65534 "$store"
    not_at "$mnt" "belongs to user 65534"
    start_mount "$store" "$mnt" -o ro
    assert_equal "$(cat "$mnt/one/note")" hello
    fusermount3 -u "$mnt"
    chown 0 "$store"
  fi
  start_mount "$store" "$mnt"
}
