#!/usr/bin/env bats
# Goal: completion offers the verbs and options that there are, and the names of
# the snapshots of the store on the line.

load helper

setup_file() {
  export store=$BATS_FILE_TMPDIR/store
  load helper
  make_sample "$BATS_FILE_TMPDIR/db"
  make_store "$store" "$BATS_FILE_TMPDIR/db" nightly before-import
}

setup() {
  PATH=$(dirname "$RUVSNAP"):$PATH
  # shellcheck source=engine/completion/ruvsnap.bash
  source "$project/engine/completion/ruvsnap.bash"
}

# completed WORD...: what the last word could become, in one line.
completed() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  _ruvsnap
  echo "${COMPREPLY[*]}"
}

@test "verbs" {
  assert_equal "$(completed ruvsnap cre)" create
  assert_equal "$(completed ruvsnap un)" unpin
  assert_equal "$(completed ruvsnap xyz)" ''
  local verb all
  all=$(completed ruvsnap '')
  for verb in init create list show ls cat restore verify diff rename pin unpin delete prune collect stats mount; do
    [[ " $all " == *" $verb "* ]]
  done
}

@test "options of the verb, and those of all" {
  assert_equal "$(completed ruvsnap create S --b)" '--base --best-effort'
  assert_equal "$(completed ruvsnap create S --q)" --quiet
  assert_equal "$(completed ruvsnap prune S --keep-w)" '--keep-weekly --keep-within'
  assert_equal "$(completed ruvsnap list S --full)" ''
}

@test "snapshots of the store" {
  assert_equal "$(completed ruvsnap show "$store" n)" nightly
  assert_equal "$(completed ruvsnap delete "$store" nightly before)" before-import
  assert_equal "$(completed ruvsnap diff "$store" nightly '')" 'latest nightly before-import'
  assert_equal "$(completed ruvsnap create "$store" --base b)" before-import
  assert_equal "$(completed ruvsnap restore "$store" l)" latest
  assert_equal "$(completed ruvsnap prune "$store" --keep-last 3 '')" ''
  assert_equal "$(completed ruvsnap show "$store.none" n)" ''
}

@test "stores and other paths" {
  cd "$BATS_FILE_TMPDIR"
  assert_equal "$(completed ruvsnap list st)" store
  assert_equal "$(completed ruvsnap init x --source d)" db
  assert_equal "$(completed ruvsnap create --full st)" store
  assert_equal "$(completed ruvsnap rename "$store" nightly d)" ''
}

@test "zsh and fish read theirs" {
  local tried=0
  if command -v zsh >/dev/null; then zsh -n "$project/engine/completion/_ruvsnap"; tried=1; fi
  if command -v fish >/dev/null; then fish -n "$project/engine/completion/ruvsnap.fish"; tried=1; fi
  ((tried)) || skip "neither zsh nor fish is here"
}

@test "fish completes verbs, options and snapshots" {
  command -v fish >/dev/null || skip "no fish here"
  offered() {
    fish --no-config -c "source $project/engine/completion/ruvsnap.fish; complete -C '$1'" | cut -f 1 | tr '\n' ' '
  }
  assert_equal "$(offered 'ruvsnap cre')" 'create '
  assert_equal "$(offered "ruvsnap show $store n")" 'nightly '
  assert_equal "$(offered "ruvsnap create $store --ful")" '--full '
}
