"""The repair of allocations: bitmaps that do not say what the Services hold are written anew.

One loop of each process repairs at its start and every few minutes. Services and bitmaps are written in the same
transaction, so a difference at one revision is a fault: of an older version, of another writer, of a changed range.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from control.apiserver import allocation, bitmaps
from control.store import cache as caches
from control.store import interface
from fairlead import slices
from fairlead.api import codec, errors, scheme
from fairlead.api.pb import core_v1_pb2 as corev1

_log = logging.getLogger(__name__)

INTERVAL_SECONDS = 180.0
IN_ORDER = "allocations are in order"
ATTEMPTS = 5


class Repairs:
    """Keeps the allocations of a cluster's Services in order: their addresses and their node ports."""

    def __init__(
        self, store: interface.Store, cache: caches.Cache, addresses: bitmaps.Range, ports: bitmaps.Range
    ) -> None:
        self._store = store
        self._cache = cache
        self._addresses = addresses
        self._ports = ports

    async def keep(self) -> None:
        """Repair at the start and every few minutes, for ever; one supervised task of the process."""
        await self._cache.ready()
        while True:
            try:
                sentence = await self.repair()
            except (errors.ServiceUnavailable, errors.Timeout) as error:
                sentence = f"allocations could not be judged: {error.message}"
            if sentence != IN_ORDER:
                _log.warning("service allocations", extra={"outcome": sentence})
            await asyncio.sleep(INTERVAL_SECONDS)

    async def repair(self) -> str:
        """Compare both bitmaps with the Services and mend them; returns a sentence."""
        done = [
            await _repair_one(self._store, allocation.ADDRESSES_KEY, self._addresses),
            await _repair_one(self._store, allocation.PORTS_KEY, self._ports),
        ]
        return "; ".join(text for text in done if text) or IN_ORDER


async def _repair_one(store: interface.Store, key: str, over: bitmaps.Range) -> str:
    for _ in range(ATTEMPTS):
        item, revision = await store.get(key)
        services = await _services(store, revision)
        wanted, faults = judge(services, over, of_ports=key == allocation.PORTS_KEY)
        stored = _stored(item, over)
        sentence = "; ".join(faults)
        if stored == wanted or (item is None and not wanted):
            return sentence
        put = interface.Put(key, bitmaps.encode(wanted, over), expected=item.revision if item else 0)
        if isinstance(await store.commit(put), interface.Committed):
            leaked = (stored & ~wanted).bit_count() if stored is not None else 0
            missing = (wanted & ~stored).bit_count() if stored is not None else wanted.bit_count()
            mended = f"mended {over.text}: {leaked} leaked, {missing} missing"
            return f"{sentence}; {mended}" if sentence else mended
    return f"{over.text} changes too fast to be judged"


def _stored(item: interface.KeyValue | None, over: bitmaps.Range) -> int | None:
    """Return the stored bitmap, None where there is none of this range."""
    if item is None:
        return None
    try:
        return bitmaps.decode(item.value, over)
    except codec.DecodeError:
        return None


async def _services(store: interface.Store, revision: int) -> Sequence[corev1.Service]:
    kind = scheme.DEFAULT.of(corev1.Service)
    found: list[corev1.Service] = []
    page = await store.list(kind.key_prefix(), revision=revision)
    async for item in slices.sliced(page.items):
        service = codec.decode_stored(item.value)
        assert isinstance(service, corev1.Service)
        found.append(service)
    return found


def judge(services: Iterable[corev1.Service], over: bitmaps.Range, *, of_ports: bool) -> tuple[int, Sequence[str]]:
    """Return the bitmap that the Services make necessary, and a sentence for each that contradicts another. Pure."""
    bits = 0
    owners: dict[str, str] = {}
    faults: list[str] = []
    for service in services:
        addresses, ports = allocation.held(service)
        name = f"{service.metadata.namespace}/{service.metadata.name}"
        for member in [str(port) for port in ports] if of_ports else addresses:
            offset = over.offset(member)
            if offset is None:
                faults.append(f"service {name} has {member}, which is not within {over.text}")
            elif member in owners:
                faults.append(f"services {owners[member]} and {name} both have {member}")
            else:
                owners[member] = name
                bits |= 1 << offset
    return bits, faults
