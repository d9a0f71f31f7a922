#!/usr/bin/env bats
# Goal: completion offers the verbs and options that there are, the names of the
# snapshots of the store on the line, and the paths inside a snapshot, whatever
# characters they are made of.

# Names that shells stumble over are written as they are.
# shellcheck disable=SC2016,SC1003

load helper

setup_file() {
  export store=$BATS_FILE_TMPDIR/store
  load helper
  make_sample "$BATS_FILE_TMPDIR/db"
  make_store "$store" "$BATS_FILE_TMPDIR/db" nightly before-import
  # Names that shells and readers of lines stumble over.
  export odd=$BATS_FILE_TMPDIR/'odd store'
  local dir=$BATS_FILE_TMPDIR/odd-source
  mkdir -p "$dir/sub dir/deeper" "$dir/-dash"
  touch "$dir/-n" "$dir/a b" "$dir/it's" "$dir/\"double\"" "$dir/"$'line\nend' "$dir/back\\slash" "$dir/\$(touch x)" \
    "$dir/sub dir/file one" "$dir/sub dir/file two" "$dir/sub dir/deeper/last"
  make_store "$odd" "$dir" one
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

# each WORD...: the same, each in brackets.
each() {
  completed "$@" >/dev/null
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  _ruvsnap
  printf '[%s]' "${COMPREPLY[@]}"
}

@test "paths inside a snapshot, a level at a time" {
  local verb shell_odd=${odd// /\\ }
  assert_equal "$(each ruvsnap cat "$store" nightly v)" '[vectors.bin]'
  assert_equal "$(each ruvsnap restore "$store" nightly target vec)" '[vectors.bin]'
  assert_equal "$(each ruvsnap restore "$store" nightly target index.bin --overwrite met)" '[metadata.bin]'
  assert_equal "$(each ruvsnap ls "$store" none-such v)" '[]'
  for verb in ls cat; do
    assert_equal "$(each ruvsnap "$verb" "$shell_odd" one s)" '[sub dir/]'
    assert_equal "$(each ruvsnap "$verb" "'$odd'" one 'sub\ dir/')" '[sub dir/deeper/][sub dir/file one][sub dir/file two]'
    assert_equal "$(each ruvsnap "$verb" "\"$odd\"" one '"sub dir/file t')" '[sub dir/file two]'
    assert_equal "$(each ruvsnap "$verb" "$shell_odd" one "'sub dir'/deeper/")" '[sub dir/deeper/last]'
    assert_equal "$(each ruvsnap "$verb" "$shell_odd" one ./sub)" '[./sub dir/]'
    assert_equal "$(each ruvsnap "$verb" "$shell_odd" one nowhere/x)" '[]'
  done
}

@test "paths of any characters are offered as they are, and none as an option" {
  local shell_odd=${odd// /\\ } all
  cd "$BATS_TEST_TMPDIR"
  all=$(each ruvsnap cat "$shell_odd" one '')
  assert_equal "$all" "[\"double\"][\$(touch x)][./-dash/][./-n][a b][back\\slash][it's]["$'line\nend'"][sub dir/]"
  assert_equal "$(each ruvsnap cat "$shell_odd" one "it\\'")" "[it's]"
  assert_equal "$(each ruvsnap cat "$shell_odd" one '"it'"'")" "[it's]"
  assert_equal "$(each ruvsnap cat "$shell_odd" one '\$\(')" "[\$(touch x)]"
  assert_equal "$(each ruvsnap cat "$shell_odd" one '$(touch\ x)')" "[\$(touch x)]"
  assert_equal "$(each ruvsnap cat "$shell_odd" one 'back\\')" '[back\slash]'
  assert_equal "$(each ruvsnap cat "$shell_odd" one "'line"$'\n')" "["$'line\nend'"]"
  assert_equal "$(each ruvsnap cat "$shell_odd" one ./-)" '[./-dash/][./-n]'
  [[ ! -e x ]]
  # What is offered is taken.
  expect 0 ruvsnap cat "$odd" one ./-n
  expect 0 ruvsnap cat "$odd" one '"double"'
}

@test "ls --zero: names as they are" {
  assert_equal "$(ruvsnap ls --zero "$odd" one 'sub dir' | tr '\0' '|')" 'deeper/|file one|file two|'
  assert_equal "$(ruvsnap ls --zero "$odd" one | tr '\n\0' '%|')" "\"double\"|\$(touch x)|-dash/|-n|a b|back\\slash|it's|line%end|sub dir/|"
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

@test "fish completes paths inside a snapshot" {
  command -v fish >/dev/null || skip "no fish here"
  # As they are: it quotes what it takes.
  offered() {
    fish --no-config -c "source $project/engine/completion/ruvsnap.fish; complete -C \$argv[1]" "$1" | cut -f 1 | tr '\n' '|'
  }
  assert_equal "$(offered "ruvsnap cat '$odd' one s")" 'sub dir/|'
  assert_equal "$(offered "ruvsnap cat '$odd' one sub\\ dir/f")" 'sub dir/file one|sub dir/file two|'
  assert_equal "$(offered "ruvsnap restore $store nightly target vec")" 'vectors.bin|'
}

@test "zsh completes paths inside a snapshot" {
  command -v zsh >/dev/null || skip "no zsh here"
  # What the function gives to compadd, which quotes it on a real line.
  offered() {
    zsh -f -c 'compadd() { print -rn -- "$1[${(j:][:)${(P)argv[-1]}}]" }
      words=("$@") CURRENT=$# PREFIX=$argv[-1]
      source "$project/engine/completion/_ruvsnap"' zsh "$@"
  }
  assert_equal "$(offered ruvsnap cat "'$odd'" one 'sub\ dir/')" '-S[sub dir/deeper/]-a[sub dir/file one][sub dir/file two]'
  assert_equal "$(offered ruvsnap restore "$store" nightly target v)" '-S[]-a[index.bin][metadata.bin][vectors.bin]'
  assert_has "$(offered ruvsnap cat "${odd// /\\ }" one '')" '[./-dash/]'
  assert_has "$(offered ruvsnap cat "${odd// /\\ }" one '')" "[it's][line"$'\n'"end]"
}
