# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# What the runner gets, and where it keeps it: Debian packages, by apt and verified by it, unpacked without root.

readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

cache_dir() {
    local target=${CARGO_TARGET_DIR:-target}
    local repository=${here%/tests/kernel}
    [[ $target == /* ]] || target=$repository/$target
    realpath -m -- "${TEAM_KERNEL_CACHE:-$target/team-kernel}"
}

# Sees to it that the directory exists, for which it calls the function named with the cache's directory. Waits for another
# run that is fetching at this moment.
provide() {
    local directory=$1 what=$2 get=$3 cache=${1%/*}
    [[ ! -d $directory ]] || return 0
    check_can_fetch "$what"
    if ! mkdir -p -- "$cache" 2>/dev/null || [[ ! -w $cache ]]; then
        die "cannot write in $cache: TEAM_KERNEL_CACHE can name another place"
    fi
    (
        umask 022
        flock 9
        [[ ! -d $directory ]] || exit 0
        make_new "$cache"
        failure="writing in $cache"
        "$get" || die "getting $what failed: $failure" "$(tail -n 15 -- "$new/log")" "$(by_hand)"
    ) 9>>"$cache/lock" || exit
}

check_can_fetch() {
    local what=$1 tool
    [[ $(uname -m) == x86_64 ]] || die "$what is an amd64 program, and this machine is $(uname -m)"
    for tool in apt-get dpkg flock setsid setpriv; do
        type -P "$tool" >/dev/null ||
            die "$what comes as a Debian package, and $tool, which getting it takes, is missing" "$(by_hand)"
    done
    [[ -r $keyring ]] || die "$keyring is missing (package debian-archive-keyring)" "$(by_hand)"
}

by_hand() {
    echo "or copy $(cache_dir) from a machine where this works (TEAM_KERNEL_CACHE can name another place)"
}

# Sets $new, where a process of its own, under the lock, puts things together; what earlier, interrupted runs left
# is nobody's.
make_new() {
    local cache=$1
    rm -rf -- "$cache"/new.*
    new=$(mktemp -d -- "$cache/new.XXXXXX") || die "cannot write in $cache"
    trap 'rm -rf -- "$new"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    chmod 755 -- "$new"
    mkdir -p "$new"/{debs,debian,own}
}

fail() {
    failure=$1
    return 1
}

# A private apt area, which needs no root, with the machine's own proxy and mirror settings. A mirror that stands still, or a
# clock that does not go right, is no reason to fail: the signature is what counts. Where other sources are given, what
# the machine has installed is no candidate.
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
Dir::State::Status "/dev/null";
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

# The machine's own mirrors, Debian's first: only one that carries the suite, signed by Debian, will do.
mirrors() {
    # shellcheck disable=SC2016 # the names are apt's
    apt-get indextargets --no-release-info --format '$(TARGET_OF) $(CREATED_BY) $(REPO_URI)' 2>>"$new/log" |
        awk '$1 == "deb" && $2 == "Packages" && $3 !~ /security/ && !seen[$3]++ { print ($3 ~ /\/debian\/?$/ ? 0 : 1), $3 }' |
        sort -s -k 1,1 | cut -d ' ' -f 2
}

# Links that mean the machine's root (modprobe is one to /bin/kmod) are made to mean this one.
relink() {
    local root=$1 link target
    while IFS=$'\t' read -r link target; do
        ln -srfn -- "$root$target" "$link"
    done < <(find "$root" -type l -lname '/*' -printf '%p\t%l\n')
}

# Makes an apt area of the suite, from the first mirror that has it. The architectures stand between commas.
reach_suite() {
    local area=$1 suite=$2 architectures=${3:-amd64} mirror
    for mirror in $(mirrors); do
        echo "deb [signed-by=$keyring target=Packages arch=$architectures] $mirror $suite main" >"$area/sources.list"
        apt_area "$area" "$area/sources.list"
        echo "APT::Architectures \"$architectures\";" >>"$area/apt.conf"
        ! apt "$area" -o APT::Update::Error-Mode=any update >>"$new/log" || return 0
    done
    fail "no mirror of this machine's apt sources gave the suite $suite (is there a network?)"
}

# Unpacks the packages, and what of their needs the machine lacks, from the machine's own suite.
unpack_missing() {
    local to=$1 package
    local -a packages
    shift
    apt_area "$new/own" ''
    apt "$new/own" update >>"$new/log"
    mapfile -t packages < <(apt "$new/own" -s install --no-install-recommends "$@" | awk '$1 == "Inst" { print $2 }')
    ((${#packages[@]})) || fail "this machine's suite does not offer $*" || return
    download "$new/own" "${packages[@]}" || fail "downloading ${packages[*]}" || return
    for package in "${packages[@]%%:*}"; do
        unpack "$package" "$to" || return
    done
    relink "$to"
}

# What any guest needs: kmod, iproute2 and mount, where the machine lacks them; the packages named besides.
unpack_tools() {
    local to=$1
    local -a wanted=("${@:2}")
    type -P modprobe >/dev/null || wanted+=(kmod)
    type -P ip >/dev/null || wanted+=(iproute2)
    type -P mount >/dev/null || wanted+=(mount)
    ((!${#wanted[@]})) || unpack_missing "$to" "${wanted[@]}"
}

index_modules() {
    local root=$1 version
    [[ ! -e $(echo "$root"/lib/modules/*/modules.dep) ]] || return 0
    version=$(echo "$root"/lib/modules/*)
    own_or_unpacked "$root/tools" depmod -b "$root" "${version##*/}" 2>>"$new/log" || fail 'indexing the modules'
}

own_or_unpacked() {
    local command
    command=$(tool_command "$1" "$2") || return
    shift 2
    eval "$command \"\$@\""
}
