#!/bin/sh
# Unpacks Debian's xinetd package, and the libraries it needs, into the folder $1, once. It is never installed.
set -eu
folder=$1
[ -x "$folder/usr/sbin/xinetd" ] && exit 0
mkdir -p "$folder/download"
cd "$folder/download"
rm -f ./*.deb
apt-get download -q -o Acquire::Retries=3 xinetd libwrap0 libtirpc3 libnsl2 || {
    echo "Cannot fetch Debian's xinetd package: run 'apt-get update' or check the network." >&2
    exit 1
}
for package in lib*.deb xinetd_*.deb; do
    dpkg -x "$package" "$folder"
done
test -x "$folder/usr/sbin/xinetd"
