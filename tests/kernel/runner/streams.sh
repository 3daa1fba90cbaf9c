# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# The command's standard streams, between this side and the guest.
#
# Output: the command writes to a pipe in the guest; a relay copies from that pipe to a line of the machine; the machine writes
# the line to a pipe on this side; another relay copies from there to the runner's output. UML and QEMU set O_NONBLOCK on their
# descriptors, so that they get only descriptors that no other process has. If both streams are one file, they share a line,
# which keeps their order.
#
# Input: a line is slow (4 µs per byte), so that it only announces chunks, which are files in $run that the guest removes. The
# guest itself opens a regular file or /dev/null. A terminal for both input and output becomes a line of its own.

# Records which streams the caller closed, and the kinds of the others, before the runner opens any descriptor.
inspect_streams() {
    local self=/proc/$$/fd stream
    # Bash opens its script at the lowest free descriptor, and keeps it open.
    for stream in 1 2; do
        [[ ! $self/$stream -ef ${BASH_SOURCE[-1]} ]] || eval "exec $stream>&-"
    done
    stdin='pump' stdout='pipe' stderr='pipe' terminal_size='0 0' stdin_path='' stdin_offset=0
    [[ -e $self/0 ]] || { stdin=closed && exec 0</dev/null; }
    [[ -e $self/1 ]] || { stdout=closed && exec 1>/dev/null; }
    [[ -e $self/2 ]] || { stderr=closed && exec 2>/dev/null; }
    [[ ! -t 2 ]] || { stderr='tty' && exec {terminal}>&2; }
    [[ ! -t 1 ]] || { stdout='tty' && exec {terminal}>&1; }
    [[ -z ${terminal:-} ]] || measure_terminal
    if [[ $stdout != closed && $stderr != closed && $self/1 -ef $self/2 ]]; then
        stderr=stdout
    fi
    [[ $stdin == closed ]] || inspect_stdin "$self"
}

inspect_stdin() {
    local self=$1 key value
    if [[ $self/0 -ef /dev/null ]]; then
        stdin=null
    elif [[ -t 0 ]]; then
        if ! in_foreground; then
            stdin=null
        elif [[ $self/0 -ef $self/1 && -w $self/0 ]]; then
            stdin=terminal stdout=terminal
            [[ $stderr != stdout ]] || stderr=terminal
        fi
    elif [[ -f $self/0 ]] && stdin_path=$(readlink "$self/0") && [[ $stdin_path -ef $self/0 && -r $stdin_path ]] && ! guest_hides "$stdin_path"; then
        stdin='file'
        # Not by descriptor 0 of the reading command, which would be fdinfo itself.
        while read -r -u 3 key value; do
            [[ $key != pos: ]] || stdin_offset=$value
        done 3<"/proc/$$/fdinfo/0"
    fi
}

measure_terminal() { terminal_size=$(stty size <&"$terminal"); }

# Reading a terminal from the background would stop the runner.
in_foreground() {
    local stat
    stat=$(</proc/$$/stat)
    # After the name: state ppid pgrp session tty_nr tpgid
    read -r _ _ pgrp _ _ tpgid _ <<<"${stat##*) }"
    [[ $pgrp == "$tpgid" ]]
}

# Starts the relays, and sets out and err to the descriptors that lead to them.
open_streams() {
    mkfifo -- "$run/control" "$run/chunks"
    exec {control}<>"$run/control" {chunks}<>"$run/chunks"
    relays=() framed_relays=()
    case $stdout in
        pipe | tty)
            exec {out}> >(relay "$stdout" out)
            note_relay "$stdout" $!
            ;;
        terminal)
            terminal_settings=$(stty -g <&0)
            exec {out}<>/proc/$$/fd/0
            ;;
    esac
    if [[ $stderr == pipe || $stderr == tty ]]; then
        exec {err}> >([[ -z ${out:-} ]] || exec {out}>&-; relay "$stderr" err >&2)
        note_relay "$stderr" $!
    fi
    [[ $stdin != pump ]] || start_pump
}

note_relay() {
    local kind=$1 process=$2
    if [[ -n $framed && $kind == pipe ]]; then
        framed_relays+=("$process")
    else
        relays+=("$process")
    fi
}

# A relay ends with its input, not by a signal that a terminal sends to all processes: all output has to be written.
relay() {
    local kind=$1 name=$2
    trap '' INT QUIT TERM HUP
    if [[ -n $framed && $kind == pipe ]]; then
        exec "$here/runner/unframe" "hangup $name" 3>&"$control"
    fi
    exec cat
}

# Bash gives a background process /dev/null as its standard input.
start_pump() {
    { pump & } 3<&0
    pump=$!
}

pump() {
    local -r ahead=64
    local number=0 reader=''
    [[ -z ${out:-} ]] || exec {out}>&-
    [[ -z ${err:-} ]] || exec {err}>&-
    trap 'kill -KILL $reader; exit' TERM
    trap '' TTIN
    while read_chunk && [[ -s $run/chunk.$number ]]; do
        echo "$number" >&"$chunks"
        number=$((number + 1))
        while [[ -e $run/chunk.$((number - ahead)) ]]; do
            sleep 0.01
        done
    done
    echo end >&"$chunks"
}

read_chunk() {
    dd bs=64K count=1 status=none of="$run/chunk.$number" <&3 2>/dev/null &
    reader=$!
    wait "$reader"
}

# Closes this side's descriptors, so that the relays end once they have written everything.
close_streams() {
    [[ -z ${out:-} ]] || exec {out}>&-
    [[ -z ${err:-} ]] || exec {err}>&-
    out='' err=''
}

await_each() {
    local process
    for process in "$@"; do
        wait "$process"
    done
}

# The command read from the guest's own descriptor of the file: the caller's descriptor is advanced by the same amount.
advance_stdin() {
    local position=$1
    if [[ $stdin == file ]] && ((position > stdin_offset)); then
        head -c $((position - stdin_offset)) >/dev/null
    fi
}
