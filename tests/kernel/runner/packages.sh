# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Downloads what the runner needs into its cache: Debian packages, downloaded and verified by apt, unpacked without root.

readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

cache_dir() {
    local target=${CARGO_TARGET_DIR:-target}
    local repository=${here%/tests/kernel}
    [[ $target == /* ]] || target=$repository/$target
    realpath -m -- "${TEAM_KERNEL_CACHE:-$target/team-kernel}"
}

# Creates the directory if it does not exist: calls the function $3, which downloads its contents into the cache. Waits for
# another run that is downloading.
provide() {
    local directory=$1 what=$2 get=$3 cache=${1%/*}
    [[ ! -d $directory ]] || return 0
    check_can_fetch "$what"
    if ! make_cache "$cache"; then
        die "cannot write in $cache: TEAM_KERNEL_CACHE can name another place"
    fi
    (
        umask 022
        wait_for_lock
        [[ ! -d $directory ]] || exit 0
        make_new "$cache"
        failure="writing in $cache"
        "$get" || die "getting $what failed: $failure" "$(tail -n 15 -- "$new/log")" "$(by_hand)"
    ) 9>>"$cache/lock" || exit
}

make_cache() { (umask 022 && mkdir -p -- "$1" 2>/dev/null) && [[ -w $1 ]]; }

wait_for_lock() {
    flock -n 9 || { say 'waiting for another run, which is downloading' && flock 9; }
}

check_can_fetch() {
    local what=$1 tool
    [[ $(uname -m) == x86_64 ]] ||
        die "$what is a program for amd64, and this machine is $(uname -m)" \
            'TEAM_KERNEL=host uses the running kernel instead, if that has the team driver; this needs root'
    for tool in apt-get dpkg flock setsid setpriv; do
        type -P "$tool" >/dev/null ||
            die "$what comes as a Debian package; unpacking it needs $tool, which is missing" "$(by_hand)"
    done
    [[ -r $keyring ]] ||
        die "$keyring, by which the packages are verified, is missing: install the package debian-archive-keyring" "$(by_hand)"
    check_mirror
}

# A space or a bracket would end the address in apt's line.
check_mirror() {
    [[ -z ${TEAM_KERNEL_MIRROR:-} || $TEAM_KERNEL_MIRROR =~ ^[[:alnum:]+.-]+:[^][:blank:][]+$ ]] ||
        die "TEAM_KERNEL_MIRROR=$TEAM_KERNEL_MIRROR is not the address of a Debian mirror, such as http://HOST/debian"
}

by_hand() {
    echo "or copy $(cache_dir) from a machine where this works (TEAM_KERNEL_CACHE can name another place)"
}

# Sets $new to a directory that this process, which holds the lock, fills; first removes those of earlier, interrupted runs.
make_new() {
    local cache=$1
    rm -rf -- "$cache"/new.*
    new=$(mktemp -d -- "$cache/new.XXXXXX") || die "cannot write in $cache"
    trap 'stop_progress; rm -rf -- "$new"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    chmod 755 -- "$new"
    mkdir -p "$new"/{debs,debian,own}
}

fail() {
    failure=$1
    return 1
}

# Creates a private apt area, which needs no root, with the machine's own proxy and mirror settings. An outdated mirror or a
# wrong clock is not an error: the signature decides. Other sources than the machine's can be given.
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

# Downloads packages, after a message with their size according to apt.
download() {
    local area=$1 what=$2 bytes
    shift 2
    bytes=$(apt "$area" --print-uris download "$@" | awk '$3 ~ /^[0-9]+$/ { sum += $3 } END { print sum + 0 }')
    say "downloading $what, $(megabytes "$bytes") MB"
    (cd "$new/debs" && with_progress "$(megabytes "$bytes")" apt "$area" download "$@")
}

megabytes() { echo $((($1 + 999999) / 1000000)); }

# Downloads the lists of packages, whose size apt does not know in advance.
update() {
    local area=$1 of=$2
    say "downloading the list of packages of $of, about 10 MB"
    with_progress 10 apt "$area" -o APT::Update::Error-Mode=any update
}

# Runs a command that downloads this number of megabytes; shows the progress on a terminal.
with_progress() {
    local megabytes=$1 parent=$BASHPID status=0
    shift
    if [[ -t 2 ]]; then
        show_progress "$megabytes" "$parent" >&2 &
        progress=$!
    fi
    "$@" >>"$new/log" || status=$?
    stop_progress
    return "$status"
}

show_progress() {
    local megabytes=$1 parent=$2 before now shown=0
    before=$(bytes_here)
    while sleep 0.2 && kill -0 "$parent" 2>/dev/null; do
        now=$((($(bytes_here) - before) / 1000000))
        # Downloaded files may be unpacked or moved away already.
        ((now <= shown)) || shown=$((now < megabytes ? now : megabytes))
        printf '\r  %d of %d MB ' "$shown" "$megabytes"
    done
}

bytes_here() { du -bc -- "$new/debs" "$new"/*/{lists/partial,cache/archives} 2>/dev/null | awk 'END { print $1 + 0 }'; }

stop_progress() {
    [[ -n ${progress:-} ]] || return 0
    { kill "$progress" && wait "$progress"; } 2>/dev/null
    printf '\r\033[K' >&2
    progress=''
}

unpack() {
    local package=$1 to=$2 deb
    for deb in "$new/debs/$package"_*.deb; do
        dpkg -x "$deb" "$to" 2>>"$new/log" || fail "unpacking $package" || return
    done
}

# Prints the mirror in TEAM_KERNEL_MIRROR, or those of the machine, Debian's first. Only a mirror with the suite, signed by
# Debian, is used later.
mirrors() {
    if [[ -n ${TEAM_KERNEL_MIRROR:-} ]]; then
        echo "$TEAM_KERNEL_MIRROR"
    else
        own_mirrors
    fi
}

own_mirrors() {
    # shellcheck disable=SC2016 # the names are apt's
    apt-get indextargets --no-release-info --format '$(TARGET_OF) $(CREATED_BY) $(REPO_URI)' 2>>"$new/log" |
        awk '$1 == "deb" && $2 == "Packages" && $3 !~ /security/ && !seen[$3]++ { print ($3 ~ /\/debian\/?$/ ? 0 : 1), $3 }' |
        sort -s -k 1,1 | cut -d ' ' -f 2
}

# Changes links to absolute paths (modprobe links to /bin/kmod) into links below the root.
relink() {
    local root=$1 link target
    while IFS=$'\t' read -r link target; do
        ln -srfn -- "$root$target" "$link"
    done < <(find "$root" -type l -lname '/*' -printf '%p\t%l\n')
}

# Creates an apt area of the suite, from the first mirror that has it. The architectures are separated by commas.
reach_suite() {
    local area=$1 suite=$2 architectures=${3:-amd64} mirror
    for mirror in $(mirrors); do
        echo "deb [signed-by=$keyring target=Packages arch=$architectures] $mirror $suite main" >"$area/sources.list"
        apt_area "$area" "$area/sources.list"
        # Packages that the machine has installed are not candidates.
        printf '%s\n' "APT::Architectures \"$architectures\";" 'Dir::State::Status "/dev/null";' >>"$area/apt.conf"
        ! update "$area" "Debian's suite $suite" || return 0
    done
    if [[ -n ${TEAM_KERNEL_MIRROR:-} ]]; then
        fail "the mirror that TEAM_KERNEL_MIRROR names, $TEAM_KERNEL_MIRROR, did not give Debian's suite $suite (is there a network?)"
    else
        fail "no mirror of this machine's apt sources gave Debian's suite $suite (is there a network?); \
TEAM_KERNEL_MIRROR can name a Debian mirror, such as http://HOST/debian"
    fi
}

# Creates the apt area of the machine's own suite, once. If the machine has no apt sources, the suite comes from the mirror in
# TEAM_KERNEL_MIRROR; on another system than Debian it is a suite whose programs are old enough to start.
reach_own_suite() {
    local area=$new/own ID='' VERSION_CODENAME=''
    [[ ! -e $area/apt.conf ]] || return 0
    if [[ -n $(own_mirrors) ]]; then
        apt_area "$area" ''
    elif [[ -n ${TEAM_KERNEL_MIRROR:-} ]]; then
        # shellcheck source=/dev/null
        . /etc/os-release
        [[ $ID == debian && -n $VERSION_CODENAME ]] || VERSION_CODENAME=bookworm
        mkdir -p "$area"
        echo "deb [signed-by=$keyring target=Packages arch=amd64] $TEAM_KERNEL_MIRROR $VERSION_CODENAME main" >"$area/sources.list"
        apt_area "$area" "$area/sources.list"
    else
        fail 'this machine has no apt sources: TEAM_KERNEL_MIRROR can name a Debian mirror, such as http://HOST/debian' || return
    fi
    # One of several sources may be unreachable.
    update "$area" "this machine's apt sources" || true
}

# Makes an apt area of the sources of a suite that all Debian machines can reach.
reach_sources() {
    local area=$new/sources ID='' VERSION_CODENAME='' mirror
    # shellcheck source=/dev/null
    . /etc/os-release
    [[ $ID == debian && -n $VERSION_CODENAME ]] || VERSION_CODENAME=bookworm
    for mirror in $(mirrors); do
        mkdir -p "$area"
        echo "deb-src [signed-by=$keyring target=Sources] $mirror $VERSION_CODENAME main" >"$area/sources.list"
        apt_area "$area" "$area/sources.list"
        ! update "$area" "Debian's sources of $VERSION_CODENAME" || return 0
    done
    fail "no mirror gave the list of Debian's sources of $VERSION_CODENAME (is there a network?)"
}

# Unpacks packages, with those of their dependencies that the machine lacks, from the machine's own suite.
unpack_missing() {
    local to=$1 package names
    local -a packages
    shift
    reach_own_suite || return
    mapfile -t packages < <(apt "$new/own" -s install --no-install-recommends "$@" | awk '$1 == "Inst" { print $2 }')
    ((${#packages[@]})) || fail "this machine's apt sources do not offer $* (is there a network?)" || return
    names=$*
    download "$new/own" "${names// /, } with dependencies" "${packages[@]}" || fail "downloading ${packages[*]}" || return
    for package in "${packages[@]%%:*}"; do
        unpack "$package" "$to" || return
    done
    relink "$to"
}

# Unpacks the tools that every guest needs and the machine lacks: kmod, iproute2, mount; and the packages in the arguments.
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
