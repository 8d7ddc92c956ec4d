#!/bin/sh
# Unpacks Debian's haproxy and xinetd, and the libraries haproxy wants, into the folder $1, once. Nothing is installed.
set -eu
folder=$1
[ -x "$folder/usr/sbin/haproxy" ] && [ -x "$folder/usr/sbin/xinetd" ] && exit 0
mkdir -p "$folder/download"
cd "$folder/download"
rm -f ./*.deb
apt-get download -q haproxy xinetd liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 libpcre2-8-0 || {
    echo "Cannot fetch Debian's haproxy and xinetd: run 'apt-get update' or check the network." >&2
    exit 1
}
for package in ./*.deb; do
    dpkg -x "$package" "$folder"
done
test -x "$folder/usr/sbin/haproxy"
