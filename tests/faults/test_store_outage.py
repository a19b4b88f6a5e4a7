"""What the store does while members of a real three-member etcd cluster are killed, frozen and started again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing

import pytest

from control.store import interface
from control.store.etcd import EtcdStore
from control.store.interface import Committed, Put, Refused
from fairlead.api import errors
from tests.support import etcd

LIMIT_SECONDS = interface.UNAVAILABLE_SECONDS


@pytest.fixture
def cluster() -> Iterator[etcd.Cluster]:
    """Three members, all well."""
    with etcd.cluster(members=3) as running:
        yield running


@pytest.fixture
async def store(cluster: etcd.Cluster) -> AsyncIterator[EtcdStore]:
    """A store that knows all three."""
    made = EtcdStore(cluster.urls)
    yield made
    await made.close()


async def _refusal(call: Callable[[], Awaitable[object]]) -> tuple[errors.ApiError, float]:
    """Return how a call that cannot succeed fails, and after how many seconds."""
    begun = time.monotonic()
    with pytest.raises(errors.ApiError) as caught:
        await call()
    return caught.value, time.monotonic() - begun


async def _until_answered(store: EtcdStore, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            await store.revision()
        except errors.ServiceUnavailable:
            assert time.monotonic() < end, "etcd did not come back"
        else:
            return


async def test_without_a_quorum_every_call_is_unavailable_within_5_s_and_recovers(
    cluster: etcd.Cluster, store: EtcdStore
) -> None:
    """One member of three knows no leader: calls say so in time, and work again once the others are back."""
    await store.commit(Put("/a", b"1", 0))
    for member in cluster.members[1:]:
        member.kill()
    await _refusal(store.revision)  # until the survivor notices, the outcome of a write would not be known
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.get("/a"),
        lambda: store.list("/"),
        lambda: store.commit(Put("/b", b"1", 0)),
        lambda: store.grant(60),
        lambda: store.compact(1),
    ]
    for error, seconds in await asyncio.gather(*map(_refusal, calls)):
        assert isinstance(error, errors.ServiceUnavailable), error
        assert seconds <= LIMIT_SECONDS
    for member in cluster.members[1:]:
        member.start()
    await _until_answered(store, 15)
    assert isinstance(await store.commit(Put("/b", b"1", 0)), Committed)


async def test_with_no_member_at_all_calls_are_unavailable_within_5_s(
    cluster: etcd.Cluster, store: EtcdStore
) -> None:
    """A cluster that nobody listens for is as unavailable as one without a leader."""
    for member in cluster.members:
        member.kill()
    error, seconds = await _refusal(lambda: store.commit(Put("/b", b"1", 0)))
    assert isinstance(error, errors.ServiceUnavailable)
    assert seconds <= LIMIT_SECONDS
    for member in cluster.members:
        member.start()
    await _until_answered(store, 20)


async def test_a_frozen_member_delays_a_call_by_less_than_5_s(cluster: etcd.Cluster, store: EtcdStore) -> None:
    """A member that keeps its connections and answers nothing is left for another."""
    await store.commit(Put("/a", b"1", 0))
    cluster.members[0].stop()
    async with asyncio.timeout(LIMIT_SECONDS):
        assert isinstance(await store.commit(Put("/b", b"1", 0)), Committed)
        await store.get("/a")
    cluster.members[0].go_on()


async def test_a_frozen_member_is_left_by_its_watch(cluster: etcd.Cluster, store: EtcdStore) -> None:
    """A watch on a member that hangs goes on at another within 10 s, without another call's help."""
    revision = await store.revision()
    writer = EtcdStore(cluster.urls[1:])
    async with aclosing(store.watch("/", revision)) as watch:
        await writer.commit(Put("/a", b"1", 0))
        await anext(watch)
        cluster.members[0].stop()
        async with asyncio.timeout(15):
            while not isinstance(await _written(writer, "/b"), Committed):
                pass
            batch = await anext(watch)
    assert [event.key for event in batch.events] == ["/b"]
    cluster.members[0].go_on()
    await writer.close()


async def _until(probe: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.05)


async def _written(store: EtcdStore, key: str, value: bytes = b"1") -> Committed | Refused | None:
    """Create a key, as a caller that repeats what was not answered; None: ask again."""
    try:
        done = await store.commit(Put(key, value, 0))
    except (errors.ServiceUnavailable, errors.Timeout):
        return None
    if isinstance(done, Refused):
        found = done.current[0]
        assert found is not None
        assert found.value == value, "somebody else wrote this key"
    return done


async def test_kills_lose_no_acknowledged_write_and_no_event(cluster: etcd.Cluster, store: EtcdStore) -> None:
    """While each member in turn is killed and started, a watch sees every write once, in order."""
    reader = EtcdStore(cluster.urls[1:] + cluster.urls[:1])
    after = await store.revision()
    acknowledged: dict[str, int] = {}
    stop = asyncio.Event()

    async def write(name: str) -> None:
        number = 0
        while not stop.is_set():
            key = f"/{name}/{number:06}"
            done = await _written(store, key)
            if done is not None:
                acknowledged[key] = done.revision if isinstance(done, Committed) else done.current[0].revision  # type: ignore[union-attr]
                number += 1
            await asyncio.sleep(0.002)

    seen: list[tuple[str, int]] = []

    async def read() -> None:
        async for batch in reader.watch("/", after):
            seen.extend((event.key, event.revision) for event in batch.events)

    reading = asyncio.create_task(read())
    writing = [asyncio.create_task(write(name)) for name in "abcd"]
    for member in cluster.members:
        member.kill()
        before = len(acknowledged)
        await _until(lambda wanted=before + 20: len(acknowledged) >= wanted)
        member.start()
        await asyncio.to_thread(cluster.wait_healthy)
    stop.set()
    await asyncio.gather(*writing)
    newest = await store.revision()
    await _until(lambda: bool(seen) and seen[-1][1] >= newest)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await reader.close()
    assert [revision for _, revision in seen] == list(range(after + 1, newest + 1))
    told = dict(seen)
    assert len(told) == len(seen), "an event came twice"
    assert {key: told[key] for key in acknowledged} == acknowledged
