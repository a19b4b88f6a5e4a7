"""The informer's copy follows the collection through changes, cuts and compaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fairlead import clock as clocks
from fairlead.api import errors, objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import informer
from tests.unit.client.tiny import Tiny
from tests.unit.client.waiting import settle, until


def _config(name: str, namespace: str = "default", **data: str) -> corev1.ConfigMap:
    config = corev1.ConfigMap(data=data)
    config.metadata.name, config.metadata.namespace = name, namespace
    return config


@contextlib.asynccontextmanager
async def _following(
    tiny: Tiny, clock: clocks.FakeClock | None = None
) -> AsyncIterator[tuple[informer.Informer[corev1.ConfigMap], list[str]]]:
    told: list[str] = []
    copy = informer.Informer(tiny, corev1.ConfigMap, clock=clock or clocks.FakeClock())

    def note(change: str, old: Any, new: Any) -> None:
        told.append(f"{change} {(new or old).metadata.name}")

    copy.add_handler(note)
    task = asyncio.create_task(copy.run())
    try:
        await asyncio.wait_for(copy.synced(), 5)
        yield copy, told
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_copy_follows_creation_change_and_deletion() -> None:
    """Handlers hear each change in order and the copy holds the newest object."""
    tiny = Tiny()
    tiny.put(_config("a"), _config("b", "other"))

    async with _following(tiny) as (copy, told):
        tiny.put(_config("a", x="1"), _config("c"))
        tiny.remove(corev1.ConfigMap, "b", "other")
        await until(lambda: "" if copy.revision == tiny.revision else f"at {copy.revision}")

        assert told == ["ADDED a", "ADDED b", "MODIFIED a", "ADDED c", "DELETED b"]
        assert sorted(objects.key_of(one) for one in copy.list()) == ["default/a", "default/c"]
        found = copy.get("a", "default")
        assert found is not None
        assert dict(found.data) == {"x": "1"}
        assert list(copy.list("other")) == []


async def test_index_follows_values() -> None:
    """An object moves between the index's values as it changes, and leaves with its deletion."""
    tiny = Tiny()
    tiny.put(_config("a", colour="red"))

    async with _following(tiny) as (copy, _):
        copy.add_index("colour", lambda one: one.data.values())
        assert [one.metadata.name for one in copy.by_index("colour", "red")] == ["a"]
        tiny.put(_config("a", colour="blue"))
        await until(lambda: "" if copy.by_index("colour", "blue") else "not blue")
        assert list(copy.by_index("colour", "red")) == []
        tiny.remove(corev1.ConfigMap, "a", "default")
        await until(lambda: "" if not copy.by_index("colour", "blue") else "still there")
        assert list(copy.index_values("colour")) == []


async def test_cut_watch_resumes_without_a_list() -> None:
    """After a lost connection the watch goes on where it stopped: nothing is missed or told twice."""
    tiny, clock = Tiny(), clocks.FakeClock()
    tiny.put(_config("a"))

    async with _following(tiny, clock) as (copy, told):
        await settle()
        tiny.cut(errors.ServiceUnavailable("connection lost"))
        await until(lambda: "" if not tiny.watchers else "still watched")
        tiny.put(_config("b"))
        await settle()
        clock.advance(1)
        await until(lambda: "" if "default/b" in copy else "no b")

        assert told == ["ADDED a", "ADDED b"]
        assert tiny._lists == 1


async def test_expired_watch_lists_again_and_tells_the_difference() -> None:
    """When the revision is compacted, what changed meanwhile arrives as additions, changes and deletions."""
    tiny, clock = Tiny(), clocks.FakeClock()
    tiny.put(_config("kept"), _config("changed"), _config("gone"))

    async with _following(tiny, clock) as (copy, told):
        await settle()
        told.clear()
        tiny.cut(errors.ServiceUnavailable("connection lost"))
        await until(lambda: "" if not tiny.watchers else "still watched")
        tiny.put(_config("changed", x="1"), _config("new"))
        tiny.remove(corev1.ConfigMap, "gone", "default")
        tiny.compact()
        await settle()
        clock.advance(1)
        await until(lambda: "" if "default/new" in copy else "no relist")

        assert sorted(told) == ["ADDED new", "DELETED gone", "MODIFIED changed"]


async def test_unreachable_api_is_tried_again_until_it_answers() -> None:
    """An API that is away at the start is asked again with pauses; the copy syncs once it answers."""
    tiny, clock = Tiny(), clocks.FakeClock()
    tiny.down = errors.ServiceUnavailable("etcd does not answer")
    copy = informer.Informer(tiny, corev1.ConfigMap, clock=clock)
    task = asyncio.create_task(copy.run())
    for _ in range(5):
        await settle()
        assert not copy.has_synced
        clock.advance(3)
    tiny.down = None
    clock.advance(3)
    await asyncio.wait_for(copy.synced(), 5)
    task.cancel()
    await asyncio.wait((task,))


async def test_bookmark_moves_the_revision() -> None:
    """Whoever waits for a revision is woken by a bookmark where no object of the kind changes."""
    tiny = Tiny()

    async with _following(tiny) as (copy, _):
        pod = corev1.Pod()
        pod.metadata.name = "p"
        tiny.put(pod)
        waiting = asyncio.create_task(copy.wait_for_revision(str(tiny.revision)))
        await settle()
        assert not waiting.done()
        tiny.bookmark()
        await asyncio.wait_for(waiting, 5)


async def test_late_handler_hears_what_is_there() -> None:
    """A handler that comes late gets ADDED for every object first."""
    tiny = Tiny()
    tiny.put(_config("a"), _config("b"))

    async with _following(tiny) as (copy, _):
        heard: list[str] = []
        copy.add_handler(lambda change, old, new: heard.append(f"{change} {(new or old).metadata.name}"))
        assert heard == ["ADDED a", "ADDED b"]
