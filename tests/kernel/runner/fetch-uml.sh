# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Downloads User Mode Linux, once.
#
# The contents of the directory $cache/uml, which exists only when it is complete:
#   linux         the kernel, which finds its C library relative to the working directory
#   lib/          that C library, if the machine's own is too old
#   lib/modules/  the kernel's modules
#   tools/        kmod, iproute2 and mount, if the machine lacks them

# The suite of the kernel: bookworm's own kernel, 6.1, crashes on newer processors.
readonly uml_suite=forky

fetch_uml() {
    mkdir -p "$new"/uml/lib
    reach_suite "$new/debian" "$uml_suite" && download_uml && unpack_uml && unpack_uml_tools && finish_uml
}

# Downloads the kernel, and a C library that is new enough for it.
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
        fail 'the package user-mode-linux lacks an expected file'
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

# Debug information is three quarters of the modules. Without strip, which comes with a C compiler, they stay as they are.
strip_modules() {
    find "$new/uml/lib/modules" -name '*.ko' -exec strip --strip-debug {} + 2>>"$new/log" || true
}

# Starting the kernel by the newer ld.so does not work: the kernel executes itself again, and panics in that memory layout.
bring_libc() {
    local version=$new/libc/usr/lib/x86_64-linux-gnu
    cp -- "$version"/{ld-linux-x86-64.so.2,libc.so.6} "$new/uml/lib/" || fail 'the package libc6 lacks an expected file' || return
    own_or_unpacked "$new/uml/tools" \
        patchelf --set-interpreter lib/ld-linux-x86-64.so.2 --set-rpath "\$ORIGIN/lib" "$new/uml/linux" 2>>"$new/log" ||
        fail 'setting the interpreter of the kernel to the newer C library'
}
