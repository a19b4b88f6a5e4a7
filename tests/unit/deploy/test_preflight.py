"""What follows from what was found on the machine."""

from __future__ import annotations

import dataclasses
import ipaddress
from pathlib import Path

from labkit import layout, preflight

CHECKOUT = Path("/srv/fairlead")
GOOD = preflight.Facts(
    system="Debian GNU/Linux 12 (bookworm)",
    kernel="6.1.0",
    is_linux=True,
    has_apt=True,
    is_root=True,
    missing_features=(),
    cgroup_mode="v2, systemd",
    memory=8_000_000_000,
    memory_free=7_000_000_000,
    disk_free=50_000_000_000,
    has_way_out=True,
    iptables="iptables v1.8.9 (nf_tables)",
    networks=(),
    packages=(),
    has_base=True,
    has_venvs=True,
    has_images=True,
)


def judge(controls: int | None = None, nodes: int | None = None, **found: object) -> preflight.Verdict:
    """The verdict on a good machine but for some facts."""
    facts = dataclasses.replace(GOOD, **found)  # type: ignore[arg-type]
    return preflight.judge(CHECKOUT, facts, controls, nodes)


def test_a_good_machine_gets_three_and_three() -> None:
    """The usual lab has three control hosts and three nodes."""
    verdict = judge()

    assert (verdict.shape, verdict.obstacles) == (layout.Shape(3, 3), ())


def test_little_memory_means_fewer_hosts_and_a_reason() -> None:
    """Below 6 GB it is one control host and two nodes, and the person is told why."""
    verdict = judge(memory=4_000_000_000)

    assert verdict.shape == layout.Shape(1, 2)
    assert any("less than 6.0 GB of memory" in line for line in verdict.lines)


def test_what_was_asked_for_stands_whatever_the_memory() -> None:
    """Numbers on the command line are not overruled."""
    assert judge(controls=3, nodes=5, memory=4_000_000_000).shape == layout.Shape(3, 5)


def test_a_warm_machine_needs_only_the_boot() -> None:
    """With everything cached, nothing will be installed and no network is needed."""
    verdict = judge(has_way_out=False)

    assert verdict.lines[-1] == "to do      boot and start the cluster (about 30 s)"
    assert verdict.obstacles == ()


def test_a_new_machine_is_told_what_will_be_installed_and_how_long_it_takes() -> None:
    """Each thing that is missing is named with its seconds, and the sum is given."""
    verdict = judge(has_base=False, has_venvs=False, packages=("iptables", "mmdebstrap"))

    assert verdict.lines[-1] == (
        "to do      install iptables, mmdebstrap (about 20 s); "
        "make the hosts' root filesystem, 400 MB (about 90 s); "
        "install Fairlead's Python packages (about 45 s); "
        "boot and start the cluster (about 30 s); 185 s in all"
    )


def test_a_first_run_without_a_network_cannot_be() -> None:
    """What must be fetched and cannot be is an obstacle."""
    assert judge(has_base=False, has_way_out=False).obstacles == (
        "there is no network, and the first run fetches packages",
    )


def test_every_obstacle_is_named_at_once() -> None:
    """A person learns of all that stands in the way in one run."""
    verdict = judge(
        has_apt=False, is_root=False, missing_features=("overlayfs",), disk_free=10, networks=(_everything(),)
    )

    assert [obstacle.split(":")[0] for obstacle in verdict.obstacles] == [
        "there is no apt-get",
        "this is not root",
        "the kernel lacks overlayfs",
        "the disk has 0.0 GB free and 1.8 GB are wanted",
        "no /24 of 10.192.0.0/11 is free for the hosts",
    ]


def test_another_system_is_no_place_for_a_lab() -> None:
    """Anything but Linux is refused by name."""
    assert judge(is_linux=False, system="macOS-15").obstacles == ("macOS-15 is not Linux",)


def _everything() -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network("10.0.0.0/8")
