# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Gets the headers and libraries for compiling against the C libraries, for the benchmarks: Debian packages, downloaded and
# verified by apt, unpacked without root.

# Sets $c_library to their directory if the command is a benchmark and the machine lacks them, else to the empty string.
provide_c_library() {
    c_library=''
    if [[ ! $1 =~ /deps/(cost|links)-[0-9a-f]+$ || -n ${TEAM_BENCH_C_LIBRARY:-} ]] ||
        [[ -e /usr/include/team.h && -e /usr/include/libnl3/netlink/route/link.h ]]; then
        return
    fi
    c_library=$(cache_dir)/libteam-dev
    provide "$c_library" 'the C library' fetch_c_library
}

fetch_c_library() {
    mkdir -p "$new/libteam-dev"
    unpack_missing "$new/libteam-dev" libteam-dev libnl-route-3-dev || return
    mv -T -- "$new/libteam-dev" "$c_library" || fail "cannot write $c_library"
}
