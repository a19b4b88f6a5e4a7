"""What is remembered of a kind's changes."""

from __future__ import annotations

import itertools

from control.store import entry as entries
from control.store import history
from control.store.entry import Change, Entry
from fairlead.api import objects, scheme
from fairlead.api.pb import core_v1_pb2 as corev1

CONFIG_MAP = scheme.DEFAULT.by_kind("v1", "ConfigMap")


def _entry(revision: int, text: str = "", name: str = "a") -> Entry:
    made = corev1.ConfigMap()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.data["text"] = text or f"step {revision}"
    return Entry(CONFIG_MAP.key("default", name), CONFIG_MAP, made, revision)


def _chain(count: int, text: str = "") -> list[Change]:
    """One object, created and then changed; its changes have the revisions from 1."""
    states = [_entry(number + 1, text) for number in range(count)]
    first = Change("ADDED", states[0], None)
    return [first, *(Change("MODIFIED", new, old) for old, new in itertools.pairwise(states))]


def test_an_old_change_shows_what_it_did_when_it_was_new() -> None:
    """Packing keeps the object, its revision and every encoding."""
    changes = _chain(history.UNPACKED_CHANGES + 10)
    old = changes[3].entry
    obj, encodings = objects.copy(old.object), (old.wire(), old.any().SerializeToString(), old.json())
    kept = history.History()

    kept.extend(changes)

    found = kept.since(3)[0]
    assert found is changes[3]
    assert found.entry.object is not found.entry.object, "it is not packed"
    assert found.entry.object == obj
    assert found.previous is changes[2].entry
    assert found.previous.object == changes[2].entry.object
    assert (found.entry.wire(), found.entry.any().SerializeToString(), found.entry.json()) == encodings


def test_what_is_current_is_never_packed() -> None:
    """Lists and informers go on sharing one message, however long ago it was written."""
    kept = history.History()
    still = _entry(1, name="still")
    message = still.object
    kept.extend([Change("ADDED", still, None)])

    kept.extend([Change(c.type, c.entry, c.previous) for c in _chain(history.UNPACKED_CHANGES + 10)[1:]])

    assert still.object is message


def test_the_newest_changes_are_not_packed() -> None:
    """A reader that follows closely decodes nothing."""
    changes = _chain(history.UNPACKED_CHANGES)
    kept = history.History()

    kept.extend(changes)

    assert all(change.entry.object is change.entry.object for change in kept.since(0))


def test_a_deleted_object_is_packed_with_its_last_state() -> None:
    """Nobody else holds what a deletion tells."""
    gone = _entry(1, name="gone")
    deletion = entries.deleted(gone, 2)
    last = objects.copy(deletion.entry.object)
    kept = history.History()

    kept.extend([deletion, *_chain(history.UNPACKED_CHANGES + 3)[2:]])

    assert deletion.entry.object is not deletion.entry.object, "it is not packed"
    assert deletion.entry.object == last
    assert deletion.previous is not None
    assert deletion.previous.object == gone.object


def test_since_returns_what_comes_after_a_revision() -> None:
    """Whether it lies among the packed or the others."""
    count = 2 * history.UNPACKED_CHANGES
    kept = history.History()

    kept.extend(_chain(count))

    for revision in (0, 1, count // 2 - 1, count // 2, count // 2 + 1, count - 1, count):
        assert [change.revision for change in kept.since(revision)] == list(range(revision + 1, count + 1))


def test_the_bytes_of_what_was_replaced_are_bounded() -> None:
    """Large objects are remembered for fewer changes; the floor says from where on."""
    size = 10_000
    kept = history.History(size=20 * size)
    count = history.UNPACKED_CHANGES + 100

    kept.extend(_chain(count, "x" * size))

    packed = len(kept.since(kept.floor)) - history.UNPACKED_CHANGES
    assert 15 < packed < 20
    assert kept.floor == count - history.UNPACKED_CHANGES - packed
    assert kept.since(kept.floor)[0].revision == kept.floor + 1


def test_clear_begins_anew() -> None:
    """After a list nothing is known of what lies before it."""
    kept = history.History()
    kept.extend(_chain(history.UNPACKED_CHANGES + 5))

    kept.clear(1_000)

    assert kept.floor == 1_000
    assert kept.since(1_000) == []
