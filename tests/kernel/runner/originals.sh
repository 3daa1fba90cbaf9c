# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Gets the programs with which tests compare: Debian packages, downloaded and verified by apt, unpacked without root.
#
# The contents of the directory $cache/DIRECTORY, which exists only when it is complete:
#   root/        the package and the libraries that the machine lacks
#   bin/PROGRAM  starts the program there

# The programs, each with the directory of the cache that holds it. team-cc is the machine's own compiler, which that directory
# gives the C library.
readonly -A original_directories=([teamnl]=libteam-utils [conntrack]=conntrack [team-cc]=team-cc)

# Sets originals to the directories of those programs that the machine lacks, if the command runs the tests that need them, else
# to an empty list. If a program cannot be downloaded, those tests fail and name it.
provide_originals() {
    originals=()
    [[ $1 =~ /deps/kernel-[0-9a-f]+$ ]] || return 0
    local cache program directory
    local -a missing=()
    cache=$(cache_dir)
    for program in "${!original_directories[@]}"; do
        type -P "$program" >/dev/null || missing+=("${original_directories[$program]}")
    done
    get_originals
    for directory in "${missing[@]}"; do
        [[ ! -d $cache/$directory ]] || originals+=("$cache/$directory")
    done
}

get_originals() {
    local program directory all_there=yes
    for directory in "${missing[@]}"; do
        [[ -d $cache/$directory ]] || all_there=''
    done
    [[ -z $all_there ]] || return 0
    if ! make_cache "$cache"; then
        say "the programs that tests compare with are missing, and $cache is not writable"
        return
    fi
    (
        umask 022
        wait_for_lock
        make_new "$cache"
        for program in "${!original_directories[@]}"; do
            directory=${original_directories[$program]}
            [[ " ${missing[*]} " != *" $directory "* || -d $cache/$directory ]] || get_original
        done
    ) 9>>"$cache/lock"
}

# A failed download does not stop the others.
get_original() {
    failure="writing in $cache"
    mkdir -p "$new/$directory"/{bin,root}
    if ! { unpack_original && write_original && mv -T -- "$new/$directory" "$cache/$directory"; }; then
        say "cannot get $(original_package "$directory"): $failure"
        tail -n 5 -- "$new/log" >&2
    fi
}

original_package() { if [[ $1 == team-cc ]]; then echo libteam-dev; else echo "$1"; fi; }

unpack_original() {
    [[ $directory == team-cc && -e /usr/include/team.h ]] ||
        unpack_missing "$new/$directory/root" "$(original_package "$directory")"
}

# The usage that a program prints may begin with the name by which it was started.
write_original() {
    local wrapper=$new/$directory/bin/$program
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
for program in "$root"/{usr/,}{s,}bin/"$name"; do
    [[ ! -x $program ]] || exec -a "$name" "$program" "$@"
done
echo "$name is not in $root" >&2
exit 127
WRAPPER
}

# DT_RPATH, the older kind, applies to the dependencies of the libraries too.
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
