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
        7.2) echo forky ;;
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
    local -a packages
    suite=$(vm_suite "$version")
    mkdir -p "$new"/vm/lib
    reach_suite "$new/debian" "$suite" || return
    package=$(kernel_dependencies linux-image-amd64 image)
    [[ -n $package ]] || fail "$suite does not offer linux-image-amd64" || return
    mapfile -t packages < <(kernel_dependencies "$package" binary modules)
    ((${#packages[@]})) || packages=("$package")
    download "$new/debian" "Debian's kernel ${package#linux-image-}" "${packages[@]}" || fail "downloading ${packages[*]}" || return
    unpack_vm "${packages[@]}" && unpack_tools "$new/vm/tools" && index_modules "$new/vm" && describe_machine || return
    mv -T -- "$new/vm" "$image" || fail "cannot write $image"
}

# Prints the packages linux-PART-VERSION on which a package depends, for each of the parts. Since 7.x an image is a package that
# depends on one with the kernel (binary) and one with the modules.
kernel_dependencies() {
    local package=$1 part dependencies
    shift
    dependencies=$(apt-cache -c "$new/debian/apt.conf" show --no-all-versions "$package" 2>>"$new/log" | grep '^Depends:')
    for part; do
        grep -o -m 1 "\<linux-$part-[0-9][^ ,]*" <<<"$dependencies" | head -n 1
    done
}

unpack_vm() {
    local package modules version
    for package; do
        unpack "$package" "$new/kernel" || return
    done
    for modules in "$new"/kernel/{usr/,}lib/modules; do
        [[ ! -d $modules ]] || mv -- "$modules" "$new/vm/lib/modules"
    done
    version=$(cd -- "$new/vm/lib/modules" && echo *)
    # Since 7.x the kernel lies beside its modules.
    if [[ -d $new/kernel/boot ]]; then
        mv -- "$new/kernel/boot" "$new/vm/boot"
    else
        mkdir -- "$new/vm/boot" && mv -- "$new/vm/lib/modules/$version/vmlinuz" "$new/vm/boot/vmlinuz-$version"
    fi 2>>"$new/log" && [[ -d $new/vm/lib/modules ]] || fail "the package $1 has no kernel or modules"
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
