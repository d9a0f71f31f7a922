# Completion of ruvsnap for bash.
#
# Verbs, options and what each argument is come from --help, so that nothing is
# said twice; names of snapshots come from the store that the line names, paths
# from the snapshot.
#
# shellcheck shell=bash

# The verbs that --help lists.
_ruvsnap_verbs() {
  "$1" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'
}

# The first line of a verb's help, behind "usage: ruvsnap VERB ".
_ruvsnap_usage() {
  "$1" "$2" --help 2>/dev/null | sed -n '1s/^usage: ruvsnap [a-z-]* //p'
}

# The arguments of a verb, one a line: STORE, SNAPSHOT, "SNAPSHOT..." and so on.
_ruvsnap_arguments() {
  _ruvsnap_usage "$1" "$2" | sed 's/\[-[^]]*\]\(\.\.\.\)\{0,1\}//g; s/\[\([A-Z]*\)\]/\1/g' |
    tr ' ' '\n' | grep '^[A-Z]'
}

# What the option $3 of a verb takes, such as PATH or N; nothing if it is a flag.
_ruvsnap_value() {
  "$1" "$2" --help 2>/dev/null |
    sed -n "s/^  \(-[a-zA-Z], \)\{0,1\}$3 \([A-Z][A-Z=]*\)  .*/\2/p; s/^  $3, --[a-z-]* \([A-Z]*\)  .*/\1/p"
}

# The long options of a verb, and those of all.
_ruvsnap_options() {
  "$1" "$2" --help 2>/dev/null | sed -n '2,$p' | grep -o -e '^ *\(-[a-zA-Z], \)\{0,1\}--[a-z][a-z-]*' |
    grep -o -e '--[a-z-]*'
  _ruvsnap_usage "$1" "$2" | grep -o -e '--[a-z][a-z-]*'
}

_ruvsnap_snapshots() {
  echo latest
  "$1" list "$2" 2>/dev/null | cut -d ' ' -f 1
}

_ruvsnap_words() {
  local IFS=$'\n'
  # shellcheck disable=SC2207 # one a line, without blanks
  COMPREPLY=($(compgen -W "$1" -- "$2"))
}

# _ruvsnap_plain WORD: in $REPLY, what the shell will make of its quotes, which may
# be open.  Nothing is expanded but a tilde.
_ruvsnap_plain() {
  local word=$1 quote='' c next i
  REPLY=
  # shellcheck disable=SC2088 # as it is typed
  if [[ $word == '~/'* ]]; then
    REPLY=$HOME
    word=${word:1}
  fi
  for ((i = 0; i < ${#word}; i++)); do
    c=${word:i:1} next=${word:i+1:1}
    if [[ $c == "$quote" ]]; then
      quote=
    elif [[ -z $quote && ($c == "'" || $c == '"') ]]; then
      quote=$c
    elif [[ $c == \\ && (-z $quote || ($quote == '"' && $next == [\$\`\"\\])) ]]; then
      REPLY+=$next
      i=$((i + 1))
    else
      REPLY+=$c
    fi
  done
}

# Complete the path $4 inside the snapshot $3 of the store $2, one level at a time.
# Readline quotes what it takes.
_ruvsnap_inside() {
  local folder='' name names=()
  [[ $4 != */* ]] || folder=${4%/*}/
  mapfile -d '' -t names < <("$1" ls --zero -- "$2" "$3" "./$folder" 2>/dev/null)
  for name in "${names[@]}"; do
    # No option, whatever it is called.
    [[ -n $folder || $name != -* ]] || name=./$name
    [[ $folder$name != "$4"* ]] || COMPREPLY+=("$folder$name")
  done
  compopt -o filenames 2>/dev/null
  [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != */ ]] || compopt -o nospace 2>/dev/null
}

# Complete $3, which is a $2, in the store $4.
_ruvsnap_complete_kind() {
  case $2 in
    SNAPSHOT* | OLD | NEW)
      [[ -z $4 ]] || _ruvsnap_words "$(_ruvsnap_snapshots "$1" "$4")" "$3"
      ;;
    STORE | TARGET | MOUNTPOINT)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$3")
      ;;
    PATH)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$3")
      ;;
  esac
}

_ruvsnap() {
  local program=${COMP_WORDS[0]} verb=${COMP_WORDS[1]} current=${COMP_WORDS[COMP_CWORD]}
  local given=() arguments=() word value i REPLY
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _ruvsnap_words "$(_ruvsnap_verbs "$program")"$'\n--help\n--version' "$current"
    return
  fi

  # The arguments before this one; the values of options are none.
  for ((i = 2; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    value=
    if [[ $word == -?* ]]; then
      value=$(_ruvsnap_value "$program" "$verb" "$word")
      [[ -z $value ]] || i=$((i + 1))
    else
      _ruvsnap_plain "$word"
      given+=("$REPLY")
    fi
  done
  if [[ -n $value ]] && ((i > COMP_CWORD)); then
    _ruvsnap_complete_kind "$program" "$value" "$current" "${given[0]}"
    return
  fi
  if [[ $current == -* ]]; then
    _ruvsnap_words "$(_ruvsnap_options "$program" "$verb" | sort -u)" "$current"
    return
  fi

  mapfile -t arguments < <(_ruvsnap_arguments "$program" "$verb")
  word=${arguments[${#given[@]}]-}
  # The last may come again and again: "SNAPSHOT...".
  if [[ -z $word && ${#arguments[@]} -gt 0 && ${arguments[-1]} == *... ]]; then word=${arguments[-1]}; fi
  # A PATH comes behind a SNAPSHOT, and is one inside it.
  if [[ $word == PATH* ]]; then
    _ruvsnap_plain "$current"
    _ruvsnap_inside "$program" "${given[0]}" "${given[1]}" "$REPLY"
    return
  fi
  _ruvsnap_complete_kind "$program" "$word" "$current" "${given[0]-}"
}

complete -F _ruvsnap ruvsnap
