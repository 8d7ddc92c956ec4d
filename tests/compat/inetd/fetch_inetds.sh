#!/bin/sh
# Unpacks Debian's inetds and rpcbind into the folder $1, once. Nothing of them is installed or started at boot.
set -eu
folder=$1
[ -e "$folder/complete" ] && exit 0
mkdir -p "$folder/download"
cd "$folder/download"
for package in openbsd-inetd inetutils-inetd rpcbind; do
    rm -f "${package}"_*.deb
    apt-get download -q -o Acquire::Retries=3 "$package" || {
        echo "Cannot fetch Debian's package $package: run 'apt-get update' or check the network." >&2
        exit 1
    }
    dpkg -x "${package}"_*.deb "$folder"
done
touch "$folder/complete"
