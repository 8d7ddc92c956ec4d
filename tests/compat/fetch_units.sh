#!/bin/sh
# Unpacks the units of Debian's packages into the folder $1/units, once. Nothing of them is installed.
set -eu
folder=$1/units
[ -e "$folder/complete" ] && exit 0
mkdir -p "$folder/download"
cd "$folder/download"
rm -f ./*.deb
for package in openssh-server uuid-runtime rpcbind atftpd cups-daemon lvm2 tinysshd pcscd avahi-daemon dbus; do
    apt-get download -q -o Acquire::Retries=3 "$package" || {
        echo "Cannot fetch Debian's package $package: run 'apt-get update' or check the network." >&2
        exit 1
    }
    dpkg --fsys-tarfile "${package}"_*.deb | tar -x -C "$folder" --transform 's,.*/,,' --exclude='*.wants/*' --wildcards '*/systemd/system/*.s[oe][cr]*[te]'
done
[ -e "$folder/uuidd.socket" ]
touch "$folder/complete"
