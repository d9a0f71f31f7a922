#!/usr/bin/env bats
# Goal: the manual pages say what --help says, each verb and option, no more and
# no less; they are well-formed, and are installed.

load helper

setup() {
  ruvsnap_1=$project/engine/man/ruvsnap.1
  ruvsnapfs_8=$project/fs/man/ruvsnapfs.8
  store_5=$project/engine/man/ruvsnap-store.5
}

teardown() {
  stop_mounts
}

# section PAGE MACRO NAME: the lines of a page below that heading.
section() {
  awk -v macro=".$2" -v name="$3" '
    $1 == macro { inside = ($0 == macro " " name); next }
    $1 == ".Sh" { inside = 0 }
    inside' "$1"
}

# Options, one a line, as mdoc writes them where it lists them: "Fl -quiet" is
# --quiet, "Fl q" is -q.
options_in_page() {
  grep -E '^(\.It |\.Op |Fl )' | grep -oE '\bFl -?[a-zA-Z][a-z-]*' | sed 's/^Fl /-/' | sort -u
}

# Those of a verb's --help: of its usage, and what its lines begin with.
options_in_help() {
  ruvsnap "$1" --help | sed '/^Every verb takes:/,$d' |
    { sed -n '1p; /^  -/s/  *[a-z(].*//p'; } | grep -oE -- '(^|[][ |,])--?[a-zA-Z][a-z-]*' |
    sed 's/^[^-]//' | grep -vx -- '--json' | sort -u
}

verbs() {
  ruvsnap --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'
}

@test "the pages are well-formed" {
  command -v mandoc >/dev/null
  local page
  for page in "$ruvsnap_1" "$ruvsnapfs_8" "$store_5"; do
    expect 0 mandoc -T lint -W warning "$page"
    assert_equal "$output" ''
  done
}

@test "ruvsnap(1) has each verb of --help, and no other" {
  assert_equal "$(sed -n '/^\.Sh VERBS/,/^\.Sh PROGRESS/s/^\.Ss //p' "$ruvsnap_1" | sort)" "$(verbs | sort)"
}

@test "ruvsnap(1) has each option of each verb, and no other" {
  local verb
  (($(verbs | wc -l) > 15))
  for verb in $(verbs); do
    assert_equal "$verb: $(section "$ruvsnap_1" Ss "$verb" | options_in_page)" "$verb: $(options_in_help "$verb")"
  done
}

@test "ruvsnap(1) has the options that every verb takes" {
  assert_equal "$(section "$ruvsnap_1" Sh 'COMMON OPTIONS' | grep '^\.It' | options_in_page)" \
    "$(ruvsnap list --help | sed '1,/^Every verb takes:/d' | grep -oE -- '(^| )--?[a-z]+' | tr -d ' ' | sort -u)"
}

@test "ruvsnap(1) has each exit code" {
  local code
  for code in 0 1 2 3 4 5 6 7 130; do
    section "$ruvsnap_1" Sh 'EXIT STATUS' | grep -qx ".It $code"
  done
}

# "-o NAME" for options of -o, else the option.
driver_options_in_page() {
  section "$ruvsnapfs_8" Sh OPTIONS | grep '^\.It' | grep -oE 'Fl (o Cm [a-z_]+|-?[a-zA-Z][a-z-]*)' |
    sed 's/^Fl o Cm /-o /; s/^Fl /-/' | sort -u
}

driver_options_in_help() {
  ruvsnapfs --help | sed -n '/^Options:/,/^$/p' | grep -oE '^ +-.*' | sed -E 's/^ +//; s/  .*//' |
    awk '{ if ($1 == "-o") { n = split($2, o, ","); for (i = 1; i <= n; i++) { sub(/=.*/, "", o[i]); print "-o " o[i] } }
           else for (i = 1; i <= NF; i++) if ($i ~ /^-/) { sub(/[=,].*/, "", $i); print $i } }' | sort -u
}

@test "ruvsnapfs(8) has each option of --help, and no other" {
  assert_equal "$(driver_options_in_page)" "$(driver_options_in_help)"
}

@test "ruvsnapfs(8) has each control file of .help, and no other" {
  make_sample "$BATS_TEST_TMPDIR/db"
  start_mount "$BATS_TEST_TMPDIR/store" "$BATS_TEST_TMPDIR/mnt" --source "$BATS_TEST_TMPDIR/db"
  assert_equal "$(section "$ruvsnapfs_8" Sh 'CONTROL FILES' | grep '^\.It' | grep -oE '\.[a-z]+\b' | sort -u)" \
    "$(grep -oE '(^| |> )\.[a-z]+\b' "$BATS_TEST_TMPDIR/mnt/.help" | grep -oE '\.[a-z]+' | sort -u)"
}

@test "the store.json of ruvsnap-store(5) is one that works" {
  local store=$BATS_TEST_TMPDIR/store
  make_sample "$BATS_TEST_TMPDIR/db"
  ruvsnap init "$store" --source "$BATS_TEST_TMPDIR/db"
  awk '/^\.Bd -literal/ { inside = 1; next } /^\.Ed/ { inside = 0 } inside && /^{/, /^}/' "$store_5" >"$store/store.json"
  expect 0 ruvsnap schedule "$store" --json
  assert_equal "$(json .schedule)" "$(jq -er .schedule "$store/store.json")"
  expect 0 ruvsnap policy "$store" --json
  assert_equal "$(json .policy)" "$(jq -er .policy "$store/store.json")"
  # Each of its keys is described.
  local key
  for key in $(jq -r 'keys[]' "$store/store.json"); do
    section "$store_5" Sh SETTINGS | grep -qE "^\.It Cm (.* )?$key\b"
  done
}

@test "pages and completions are installed" {
  local build
  build=$(dirname "$RUVSNAP")/../..
  [[ -e $build/build.ninja ]] || skip "no build folder around $RUVSNAP"
  expect 0 meson introspect --installed "$build"
  local file
  for file in man/man1/ruvsnap.1 man/man5/ruvsnap-store.5 man/man8/ruvsnapfs.8 \
    bash-completion/completions/ruvsnap zsh/site-functions/_ruvsnap fish/vendor_completions.d/ruvsnap.fish; do
    jq -e --arg file "/share/$file" 'any(.[]; endswith($file))' <<<"$output" || fail "$file is not installed"
  done
}
