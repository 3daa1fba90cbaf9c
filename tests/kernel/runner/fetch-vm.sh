# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Downloads kernels of Debian, and the programs that run them: QEMU, and virtme-ng, which describes the machine and makes its
# initramfs.
#
# The contents of the directory $cache/vm-tools, which exists only when it is complete:
#   virtme-ng/  the Python package
#   root/       QEMU, Python and pip, if the machine lacks them; a busybox for the initramfs
#   bin/        qemu-system-x86_64, which starts the one in root/
# and a directory $cache/vm-VERSION:
#   machine       the command line of QEMU, relative to this directory
#   initramfs     modules for the root file system, over 9p
#   boot/         the kernel
#   lib/modules/  its modules
#   tools/        kmod, iproute2 and mount, if the machine lacks them

vm_suite() {
    case $1 in
        6.1) echo bookworm ;;
        6.12) echo bookworm-backports ;;
        *) return 1 ;;
    esac
}

fetch_vm_tools() {
    local -a wanted=()
    local root=$new/vm-tools/root
    mkdir -p "$root" "$new/vm-tools/bin"
    type -P qemu-system-x86_64 >/dev/null || wanted+=(qemu-system-x86)
    python3 -c 'import pip' 2>/dev/null || wanted+=(python3 python3-pip)
    ((!${#wanted[@]})) || unpack_missing "$root" "${wanted[@]}" || return
    reach_own_suite || return
    download "$new/own" busybox-static busybox-static && unpack busybox-static "$root" || fail 'downloading busybox-static' || return
    write_qemu_wrapper || fail 'writing the wrapper of QEMU' || return
    get_virtme_ng || fail "getting virtme-ng from the Python package index" || return
    mv -T -- "$new/vm-tools" "$vm_tools" || fail "cannot write $vm_tools"
}

write_qemu_wrapper() {
    local wrapper=$new/vm-tools/bin/qemu-system-x86_64
    cat >"$wrapper" <<'WRAPPER' && chmod 755 -- "$wrapper"
#!/bin/bash
root=${BASH_SOURCE[0]%/*}/../root
LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu exec "$root/usr/bin/qemu-system-x86_64" "$@"
WRAPPER
}

get_virtme_ng() {
    say 'downloading virtme-ng from the Python package index, 1 MB'
    python "$new/vm-tools" -m pip install --quiet --target "$new/vm-tools/virtme-ng" --no-deps --only-binary :all: \
        --require-hashes -r "$here/runner/virtme-ng.txt" >>"$new/log" 2>&1
}

# Runs the machine's Python, or that of the tools, with the Python packages of the tools.
python() {
    local tools=$1 root=$1/root
    local -a environment=(HOME="$new" TMPDIR="$new" PYTHONDONTWRITEBYTECODE=1
        PYTHONPATH="$tools/virtme-ng:$root/usr/lib/python3/dist-packages")
    shift
    if [[ -x $root/usr/bin/python3 ]]; then
        environment+=(PYTHONHOME="$root/usr" LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu")
        env "${environment[@]}" "$root/usr/bin/python3" "$@"
    else
        env "${environment[@]}" python3 "$@"
    fi
}

fetch_vm() {
    local suite package
    suite=$(vm_suite "$version")
    mkdir -p "$new"/vm/lib
    reach_suite "$new/debian" "$suite" || return
    package=$(apt-cache -c "$new/debian/apt.conf" show linux-image-amd64 | grep -o -m 1 '^Depends: *linux-image-[^ ,]*')
    package=${package#*: }
    [[ -n $package ]] || fail "$suite does not offer linux-image-amd64" || return
    download "$new/debian" "Debian's kernel ${package#linux-image-}" "$package" || fail "downloading $package" || return
    unpack_vm "$package" && unpack_tools "$new/vm/tools" && index_modules "$new/vm" && describe_machine || return
    mv -T -- "$new/vm" "$image" || fail "cannot write $image"
}

unpack_vm() {
    local package=$1 modules
    unpack "$package" "$new/kernel" || return
    for modules in "$new"/kernel/{usr/,}lib/modules; do
        [[ ! -d $modules ]] || mv -- "$modules" "$new/vm/lib/modules"
    done
    mv -- "$new/kernel/boot" "$new/vm/boot" && [[ -d $new/vm/lib/modules ]] || fail "the package $package has no kernel or modules"
}

# virtme-ng describes the machine once, here, so that a run needs no Python. It needs modprobe, and strings, which busybox has.
describe_machine() {
    local bin=$new/bin
    mkdir -p "$bin"
    ln -s "$vm_tools/root/bin/busybox" "$bin/strings"
    write_wrapper "$bin/modprobe" "$(tool_command "$new/vm/tools" modprobe)"
    (
        cd -- "$new/vm" && PATH=$bin:$PATH python "$vm_tools" -m virtme.commands.run --kimg boot/vmlinuz-* --mods auto \
            --disable-kvm --force-9p --rw --memory 2G --cpus 1 --disable-monitor --qemu-bin "$(qemu_program)" \
            --busybox "$vm_tools/root/bin/busybox" --save-initramfs initramfs --dry-run --show-command >machine 2>>"$new/log" </dev/null
    ) || fail 'describing the machine with virtme-ng'
}
