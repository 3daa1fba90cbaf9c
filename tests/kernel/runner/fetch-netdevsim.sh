# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Builds netdevsim, a module that Debian's kernels lack, for a selftest: from the kernel's source, with the headers and the
# compiler of the kernel's own suite, which run in a root directory of their own.
#
# What the directory $cache/netdevsim-VERSION holds when it exists, as it does only when complete: netdevsim.ko.

# Sets $module to the module, or to nothing where the kernel has its own, no selftest loads it, or it cannot be had.
provide_netdevsim() {
    local directory=$cache/netdevsim-$version
    module=''
    if ! grep -qs 'modprobe netdevsim' "$selftests/$team_selftests"/*.sh || [[ -n $(find "$image/lib/modules" -name 'netdevsim.ko*') ]]; then
        return
    fi
    if (provide "$directory" 'the module netdevsim' fetch_netdevsim); then
        module=$directory/netdevsim.ko
    fi
}

fetch_netdevsim() {
    local release package root=$new/root
    local -a packages
    release=$(basename -- "$image"/lib/modules/*)
    reach_suite "$new/debian" "$suite" || return
    mapfile -t packages < <(apt "$new/debian" -s install --no-install-recommends "linux-headers-$release" \
        make bash coreutils sed grep mawk findutils | awk '$1 == "Inst" { print $2 }')
    ((${#packages[@]})) || fail "$suite does not offer linux-headers-$release with a compiler" || return
    download "$new/debian" "linux-headers-$release and a compiler" "${packages[@]}" || fail "downloading ${packages[*]}" || return
    for package in "${packages[@]}"; do
        unpack "$package" "$root" || return
    done
    say 'building netdevsim'
    build_netdevsim || fail 'building netdevsim' || return
    mkdir -- "$new/module" && mv -- "$root/build/netdevsim.ko" "$new/module/" && mv -T -- "$new/module" "$directory" ||
        fail "cannot write $directory"
}

# No package's own script has run, so the links that those make are missing.
build_netdevsim() {
    ln -s bash "$root/usr/bin/sh" && ln -s mawk "$root/usr/bin/awk" && cp -r -- "$selftests/drivers/net/netdevsim" "$root/build" &&
        mkdir -p -- "$root"/{proc,dev} || return
    local -a namespaces=(unshare --mount)
    ((!EUID)) || namespaces+=(--map-root-user)
    # shellcheck disable=SC2016
    "${namespaces[@]}" bash -c '
        mount --rbind /proc "$1/proc" && mount --rbind /dev "$1/dev" && exec chroot "$1" /usr/bin/env -i PATH=/usr/bin:/usr/sbin \
            bash -c '\''make -C "$1" M=/build CONFIG_NETDEVSIM=m modules && x86_64-linux-gnu-strip --strip-debug /build/netdevsim.ko'\'' bash "$2"
    ' bash "$root" "/usr/src/linux-headers-$release" </dev/null
} >>"$new/log" 2>&1
