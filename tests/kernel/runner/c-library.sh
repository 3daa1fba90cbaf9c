# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Gets the C library's teamnl, with which tests compare: Debian packages, by apt and verified by it, unpacked without root.
#
# What the directory $cache/c-library holds when it exists, as it does only when complete:
#   root/       libteam-utils and the libraries that the machine lacks
#   bin/teamnl  starts the program there

# Sets $c_tools to the directory of teamnl if the command is the tests that want it and the machine has none; else to
# nothing. Where it cannot be had, those tests say so.
provide_c_tools() {
    c_tools=''
    if [[ ! $1 =~ /deps/kernel-[0-9a-f]+$ ]] || type -P teamnl >/dev/null; then
        return
    fi
    local cache
    cache=$(cache_dir)
    if [[ -d $cache/c-library ]] || get_c_library "$cache"; then
        c_tools=$cache/c-library/bin
    fi
}

get_c_library() {
    local cache=$1
    if ! mkdir -p -- "$cache" 2>/dev/null || [[ ! -w $cache ]]; then
        say "the C library is not here, and it cannot be put in $cache"
        return 1
    fi
    (
        umask 022
        flock 9
        [[ ! -d $cache/c-library ]] || exit 0
        fetch_c_library "$cache"
    ) 9>>"$cache/lock"
}

# Runs under the lock, in a process of its own.
fetch_c_library() {
    local cache=$1
    make_new "$cache"
    failure="writing in $cache"
    say "getting the C library's tools (about 1 MB, the first time only)"
    mkdir -p "$new"/c-library/bin
    if ! { unpack_missing "$new/c-library/root" libteam-utils && write_c_wrapper && mv -T -- "$new/c-library" "$cache/c-library"; }; then
        say "getting the C library's tools failed: $failure"
        tail -n 5 -- "$new/log" >&2
        exit 1
    fi
}

# The usage that teamnl prints begins with the name by which it was started.
write_c_wrapper() {
    local wrapper=$new/c-library/bin/teamnl
    cat >"$wrapper" <<'WRAPPER'
#!/bin/bash
root=${BASH_SOURCE[0]%/*}/../root
for libraries in "$root"/{usr/,}lib/*-linux-gnu; do
    export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries
done
exec -a teamnl "$root/usr/bin/teamnl" "$@"
WRAPPER
    chmod 755 -- "$wrapper" || fail "writing $wrapper"
}
