# shellcheck shell=bash disable=SC2154 # the parts share variables
# The tools that the guest needs: those of the machine, or else those unpacked next to the kernel.

# Prints a shell command that starts the tool. The third argument is the directory of the unpacked tools at the time when the
# command runs (default: their current directory). The libraries' directory is an argument of ld.so, because programs that the
# tool starts would inherit an environment variable.
tool_command() {
    local root=$1 name=$2 shown=${3:-$1} program
    if program=$(type -P "$name"); then
        printf '%q' "$program"
        return
    fi
    for program in "$root"/{usr/,}{s,}bin/"$name"; do
        [[ -e $program ]] || continue
        printf '/lib64/ld-linux-x86-64.so.2 --library-path %q:%q %q' \
            "$shown/usr/lib/x86_64-linux-gnu" "$shown/lib/x86_64-linux-gnu" "$shown${program#"$root"}"
        return
    done
    return 1
}

write_wrapper() {
    local wrapper=$1 command=$2
    printf '#!/bin/bash\nexec %s "$@"\n' "$command" >"$wrapper"
    chmod 755 -- "$wrapper"
}

# Creates the directory that is on the guest's PATH: a modprobe with the directory of the modules, and the tools that the
# command's PATH lacks.
write_wrappers() {
    local bin=$1 root=$image/tools shown=$marker/image/tools name command
    for name in modprobe ip mount; do
        tool_command "$root" "$name" >/dev/null ||
            die "neither this machine nor $image has $name: remove that directory, so that it is downloaded again"
    done
    mkdir -m 755 -- "$bin"
    command=$(tool_command "$root" modprobe "$shown")
    write_wrapper "$bin/modprobe" "$command -d $marker/image"
    for name in lsmod insmod rmmod modinfo depmod ip bridge tc ss; do
        [[ -n $(PATH=$command_path type -P "$name") ]] || ! command=$(tool_command "$root" "$name" "$shown") ||
            write_wrapper "$bin/$name" "$command"
    done
}

# Prints an empty directory on the command's PATH, before any modprobe, over which the guest can mount the wrappers.
place_for_wrappers() {
    local directory
    while IFS='' read -r -d : directory; do
        [[ ! -e $directory/modprobe ]] || return
        if [[ $directory =~ ^/[[:alnum:]/._-]+$ && -d $directory && -z $(ls -A -- "$directory") ]]; then
            echo "$directory"
            return
        fi
    done <<<"$command_path:"
}
