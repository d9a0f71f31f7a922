# Completion of ruvsnap for fish.
#
# Verbs and options come from --help, names of snapshots from the store that the
# line names, paths from the snapshot.

function __ruvsnap_verbs
    ruvsnap --help 2>/dev/null | string replace -rf '^  ([a-z][a-z-]*) +(.*)' '$1\t$2'
end

function __ruvsnap_options
    set -l words (commandline -opc)
    set -q words[2]; or return
    ruvsnap $words[2] --help 2>/dev/null | string match -ra -- '--[a-z][a-z-]*' | sort -u
end

# The arguments of the verb on the line, one a line; values of options left out.
function __ruvsnap_arguments
    ruvsnap $argv[1] --help 2>/dev/null | head -n 1 | string replace -r '^usage: ruvsnap [a-z-]* ' '' |
        string replace -ra '\[-[^]]*\](\.\.\.)?' '' | string replace -ra '\[([A-Z]*)\]' '$1' |
        string split -n ' ' | string match -r '^[A-Z].*'
end

# What the argument under the cursor is: STORE, SNAPSHOT, ...
function __ruvsnap_kind
    set -l words (commandline -opc)
    set -q words[2]; or return
    set -l arguments (__ruvsnap_arguments $words[2])
    set -l given (string match -v -- '-*' $words[3..-1])
    set -l place (math (count $given) + 1)
    if test $place -le (count $arguments)
        echo $arguments[$place]
    else if string match -q '*...' -- $arguments[-1]
        echo $arguments[-1]
    end
end

function __ruvsnap_wants_snapshot
    string match -qr '^(SNAPSHOT|OLD|NEW)' -- (__ruvsnap_kind)
end

function __ruvsnap_wants_directory
    string match -qr '^(STORE|TARGET|MOUNTPOINT)' -- (__ruvsnap_kind)
end

function __ruvsnap_snapshots
    set -l words (commandline -opc)
    set -l given (string match -v -- '-*' $words[3..-1])
    echo latest
    set -q given[1]; and ruvsnap list $given[1] 2>/dev/null | string replace -r ' .*' ''
end

function __ruvsnap_wants_inside
    string match -qr '^PATH' -- (__ruvsnap_kind)
end

# Paths inside the snapshot of the line, one level at a time; fish quotes them.  It
# has no way to be told of names with line ends or tabs in them.
function __ruvsnap_inside
    set -l words (commandline -opc)
    set -l given (string match -v -- '-*' $words[3..-1])
    set -l current (string unescape -- (commandline -ct); or commandline -ct)
    set -l folder (string match -r '^.*/' -- $current)
    for name in (ruvsnap ls --zero -- $given[1] $given[2] "./$folder" 2>/dev/null | string split0)
        string match -qr '[\n\t]' -- $name; and continue
        # No option, whatever it is called.
        if test -z "$folder"; and string match -q -- '-*' $name
            set name ./$name
        end
        echo "$folder$name"
    end
end

complete -c ruvsnap -n 'test (count (commandline -opc)) -eq 1' -f -a '(__ruvsnap_verbs)'
complete -c ruvsnap -n 'string match -q -- "-*" (commandline -ct)' -f -a '(__ruvsnap_options)'
complete -c ruvsnap -n __ruvsnap_wants_snapshot -f -a '(__ruvsnap_snapshots)'
complete -c ruvsnap -n __ruvsnap_wants_directory -f -a '(__fish_complete_directories (commandline -ct))'
complete -c ruvsnap -n __ruvsnap_wants_inside -f -a '(__ruvsnap_inside)'
