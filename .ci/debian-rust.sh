# shellcheck shell=bash disable=SC2154 # the kernel runner's parts share variables
# Another Rust compiler than the machine's: Debian's, from any suite, unpacked beside the test kernels without root.
# Only rustc and the standard library are taken; cargo is the machine's, and gets the compiler by RUSTC.

readonly here=$PWD/tests/kernel
new=''

die() {
    printf '%s: %s\n' "$0" "$1" >&2
    printf '%s\n' "${@:2}" >&2
    exit 1
}

say() { printf '%s: %s\n' "$0" "$1" >&2; }

# shellcheck source-path=SCRIPTDIR source=../tests/kernel/runner/packages.sh
. tests/kernel/runner/packages.sh

# What rustc needs of Debian: itself, and the libraries with which it was linked.
readonly rust_parts='^(rustc|libstd-rust-.*|libllvm[0-9]+|libc6|libgcc-s1|libstdc[+][+]6|zlib1g|libzstd1|liblzma5|libxml2.*|libz3-4|libtinfo6|libedit2|libffi8|libbsd0|libmd0)$'

# Sees to the compiler of a suite, with the standard libraries of more architectures, and sets RUSTC.
provide_rust() {
    suite=$1 foreign=("${@:2}")
    local root
    root=$(cache_dir)/rust-$suite${foreign[*]:+-${foreign[*]}}
    root=${root// /-}
    provide "$root" "Rust of Debian's $suite" fetch_rust
    export RUSTC=$root/rustc
}

fetch_rust() {
    local area=$new/debian architecture package
    local -a packages
    reach_suite "$area" "$suite" "$(IFS=, && echo "amd64${foreign[*]:+,${foreign[*]}}")" || return
    mapfile -t packages < <(
        apt "$area" -s install --no-install-recommends rustc | awk -v parts="$rust_parts" '$1 == "Inst" && $2 ~ parts { print $2 }'
    )
    for architecture in "${foreign[@]}"; do
        packages+=("libstd-rust-dev:$architecture")
    done
    download "$area" "Rust of Debian's $suite" "${packages[@]}" || fail "downloading ${packages[*]}" || return
    # One name stands for the packages of all architectures.
    mapfile -t packages < <(printf '%s\n' "${packages[@]%%:*}" | sort -u)
    for package in "${packages[@]}"; do
        unpack "$package" "$new/rust" || return
    done
    relink "$new/rust"
    cat >"$new/rust/rustc" <<'WRAPPER'
#!/bin/sh
# The machine's C library may be older than the one that this was built for.
root=$(dirname -- "$(realpath -- "$0")")
exec "$root/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" \
    "$root/usr/bin/rustc" --sysroot "$root/usr" "$@"
WRAPPER
    chmod 755 -- "$new/rust/rustc"
    mv -T -- "$new/rust" "$directory" || fail "writing $directory"
}
