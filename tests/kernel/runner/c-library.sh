# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Gets the C libraries, their headers and teamd, for the benchmarks: Debian packages, by apt and verified by it, unpacked
# without root.

# Sets $c_library to their directory if the command is a benchmark and the machine lacks them; else to nothing.
provide_c_library() {
    c_library=''
    if [[ ! $1 =~ /deps/(cost|links|flapping)-[0-9a-f]+$ || -n ${TEAM_BENCH_C_LIBRARY:-} ]] ||
        [[ -e /usr/include/team.h && -e /usr/include/libnl3/netlink/route/link.h && -x /usr/bin/teamd ]]; then
        return
    fi
    c_library=$(cache_dir)/c-library
    provide "$c_library" 'the C library' fetch_c_library
}

fetch_c_library() {
    mkdir -p "$new/c-library"
    unpack_missing "$new/c-library" libteam-dev libnl-route-3-dev libteam-utils || return
    mv -T -- "$new/c-library" "$c_library" || fail "cannot write $c_library"
}
