"""Names and addresses of labs."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from labkit import layout

ONE, OTHER = Path("/srv/one"), Path("/srv/other")


def lab(checkout: Path = ONE, controls: int = 3, nodes: int = 3) -> layout.Lab:
    """A lab of some shape."""
    shape = layout.Shape(controls=controls, nodes=nodes)
    return layout.Lab(checkout=checkout, subnet=layout.choose_subnet(checkout, []), shape=shape)


def test_two_checkouts_have_nothing_in_common() -> None:
    """Bridge, subnet, machine names and links of two checkouts differ."""
    one, other = lab(ONE), lab(OTHER)

    assert one.bridge != other.bridge
    assert not one.subnet.overlaps(other.subnet)
    assert {host.machine for host in one.hosts}.isdisjoint(host.machine for host in other.hosts)


def test_a_checkout_has_the_same_names_every_time() -> None:
    """Names depend on the checkout's path alone."""
    assert lab(ONE) == lab(ONE)


def test_interface_names_fit_in_what_linux_allows() -> None:
    """The longest link name of the largest lab has 15 characters."""
    largest = lab(nodes=layout.MOST_NODES, controls=layout.MOST_CONTROLS)

    assert max(len(host.link) for host in largest.hosts) <= 15
    assert len({host.address for host in largest.hosts}) == layout.MOST_NODES + layout.MOST_CONTROLS


def test_a_subnet_in_use_is_passed_over() -> None:
    """The next free /24 is taken where the preferred one overlaps a network of the machine."""
    preferred = layout.choose_subnet(ONE, [])

    chosen = layout.choose_subnet(ONE, [preferred])

    assert chosen != preferred
    assert chosen.subnet_of(ipaddress.IPv4Network("10.192.0.0/11"))


def test_no_free_subnet_is_an_error() -> None:
    """A machine that routes all of 10.0.0.0/8 has no room for a lab."""
    with pytest.raises(ValueError, match="no /24 of"):
        layout.choose_subnet(ONE, [ipaddress.IPv4Network("10.0.0.0/8")])


def test_the_state_file_gives_the_lab_back(tmp_path: Path) -> None:
    """What save writes, load reads."""
    written = lab(tmp_path, controls=1, nodes=2)

    layout.save(written)

    assert layout.load(tmp_path) == written


def test_a_damaged_state_file_is_no_lab(tmp_path: Path) -> None:
    """A state file cut short by a crash counts as none."""
    (tmp_path / ".lab").mkdir()
    (tmp_path / ".lab" / "lab.json").write_text('{"subnet": "10.2')

    assert layout.load(tmp_path) is None
