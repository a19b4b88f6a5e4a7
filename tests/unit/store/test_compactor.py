"""Compaction's turns, over a store in memory; leases shared by keys."""

from __future__ import annotations

import pytest

from control.store import compactor
from control.store.compactor import Compactor
from control.store.interface import Committed, Put
from control.store.leases import LeasePool
from control.store.memory import MemoryStore
from fairlead.api import errors


async def _write(store: MemoryStore, key: str) -> int:
    done = await store.commit(Put(key, b"1", 0))
    assert isinstance(done, Committed)
    return done.revision


async def test_compacts_to_the_turn_before() -> None:
    """The first turn looks, the second begins, the third cuts what is a period old."""
    store = MemoryStore()
    each = Compactor(store, lambda: 10_000)
    before = await _write(store, "/a")
    assert await each.turn() == "saw the last turn at 0"
    assert await each.turn() == "began the turns at 3"
    await _write(store, "/b")
    assert await each.turn() == "compacted to 3"
    with pytest.raises(errors.Expired):
        await store.list("/", revision=before)
    await store.list("/", revision=3)


async def test_one_process_a_period_has_the_turn() -> None:
    """A process that finds another's turn since its own last look leaves it at that."""
    store = MemoryStore()
    first, second = Compactor(store, lambda: 10_000), Compactor(store, lambda: 10_000)
    for each in (first, second):
        await each.turn()
    assert await first.turn() == "began the turns at 2"
    assert await second.turn() == "left the turn to another process, which had it at 2"
    assert await first.turn() == "compacted to 2"
    assert await second.turn() == "left the turn to another process, which had it at 3"


async def test_waits_for_its_own_watch() -> None:
    """What this process has not yet seen is not forgotten."""
    store = MemoryStore()
    each = Compactor(store, lambda: 1)
    await each.turn()
    await each.turn()
    assert await each.turn() == "waited: the watch is at 1, before 2"


async def test_takes_turns_with_kubernetes() -> None:
    """A kube-apiserver on the same etcd writes the same key, and counts as a turn."""
    store = MemoryStore()
    each = Compactor(store, lambda: 10_000)
    await each.turn()
    await _write(store, compactor.KEY)
    assert await each.turn() == "left the turn to another process, which had it at 2"


async def test_keys_of_one_minute_share_a_lease() -> None:
    """A lease is reused for a minute, and lasts for every key at least as long as asked."""
    now = 0.0
    store = MemoryStore(clock=lambda: now)
    pool = LeasePool(store, clock=lambda: now)
    first = await pool.lease(3600)
    now = 59.0
    assert await pool.lease(3600) == first
    await store.commit(Put("/a", b"1", 0, first))
    assert await pool.lease(60) != first
    now = 61.0
    assert await pool.lease(3600) != first
    now = 59.0 + 3600.0
    assert (await store.get("/a"))[0] is not None
    now = 3660.0
    assert (await store.get("/a"))[0] is None
