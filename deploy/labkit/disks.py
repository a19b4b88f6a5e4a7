"""What a host of the lab finds on its disk at its first boot: name, address, neighbours, and little else.

Pure: a lab and a host in, a table of files out. What makes the machine a control host or a node is no part of
it; that is deploy/provision.sh's work, on a lab host as on any other.
"""

from __future__ import annotations

import hashlib

from labkit import layout

BOOTED = "/run/lab-booted"

_SYSTEM = "/etc/systemd/system"

_NETWORK_UNIT = """\
[Unit]
Description=Address of this lab host
DefaultDependencies=no
Before=network-pre.target network.target
Wants=network-pre.target network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip address replace {address}/{prefix} dev host0
ExecStart=/usr/sbin/ip link set host0 up
ExecStart=/usr/sbin/ip route replace default via {gateway}

[Install]
WantedBy=sysinit.target
"""

# a container of cgroup v1 gets its hierarchies read-only; systemd must look again once they are writable
_CGROUP_UNIT = """\
[Unit]
Description=Writable control groups in this lab host
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'for group in /sys/fs/cgroup/*; do \\
    [ -L "$group" ] || mount -o remount,bind,rw,nosuid,nodev,noexec "$group"; done'
ExecStart=/bin/systemctl daemon-reexec

[Install]
WantedBy=sysinit.target
"""

# the lab looks for the file: asking systemd again and again would take the time that the others need to boot
_BOOTED_UNIT = f"""\
[Unit]
Description=Sign that this lab host can be provisioned
After=basic.target dbus.socket

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/touch {BOOTED}

[Install]
WantedBy=multi-user.target
"""

# under cgroup v1 nobody tells a container's systemd that a scope has become empty, so that at a shutdown it waits for
# Podman's scopes until this is over
_PATIENCE = """\
[Manager]
DefaultTimeoutStopSec=10s
"""

_JOURNAL = """\
[Journal]
Storage=persistent
SystemMaxUse=64M
SyncIntervalSec=10s
RateLimitBurst=0
"""


def files(lab: layout.Lab, host: layout.Host, *, resolv_conf: str, cgroups_v1: bool) -> dict[str, str]:
    """Path to content, as machines.lay_disk takes them."""
    unit = _NETWORK_UNIT.format(address=host.address, prefix=lab.subnet.prefixlen, gateway=lab.gateway)
    table = {
        "/etc/hostname": f"{host.name}\n",
        "/etc/hosts": hosts_file(lab),
        "/etc/machine-id": hashlib.md5(host.machine.encode(), usedforsecurity=False).hexdigest() + "\n",
        "/etc/resolv.conf": resolv_conf,
        "/etc/systemd/journald.conf.d/lab.conf": _JOURNAL,
        f"{_SYSTEM}/lab-network.service": unit,
        f"{_SYSTEM}/sysinit.target.wants/lab-network.service": "-> ../lab-network.service",
    }
    table[f"{_SYSTEM}/lab-booted.service"] = _BOOTED_UNIT
    table[f"{_SYSTEM}/multi-user.target.wants/lab-booted.service"] = "-> ../lab-booted.service"
    if cgroups_v1:
        table["/etc/systemd/system.conf.d/lab.conf"] = _PATIENCE
        table[f"{_SYSTEM}/lab-cgroups.service"] = _CGROUP_UNIT
        table[f"{_SYSTEM}/sysinit.target.wants/lab-cgroups.service"] = "-> ../lab-cgroups.service"
    return table


def hosts_file(lab: layout.Lab) -> str:
    """Every host by its name, and the registry by its own."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    for host in lab.hosts:
        names = f"{host.name} {layout.REGISTRY}" if host == lab.controls[0] else host.name
        lines.append(f"{host.address} {names}")
    return "\n".join(lines) + "\n"


def outer_resolv_conf(text: str) -> str:
    """The outer machine's resolver settings without those that only it can reach (127.0.0.53 …)."""
    kept = [line for line in text.splitlines() if not line.startswith(("nameserver 127.", "nameserver ::1"))]
    return "\n".join(kept) + "\n"
