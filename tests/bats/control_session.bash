# Every control file, driven by plain commands: mount, echo, cat, mkdir, mv, rmdir.
#
#   bash control_session.bash RUVSNAPFS FOLDER
#
# FOLDER, empty and the user's own, is worked in.  For any user who may mount;
# ends with 0 and prints nothing when all went as it should.
#
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C.UTF-8

ruvsnapfs=$1 top=$2
src=$top/db store=$top/store mnt=$top/mnt

die() {
  echo "$*" >&2
  exit 1
}

# says FILTER WANTED FILE: what a control file tells.
says() {
  local found
  found=$(jq -rc "$1" "$mnt/$3")
  [[ $found == "$2" ]] || die "$3: $1 is '$found', not '$2'"
}

# fails REASON FILE TEXT: echo says why, and so does the file.
fails() {
  local said
  if said=$(bash -c 'echo "$2" >"$1"' - "$mnt/$2" "$3" 2>&1); then die "$2 took '$3'"; fi
  [[ $said == *"$1"* ]] || die "$2: '$3' said: $said"
  jq -e '.error.text != "" and .error.errno != ""' "$mnt/$2" >/dev/null || die "$2 tells no error"
}

there() { [[ $(ls "$mnt") == "$(printf '%s\n' "$@" latest | sort)" ]] || die "there is: $(ls "$mnt")"; }

until_done() {
  local _
  for _ in {1..1200}; do
    ! jq -e '.running == []' "$mnt/.status" >/dev/null || return 0
    sleep 0.05
  done
  die "it never ended"
}

trap 'fusermount3 -qu "$mnt" || true' EXIT
mkdir "$src" "$mnt"
seq 100000 >"$src/numbers"
"$ruvsnapfs" --source "$src" "$store" "$mnt"
[[ $(stat -c %u "$mnt" "$mnt/.create" "$mnt/.status" | sort -u) == "$EUID" ]]

echo one >"$mnt/.create"
says .name one .create
echo more >>"$src/numbers"
echo 'two full why=test' >"$mnt/.create"
says '[.snapshot_type, .metadata.why]' '["full","test"]' .create
echo '{"name": "three", "base": "one", "metadata": {"why": "a b"}}' >"$mnt/.create"
says .base_id "$(jq -r '.ended[0].result.id' "$mnt/.status")" .create
mkdir "$mnt/four"
there four one three two
cmp "$src/numbers" "$mnt/four/numbers"
fails "File exists" .create one

echo four vier >"$mnt/.rename"
mv "$mnt/one" "$mnt/eins"
there eins three two vier
says .result.name eins .rename
fails "No such file" .rename "four five"

echo eins two >"$mnt/.pin"
says '.result.pinned | map(.name)' '["eins","two"]' .pin
echo two >"$mnt/.unpin"
fails "No such file" .unpin one

echo eins three wait >"$mnt/.verify"
says '[.state, .result.snapshots, .damage]' '["done",2,[]]' .verify
echo >"$mnt/.verify"
until_done
says .result.snapshots 4 .verify

echo keep-last=1 dry-run >"$mnt/.prune"
says '[.result, (.snapshots | map([.name, .keep]))]' \
  '[{"deleted":2,"dry_run":true},[["eins",true],["two",false],["three",false],["vier",true]]]' .prune
there eins three two vier
fails "Invalid argument" .prune ""
echo keep-last=1 keep-name=th* >"$mnt/.policy"
says .policy "keep-last=1 keep-name=th*" .policy
echo >"$mnt/.prune"
there eins three vier
fails "Invalid argument" .policy keep-last=many

echo three nowait >"$mnt/.delete"
until_done
there eins vier
rmdir "$mnt/vier"
there eins
echo dry-run >"$mnt/.collect"
says .result.dry_run true .collect
echo >"$mnt/.collect"
says .state 'done' .collect

echo monthly on 3 at 04:05 >"$mnt/.schedule"
says .schedule "monthly on 3 at 04:05" .schedule
jq -e .schedule.next_at "$mnt/.status" >/dev/null || die "nothing comes next"
fails "Invalid argument" .schedule sometimes
says .schedule "monthly on 3 at 04:05" .schedule
echo none >"$mnt/.schedule"
says .schedule null .schedule
echo none >"$mnt/.policy"

fails "No such file" .cancel all
fails "No such file" .cancel eins

grep -q '^ruvsnap_snapshots 1$' "$mnt/.metrics" || die "no metrics"
for file in .create .delete .rename .pin .unpin .verify .prune .collect .schedule .policy .cancel .status .metrics .help; do
  [[ -e $mnt/$file ]] || die "no $file"
  grep -qxF -- "$file" "$mnt/.help" || die "no help about $file"
done
cp "$mnt/eins/numbers" "$top/restored"
head -n 100000 "$src/numbers" | cmp - "$top/restored"
fusermount3 -u "$mnt"
