# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Gets User Mode Linux, once: Debian packages, by apt and verified by it, unpacked without root.
#
# What the directory $uml holds when it exists, as it does only when complete:
#   linux         the kernel, which finds its C library relative to the working directory
#   lib/          that C library, where the machine's own is too old
#   lib/modules/  the kernel's modules
#   tools/        kmod, iproute2 and mount, where the machine lacks them

# The suite the kernel is taken from: bookworm's own, 6.1, dies on newer processors.
readonly uml_suite=forky
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

cache_dir() {
    local target=${CARGO_TARGET_DIR:-target}
    local repository=${here%/tests/kernel}
    [[ $target == /* ]] || target=$repository/$target
    realpath -m -- "${TEAM_KERNEL_CACHE:-$target/team-kernel}"
}

# Sets $uml. Waits for another run that is fetching at this moment.
provide_uml() {
    local cache
    cache=$(cache_dir)
    uml=$cache/uml
    [[ ! -d $uml ]] || return 0
    check_can_fetch
    if ! mkdir -p -- "$cache" 2>/dev/null || [[ ! -w $cache ]]; then
        die "cannot write in $cache: TEAM_KERNEL_CACHE can name another place"
    fi
    (
        umask 022
        flock 9
        [[ ! -d $uml ]] || exit 0
        fetch "$cache"
    ) 9>>"$cache/lock" || exit
}

check_can_fetch() {
    local tool
    [[ $(uname -m) == x86_64 ]] || die "User Mode Linux is an amd64 program, and this machine is $(uname -m)"
    for tool in apt-get dpkg flock setsid setpriv; do
        type -P "$tool" >/dev/null ||
            die "User Mode Linux comes as a Debian package, and $tool, which getting it takes, is missing" "$(by_hand)"
    done
    [[ -r $keyring ]] || die "$keyring is missing (package debian-archive-keyring)" "$(by_hand)"
}

by_hand() {
    echo "or copy $(cache_dir) from a machine where this works (TEAM_KERNEL_CACHE can name another place)"
}

# Runs under the lock, so what earlier, interrupted runs left is nobody's.
fetch() {
    local cache=$1
    rm -rf -- "$cache"/new.*
    new=$(mktemp -d -- "$cache/new.XXXXXX") || die "cannot write in $cache"
    trap 'rm -rf -- "$new"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    chmod 755 -- "$new"
    say 'getting User Mode Linux (about 40 MB, the first time only)'
    mkdir -p "$new"/{uml/lib,tools,debs,newer,own}
    if ! { fetch_newer && unpack_kernel && fetch_tools && finish; }; then
        die "getting User Mode Linux failed: $failure" "$(tail -n 15 -- "$new/log")" "$(by_hand)"
    fi
}

fail() {
    failure=$1
    return 1
}

# A private apt area, which needs no root, with the machine's own proxy and mirror settings. A mirror that stands still, or a
# clock that does not go right, is no reason to fail: the signature is what counts.
apt_area() {
    local area=$1 sources=$2
    mkdir -p "$area"/{lists/partial,cache/archives/partial}
    cat >"$area/apt.conf" <<EOF
Dir::State::Lists "$area/lists";
Dir::Cache "$area/cache";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::Check-Date "false";
Acquire::Check-Valid-Until "false";
#clear Acquire::IndexTargets::deb::DEP-11;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
EOF
    [[ -z $sources ]] || cat >>"$area/apt.conf" <<EOF
Dir::Etc::SourceList "$sources";
Dir::Etc::SourceParts "/dev/null";
EOF
}

apt() {
    local area=$1
    shift
    apt-get -q -c "$area/apt.conf" "$@" 2>>"$new/log"
}

download() {
    local area=$1
    shift
    (cd "$new/debs" && apt "$area" download "$@" >>"$new/log")
}

unpack() {
    local package=$1 to=$2 deb
    for deb in "$new/debs/$package"_*.deb; do
        dpkg -x "$deb" "$to" 2>>"$new/log" || fail "unpacking $package" || return
    done
}

# The kernel, and a C library that is new enough for it.
fetch_newer() {
    local mirror area=$new/newer
    for mirror in $(mirrors); do
        echo "deb [signed-by=$keyring target=Packages arch=amd64] $mirror $uml_suite main" >"$area/sources.list"
        apt_area "$area" "$area/sources.list"
        apt "$area" -o APT::Update::Error-Mode=any update >>"$new/log" || continue
        download "$area" user-mode-linux libc6 || fail "downloading user-mode-linux and libc6 from $mirror $uml_suite"
        return
    done
    fail "no mirror of this machine's apt sources gave the suite $uml_suite (is there a network?)"
}

# The machine's own mirrors, Debian's first: only one that carries the suite, signed by Debian, will do.
mirrors() {
    # shellcheck disable=SC2016 # the names are apt's
    apt-get indextargets --no-release-info --format '$(TARGET_OF) $(CREATED_BY) $(REPO_URI)' 2>>"$new/log" |
        awk '$1 == "deb" && $2 == "Packages" && $3 !~ /security/ && !seen[$3]++ { print ($3 ~ /\/debian\/?$/ ? 0 : 1), $3 }' |
        sort -s -k 1,1 | cut -d ' ' -f 2
}

unpack_kernel() {
    unpack user-mode-linux "$new/kernel" && unpack libc6 "$new/libc" || return
    if ! cp -- "$new/kernel/usr/bin/linux.uml" "$new/uml/linux" ||
        ! mv -- "$new/kernel/usr/lib/uml/modules" "$new/uml/lib/modules"; then
        fail 'the package user-mode-linux has another shape than expected'
    fi 2>>"$new/log"
}

libc_is_new_enough() { "$new/uml/linux" --version >/dev/null 2>&1; }

# kmod, iproute2 and mount for the guest, patchelf for here: what the machine lacks, from its own suite.
fetch_tools() {
    local -a wanted=() packages
    type -P modprobe >/dev/null || wanted+=(kmod)
    type -P ip >/dev/null || wanted+=(iproute2)
    type -P mount >/dev/null || wanted+=(mount)
    libc_is_new_enough || type -P patchelf >/dev/null || wanted+=(patchelf)
    if ((${#wanted[@]})); then
        apt_area "$new/own" ''
        apt "$new/own" update >>"$new/log"
        mapfile -t packages < <(apt "$new/own" -s install --no-install-recommends "${wanted[@]}" | awk '$1 == "Inst" { print $2 }')
        ((${#packages[@]})) || fail "this machine's suite does not offer ${wanted[*]}" || return
        download "$new/own" "${packages[@]}" || fail "downloading ${packages[*]}" || return
        local package
        for package in "${packages[@]%%:*}"; do
            unpack "$package" "$new/uml/tools" || return
        done
        relink "$new/uml/tools"
    fi
}

# Links that mean the machine's root (modprobe is one to /bin/kmod) are made to mean this one.
relink() {
    local root=$1 link target
    while IFS=$'\t' read -r link target; do
        ln -srfn -- "$root$target" "$link"
    done < <(find "$root" -type l -lname '/*' -printf '%p\t%l\n')
}

finish() {
    libc_is_new_enough || bring_libc || return
    [[ -e $(echo "$new"/uml/lib/modules/*/modules.dep) ]] || index_modules || return
    mv -T -- "$new/uml" "$uml" || fail "cannot write $uml"
}

# Starting the kernel through the newer ld.so would not do: it executes itself again, and panics in that layout.
bring_libc() {
    local version=$new/libc/usr/lib/x86_64-linux-gnu
    cp -- "$version"/{ld-linux-x86-64.so.2,libc.so.6} "$new/uml/lib/" || fail 'libc6 has another shape than expected' || return
    own_or_unpacked patchelf --set-interpreter lib/ld-linux-x86-64.so.2 --set-rpath "\$ORIGIN/lib" "$new/uml/linux" 2>>"$new/log" ||
        fail 'pointing the kernel to the newer C library'
}

index_modules() {
    local directory
    directory=$(echo "$new"/uml/lib/modules/*)
    own_or_unpacked depmod -b "$new/uml" "${directory##*/}" 2>>"$new/log" || fail 'indexing the modules'
}

own_or_unpacked() {
    local command
    command=$(tool_command "$new/uml/tools" "$1") || return
    shift
    eval "$command \"\$@\""
}
