# shellcheck shell=bash disable=SC2034 # the scripts use the variables
# What install, uninstall and package-deb have in common: the names of the files, the options, and the build.

# libteam 1.31 is libteam.so.5.6.1, and 1.32 libteam.so.5.6.2: where both are, ldconfig(8) takes the highest number.
readonly library_name=libteam.so.5.7.0
# The release of the C library whose interface this is.
readonly interface_version=1.31

package_directory=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
readonly package_directory
readonly program=${0##*/}

prefix=/usr/local
libdir=''
destdir=''
library=''

fail() {
    printf '%s: %s\n' "$program" "$*" >&2
    exit 1
}

# Prints the comment at the head of a script.
usage() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' -- "$0"; }

# Reads those options that the caller names, and --help.
read_options() {
    local known=" $1 " option
    shift
    while (($#)); do
        option=$1
        if [[ $option == --help ]]; then
            usage
            exit 0
        fi
        [[ $known == *" $option "* ]] || fail "unknown option $option: see $program --help"
        (($# > 1)) || fail "$option requires a value"
        case $option in
            --prefix) prefix=$2 ;;
            --libdir) libdir=$2 ;;
            --destdir) destdir=$2 ;;
            --library) library=$2 ;;
            --output) output=$2 ;;
        esac
        shift 2
    done
    [[ $prefix == /* ]] || fail "invalid prefix $prefix: expected an absolute path"
    libdir=${libdir:-${prefix%/}/lib}
    [[ $libdir == /* ]] || fail "invalid libdir $libdir: expected an absolute path"
    destdir=${destdir%/}
}

# Builds the library unless the caller has it, and sets $library.
build() {
    if [[ -n $library ]]; then
        [[ -f $library ]] || fail "$library does not exist"
        return
    fi
    (cd -- "$package_directory" && cargo build --release --locked -p libteam-capi) || fail 'the build failed'
    library=$(cd -- "$package_directory" && cargo metadata --locked --no-deps --format-version 1 |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/libteam.so
    [[ -f $library ]] || fail "the build made no $library"
}

# Copies the library without its debug information, and makes the link that programs load it by.
put_library() {
    local directory=$1
    install -d -- "$directory"
    # A running program keeps the file that it has: the new one takes its place as a whole.
    install -m 644 -- "$library" "$directory/.$library_name.new"
    strip --strip-unneeded -- "$directory/.$library_name.new" || fail 'strip failed'
    mv -f -- "$directory/.$library_name.new" "$directory/$library_name"
    ln -sfn -- "$library_name" "$directory/libteam.so.5"
}
