"""Ranges of addresses and ports as bitmaps, in the bytes of Kubernetes' RangeAllocation.

Bit *i* stands for the range's *i*-th member; the bytes are the number's, most significant first and without leading
zeros. So a range whose low members are used is short, and dynamic choice keeps to the low end: at random, but
within a window that grows with use. Pure.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from fairlead.api import codec
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import runtime_pb2

SMALLEST_WINDOW = 4096
STATIC_SHARE = 16  # one part in so many is left to callers that choose, as Kubernetes leaves it
STATIC_LEAST, STATIC_MOST = 16, 256
_TYPE = runtime_pb2.TypeMeta(apiVersion="v1", kind="RangeAllocation")


class Range(Protocol):
    """A range: members by their offsets."""

    @property
    def text(self) -> str:
        """Return the range as RangeAllocation.range has it."""
        ...

    @property
    def size(self) -> int:
        """Return how many members it has."""
        ...

    def offset(self, member: str) -> int | None:
        """Return a member's offset, None for what does not belong."""
        ...

    def member(self, offset: int) -> str:
        """Return the member at an offset."""
        ...


@dataclass(frozen=True, slots=True)
class AddressRange:
    """A network's addresses without its own and, in IPv4, the broadcast address."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network

    @property
    def text(self) -> str:
        """Return the CIDR."""
        return str(self.network)

    @property
    def size(self) -> int:
        """Return the number of addresses; of a large IPv6 network only the first 65,536 are used."""
        size = self.network.num_addresses - (2 if self.network.version == 4 else 1)
        return size if self.network.version == 4 else min(size, 65535)

    def offset(self, member: str) -> int | None:
        """Return an address' offset: 0 is the network's first."""
        try:
            address = ipaddress.ip_address(member)
        except ValueError:
            return None
        if address.version != self.network.version:
            return None
        offset = int(address) - int(self.network.network_address) - 1
        return offset if 0 <= offset < self.size else None

    def member(self, offset: int) -> str:
        """Return the address at an offset."""
        return str(self.network.network_address + 1 + offset)


@dataclass(frozen=True, slots=True)
class PortRange:
    """Node ports, from the first to the last."""

    first: int
    last: int

    @property
    def text(self) -> str:
        """Return `first-last`."""
        return f"{self.first}-{self.last}"

    @property
    def size(self) -> int:
        """Return the number of ports."""
        return self.last - self.first + 1

    def offset(self, member: str) -> int | None:
        """Return a port's offset."""
        offset = int(member) - self.first
        return offset if 0 <= offset < self.size else None

    def member(self, offset: int) -> str:
        """Return the port at an offset."""
        return str(self.first + offset)


def free_offset(bits: int, size: int, chance: random.Random) -> int | None:
    """Return a member that is free, above those left to callers that choose unless only they are left."""
    static = min(max(STATIC_LEAST, size // STATIC_SHARE), STATIC_MOST, size)
    window = min(max(SMALLEST_WINDOW, 2 * bits.bit_count()), size)
    while True:
        if window > static:
            start = chance.randrange(static, window)
            found = _first_free(bits, start, window)
            found = found if found is not None else _first_free(bits, static, start)
            if found is not None:
                return found
        if window == size:
            return _first_free(bits, 0, static)
        window = min(2 * window, size)


def _first_free(bits: int, start: int, end: int) -> int | None:
    """Return the lowest member in [start, end) whose bit is not set."""
    if end <= start:
        return None
    part = ~(bits >> start) & ((1 << (end - start)) - 1)
    return start + (part & -part).bit_length() - 1 if part else None


def used(offsets: Iterable[int]) -> int:
    """Return the bitmap of these members."""
    bits = 0
    for offset in offsets:
        bits |= 1 << offset
    return bits


def encode(bits: int, over: Range) -> bytes:
    """Return a bitmap as it lies in etcd."""
    allocation = corev1.RangeAllocation(range=over.text, data=bits.to_bytes((bits.bit_length() + 7) // 8, "big"))
    allocation.metadata.creationTimestamp.SetInParent()
    unknown = runtime_pb2.Unknown(typeMeta=_TYPE, raw=allocation.SerializeToString(), contentType="")
    return b"k8s\0" + unknown.SerializeToString()


def decode(value: bytes, over: Range) -> int:
    """Return the bitmap of stored bytes; codec.DecodeError for those of another range."""
    unknown = runtime_pb2.Unknown.FromString(value.removeprefix(b"k8s\0"))
    allocation = corev1.RangeAllocation.FromString(unknown.raw)
    if allocation.range != over.text:
        raise codec.DecodeError(f"the stored range is {allocation.range}, not {over.text}")
    return int.from_bytes(allocation.data, "big")
