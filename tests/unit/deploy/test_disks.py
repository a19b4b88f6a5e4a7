"""What a host finds on its disk at its first boot."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from labkit import disks, layout

LAB = layout.Lab(
    checkout=Path("/srv/fairlead"),
    subnet=ipaddress.IPv4Network("10.200.1.0/24"),
    shape=layout.Shape(controls=2, nodes=1),
)


def test_the_hosts_file_names_every_host_and_the_registry() -> None:
    """The registry's name belongs to the first control host."""
    assert disks.hosts_file(LAB) == (
        "127.0.0.1 localhost\n"
        "::1 localhost ip6-localhost ip6-loopback\n"
        "10.200.1.11 control-1 registry.fairlead.lab\n"
        "10.200.1.12 control-2\n"
        "10.200.1.21 node-1\n"
    )


def test_each_host_has_its_own_name_address_and_machine_id() -> None:
    """Nothing that identifies a machine is shared."""
    tables = [disks.files(LAB, host, resolv_conf="", cgroups_v1=False) for host in LAB.hosts]

    for path in ("/etc/hostname", "/etc/machine-id", "/etc/systemd/system/lab-network.service"):
        assert len({table[path] for table in tables}) == len(LAB.hosts)


def test_only_hosts_under_cgroup_v1_get_the_unit_that_makes_groups_writable() -> None:
    """With cgroup v2, systemd-nspawn delegates the group itself."""
    unit = "/etc/systemd/system/lab-cgroups.service"
    host = LAB.hosts[0]

    assert unit in disks.files(LAB, host, resolv_conf="", cgroups_v1=True)
    assert unit not in disks.files(LAB, host, resolv_conf="", cgroups_v1=False)


def test_resolvers_that_only_the_outer_machine_reaches_are_left_out() -> None:
    """A stub on a loopback address would be the host's own loopback."""
    text = "nameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch example.org\n"

    assert disks.outer_resolv_conf(text) == "nameserver 192.0.2.1\nsearch example.org\n"
