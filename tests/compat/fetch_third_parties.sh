#!/bin/sh
# Unpacks what other people wrote for Supervisor from Debian's packages into the folder $1, once: Ansible's module, the
# collector of Prometheus' node exporter, the XML-RPC library of C. Nothing of it is installed.
set -eu
folder=$1
python=./usr/lib/python3/dist-packages

# unpack PACKAGE PATTERN…: the files of a package that match. Three tries, because a mirror may be busy.
unpack()
{
    package=$1
    shift
    apt-get download -q -o Acquire::Retries=3 "$package" || {
        echo "Cannot fetch Debian's package $package: run 'apt-get update' or check the network." >&2
        exit 1
    }
    dpkg --fsys-tarfile "${package}"_*.deb | tar -x -C "$folder" --wildcards "$@"
}

[ -e "$folder/third-parties" ] && exit 0
mkdir -p "$folder/download"
cd "$folder/download"
rm -f ansible*.deb prometheus-*.deb libxmlrpc-*.deb
unpack ansible-core "$python/ansible/*"
unpack ansible "$python/ansible_collections/community/general/plugins/modules/supervisorctl.py"
unpack prometheus-node-exporter './usr/bin/*'
unpack libxmlrpc-core-c3 './usr/lib/*'
touch "$folder/third-parties"
