"""Ranges as bitmaps: which member is chosen, and the bytes."""

from __future__ import annotations

import ipaddress
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.apiserver import bitmaps, repair
from fairlead.api import codec
from fairlead.api.pb import core_v1_pb2 as corev1

SMALL = bitmaps.AddressRange(ipaddress.ip_network("10.0.0.0/24"))
LARGE = bitmaps.AddressRange(ipaddress.ip_network("10.96.0.0/12"))
PORTS = bitmaps.PortRange(30000, 32767)


def test_a_network_has_neither_its_own_address_nor_broadcast() -> None:
    """254 addresses of a /24, the first at offset 0."""
    assert SMALL.size == 254
    assert (SMALL.member(0), SMALL.member(253)) == ("10.0.0.1", "10.0.0.254")
    assert [SMALL.offset(one) for one in ("10.0.0.0", "10.0.0.255", "10.0.1.1", "::1", "x")] == [None] * 5


@given(st.sets(st.integers(0, 253)))
def test_every_free_member_is_found_until_none_is_left(taken: set[int]) -> None:
    """Whatever is taken: all others come, each once."""
    bits = bitmaps.used(taken)
    found = set()
    chance = random.Random(1)
    while (offset := bitmaps.free_offset(bits, SMALL.size, chance)) is not None:
        found.add(offset)
        bits |= 1 << offset

    assert found == set(range(254)) - taken


def test_the_static_part_is_chosen_last() -> None:
    """Callers that name an address find the low ones free."""
    bits = 0
    chance = random.Random(1)
    chosen = []
    for _ in range(254):
        offset = bitmaps.free_offset(bits, SMALL.size, chance)
        assert offset is not None
        bits |= 1 << offset
        chosen.append(offset)

    assert set(chosen[-16:]) == set(range(16))


def test_a_large_range_stays_short_in_etcd() -> None:
    """A thousand addresses of a /12 take half a kilobyte, not 128 KiB."""
    bits = 0
    chance = random.Random(1)
    for _ in range(1000):
        offset = bitmaps.free_offset(bits, LARGE.size, chance)
        assert offset is not None
        bits |= 1 << offset

    assert len(bitmaps.encode(bits, LARGE)) < 600


def test_the_bytes_are_kubernetes_range_allocations() -> None:
    """k8s, a NUL, runtime.Unknown of v1 RangeAllocation: range, and the number's bytes, most significant first."""
    encoded = bitmaps.encode(1 << 8 | 1, PORTS)

    allocation = corev1.RangeAllocation(range="30000-32767", data=b"\x01\x01")
    allocation.metadata.creationTimestamp.SetInParent()
    raw = allocation.SerializeToString()
    assert encoded.startswith(b"k8s\0\x0a\x15\x0a\x02v1\x12\x0fRangeAllocation")
    assert raw in encoded
    assert bitmaps.decode(encoded, PORTS) == 0x101


def test_a_bitmap_of_another_range_is_not_read() -> None:
    """The configuration has changed: the repair writes it anew."""
    with pytest.raises(codec.DecodeError, match=r"the stored range is 30000-32767, not 10.0.0.0/24"):
        bitmaps.decode(bitmaps.encode(1, PORTS), SMALL)


def service(name: str, address: str, *ports: int) -> corev1.Service:
    """A Service that holds an address and node ports."""
    made = corev1.Service()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.spec.type, made.spec.clusterIP = "NodePort", address
    made.spec.clusterIPs.append(address)
    for port in ports:
        made.spec.ports.add(nodePort=port)
    return made


def test_the_repair_finds_who_shares_and_who_is_outside() -> None:
    """A sentence for each, and the bitmap that all others make necessary."""
    services = [service("a", "10.0.0.1"), service("b", "10.0.0.1"), service("c", "10.9.0.1"), service("d", "None")]

    bits, faults = repair.judge(services, SMALL, of_ports=False)

    assert bits == 1
    assert faults == [
        "services default/a and default/b both have 10.0.0.1",
        "service default/c has 10.9.0.1, which is not within 10.0.0.0/24",
    ]


def test_one_service_may_have_a_port_under_two_protocols() -> None:
    """It holds it once."""
    bits, faults = repair.judge([service("dns", "10.0.0.1", 30053, 30053)], PORTS, of_ports=True)

    assert (bits, faults) == (1 << 53, [])
