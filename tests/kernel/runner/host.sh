# shellcheck shell=bash disable=SC2154 # the parts share variables
# Checks whether the running kernel can be used, and runs a command on it.

# Prints what the running kernel or the caller's privileges lack for the command; nothing if the kernel can be used.
host_lacks() {
    if ! needs_driver "$1"; then
        gives_namespaces || echo 'the running kernel allows no network namespace with veth links'
    elif ! type -P ip >/dev/null; then
        echo 'this machine lacks ip (package iproute2)'
    elif ! has_net_admin; then
        echo 'this needs CAP_NET_ADMIN in the initial user namespace (run it as root)'
    elif ! has_team_driver; then
        echo "the running kernel, $(uname -r), has no team driver, neither built in nor as a module that can be loaded"
    fi
}

# The benchmark of links measures the kernel that the machine runs.
needs_driver() { [[ ! $1 =~ /deps/links-[0-9a-f]+$ ]]; }

gives_namespaces() { as_root unshare -n ip link add type veth 2>/dev/null; }

# Runs a command as root, or as root of a new user namespace.
as_root() { if ((EUID)); then unshare -r "$@"; else "$@"; fi; }

has_net_admin() {
    local -r cap_net_admin=12 initial_user_namespace='user:[4026531837]' # PROC_USER_INIT_INO
    local name value effective=0
    while read -r name value; do
        [[ $name != CapEff: ]] || effective=$((16#$value))
    done </proc/self/status
    (((effective >> cap_net_admin) & 1)) && [[ $(readlink /proc/self/ns/user) == "$initial_user_namespace" ]]
}

has_team_driver() {
    local -r modules=/lib/modules/$(uname -r)
    [[ -e /sys/module/team ]] && return
    grep -qs '/team\.ko' "$modules/modules.builtin" && return
    modprobe -q team 2>/dev/null
}

run_on_host() {
    local original
    say "on the running kernel, $(uname -r)"
    provide_originals "$1"
    provide_c_library "$1"
    [[ -z $c_library ]] || export TEAM_BENCH_C_LIBRARY=$c_library
    PATH=$command_path
    for original in "${originals[@]}"; do
        PATH=$original/bin:$PATH
    done
    if ((EUID)) && ! needs_driver "$1"; then
        set -- unshare -r "$@"
    fi
    exec -- "$@"
}
