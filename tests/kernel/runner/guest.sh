# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Runs a command in a guest: prepares a directory that both sides see, boots, waits, and ends with the command's status.
#
# The directory $run: init (the guest's first process), settings, args and environ (the command), fstab, bin/ (tools),
# dev/ (links for /dev), console (the kernel's messages), jobs and status (the command's end), chunks of standard input.
# The guest mounts the tools in $marker, a directory that exists only in a guest: image/ and originals/ of the cache, and bin/.
#
# The kind of machine is defined by functions, uml_… and vm_…, and by these variables:
#   image    the directory of the kernel, its modules (lib/modules) and tools
#   framed   non-empty if the guest's output is in frames (see frame), which mark its end
#   ended    a process that ends when the guest reports its end; if empty, the kernel ends by itself
#   signal_grace  the time for the command to end after a signal, in twentieths of a second

run_on_guest() {
    machine=$1 timeout=${TEAM_KERNEL_TIMEOUT:-$2}
    shift 2
    [[ $timeout =~ ^0*[1-9][0-9]*$ ]] || die "TEAM_KERNEL_TIMEOUT=$timeout is not a number of seconds"
    export LC_ALL=C
    mask=$(umask)
    umask 077
    "${machine}_provide"
    provide_originals "$1"
    find_programs "$1"
    provide_c_library "$1"
    local place
    for place in "$image" "$PWD"; do
        ! guest_hides "$place" || die "$place is hidden in the guest, which has its own /run, /dev, /proc and /sys"
    done
    inspect_streams
    make_run_directory
    describe_command "$@"
    say "on $("${machine}_name")"
    open_streams
    "${machine}_boot"
    start_timer
    forward_signals
    await_end
    finish_run
}

# Sets $programs to cargo's target directory if the command is a test of cargo, else to the empty string.
find_programs() {
    programs=''
    [[ ! $1 =~ ^(/.+)/deps/[^/]+-[0-9a-f]+$ ]] || programs=${BASH_REMATCH[1]}
}

guest_hides() { [[ $1 =~ ^/(run|dev|proc|sys)(/|$) ]]; }

make_run_directory() {
    local base=${TMPDIR:-/tmp}
    # The kernel's command line allows no spaces, and the path of a socket is limited.
    if [[ ! $base =~ ^/[[:alnum:]/._-]{1,40}$ || ! -w $base ]] || guest_hides "$base"; then
        base=/tmp
    fi
    run=$(mktemp -d -- "$base/team-kernel.XXXXXX") || die "cannot write in $base"
    trap clean_up EXIT
    cp -- "$here/runner/guest-init" "$run/init"
    mkdir -- "$run/dev"
    ln -s /proc/self/fd "$run/dev/fd"
    ln -s fd/0 "$run/dev/stdin"
    ln -s fd/1 "$run/dev/stdout"
    ln -s fd/2 "$run/dev/stderr"
    write_wrappers "$run/bin"
    write_fstab
    exec {console}>>"$run/console"
}

# The tools are also mounted below $marker: in the cache, a parent directory may be closed to other users than the caller, and
# to root of another user namespace. If the command's PATH has no directory for the wrappers, one is added.
write_fstab() {
    local place original
    path_prefix=''
    place=$(place_for_wrappers)
    {
        "${machine}_fstab"
        bind_entry "$image" "$marker/image"
        bind_entry "$run/bin" "$marker/bin"
        for original in "${originals[@]}"; do
            bind_entry "$original" "$marker/originals/${original##*/}"
            path_prefix+=$marker/originals/${original##*/}/bin:
        done
        [[ -z $place ]] || bind_entry "$run/bin" "$place"
    } >"$run/fstab"
    [[ -n $place ]] || path_prefix=$marker/bin:$path_prefix
}

# Prints a line of fstab, in which a space or a backslash of a path is an octal number.
bind_entry() {
    local path=${1//\\/\\134}
    path=${path// /\\040} path=${path//$'\t'/\\011} path=${path//$'\n'/\\012}
    echo "$path $2 none bind,X-mount.mkdir 0 0"
}

describe_command() {
    printf '%s\0' "$@" >"$run/args"
    cat "/proc/$$/environ" >"$run/environ"
    # The number of a guest's processors would be too low: tests wait as much as they compute.
    [[ -z $programs || -v RUST_TEST_THREADS ]] || printf 'RUST_TEST_THREADS=4\0' >>"$run/environ"
    [[ -z $c_library ]] || printf 'TEAM_BENCH_C_LIBRARY=%s\0' "$c_library" >>"$run/environ"
    local limit directory=$PWD
    {
        printf '%s=%q\n' directory "$directory" hostname "$(uname -n)" mask "$mask" \
            stdin "$stdin" stdout "$stdout" stderr "$stderr" stdin_path "$stdin_path" stdin_offset "$stdin_offset" \
            terminal_size "$terminal_size" ip "$(tool_command "$image/tools" ip)" mount "$(tool_command "$image/tools" mount)" path_prefix "$path_prefix"
        "${machine}_lines"
        echo 'set_limits() {'
        for limit in c d f i l n q s t u v x; do
            echo "ulimit -H$limit $(ulimit -H"$limit"); ulimit -S$limit $(ulimit -S"$limit"); ulimit -H$limit $(ulimit -H"$limit")"
        done
        echo '}'
    } >"$run/settings"
}

start_timer() {
    lasting_helper sleep "$timeout" </dev/null &
    timer=$!
}

# Runs a helper that a signal to the terminal's processes does not end; it ends with this script, even if that is killed.
lasting_helper() {
    trap '' INT QUIT TERM HUP
    exec setpriv --pdeathsig KILL "$@" >/dev/null 2>&1
}

await_end() {
    while running; do
        wait -n "$kernel" "$timer" ${ended:+"$ended"} 2>/dev/null
        if running && ! alive "$timer"; then
            timed_out=yes
            stop_kernel
        fi
    done
}

running() { alive "$kernel" && { [[ -z $ended ]] || alive "$ended"; }; }

alive() { kill -0 "$1" 2>/dev/null; }

stop_kernel() {
    kill -KILL -- "-$kernel" 2>/dev/null
    wait "$kernel" 2>/dev/null
}

# Not earlier: a trap that runs while bash parses a command substitution causes a syntax error in bash 5.2, and loses the signal.
forward_signals() {
    local name
    for name in INT TERM HUP QUIT; do
        # shellcheck disable=SC2064
        trap "on_signal $name" "$name"
    done
    [[ -z ${terminal:-} ]] || trap on_resize WINCH
}

on_resize() {
    measure_terminal
    echo "resize $terminal_size" >&"$control"
}

# Forwards the signal to the command, and gives it some time to end.
on_signal() {
    signal=$1
    echo "signal $signal" >&"$control"
    local tries=$signal_grace
    while running && ((tries--)); do
        sleep 0.05
    done
    ! running || stop_kernel
}

finish_run() {
    local how='' number=0 position=0
    [[ ! -s $run/status ]] || read -r how number position <"$run/status"
    if [[ -n ${timed_out:-} ]]; then
        fail_run "the command outlived TEAM_KERNEL_TIMEOUT, $timeout seconds; the console's last lines:"
    fi
    stop_helpers
    drain_streams
    advance_stdin "$position"
    case $how in
        exit) exit "$number" ;;
        signal) end_by_signal "$number" ;;
    esac
    [[ -z ${signal:-} ]] || end_by_signal "$signal"
    fail_run "the kernel ended before the command did; the console's last lines:"
}

# A guest that waits to be stopped has sent everything, but some of it may not have arrived.
drain_streams() {
    close_streams
    await_each "${framed_relays[@]}"
    stop_kernel
    await_each "${relays[@]}"
}

fail_run() {
    stop_kernel
    restore_terminal
    die "$1" "$(tail -n 40 -- "$run/console")"
}

# Bash itself does not end by SIGQUIT.
end_by_signal() {
    local number=$1
    [[ $number != [A-Z]* ]] || number=$(kill -l "$number")
    clean_up
    trap - EXIT
    # shellcheck disable=SC2016
    exec env --default-signal sh -c 'ulimit -c 0; kill -"$1" $$; exit $((128 + $1))' sh "$number"
}

restore_terminal() {
    [[ -z ${terminal_settings:-} ]] || stty "$terminal_settings" <&0
}

# Ends the helpers, which hold ends of the streams too.
stop_helpers() {
    local helper
    for helper in "${timer:-}" "${ended:-}"; do
        [[ -z $helper ]] || { kill -KILL "$helper" && wait "$helper"; } 2>/dev/null
    done
    [[ -z ${pump:-} ]] || { kill "$pump" && wait "$pump"; } 2>/dev/null
    timer='' pump='' ended=''
}

clean_up() {
    [[ -z ${kernel:-} ]] || kill -KILL -- "-$kernel" 2>/dev/null
    stop_helpers
    restore_terminal
    rm -rf -- "$run"
}
