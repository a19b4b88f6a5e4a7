"""The watch cache while members of a real three-member etcd cluster are killed."""

from __future__ import annotations

import asyncio
import time

from control.store.cache import Cache
from control.store.etcd import EtcdStore
from control.store.interface import KeyValue, Put, Refused
from fairlead.api import codec, errors, scheme
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.support import etcd

CONFIG_MAP = scheme.DEFAULT.by_kind("v1", "ConfigMap")


def _config_map(name: str, step: int) -> bytes:
    made = corev1.ConfigMap()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.data["step"] = str(step)
    return codec.encode_stored(made)


class Writer:
    """Changes one object again and again, and looks at it through another process after each answer."""

    def __init__(self, name: str, store: EtcdStore, cache: Cache) -> None:
        self.name = name
        self.steps = 0
        self._store = store
        self._cache = cache
        self._revision = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Write and read until told to stop."""
        while not stop.is_set():
            try:
                await self._step()
            except (errors.ServiceUnavailable, errors.Timeout):
                found, _ = await _patient(self._store, CONFIG_MAP.key("default", self.name))
                self._revision = found.revision if found else 0
            await asyncio.sleep(0.005)

    async def _step(self) -> None:
        key = CONFIG_MAP.key("default", self.name)
        done = await self._store.commit(Put(key, _config_map(self.name, self.steps + 1), self._revision))
        if isinstance(done, Refused):  # an answer that was not known in time has turned out to be yes
            found = done.current[0]
            assert found is not None
            self._revision = found.revision
            return
        self.steps += 1
        self._revision = done.revision
        await self._cache.fresh()
        entry = self._cache.get(CONFIG_MAP, "default", self.name)
        assert entry is not None
        assert entry.revision == self._revision, "a linearizable read did not show the last write"


async def _patient(store: EtcdStore, key: str) -> tuple[KeyValue | None, int]:
    end = time.monotonic() + 30
    while True:
        try:
            return await store.get(key)
        except errors.ServiceUnavailable:
            assert time.monotonic() < end, "etcd did not come back"


async def test_reads_stay_linearizable_while_each_member_is_killed_in_turn() -> None:
    """A read through another process shows each acknowledged write; in the end cache and etcd agree."""
    with etcd.cluster(members=3) as cluster:
        writing = EtcdStore(cluster.urls)
        reading = EtcdStore(cluster.urls[2:] + cluster.urls[:2])
        cache = Cache(reading, detect_mutations=True)
        running = asyncio.create_task(cache.run())
        await cache.ready()
        watcher = cache.watch(CONFIG_MAP, after=cache.revision)
        stop = asyncio.Event()
        writers = [Writer(name, writing, cache) for name in ("a", "b", "c")]
        tasks = [asyncio.create_task(writer.run(stop)) for writer in writers]
        for member in cluster.members:
            member.kill()
            await _steps(writers, tasks)
            member.start()
            await asyncio.to_thread(cluster.wait_healthy)
        stop.set()
        await asyncio.gather(*tasks)

        newest = await cache.fresh()
        page = await writing.list(CONFIG_MAP.key_prefix())
        held = [(entry.key, entry.revision) for entry in cache.list(CONFIG_MAP)]
        assert held == [(item.key, item.revision) for item in page.items]
        seen: list[int] = []
        while not seen or seen[-1] < newest:
            async with asyncio.timeout(5):
                seen += [change.revision for change in (await anext(watcher)).changes]
        assert seen == sorted(set(seen))
        assert len(seen) >= sum(writer.steps for writer in writers)
        cache.check_mutations()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await writing.close()
        await reading.close()


async def _steps(writers: list[Writer], tasks: list[asyncio.Task[None]]) -> None:
    """Wait until every writer has come on since now."""
    before = [writer.steps for writer in writers]
    end = time.monotonic() + 20
    while any(writer.steps < steps + 10 for writer, steps in zip(writers, before, strict=True)):
        for task in tasks:
            if task.done():
                task.result()
        assert time.monotonic() < end, "writes did not go on after a member was killed"
        await asyncio.sleep(0.05)
