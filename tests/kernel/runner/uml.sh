# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# User Mode Linux: the guest is a program of this machine, and its serial lines are descriptors that it inherits.

uml_provide() {
    [[ ${TEAM_KERNEL_CPUS:-1} == 1 ]] ||
        die "TEAM_KERNEL_CPUS=$TEAM_KERNEL_CPUS: User Mode Linux has one processor; TEAM_KERNEL=vm:7.2 chooses a kernel that can have more"
    image=$(cache_dir)/uml framed='' ended='' signal_grace=60
    provide "$image" 'User Mode Linux' fetch_uml
}

uml_name() { echo "User Mode Linux $(basename -- "$image"/lib/modules/*)"; }

uml_fstab() { cat -- "$here/runner/guest-fstab"; }

# UML notices input by SIGIO, and so misses input that arrived before a line was opened. Any SIGIO makes it check all lines:
# the guest causes one on its third line by writing to the fifth.
uml_lines() {
    printf '%s=%q\n' line_out /dev/ttyS0 line_err /dev/ttyS1 line_control /dev/ttyS2 line_chunks /dev/ttyS3 line_wake /dev/ttyS4 \
        line_ended '' framed ''
}

# The guest's memory is a file, on a file system with enough room that is not mounted noexec.
choose_memory() {
    local directory available
    for directory in /dev/shm "${TMPDIR:-/tmp}" /tmp "${image%/*}"; do
        if [[ ! -w $directory ]] || findmnt -n -o OPTIONS -T "$directory" | grep -qw noexec; then
            continue
        fi
        available=$(df --output=avail -m -- "$directory" | tail -n 1)
        ((available < 2048)) || { memory_directory=$directory && return; }
    done
    die 'the guest needs 2 GB of room for its memory in /dev/shm, TMPDIR, /tmp or TEAM_KERNEL_CACHE'
}

uml_boot() {
    choose_memory
    # raid6_init and the calibration take most of a second for measurements; no test needs them.
    local -a arguments=(
        mem=2G root=/dev/root rootfstype=hostfs rw "init=$run/init" quiet
        "initcall_blacklist=raid6_init,calibrate_xor_blocks" "lpj=30000000" umid=guest "uml_dir=$run/uml"
        con=null "con0=null,fd:$console" ssl=null "ssl2=fd:$control,null" "ssl3=fd:$chunks,null" "ssl4=null,fd:$control"
    )
    if [[ $stdout == terminal ]]; then
        arguments+=("ssl0=fd:$out")
    elif [[ -n ${out:-} ]]; then
        arguments+=("ssl0=null,fd:$out")
    fi
    [[ -z ${err:-} ]] || arguments+=("ssl1=null,fd:$err")
    (
        cd -- "$image" || exit
        ulimit -c 0
        # The kernel ends with this script, even if the script is killed.
        exec env -i TMPDIR="$memory_directory" setsid setpriv --pdeathsig KILL ./linux "${arguments[@]}" </dev/null >&"$console" 2>&1
    ) &
    kernel=$!
}
