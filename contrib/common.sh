# shellcheck shell=bash disable=SC2034
# Sourced by contrib/run, contrib/test and .ci/run: steps with their time, and the Debian packages they need.

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What builds xsvd, and what serves in its tests.
readonly build_packages=(
    g++ cmake ninja-build pkg-config ccache python3
    libevent-dev libinih-dev libspdlog-dev libfmt-dev libexpected-dev libpugixml-dev nlohmann-json3-dev
    libcrypt-dev nettle-dev libseccomp-dev libssl-dev libcurl4-openssl-dev libedit-dev libboost1.81-dev libsystemd-dev libtirpc-dev catch2)
readonly test_packages=(
    binutils dbus-bin dbus-daemon openssl iproute2 mandoc netbase procps python3-pkg-resources util-linux
    git rsync openssh-server openssh-client tftpd-hpa uuid-runtime lighttpd redis-server fcgiwrap)
readonly clang_packages=(clang-16 libclang-rt-16-dev)

say()
{
    printf '==> %s\n' "$*"
}

# step "what is done" command…: says so first, and how long it took afterwards.
step()
{
    local what=$1 begun=$SECONDS
    shift
    say "$what"
    "$@"
    say "$what: done in $((SECONDS - begun)) s"
}

as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "this needs root, and there is no sudo here: run as root: $*" >&2
        return 1
    fi
}

is_installed()
{
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Prints those of the named packages that are not installed.
missing_packages()
{
    local package
    for package; do
        is_installed "$package" || printf '%s\n' "$package"
    done
}

# Runs a command while the packages' own services are kept from starting (invoke-rc.d asks this file).
without_services()
{
    local policy=/usr/sbin/policy-rc.d code=0
    if [ -e $policy ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin $policy
    "$@" || code=$?
    as_root rm -f $policy
    return $code
}

# Installs what is missing of the named Debian packages; quick when nothing is.
need_packages()
{
    local missing
    mapfile -t missing < <(missing_packages "$@")
    if [ ${#missing[@]} -eq 0 ]; then
        say "all $# Debian packages are here"
        return
    fi
    command -v apt-get >/dev/null || { say "no apt-get here; install these by hand: ${missing[*]}" >&2; return 1; }
    say "installing: ${missing[*]}"
    as_root apt-get -q update
    without_services as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y --no-install-recommends install "${missing[@]}"
}

# The tests unpack a package without installing it (apt-get download), which needs the lists of packages.
need_package_lists()
{
    apt-cache show supervisor >/dev/null 2>&1 || as_root apt-get -q update
}

# build PRESET [cmake -D…]
build()
{
    local preset=$1
    shift
    cmake --preset "$preset" "$@"
    cmake --build --preset "$preset"
}

# run_twice_at_most ARGUMENTS of ctest: what fails runs once more, alone, and both runs are printed. Only for comparisons with
# other people's daemons: those have moments of their own on a busy machine. What counts losses may not fail once.
run_twice_at_most()
{
    ctest "$@" && return
    say "what failed runs once more, alone"
    ctest "$@" -j 1 --rerun-failed
}
