"""What every store does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest

from control.store.interface import Batch, Committed, Event, Put, Refused, Remove, Store
from fairlead.api import errors


async def _put(store: Store, key: str, value: bytes, expected: int = 0) -> int:
    done = await store.commit(Put(key, value, expected))
    assert isinstance(done, Committed)
    return done.revision


async def _events(watch: AsyncIterator[Batch], count: int) -> Sequence[Event]:
    events: list[Event] = []
    async with asyncio.timeout(10):
        while len(events) < count:
            batch = await anext(watch)
            assert batch.revision == batch.events[-1].revision
            events += batch.events
    return events


async def test_creates_a_key_only_once(store: Store, prefix: str) -> None:
    """expected=0 means that the key must not exist; a refusal shows what is there."""
    revision = await _put(store, prefix + "a", b"1")
    refused = await store.commit(Put(prefix + "a", b"2", 0))
    assert isinstance(refused, Refused)
    assert refused.revision == revision
    [found] = refused.current
    assert found is not None
    assert (found.value, found.revision, found.created) == (b"1", revision, revision)


async def test_writes_on_the_expected_revision_alone(store: Store, prefix: str) -> None:
    """A compare-and-swap on an old revision changes nothing."""
    first = await _put(store, prefix + "a", b"1")
    second = await _put(store, prefix + "a", b"2", first)
    assert second == first + 1
    assert isinstance(await store.commit(Put(prefix + "a", b"3", first)), Refused)
    found, revision = await store.get(prefix + "a")
    assert found is not None
    assert (found.value, found.revision, found.created, revision) == (b"2", second, first, second)


async def test_a_write_to_a_missing_key_is_refused_with_none(store: Store, prefix: str) -> None:
    """An update of a deleted object cannot bring it back."""
    refused = await store.commit(Put(prefix + "a", b"1", 7))
    assert isinstance(refused, Refused)
    assert list(refused.current) == [None]


async def test_applies_all_writes_or_none(store: Store, prefix: str) -> None:
    """A transaction has one revision, and one unmet expectation refuses the whole."""
    done = await store.commit(Put(prefix + "a", b"1", 0), Put(prefix + "b", b"1", 0))
    assert isinstance(done, Committed)
    refused = await store.commit(Put(prefix + "a", b"2", done.revision), Put(prefix + "c", b"2", done.revision))
    assert isinstance(refused, Refused)
    assert [found and found.value for found in refused.current] == [b"1", None]
    page = await store.list(prefix)
    assert [(item.key, item.value, item.revision) for item in page.items] == [
        (prefix + "a", b"1", done.revision),
        (prefix + "b", b"1", done.revision),
    ]


async def test_deletes_on_the_expected_revision_alone(store: Store, prefix: str) -> None:
    """A guarded delete leaves what has changed meanwhile."""
    first = await _put(store, prefix + "a", b"1")
    second = await _put(store, prefix + "a", b"2", first)
    assert isinstance(await store.commit(Remove(prefix + "a", first)), Refused)
    done = await store.commit(Remove(prefix + "a", second))
    assert done == Committed(second + 1)
    assert await store.get(prefix + "a") == (None, second + 1)


async def test_reads_a_missing_key_as_none(store: Store, prefix: str) -> None:
    """get of nothing still tells the revision that the answer is true at."""
    revision = await _put(store, prefix + "a", b"1")
    assert await store.get(prefix + "b") == (None, revision)
    assert await store.revision() == revision


async def test_pages_through_a_prefix_at_one_revision(store: Store, prefix: str) -> None:
    """Later writes do not show in later pages of the same list."""
    for name in "abcde":
        await _put(store, prefix + name, name.encode())
    await _put(store, prefix[:-1] + "0", b"behind the prefix")
    first = await store.list(prefix, limit=2)
    await _put(store, prefix + "bb", b"late")
    second = await store.list(prefix, start=first.items[-1].key + "\0", limit=2, revision=first.revision)
    third = await store.list(prefix, start=second.items[-1].key + "\0", limit=2, revision=first.revision)
    pages = [first, second, third]
    assert ["".join(item.key[-1] for item in page.items) for page in pages] == ["ab", "cd", "e"]
    assert [page.remaining for page in pages] == [3, 1, 0]
    assert {page.revision for page in pages} == {first.revision}


async def test_lists_an_old_revision_whole(store: Store, prefix: str) -> None:
    """What was deleted and overwritten since is still read at its revision."""
    first = await _put(store, prefix + "a", b"old")
    both = await _put(store, prefix + "b", b"old")
    await _put(store, prefix + "a", b"new", first)
    await store.commit(Remove(prefix + "b", both))
    page = await store.list(prefix, revision=both)
    assert [item.value for item in page.items] == [b"old", b"old"]
    assert page.revision == both


async def test_refuses_a_revision_that_is_yet_to_come(store: Store, prefix: str) -> None:
    """A list at a future revision is Kubernetes' Timeout, "too large resource version"."""
    with pytest.raises(errors.Timeout):
        await store.list(prefix, revision=await store.revision() + 100)


async def test_watches_from_a_revision_on(store: Store, prefix: str) -> None:
    """The watch tells what happened after `after`, past and to come, with what was stored before."""
    first = await _put(store, prefix + "a", b"1")
    second = await _put(store, prefix + "a", b"2", first)
    async with aclosing(store.watch(prefix, first)) as watch:
        [changed] = await _events(watch, 1)
        assert changed.current is not None
        assert changed.previous is not None
        assert (changed.current.value, changed.previous.value, changed.revision) == (b"2", b"1", second)
        third = await _put(store, prefix + "b", b"3")
        removed = await store.commit(Remove(prefix + "b", third))
        created, gone = await _events(watch, 2)
    assert created.current is not None
    assert (created.previous, created.current.value, created.revision) == (None, b"3", third)
    assert gone.previous is not None
    assert (gone.key, gone.current, gone.previous.value) == (prefix + "b", None, b"3")
    assert removed == Committed(gone.revision)


async def test_watches_only_its_prefix(store: Store, prefix: str) -> None:
    """A neighbour whose name begins alike is not seen."""
    after = await store.revision()
    async with aclosing(store.watch(prefix + "a/", after)) as watch:
        await _put(store, prefix + "ab", b"no")
        wanted = await _put(store, prefix + "a/b", b"yes")
        [event] = await _events(watch, 1)
    assert (event.key, event.revision) == (prefix + "a/b", wanted)


async def test_watches_the_whole_store(store: Store, prefix: str) -> None:
    """The empty prefix sees every revision, whatever its key."""
    after = await store.revision()
    async with aclosing(store.watch("", after, previous=False)) as watch:
        await _put(store, "compact_rev_key_of" + prefix, b"1")
        await _put(store, prefix + "b", b"1")
        events = await _events(watch, 2)
    assert [event.revision for event in events] == [after + 1, after + 2]


async def test_one_transaction_is_one_batch(store: Store, prefix: str) -> None:
    """Events of one revision are never torn apart."""
    after = await store.revision()
    async with aclosing(store.watch(prefix, after)) as watch:
        await store.commit(*(Put(f"{prefix}{number:03}", b"1", 0) for number in range(100)))
        batch = await anext(watch)
    assert len(batch.events) == 100
    assert {event.revision for event in batch.events} == {after + 1}


async def test_forgets_history_before_a_compaction(store: Store, prefix: str) -> None:
    """A compacted revision is Expired for list and watch; the compaction's own revision is not."""
    first = await _put(store, prefix + "a", b"1")
    second = await _put(store, prefix + "a", b"2", first)
    third = await _put(store, prefix + "a", b"3", second)
    await store.compact(third)
    with pytest.raises(errors.Expired):
        await store.list(prefix, revision=second)
    with pytest.raises(errors.Expired):
        await anext(store.watch(prefix, first - 1))
    page = await store.list(prefix, revision=third)
    assert [item.value for item in page.items] == [b"3"]


async def test_compacting_twice_is_no_error(store: Store, prefix: str) -> None:
    """Whoever is late to compact finds it done."""
    revision = await _put(store, prefix + "a", b"1")
    await store.compact(revision)
    await store.compact(revision)


async def test_refuses_to_compact_the_future(store: Store) -> None:
    """A compaction beyond the newest revision is a mistake of the caller."""
    with pytest.raises(errors.BadRequest):
        await store.compact(await store.revision() + 100)


async def test_a_watch_that_keeps_up_survives_compaction(store: Store, prefix: str) -> None:
    """Compaction behind a watcher does not end it."""
    revision = await _put(store, prefix + "a", b"1")
    async with aclosing(store.watch(prefix, revision - 1)) as watch:
        await _events(watch, 1)
        newest = await _put(store, prefix[:-1] + "-elsewhere", b"1")
        await store.compact(newest)
        wanted = await _put(store, prefix + "a", b"2", revision)
        [event] = await _events(watch, 1)
    assert event.revision == wanted


async def test_a_lease_takes_its_keys_with_it(store: Store, prefix: str) -> None:
    """A key under a lease goes, with an event, when the lease ends; a write without it frees the key."""
    lease = await store.grant(1)
    kept = await store.commit(Put(prefix + "kept", b"1", 0, lease))
    assert isinstance(kept, Committed)
    await _put(store, prefix + "kept", b"2", kept.revision)
    await store.commit(Put(prefix + "gone", b"1", 0, lease))
    async with aclosing(store.watch(prefix, await store.revision())) as watch:
        [event] = await _events(watch, 1)
    assert (event.key, event.current) == (prefix + "gone", None)
    assert (await store.get(prefix + "kept"))[0] is not None


async def test_refuses_a_lease_that_is_not_there(store: Store, prefix: str) -> None:
    """A put under an unknown lease is an error, not a key that never ends."""
    with pytest.raises(errors.NotFound):
        await store.commit(Put(prefix + "a", b"1", 0, 987654321))


async def test_closing_ends_watches(store: Store, prefix: str) -> None:
    """What waits on a closed store raises ServiceUnavailable."""
    watch = store.watch(prefix, await store.revision())
    reading = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(errors.ServiceUnavailable):
        async with asyncio.timeout(5):
            await reading
    with pytest.raises(errors.ServiceUnavailable):
        await store.revision()
