#!/bin/sh
# Unpacks Debian's supervisor package into the folder $1, once. It is never installed.
set -eu
folder=$1
[ -x "$folder/usr/bin/supervisorctl" ] && exit 0
mkdir -p "$folder/download"
cd "$folder/download"
rm -f supervisor_*.deb
apt-get download -q supervisor || {
    echo "Cannot fetch Debian's supervisor package: run 'apt-get update' or check the network." >&2
    exit 1
}
dpkg -x supervisor_*.deb "$folder"
test -x "$folder/usr/bin/supervisorctl"
