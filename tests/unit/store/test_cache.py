"""The watch cache over a store in memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest
import uvloop

from control.store import cache, mutation, watcher
from control.store.cache import READERS_A_PASS, Cache
from control.store.entry import Batch, Entry
from control.store.interface import Committed, Put, Remove
from control.store.memory import MemoryStore
from fairlead.api import codec, errors, scheme
from fairlead.api.pb import core_v1_pb2 as corev1

POD = scheme.DEFAULT.by_kind("v1", "Pod")
NODE = scheme.DEFAULT.by_kind("v1", "Node")
SERVICE = scheme.DEFAULT.by_kind("v1", "Service")


def _pod(name: str, node: str = "", namespace: str = "default") -> bytes:
    pod = corev1.Pod()
    pod.metadata.name, pod.metadata.namespace, pod.spec.nodeName = name, namespace, node
    return codec.encode_stored(pod)


class World:
    """A store, a cache that follows it, and short words for writing."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.cache = Cache(self.store, detect_mutations=True)

    async def put(self, name: str, node: str = "", namespace: str = "default") -> int:
        key = POD.key(namespace, name)
        found, _ = await self.store.get(key)
        done = await self.store.commit(Put(key, _pod(name, node, namespace), found.revision if found else 0))
        assert isinstance(done, Committed)
        return done.revision

    async def remove(self, name: str, namespace: str = "default") -> int:
        found, _ = await self.store.get(POD.key(namespace, name))
        assert found is not None
        done = await self.store.commit(Remove(found.key, found.revision))
        assert isinstance(done, Committed)
        return done.revision

    def names(self, namespace: str = "") -> list[str]:
        return [entry.object.metadata.name for entry in self.cache.list(POD, namespace)]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A cache that runs."""
    made = World()
    running = asyncio.create_task(made.cache.run())
    await made.cache.ready()
    yield made
    made.cache.check_mutations()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _next(reader: watcher.Watcher) -> Batch:
    async with asyncio.timeout(5):
        return await anext(reader)


def _told(batch: Batch) -> list[tuple[str, str, int]]:
    return [(change.type, change.entry.object.metadata.name, change.revision) for change in batch.changes]


async def test_a_read_after_fresh_sees_every_write_before_it(world: World) -> None:
    """fresh makes the following reads linearizable."""
    revision = await world.put("a")
    assert await world.cache.fresh() == revision
    found = world.cache.get(POD, "default", "a")
    assert found is not None
    assert found.object.metadata.resourceVersion == str(revision)
    assert found.revision == revision
    assert world.cache.get(POD, "default", "b") is None


async def test_fresh_is_reached_although_the_newest_write_is_nobodys_object(world: World) -> None:
    """Keys outside the scheme count, too: every revision arrives."""
    await world.store.commit(Put("compact_rev_key", b"1", 0))
    done = await world.store.commit(Put("/registry/services/endpoints/default/a", b"1", 0))
    assert isinstance(done, Committed)
    assert await world.cache.fresh() == done.revision


async def test_many_fresh_reads_share_quorum_reads(world: World) -> None:
    """Whoever asks while a read is under way shares the next one, which begins after the question."""
    asked = 0

    class Counting(MemoryStore):
        async def revision(self) -> int:
            nonlocal asked
            asked += 1
            return await super().revision()

    cache = Cache(Counting())
    running = asyncio.create_task(cache.run())
    await cache.ready()
    await asyncio.gather(*(cache.fresh() for _ in range(100)))
    assert asked <= 2
    running.cancel()


async def test_lists_in_key_order_and_by_namespace(world: World) -> None:
    """A namespace's list is its own: neither its neighbour's whose name begins alike, nor another kind's."""
    for name, namespace in (("c", "web"), ("a", "web"), ("b", "web-2"), ("d", "a")):
        await world.put(name, namespace=namespace)
    await world.cache.fresh()
    assert world.names() == ["d", "b", "a", "c"]  # "web-2/" sorts before "web/"
    assert world.names("web") == ["a", "c"]
    assert world.names("we") == []


async def test_a_list_stays_as_it_was_taken(world: World) -> None:
    """What a caller holds does not change under it."""
    await world.put("a")
    await world.cache.fresh()
    before = world.cache.list(POD)
    await world.put("b")
    await world.cache.fresh()
    assert len(before) == 1


async def test_tells_services_from_endpoints(world: World) -> None:
    """services/specs are Services; services/endpoints and unknown prefixes pass by untouched."""
    service = corev1.Service()
    service.metadata.name, service.metadata.namespace = "a", "default"
    await world.store.commit(Put(SERVICE.key("default", "a"), codec.encode_stored(service), 0))
    await world.store.commit(Put("/registry/services/endpoints/default/b", b"not ours", 0))
    await world.store.commit(Put("/registry/ranges/serviceips", b"not ours", 0))
    await world.cache.fresh()
    assert [entry.key for entry in world.cache.list(SERVICE)] == ["/registry/services/specs/default/a"]


async def test_reports_and_skips_what_it_cannot_read(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged value is logged with its key, and the rest goes on."""
    with caplog.at_level(logging.ERROR):
        await world.store.commit(Put(POD.key("default", "bad"), b"k8s\0\xff\xff", 0))
        await world.put("good")
        await world.cache.fresh()
    assert world.names() == ["good"]
    assert [record.__dict__["key"] for record in caplog.records] == ["/registry/pods/default/bad"]


async def test_a_watch_tells_additions_changes_and_deletions(world: World) -> None:
    """DELETED carries the last state at the deletion's revision; previous is what was there before."""
    async with world.cache.watch(POD, after=world.cache.revision) as reader:
        added = await world.put("a")
        assert _told(await _next(reader)) == [("ADDED", "a", added)]
        changed = await world.put("a", node="n")
        batch = await _next(reader)
        assert _told(batch) == [("MODIFIED", "a", changed)]
        assert batch.revision == changed
        [change] = batch.changes
        assert change.previous is not None
        assert change.previous.revision == added
        gone = await world.remove("a")
        [change] = (await _next(reader)).changes
        assert (change.type, change.revision) == ("DELETED", gone)
        assert change.entry.object.metadata.resourceVersion == str(gone)
        assert cast(corev1.Pod, change.entry.object).spec.nodeName == "n"
        assert change.previous is not None
        assert change.previous.object.metadata.resourceVersion == str(changed)


async def test_a_watch_is_of_one_kind_and_namespace(world: World) -> None:
    """Others' changes come as progress only."""
    async with world.cache.watch(POD, "web", after=world.cache.revision) as reader:
        other = await world.put("a", namespace="web-2")
        batch = await _next(reader)
        assert (list(batch.changes), batch.revision) == ([], other)
        mine = await world.put("a", namespace="web")
        assert _told(await _next(reader)) == [("ADDED", "a", mine)]


async def test_a_watch_resumes_where_another_ended(world: World) -> None:
    """Changes since `after` come first."""
    after = await world.put("a")
    second = await world.put("b")
    await world.cache.fresh()
    async with world.cache.watch(POD, after=after) as reader:
        third = await world.put("c")
        told: list[tuple[str, str, int]] = []
        while len(told) < 2:
            told += _told(await _next(reader))
    assert told == [("ADDED", "b", second), ("ADDED", "c", third)]


async def test_a_watch_ahead_of_the_cache_waits(world: World) -> None:
    """A reader that comes from a process that is further sees nothing twice."""
    async with world.cache.watch(POD, after=world.cache.revision + 1) as reader:
        await world.put("a")
        wanted = await world.put("b")
        assert _told(await _next(reader)) == [("ADDED", "b", wanted)]


async def test_progress_comes_seldom(world: World) -> None:
    """However many revisions pass, a reader without changes hears of them once in a while."""
    async with world.cache.watch(NODE, after=world.cache.revision) as reader:
        for number in range(200):
            last = await world.put(f"p{number}")
        heard = []
        while not heard or heard[-1] < last:
            heard.append((await _next(reader)).revision)
    assert len(heard) < 20


async def test_a_slow_reader_is_ended(world: World) -> None:
    """A reader that falls behind its limit gets Expired, and so does one whose past is forgotten."""
    limits = watcher.Limits(changes=10)
    async with world.cache.watch(POD, after=world.cache.revision, limits=limits) as reader:
        for number in range(11):
            await world.put(f"p{number}")
        await world.cache.fresh()
        with pytest.raises(errors.Expired):
            await _next(reader)


async def test_a_watch_from_before_what_is_remembered_is_expired(world: World) -> None:
    """The ring of changes has an end."""
    cache = Cache(world.store, remembered_changes=5)
    running = asyncio.create_task(cache.run())
    await cache.ready()
    first = await world.put("p")
    for number in range(6):
        last = await world.put(f"p{number}")
    await cache.fresh()
    with pytest.raises(errors.Expired):
        cache.watch(POD, after=first)
    cache.watch(POD, after=last - 5).close()
    running.cancel()


async def test_a_closed_watch_ends_quietly(world: World) -> None:
    """close ends the iteration of whoever waits."""
    reader = world.cache.watch(POD, after=world.cache.revision)
    reading = asyncio.create_task(_drain(reader))
    await asyncio.sleep(0)
    reader.close()
    async with asyncio.timeout(5):
        await reading


async def _drain(reader: watcher.Watcher) -> None:
    async for _ in reader:
        pass


async def test_tells_what_changed_while_history_was_compacted(world: World) -> None:
    """After a compaction the cache lists again; live watchers see the differences, old positions are Expired."""
    kept, changed, gone = [await world.put(name) for name in ("kept", "changed", "gone")]
    await world.cache.fresh()
    cache = Cache(world.store)
    running = asyncio.create_task(cache.run())
    await cache.ready()
    reader = cache.watch(POD, after=gone)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    changed = await world.put("changed", node="n")
    await world.remove("gone")
    new = await world.put("new")
    await world.store.compact(new)
    running = asyncio.create_task(cache.run())
    batch = await _next(reader)
    assert _told(batch) == [("MODIFIED", "changed", changed), ("ADDED", "new", new), ("DELETED", "gone", new)]
    assert [entry.object.metadata.name for entry in cache.list(POD)] == ["changed", "kept", "new"]
    with pytest.raises(errors.Expired):
        cache.watch(POD, after=kept)
    running.cancel()


async def test_is_unavailable_while_etcd_is(world: World) -> None:
    """fresh says ServiceUnavailable, plain reads go on, and the cache catches up by itself."""
    await world.put("a")
    await world.cache.fresh()
    world.store.available = False
    with pytest.raises(errors.ServiceUnavailable):
        await world.cache.fresh()
    assert world.names() == ["a"]
    world.store.available = True
    await world.put("b")
    await world.cache.fresh()
    assert world.names() == ["a", "b"]


async def test_waiting_for_a_revision_that_does_not_come_times_out(world: World) -> None:
    """The error is Kubernetes' for a resourceVersion from the future."""
    with pytest.raises(errors.Timeout, match="^Timeout: Too large resource version: 1000, current: 1$") as raised:
        await world.cache.wait_for(1000, timeout=0.01)
    assert [cause.reason for cause in raised.value.causes] == ["ResourceVersionTooLarge"]
    assert raised.value.status().details.retryAfterSeconds == 1


async def test_indexes_follow_the_objects(world: World) -> None:
    """An index by node finds a pod where it is, not where it was, and is made from what is there already."""
    await world.put("a", node="n1")
    await world.put("b", node="n1")
    await world.cache.fresh()
    world.cache.index(POD, "node", lambda obj: [cast(corev1.Pod, obj).spec.nodeName])
    await world.put("a", node="n2")
    await world.cache.fresh()

    def found(node: str) -> list[str]:
        return [entry.object.metadata.name for entry in world.cache.find(POD, "node", node)]

    assert (found("n1"), found("n2"), found("n3")) == (["b"], ["a"], [])
    await world.remove("b")
    await world.cache.fresh()
    assert found("n1") == []


async def test_entries_encode_once(world: World) -> None:
    """wire, any and json are made at the first call and shared."""
    await world.put("a", node="n")
    await world.cache.fresh()
    entry = world.cache.get(POD, "default", "a")
    assert entry is not None
    encodings: list[Callable[[Entry], object]] = [Entry.wire, Entry.any, Entry.json]
    assert all(encode(entry) is encode(entry) for encode in encodings)
    assert corev1.Pod.FromString(entry.wire()) == entry.object
    assert entry.any().type_url == "type.googleapis.com/k8s.io.api.core.v1.Pod"
    assert entry.any().value == entry.wire()
    assert b'"nodeName":"n"' in entry.json()


async def test_the_detector_names_a_changed_object() -> None:
    """A reader that writes to a shared message is found out."""
    world = World()
    await world.put("a")
    running = asyncio.create_task(world.cache.run())
    await world.cache.fresh()
    entry = world.cache.get(POD, "default", "a")
    assert entry is not None
    entry.object.metadata.labels["x"] = "y"
    with pytest.raises(mutation.MutatedError, match="/registry/pods/default/a"):
        world.cache.check_mutations()
    running.cancel()


async def test_readers_that_hear_of_one_change_wake_in_turns(world: World) -> None:
    """So that a thousand watches do not hold the loop for as long as all of them take; none is left out."""
    heard: list[int] = []
    passes: list[int] = []

    async def read() -> None:
        async with world.cache.watch(POD, after=world.cache.revision) as reader:
            await _next(reader)
            heard.append(len(passes))

    async def count() -> None:
        while True:
            passes.append(0)
            await asyncio.sleep(0)

    readers = [asyncio.create_task(read()) for _ in range(5 * READERS_A_PASS)]
    await asyncio.sleep(0)
    counting = asyncio.create_task(count())
    await world.put("a")
    await asyncio.gather(*readers)
    counting.cancel()

    assert max(heard.count(one) for one in set(heard)) <= READERS_A_PASS
    assert len(heard) == 5 * READERS_A_PASS


def test_a_tick_that_is_due_at_once_stands_beside_later_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """On uvloop, whose handles of what is due at once do not tell when: it was the end of a control process."""
    monkeypatch.setattr(cache, "TICK_SECONDS", 0.0)

    async def progress() -> list[bool]:
        world = World()
        running = asyncio.create_task(world.cache.run())
        await world.cache.ready()
        limits = watcher.Limits(progress_seconds=1e-9)
        readers = [world.cache.watch(NODE, after=world.cache.revision, limits=limits) for _ in range(2)]
        wanted = await world.put("a")
        heard = [(await _next(reader)).revision == wanted for reader in readers]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return heard

    assert uvloop.run(progress()) == [True, True]
