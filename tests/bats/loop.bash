# A filesystem of a test's own, on a loop device: `load loop` after the helper.
# Call unmount_loops in teardown().
#
# shellcheck shell=bash

# mount_loop IMAGE MOUNTPOINT MIB [TYPE]: make a filesystem in IMAGE and mount it;
# skips the test where that cannot be had.
mount_loop() {
  local image=$1 mountpoint=$2 mib=$3 type=${4:-ext4} options=(-q)
  [[ -z ${RUVSNAP_TEST_SANITIZER:-} ]] || skip "for the ordinary build"
  ((EUID == 0)) || skip "needs root"
  command -v "mkfs.$type" >/dev/null || skip "no mkfs.$type"
  truncate -s "${mib}M" "$image"
  [[ $type != ext4 ]] || options+=(-F -m 0)
  "mkfs.$type" "${options[@]}" "$image" >/dev/null
  mkdir -p "$mountpoint"
  try_mount "$image" "$mountpoint" || skip "no loop devices here"
}

# try_mount IMAGE MOUNTPOINT
try_mount() {
  local mount_options=loop try
  # XFS minds that the same image may still be mounted elsewhere.
  [[ $(blkid -o value -s TYPE "$1") != xfs ]] || mount_options+=,nouuid
  # Others may be after the same free device.
  for try in 1 2 3 4 5; do
    mount -o "$mount_options" "$1" "$2" 2>/dev/null && return 0
    sleep "0.$try"
  done
  return 1
}

# replace_loop IMAGE MOUNTPOINT [COMMAND...]: mount what IMAGE holds at this moment,
# after COMMAND changed it, instead of what is mounted.  It is a copy: another
# mount namespace may keep the file system of before alive.
replace_loop() {
  local image=$1 mountpoint=$2
  shift 2
  cp --sparse=always "$image" "$image.now"
  umount "$mountpoint" 2>/dev/null || umount -l "$mountpoint"
  mv "$image.now" "$image"
  "$@"
  try_mount "$image" "$mountpoint"
}

# unmount_loops: all mounts below this test's folder; their devices go with them.
unmount_loops() {
  local mounted
  while read -r mounted; do
    umount "$mounted" 2>/dev/null || umount -l "$mounted" || true
  done < <(awk -v top="$BATS_TEST_TMPDIR" 'index($5, top) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
}
