# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# The guest as a machine that QEMU plays, without KVM: a kernel of Debian, in a machine that virtme-ng describes. Its root is
# this machine's, over 9p; its lines are ports of a virtio-serial device, or consoles of it where they are to be terminals.

vm_provide() {
    local cache
    cache=$(cache_dir)
    vm_tools=$cache/vm-tools image=$cache/vm-$version framed=yes ended='' signal_grace=200
    provide "$vm_tools" 'QEMU and virtme-ng' fetch_vm_tools
    provide "$image" "Debian's kernel $version" fetch_vm
}

vm_name() {
    local plural=s
    ((processors > 1)) || plural=''
    echo "Debian's kernel $(basename -- "$image"/lib/modules/*), in QEMU with $processors processor$plural"
}

readonly most_processors=16

check_processors() {
    [[ ${TEAM_KERNEL_CPUS:-1} =~ ^[1-9][0-9]?$ ]] && ((${TEAM_KERNEL_CPUS:-1} <= most_processors)) ||
        die "TEAM_KERNEL_CPUS=$TEAM_KERNEL_CPUS is not a number of processors from 1 to $most_processors"
}

# Sets $processors, the number that the guest gets. By default that is at least two, even where this machine has one: races
# between processors show on no guest that has one.
choose_processors() {
    processors=${TEAM_KERNEL_CPUS:-}
    if [[ -z $processors ]]; then
        processors=2
        (($(nproc) < 4)) || processors=4
    fi
}

# Programs and libraries are kept in the guest's memory, which starts them three times faster, those of cargo ten times. What
# else the project has is not: what each side writes the other sees at once.
vm_fstab() {
    local -r kept='9p trans=virtio,version=9p2000.L,msize=524288,cache=loose 0 0'
    echo 'devtmpfs /dev devtmpfs defaults 0 0'
    [[ $PWD/ == /usr/* ]] || echo "usr /usr $kept"
    ! keeps_programs || echo "programs $programs $kept"
    cat -- "$here/runner/guest-fstab"
}

keeps_programs() { [[ $programs =~ ^/[[:alnum:]/._-]+$ && $programs/ != /usr/* && $PWD/ != "$programs"/* ]]; }

# The first console of the machine, hvc0, is virtme-ng's.
vm_lines() {
    local line_out=/dev/line-out line_err=/dev/line-err consoles=0
    [[ $stdout != t* ]] || line_out=/dev/hvc$((++consoles))
    [[ $stderr != tty ]] || line_err=/dev/hvc$((++consoles))
    printf '%s=%q\n' line_out "$line_out" line_err "$line_err" line_control /dev/line-control line_chunks /dev/line-chunks \
        line_wake '' line_ended /dev/line-ended framed "$here/runner/frame"
}

vm_boot() {
    # What costs an emulated machine much, and no test anything: guards of the processor and of memory, and accounting. And
    # cmpxchg16b: after it QEMU 7.2 may take any number for the flags, and the kernel dies of an interrupt that comes then.
    local -r processor='max,cx16=off,la57=off,smap=off,smep=off,umip=off,pku=off'
    local -r savings='mitigations=off init_on_alloc=0 apparmor=0 audit=0 cgroup_disable=memory'
    local -a machine_arguments devices=(
        -fsdev local,id=usr,path=/usr,security_model=none,multidevs=remap -device virtio-9p-pci,fsdev=usr,mount_tag=usr
        -device virtio-serial-pci,id=team
    )
    local ended_line
    ! keeps_programs || devices+=(
        -fsdev "local,id=programs,path=$programs,security_model=none,multidevs=remap"
        -device virtio-9p-pci,fsdev=programs,mount_tag=programs
    )
    mkfifo -- "$run/ended"
    exec {ended_line}<>"$run/ended"
    case $stdout in
        pipe) add_line out virtserialport "file,path=/proc/self/fd/$out" ;;
        tty) add_line out virtconsole "file,path=/proc/self/fd/$out" ;;
        terminal) add_line out virtconsole "serial,path=/proc/self/fd/$out" ;;
    esac
    case $stderr in
        pipe) add_line err virtserialport "file,path=/proc/self/fd/$err" ;;
        tty) add_line err virtconsole "file,path=/proc/self/fd/$err" ;;
    esac
    add_line control virtserialport "pipe,path=$run/control"
    add_line chunks virtserialport "pipe,path=$run/chunks"
    add_line ended virtserialport "file,path=/proc/self/fd/$ended_line"
    eval "machine_arguments=($(<"$image/machine"))"
    # QEMU takes the last of each of these options; the description of the machine has them, too.
    devices+=(-smp "$processors" -m "$((2048 + 256 * processors))M")
    (
        cd -- "$image" || exit
        ulimit -c 0
        # QEMU ends with this script, even if the script is killed.
        exec env -i setsid setpriv --pdeathsig KILL "$(qemu_program)" "${machine_arguments[@]:1}" "${devices[@]}" -no-reboot \
            -cpu "$processor" -append "console=ttyS0 quiet panic=-1 $savings init=$run/init" </dev/null >&"$console" 2>&1
    ) &
    kernel=$!
    lasting_helper head -n 1 <&"$ended_line" &
    ended=$!
}

add_line() {
    local name=$1 device=$2 character_device=$3
    devices+=(-chardev "$character_device,id=team-$name" -device "$device,bus=team.0,chardev=team-$name,name=team.$name")
}

qemu_program() { type -P qemu-system-x86_64 || echo "$vm_tools/bin/qemu-system-x86_64"; }
