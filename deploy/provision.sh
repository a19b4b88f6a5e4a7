#!/bin/bash
# Makes this machine a host of a Fairlead cluster. The lab and the Vagrantfile both run it, and so can a person.
#
#   provision.sh control --address A --control-addresses A1,A2,A3 [--shared-keys FILE]
#       a control host: one member of the etcd cluster and one control process. The first one makes the cluster's
#       keys; the others are given them in FILE, which is what `shared-keys` printed on the first.
#   provision.sh shared-keys
#       print an archive of the keys that all control hosts have in common (keep it as safe as the hosts)
#   provision.sh join-command
#       on a control host: print the arguments for `provision.sh node`, with a new bootstrap token
#   provision.sh node --address A --name N [--server A1:7444,… --token ID.SECRET --ca-hash sha256:HEX]
#       a node: Podman and one agent. Without a token it is prepared and joins when this runs again with one.
#   provision.sh example-images
#       on a node: build the images of deploy/examples and keep them, for a cluster without the lab's registry
#
# Running it again changes nothing that is right already.
set -euo pipefail

checkout=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=/opt/fairlead-venv
etc=/etc/fairlead
# each control host has its own of these; everything else under pki is the cluster's
own_keys=(./server.crt ./server.key ./admin.crt ./admin.key ./etcd/server.crt ./etcd/server.key ./etcd/peer.crt ./etcd/peer.key
    ./etcd/client.crt ./etcd/client.key)

say() { echo "provision: $*" >&2; }
fail() { say "$*"; exit 1; }

install_packages() {
    local missing=() package installed
    installed=" $(dpkg-query -W -f='${db:Status-Status}:${Package} ' "$@" 2>/dev/null || true)"
    for package in "$@"; do
        [[ $installed == *" installed:$package "* ]] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # a service that Debian starts on installation would take our ports before it is told not to
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    apt-get install -q -y --no-install-recommends "${missing[@]}"
    rm -f /usr/sbin/policy-rc.d
    trap - EXIT
}

# Fairlead and what it needs, in an environment of its own: PyPI knows other packages named control and node
install_fairlead() {
    ln -sf "$venv/bin/fairlead" "$venv/bin/fl" "$venv/bin/fairlead-control" "$venv/bin/fairlead-node" /usr/local/bin/
    if compgen -G "$venv/lib/python3*/site-packages/fairlead-checkout.pth" >/dev/null; then
        return 0 # the lab's, which runs the checkout itself
    fi
    local built
    built=$(cd "$checkout" && find pyproject.toml setup.py proto fairlead control node -type f -not -path '*/__pycache__/*' \
        -exec sha256sum {} + | sort | sha256sum)
    if [ "$(cat "$venv/fairlead.sha256" 2>/dev/null)" = "$built" ]; then
        return 0
    fi
    say "installing Fairlead into $venv"
    [ -x "$venv/bin/pip" ] || /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$checkout"
    echo "$built" >"$venv/fairlead.sha256"
    changed=1
}

# write_file PATH MODE: standard input becomes the file, unless it is that already
write_file() {
    local fresh
    fresh=$(mktemp "$1.XXXXXX")
    cat >"$fresh"
    chmod "$2" "$fresh"
    if cmp -s "$fresh" "$1"; then rm -f "$fresh"; else mv "$fresh" "$1"; changed=1; fi
}

# install_units UNIT…: in place and started at every boot, but not yet now
install_units() {
    local unit
    for unit in "$@"; do
        write_file "/etc/systemd/system/$unit" 644 <"$checkout/deploy/systemd/$unit"
    done
    systemctl enable --quiet --no-reload "$@"
    # systemd reads the units once, after all of them: each reading takes a small machine a while
    if [ "$changed" = 1 ]; then systemctl daemon-reload; fi
}

# disable_units UNIT…: Debian's own, which would be in our way
disable_units() {
    local unit
    for unit in "$@"; do
        if systemctl is-enabled --quiet "$unit" 2>/dev/null; then systemctl disable --quiet --now "$unit"; fi
    done
}

# start UNIT…: without waiting, for etcd is ready only when its peers are; what runs already starts anew if this run
# brought new code or settings
start() {
    if [ "$changed" = 1 ]; then systemctl restart --no-block "$@"; else systemctl start --no-block "$@"; fi
}

etcd_environment() {
    local address=$1 addresses=$2 member cluster=()
    for member in ${addresses//,/ }; do
        cluster+=("$member=https://$member:2380")
    done
    cat <<ENV
# Written by provision.sh. Members are named after their addresses.
ETCD_NAME=$address
ETCD_DATA_DIR=/var/lib/fairlead-etcd
ETCD_LISTEN_CLIENT_URLS=https://$address:2379
ETCD_ADVERTISE_CLIENT_URLS=https://$address:2379
ETCD_LISTEN_PEER_URLS=https://$address:2380
ETCD_INITIAL_ADVERTISE_PEER_URLS=https://$address:2380
ETCD_LISTEN_METRICS_URLS=http://127.0.0.1:2381
ETCD_INITIAL_CLUSTER=$(IFS=,; echo "${cluster[*]}")
ETCD_INITIAL_CLUSTER_STATE=new
ETCD_INITIAL_CLUSTER_TOKEN=fairlead-${addresses//[.,]/-}
# both sides of every connection show a certificate of etcd's own authority
ETCD_CERT_FILE=$etc/pki/etcd/server.crt
ETCD_KEY_FILE=$etc/pki/etcd/server.key
ETCD_TRUSTED_CA_FILE=$etc/pki/etcd/ca.crt
ETCD_CLIENT_CERT_AUTH=true
ETCD_PEER_CERT_FILE=$etc/pki/etcd/peer.crt
ETCD_PEER_KEY_FILE=$etc/pki/etcd/peer.key
ETCD_PEER_TRUSTED_CA_FILE=$etc/pki/etcd/ca.crt
ETCD_PEER_CLIENT_CERT_AUTH=true
ETCD_QUOTA_BACKEND_BYTES=8589934592
# the control plane compacts, behind every live watcher
ETCD_AUTO_COMPACTION_RETENTION=0
ETCD_SNAPSHOT_COUNT=10000
ENV
    if [ "$(uname -m)" = aarch64 ]; then
        echo ETCD_UNSUPPORTED_ARCH=arm64 # 3.4 works there but wants to be told
    fi
}

control() {
    local address='' addresses='' shared=''
    while [ $# -gt 0 ]; do
        case $1 in
            --address) address=$2 ;;
            --control-addresses) addresses=$2 ;;
            --shared-keys) shared=$2 ;;
            *) fail "control: unknown option $1" ;;
        esac
        shift 2
    done
    [[ -n $address && -n $addresses ]] || fail "control: needs --address and --control-addresses"
    if [ -z "$shared" ] && [ "$address" != "${addresses%%,*}" ] && [ ! -e "$etc/pki/ca.key" ]; then
        fail "control: only the first of $addresses makes keys; give this host --shared-keys FILE"
    fi
    install_packages ca-certificates etcd-server etcd-client iproute2 openssl python3-venv
    disable_units etcd.service
    install_fairlead
    install -d -m 755 "$etc"
    install -d -m 711 "$etc/pki" "$etc/pki/etcd"
    if [ -n "$shared" ] && [ ! -e "$etc/pki/ca.key" ]; then
        tar -x -f "$shared" -C "$etc/pki" --no-same-owner --no-overwrite-dir
    fi
    "$venv/bin/fairlead-control" init --advertise-address "$address" --control-plane-addresses "$addresses" \
        --pki-dir "$etc/pki" >&2
    # etcd runs as a user of its own and needs its own keys and no others
    chmod 711 "$etc/pki" "$etc/pki/etcd"
    chgrp etcd "$etc"/pki/etcd/{server,peer}.key
    chmod 640 "$etc"/pki/etcd/{server,peer}.key
    write_file "$etc/etcd.env" 644 < <(etcd_environment "$address" "$addresses")
    install_units fairlead-etcd.service fairlead-control.service
    start fairlead-etcd.service fairlead-control.service
}

shared_keys() {
    [ -e "$etc/pki/ca.key" ] || fail "this host has no cluster keys: run 'provision.sh control' first"
    local pattern exclude=()
    for pattern in "${own_keys[@]}"; do exclude+=("--exclude=$pattern"); done
    tar -c -f - -C "$etc/pki" "${exclude[@]}" .
}

join_command() {
    KUBECONFIG=$etc/admin.conf "$venv/bin/fairlead" token create --print-join-command |
        sed -n 's/^.*fairlead-node join //p' | head -n 1
}

node() {
    local address='' name='' join=()
    while [ $# -gt 0 ]; do
        case $1 in
            --address) address=$2 ;;
            --name | --node-name) name=$2 ;;
            --server | --token | --ca-hash) join+=("$1" "$2") ;;
            *) fail "node: unknown option $1" ;;
        esac
        shift 2
    done
    [[ -n $address && -n $name ]] || fail "node: needs --address and --name"
    install_packages aardvark-dns ca-certificates conmon conntrack crun iproute2 iptables netavark podman python3-venv
    disable_units podman.socket podman.service podman-auto-update.timer
    install_fairlead
    install -d -m 755 "$etc"
    write_file /etc/modules-load.d/fairlead.conf 644 <<<$'overlay\nbr_netfilter'
    write_file /etc/sysctl.d/60-fairlead.conf 644 <<'SYSCTL'
# pods are reached through their node; a leading - lets a container that may not set one go on
net.ipv4.ip_forward = 1
-net.bridge.bridge-nf-call-iptables = 1
-fs.inotify.max_user_instances = 1024
SYSCTL
    modprobe -q -a overlay br_netfilter 2>/dev/null || true
    sysctl -q -p /etc/sysctl.d/60-fairlead.conf 2>/dev/null || sysctl -q -w net.ipv4.ip_forward=1
    install -d -m 755 /etc/systemd/system/libpod-.scope.d
    write_file /etc/systemd/system/libpod-.scope.d/fairlead.conf 644 \
        <"$checkout/deploy/systemd/libpod-.scope.d/fairlead.conf"
    install_units fairlead-podman.service fairlead-pods.service fairlead-node.service
    # not anew: the one would end containers, the other waits on nothing that this script writes
    systemctl start --no-block fairlead-podman.service fairlead-pods.service
    if [ ! -e "$etc/node.yaml" ]; then
        if [ ${#join[@]} -eq 0 ]; then
            return 0
        fi
        "$venv/bin/fairlead-node" join "${join[@]}" --address "$address" --node-name "$name" >&2
    fi
    start fairlead-node.service
}

example_images() {
    # Podman makes a name of the path, so it must be one: no capital letters, as mktemp has
    local layout=/var/tmp/fairlead-example-images version image
    install_packages buildah busybox-static podman
    rm -rf "$layout"
    "$checkout/deploy/examples/images/web/build" "$layout" 1 2
    for version in 1 2; do
        image=$(podman pull --quiet "oci:$layout:web-$version")
        podman tag "$image" "registry.fairlead.lab:5000/web:$version"
        podman untag "$image" "localhost$layout" 2>/dev/null || true
    done
    rm -rf "$layout"
}

changed=0
[ "$(id -u)" = 0 ] || fail "run as root"
case ${1:-} in
    control | node) "$@" ;;
    shared-keys) shared_keys ;;
    join-command) join_command ;;
    example-images) example_images ;;
    *)
        sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
        exit 2
        ;;
esac
