# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Gets the programs with which tests compare: Debian packages, by apt and verified by it, unpacked without root.
#
# What the directory $cache/PACKAGE holds when it exists, as it does only when complete:
#   root/        the package and the libraries that the machine lacks
#   bin/PROGRAM  starts the program there

# The programs, each with its package. What team-cc is made of is libteam-dev: it is the machine's own compiler, told where
# the C library is.
readonly -A original_packages=([teamnl]=libteam-utils [conntrack]=conntrack [team-cc]=team-cc)

# Sets $originals to the directories, as on a PATH, of those programs that the machine lacks, if the command is the tests
# that want them; else to nothing. Where one cannot be had, those tests say so.
provide_originals() {
    originals=''
    [[ $1 =~ /deps/kernel-[0-9a-f]+$ ]] || return 0
    local cache program package
    cache=$(cache_dir)
    for program in "${!original_packages[@]}"; do
        package=${original_packages[$program]}
        type -P "$program" >/dev/null && continue
        if [[ -d $cache/$package ]] || get_original "$cache" "$program" "$package"; then
            originals+=${originals:+:}$cache/$package/bin
        fi
    done
}

get_original() {
    local cache=$1 program=$2 package=$3
    if ! mkdir -p -- "$cache" 2>/dev/null || [[ ! -w $cache ]]; then
        say "$program is not here, and it cannot be put in $cache"
        return 1
    fi
    (
        umask 022
        flock 9
        [[ ! -d $cache/$package ]] || exit 0
        fetch_original "$cache" "$program" "$package"
    ) 9>>"$cache/lock"
}

# Runs under the lock, in a process of its own.
fetch_original() {
    local cache=$1 program=$2 package=$3
    make_new "$cache"
    failure="writing in $cache"
    say "getting $program (about 1 MB, the first time only)"
    mkdir -p "$new/$package"/{bin,root}
    if ! { unpack_original && write_original && mv -T -- "$new/$package" "$cache/$package"; }; then
        say "getting $program failed: $failure"
        tail -n 5 -- "$new/log" >&2
        exit 1
    fi
}

unpack_original() {
    if [[ $package != team-cc ]]; then
        unpack_missing "$new/$package/root" "$package"
    elif [[ ! -e /usr/include/team.h ]]; then
        unpack_missing "$new/$package/root" libteam-dev
    fi
}

# The usage that a program prints may begin with the name by which it was started.
write_original() {
    local wrapper=$new/$package/bin/$program
    if [[ $program == team-cc ]]; then
        write_compiler "$wrapper"
    else
        write_starter "$wrapper"
    fi && chmod 755 -- "$wrapper" || fail "writing $wrapper"
}

write_starter() {
    cat >"$1" <<'WRAPPER'
#!/bin/bash
root=${BASH_SOURCE[0]%/*}/../root
name=${BASH_SOURCE[0]##*/}
for libraries in "$root"/{usr/,}lib/*-linux-gnu; do
    export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries
done
for program in "$root"/usr/{s,}bin/"$name"; do
    [[ ! -x $program ]] || exec -a "$name" "$program" "$@"
done
WRAPPER
}

# The older kind of rpath holds for what the libraries want in their turn, too.
write_compiler() {
    cat >"$1" <<'WRAPPER'
#!/bin/bash
root=$(realpath -- "${BASH_SOURCE[0]%/*}/../root")
flags=(-Wl,--disable-new-dtags)
for libraries in "$root"/{usr/,}lib/*-linux-gnu; do
    [[ ! -d $libraries ]] || flags+=("-L$libraries" "-Wl,-rpath,$libraries" "-Wl,-rpath-link,$libraries")
done
exec cc "-I$root/usr/include" "$@" "${flags[@]}" -l:libteam.so.5
WRAPPER
}
