#!/bin/sh
# Unpacks the units of Debian's packages into the folder $1/units, once, and into its folder programs what is started on demand
# and not installed everywhere: systemd-socket-proxyd and gunicorn. Nothing of them is installed.
set -eu
folder=$1/units
complete=$folder/complete-2
[ -e "$complete" ] && exit 0
mkdir -p "$folder/download" "$folder/programs"
cd "$folder/download"
rm -f ./*.deb

# files PACKAGE: its contents as a tar archive. Three tries, because a mirror may be busy.
files()
{
    apt-get download -q -o Acquire::Retries=3 "$1" >&2 || {
        echo "Cannot fetch Debian's package $1: run 'apt-get update' or check the network." >&2
        exit 1
    }
    dpkg --fsys-tarfile "$1"_*.deb
}

for package in openssh-server uuid-runtime rpcbind atftpd cups-daemon lvm2 tinysshd pcscd avahi-daemon dbus; do
    files "$package" | tar -x -C "$folder" --transform 's,.*/,,' --exclude='*.wants/*' --wildcards '*/systemd/system/*.s[oe][cr]*[te]'
done
files systemd | tar -x -C "$folder/programs" ./lib/systemd/systemd-socket-proxyd
files libsystemd-shared | tar -x -C "$folder/programs" --wildcards './usr/lib/*/systemd/*'
files python3-gunicorn | tar -x -C "$folder/programs" ./usr/lib/python3/dist-packages/gunicorn
[ -e "$folder/uuidd.socket" ]
[ -e "$folder/programs/usr/lib/python3/dist-packages/gunicorn/app/wsgiapp.py" ]
touch "$complete"
