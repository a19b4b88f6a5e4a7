"""What only a real etcd can show: TLS, members, snapshots, and caches of several processes on one cluster."""

from __future__ import annotations

import asyncio
import os
import pathlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import pytest

from control import pki
from control.store import endpoints, maintenance
from control.store.cache import Cache
from control.store.etcd import EtcdStore
from control.store.interface import Committed, Put
from fairlead.api import codec, errors, scheme
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.support import etcd

POD = scheme.DEFAULT.by_kind("v1", "Pod")


def _pod(name: str, node: str = "") -> bytes:
    pod = corev1.Pod()
    pod.metadata.name, pod.metadata.namespace, pod.spec.nodeName = name, "default", node
    return codec.encode_stored(pod)


@asynccontextmanager
async def _process(urls: Sequence[str]) -> AsyncIterator[tuple[EtcdStore, Cache]]:
    """What a control process holds: its own connections and its own cache."""
    store = EtcdStore(urls)
    cache = Cache(store, detect_mutations=True)
    running = asyncio.create_task(cache.run())
    async with asyncio.timeout(10):
        await cache.ready()
    yield store, cache
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await store.close()
    cache.check_mutations()


async def test_reads_through_one_process_see_writes_through_another(cluster: etcd.Cluster) -> None:
    """After a write is acknowledged by one process, a fresh read of the other shows it, every time."""
    async with AsyncExitStack() as stack:
        writer, _ = await stack.enter_async_context(_process(cluster.urls))
        _, reader = await stack.enter_async_context(_process(cluster.urls))

        async def one(number: int) -> None:
            name, expected = f"linear-{number}", 0
            for step in range(20):
                done = await writer.commit(Put(POD.key("default", name), _pod(name, f"n{step}"), expected))
                assert isinstance(done, Committed)
                expected = done.revision
                await reader.fresh()
                found = reader.get(POD, "default", name)
                assert found is not None
                assert found.revision == expected

        await asyncio.gather(*map(one, range(20)))


async def test_a_cache_lists_again_after_compaction(cluster: etcd.Cluster) -> None:
    """A cache that was cut off while history was compacted tells its watchers the differences."""
    async with AsyncExitStack() as stack:
        writer, _ = await stack.enter_async_context(_process(cluster.urls))
        store = EtcdStore(cluster.urls)
        cache = Cache(store)
        running = asyncio.create_task(cache.run())
        await cache.fresh()
        reader = cache.watch(POD, after=cache.revision)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for number in range(5):
            done = await writer.commit(Put(POD.key("default", f"late-{number}"), _pod(f"late-{number}"), 0))
        await writer.compact(done.revision)
        running = asyncio.create_task(cache.run())
        async with asyncio.timeout(10):
            batch = await anext(reader)
        assert [(change.type, change.entry.object.metadata.name) for change in batch.changes] == [
            ("ADDED", f"late-{number}") for number in range(5)
        ]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await store.close()


async def test_catches_up_with_more_changes_than_one_response_holds(cluster: etcd.Cluster, prefix: str) -> None:
    """A watch that starts 3,000 revisions behind sees each once, in order."""
    store = EtcdStore(cluster.urls)
    after = await store.revision()
    keys = iter(range(3_000))

    async def write() -> None:
        for number in keys:
            await store.commit(Put(f"{prefix}{number}", b"x" * 100, 0))

    await asyncio.gather(*(write() for _ in range(64)))
    seen: list[int] = []
    async with aclosing(store.watch(prefix, after)) as watch:
        while len(seen) < 3_000:
            seen += [event.revision for event in (await anext(watch)).events]
    await store.close()
    assert seen == list(range(after + 1, after + 3_001))


async def test_lists_more_than_a_message_holds(cluster: etcd.Cluster, prefix: str) -> None:
    """A page of large values is shortened to what a message may carry."""
    store = EtcdStore(cluster.urls)
    value = b"x" * 1_000_000
    for number in range(70):
        await store.commit(Put(f"{prefix}{number:03}", value, 0))
    page = await store.list(prefix, limit=500)
    assert 0 < len(page.items) < 70
    assert len(page.items) + page.remaining == 70
    whole = await store.list(prefix)
    await store.close()
    assert [item.key for item in whole.items] == [f"{prefix}{number:03}" for number in range(70)]


async def test_refuses_a_value_over_the_limit_of_etcd(cluster: etcd.Cluster, prefix: str) -> None:
    """etcd takes requests of 1.5 MiB; more is RequestEntityTooLarge at once."""
    store = EtcdStore(cluster.urls)
    with pytest.raises(errors.RequestEntityTooLarge):
        await store.commit(Put(prefix + "a", b"x" * 3_000_000, 0))
    await store.close()


async def test_speaks_mutual_tls(tmp_path: pathlib.Path) -> None:
    """With its certificate a process is served; one of another authority, as a node has, is refused."""
    with etcd.cluster(tls=True) as cluster:
        assert cluster.tls is not None
        store = EtcdStore(cluster.urls, cluster.tls)
        assert isinstance(await store.commit(Put("/a", b"1", 0)), Committed)
        await store.close()

        foreign = pki.create_authority("cluster-ca")
        pki.ensure_leaf(foreign, tmp_path / "node", pki.Subject("system:node:a", ("system:nodes",), client=True))
        node = endpoints.Tls(cluster.tls.authority, tmp_path / "node.crt", tmp_path / "node.key")
        refused = EtcdStore(cluster.urls, node)
        with pytest.raises(errors.ServiceUnavailable):
            await refused.revision()
        await refused.close()


async def test_knows_members_and_their_state() -> None:
    """Members, leader, size and the cluster's id, also of those that do not answer."""
    with etcd.cluster(members=3) as cluster:
        store = EtcdStore(cluster.urls)
        await store.commit(Put("/a", b"1", 0))
        members = await maintenance.members(store)
        assert sorted(member.name for member in members) == ["member-0", "member-1", "member-2"]
        assert len(await store.cluster_id()) > 8
        states = await maintenance.statuses(store)
        assert [state.url for state in states] == cluster.urls
        assert [state.error for state in states] == ["", "", ""]
        assert sum(state.leader for state in states) == 1
        cluster.members[1].kill()
        states = await maintenance.statuses(store)
        assert [bool(state.error) for state in states] == [False, True, False]
        await store.close()


async def test_saves_a_snapshot(cluster: etcd.Cluster, tmp_path: pathlib.Path, prefix: str) -> None:
    """The file holds the data, and only its owner can read it."""
    store = EtcdStore(cluster.urls)
    await store.commit(Put(prefix + "a", b"a value to look for", 0))
    path = tmp_path / "snapshot.db"
    size = await maintenance.snapshot(store, path)
    await store.close()
    assert path.stat().st_size == size
    assert b"a value to look for" in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == [path.name]
