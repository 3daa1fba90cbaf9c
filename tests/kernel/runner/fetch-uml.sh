# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Gets User Mode Linux, once.
#
# What the directory $cache/uml holds when it exists, as it does only when complete:
#   linux         the kernel, which finds its C library relative to the working directory
#   lib/          that C library, where the machine's own is too old
#   lib/modules/  the kernel's modules
#   tools/        kmod, iproute2 and mount, where the machine lacks them

# The suite the kernel is taken from: bookworm's own, 6.1, dies on newer processors.
readonly uml_suite=forky

fetch_uml() {
    mkdir -p "$new"/uml/lib
    reach_suite "$new/debian" "$uml_suite" && download_uml && unpack_uml && unpack_uml_tools && finish_uml
}

# The kernel, and a C library that is new enough for it.
download_uml() {
    local version
    version=$(apt-cache -c "$new/debian/apt.conf" show user-mode-linux 2>>"$new/log" | awk '$1 == "Version:" { print $2; exit }')
    download "$new/debian" "User Mode Linux ${version%%um*}" user-mode-linux libc6 ||
        fail "downloading user-mode-linux and libc6 from $uml_suite"
}

unpack_uml() {
    unpack user-mode-linux "$new/kernel" && unpack libc6 "$new/libc" || return
    if ! cp -- "$new/kernel/usr/bin/linux.uml" "$new/uml/linux" ||
        ! mv -- "$new/kernel/usr/lib/uml/modules" "$new/uml/lib/modules"; then
        fail 'the package user-mode-linux has another shape than expected'
    fi 2>>"$new/log"
}

libc_is_new_enough() { "$new/uml/linux" --version >/dev/null 2>&1; }

unpack_uml_tools() {
    if libc_is_new_enough || type -P patchelf >/dev/null; then
        unpack_tools "$new/uml/tools"
    else
        unpack_tools "$new/uml/tools" patchelf
    fi
}

finish_uml() {
    libc_is_new_enough || bring_libc || return
    strip_modules
    index_modules "$new/uml" || return
    mv -T -- "$new/uml" "$image" || fail "cannot write $image"
}

# Debug information is three quarters of them. A machine with a C compiler has strip; without it they stay as they are.
strip_modules() {
    find "$new/uml/lib/modules" -name '*.ko' -exec strip --strip-debug {} + 2>>"$new/log" || true
}

# Starting the kernel through the newer ld.so would not do: it executes itself again, and panics in that layout.
bring_libc() {
    local version=$new/libc/usr/lib/x86_64-linux-gnu
    cp -- "$version"/{ld-linux-x86-64.so.2,libc.so.6} "$new/uml/lib/" || fail 'libc6 has another shape than expected' || return
    own_or_unpacked "$new/uml/tools" \
        patchelf --set-interpreter lib/ld-linux-x86-64.so.2 --set-rpath "\$ORIGIN/lib" "$new/uml/linux" 2>>"$new/log" ||
        fail 'pointing the kernel to the newer C library'
}
