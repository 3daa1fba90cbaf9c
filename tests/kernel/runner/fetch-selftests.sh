# shellcheck shell=bash disable=SC2154,SC2034 # the parts share variables
# Gets the kernel's selftests of the team driver, and the programs that they start: Debian packages, by apt and verified by it,
# unpacked without root.
#
# What the directory $cache/selftests-SUITE holds when it exists, as it does only when complete: tools/testing/selftests of the
# kernel's source, of which only drivers/net/team and the scripts of net and drivers/net, and drivers/net/netdevsim. And a
# directory $cache/selftest-tools:
#   root/        the packages of the programs that the machine lacks
#   bin/PROGRAM  starts the program there

readonly team_selftests=tools/testing/selftests/drivers/net/team
readonly -A selftest_packages=(
    [jq]=jq [iperf3]=iperf3 [tcpdump]=tcpdump [ping]=iputils-ping [ethtool]=ethtool [udevadm]=udev [sysctl]=procps [pgrep]=procps
    [teamd]=libteam-utils [teamdctl]=libteam-utils
)

missing_packages() {
    local program
    for program in "${!selftest_packages[@]}"; do
        type -P "$program" >/dev/null || echo "${selftest_packages[$program]}"
    done | sort -u
}

fetch_selftest_tools() {
    local program tools=$new/selftest-tools
    local -a packages
    mkdir -p "$tools"/{root,bin}
    mapfile -t packages < <(missing_packages)
    unpack_missing "$tools/root" "${packages[@]}" || return
    for program in "${!selftest_packages[@]}"; do
        type -P "$program" >/dev/null || give_starter "$program" || fail "${selftest_packages[$program]} has no $program" || return
    done
    mv -T -- "$tools" "$selftest_tools" || fail "cannot write $selftest_tools"
}

give_starter() {
    tool_command "$tools/root" "$1" >/dev/null && write_starter "$tools/bin/$1" && chmod 755 -- "$tools/bin/$1"
}

fetch_selftests() {
    local package
    reach_suite "$new/debian" "$suite" || return
    package=$(kernel_dependencies linux-source source)
    [[ -n $package ]] || fail "$suite does not offer linux-source" || return
    download "$new/debian" "the kernel's source $package" "$package" || fail "downloading $package" || return
    type -P xz >/dev/null || unpack_missing "$new/xz" xz-utils || return
    mkdir -- "$new/selftests"
    say "unpacking the selftests from $package"
    unpack_selftests "$package" || fail "the package $package has another shape than expected" || return
    mv -T -- "$new/selftests" "$selftests" || fail "cannot write $selftests"
}

unpack_selftests() {
    local -r all='*/tools/testing/selftests'
    dpkg-deb --fsys-tarfile "$new/debs/$1"_*.deb | tar -x -O --wildcards '*.tar.xz' | own_or_unpacked "$new/xz" xz -d |
        tar -x -C "$new/selftests" --no-same-owner --strip-components=1 --wildcards \
            '*/drivers/net/netdevsim/*' "$all/drivers/net/team/*" "$all/drivers/net/*.sh" "$all/net/*.sh" && [[ -e $new/selftests/$team_selftests/Makefile ]]
} 2>>"$new/log"
