# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Gets the programs with which tests compare: Debian packages, downloaded and verified by apt, unpacked without root.
#
# The contents of the directory $cache/DIRECTORY, which exists only when it is complete:
#   root/        the package and the libraries that the machine lacks
#   bin/PROGRAM  starts the program there

# The programs, each with the directory of the cache that holds it. team-cc is the machine's own compiler, which that directory
# gives the C library, and c++ the same compiler with what it lacks for C++. teamd stands for libteam as Debian builds it, swig for what building
# its Python binding takes.
readonly -A original_directories=(
    [teamnl]=libteam-utils [conntrack]=conntrack [team-cc]=team-cc
    [teamd]=debian-libteam [dbus-daemon]=dbus-daemon [valgrind]=valgrind [swig]=libteam-source [abidiff]=abigail-tools
    [c++]=c++
)

# Prints the programs that a test binary compares with.
programs_of() {
    [[ $1 =~ /deps/([a-z_]+)-[0-9a-f]+$ ]] || return 0
    case ${BASH_REMATCH[1]} in
        kernel) echo teamnl conntrack team-cc ;;
        abi) echo teamd abidiff c++ ;;
        beside_debian) echo teamd dbus-daemon valgrind swig ;;
    esac
}

# Returns whether the machine's own program serves as well. Its libteam may be this one, and its valgrind may lack the C library's
# symbols.
machine_has() { [[ ! $1 =~ ^(teamd|valgrind|swig)$ ]] && type -P "$1" >/dev/null; }

# Sets originals to the directories of the command's programs that the machine lacks. If a program cannot be downloaded, the
# tests that need it fail and name it.
provide_originals() {
    originals=()
    local cache program directory
    local -a programs missing=()
    read -r -a programs < <(programs_of "$1")
    ((${#programs[@]})) || return 0
    cache=$(cache_dir)
    for program in "${programs[@]}"; do
        machine_has "$program" || missing+=("${original_directories[$program]}")
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
        for program in "${programs[@]}"; do
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

original_package() {
    case $1 in
        team-cc) echo libteam-dev ;;
        c++) echo g++ ;;
        debian-libteam) echo libteam5, libteam-dev or libteam-utils ;;
        libteam-source) echo libteam\'s source, swig or libpython3-dev ;;
        *) echo "$1" ;;
    esac
}

# valgrind needs the symbols of the dynamic loader. It finds files by their build id only in the machine's own /usr/lib/debug, and
# others beside the library.
link_debug_files() {
    local libraries
    for libraries in "$1"/{usr/,}lib/*-linux-gnu; do
        [[ -e $libraries/ld-linux-x86-64.so.2 ]] || continue
        mkdir -p -- "$libraries/.debug" &&
            ln -rsf -- "$1"/usr/lib/debug/.build-id/*/*.debug "$libraries/.debug/" || return
    done
}

unpack_original() {
    local root=$new/$directory/root
    case $directory in
        team-cc) [[ -e /usr/include/team.h ]] || unpack_missing "$root" libteam-dev ;;
        debian-libteam) unpack_debians "$root" libteam5 libteamdctl0 libteam-dev libteam-utils ;;
        # With a C library of its own, as only that has the symbols in libc6-dbg.
        valgrind) unpack_debians "$root" valgrind libc6 libc6-dbg && link_debug_files "$root" ;;
        libteam-source) unpack_source "$root" && unpack_needs "$root" swig python3 libpython3-dev ;;
        *) unpack_missing "$root" "$(original_package "$directory")" ;;
    esac
}

# Unpacks the packages as the machine's own suite has them, whatever of them is installed here, and what else they need that
# the machine lacks.
unpack_debians() {
    local to=$1 package
    shift
    unpack_needs "$to" "$@" || return
    download "$new/own" "$(names "$@")" -o Dir::State::Status=/dev/null "$@" || fail "downloading $*" || return
    for package in "$@"; do
        unpack "$package" "$to" || return
    done
}

# Unpacks those of the packages, and of what they need, that are not installed here.
unpack_needs() {
    local to=$1 package
    local -a needs=()
    shift
    reach_own_suite || return
    while read -r package; do
        [[ $(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null) == *installed* ]] || needs+=("$package")
    done < <(apt "$new/own" -o Dir::State::Status=/dev/null -s install --no-install-recommends "$@" |
        awk '$1 == "Inst" { sub(/:.*/, "", $2); print $2 }' | sort -u)
    ((${#needs[@]})) || return 0
    download "$new/own" "what $(names "$@") need" -o Dir::State::Status=/dev/null "${needs[@]}" ||
        fail "downloading ${needs[*]}" || return
    for package in "${needs[@]}"; do
        unpack "$package" "$to" || return
    done
    relink "$to"
}

names() {
    local names=$*
    echo "${names// /, }"
}

# The source of libteam, which Debian has unchanged in one archive.
unpack_source() {
    local to=$1
    reach_sources || return
    say 'downloading the source of libteam, 1 MB'
    (cd "$new/debs" && apt "$new/sources" --download-only --tar-only source libteam >>"$new/log") || fail "downloading libteam's source" || return
    mkdir -p "$to/source"
    tar -x -C "$to/source" --strip-components=1 -f "$new"/debs/libteam_*.orig.tar.* 2>>"$new/log" || fail "unpacking libteam's source"
}

# The usage that a program prints may begin with the name by which it was started.
write_original() {
    local wrapper=$new/$directory/bin/$program
    case $program in
        team-cc) write_compiler "$wrapper" ;;
        c++) write_cxx "$wrapper" ;;
        *) write_starter "$wrapper" ;;
    esac && chmod 755 -- "$wrapper" || fail "writing $wrapper" || return
    [[ $program != teamd ]] || { ln -s teamd "${wrapper%/*}/teamnl" && ln -s teamd "${wrapper%/*}/teamdctl"; }
}

write_starter() {
    cat >"$1" <<'WRAPPER'
#!/bin/bash
root=${BASH_SOURCE[0]%/*}/../root
name=${BASH_SOURCE[0]##*/}
for libraries in "$root"/{usr/,}lib/*-linux-gnu; do
    export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries
done
for data in "$root"/usr/share/swig*/python; do
    [[ ! -d $data ]] || export SWIG_LIB=${data%/python}
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

# The machine's compiler, of the same suite, looks there for the compiler proper of C++.
write_cxx() {
    cat >"$1" <<'WRAPPER'
#!/bin/bash
root=$(realpath -- "${BASH_SOURCE[0]%/*}/../root")
for compiler in "$root"/usr/lib/gcc/*/*; do
    exec cc -x c++ -B "$compiler" "$@"
done
WRAPPER
}
