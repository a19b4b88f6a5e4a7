"""The objects of one kind in key order, their recent changes, their watchers and their indexes."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Sequence

from control.store import history
from control.store.entry import Change, Entry
from control.store.watcher import Watcher
from fairlead.api import objects, scheme

IndexFunction = Callable[[objects.Object], Iterable[str]]


class Index:
    """Entries by the values that a function finds in their objects (a pod's node, an owner's uid)."""

    __slots__ = ("_by_value", "_function")

    def __init__(self, function: IndexFunction) -> None:
        self._function = function
        self._by_value: dict[str, dict[str, Entry]] = {}

    def put(self, entry: Entry) -> None:
        """Add an entry under each of its values."""
        for value in self._function(entry.object):
            self._by_value.setdefault(value, {})[entry.key] = entry

    def remove(self, entry: Entry) -> None:
        """Forget an entry."""
        for value in self._function(entry.object):
            held = self._by_value[value]
            held.pop(entry.key, None)
            if not held:
                del self._by_value[value]

    def find(self, value: str) -> Sequence[Entry]:
        """Return the entries of a value, in no particular order."""
        return list(self._by_value.get(value, {}).values())


class Table:
    """One kind's part of the cache; only the cache's own task changes it."""

    def __init__(self, kind: scheme.Kind, remembered_changes: int = history.REMEMBERED_CHANGES) -> None:
        self.kind = kind
        self.watchers: set[Watcher] = set()
        self.version = 0  # counts what was stored and dropped
        self.history = history.History(remembered_changes)
        self._by_key: dict[str, Entry] = {}
        self._keys: list[str] = []
        self._entries: list[Entry] = []
        self._indexes: dict[str, Index] = {}

    def get(self, key: str) -> Entry | None:
        """Return the entry of a key."""
        return self._by_key.get(key)

    def list(self, namespace: str) -> Sequence[Entry]:
        """Return the entries in key order, of one namespace if given; a copy of references."""
        if not namespace:
            return self._entries[:]
        prefix = self.kind.key_prefix(namespace)
        first = bisect.bisect_left(self._keys, prefix)
        # "0" is the character after "/": no key of the namespace lies behind it
        return self._entries[first : bisect.bisect_left(self._keys, prefix[:-1] + "0", first)]

    def fill(self, entries: Iterable[Entry]) -> None:
        """Replace everything by entries in key order."""
        self.version += 1
        self._entries = list(entries)
        self._keys = [entry.key for entry in self._entries]
        self._by_key = {entry.key: entry for entry in self._entries}
        for name, index in list(self._indexes.items()):
            del self._indexes[name]
            self.index(name, index._function)

    def put(self, entry: Entry) -> Entry | None:
        """Store an entry; returns the one that it replaces."""
        self.version += 1
        previous = self._by_key.get(entry.key)
        at = bisect.bisect_left(self._keys, entry.key)
        if previous is None:
            self._keys.insert(at, entry.key)
            self._entries.insert(at, entry)
        else:
            self._entries[at] = entry
            entry.key = previous.key  # one text for all that history holds
        self._by_key[entry.key] = entry
        for index in self._indexes.values():
            if previous is not None:
                index.remove(previous)
            index.put(entry)
        return previous

    def remove(self, key: str) -> Entry | None:
        """Drop an entry; returns it."""
        previous = self._by_key.pop(key, None)
        if previous is not None:
            self.version += 1
            at = bisect.bisect_left(self._keys, key)
            del self._keys[at], self._entries[at]
            for index in self._indexes.values():
                index.remove(previous)
        return previous

    def index(self, name: str, function: IndexFunction) -> None:
        """Keep an index from now on; one of the same name stays as it is."""
        if name not in self._indexes:
            index = self._indexes[name] = Index(function)
            for entry in self._entries:
                index.put(entry)

    def find(self, name: str, value: str) -> Sequence[Entry]:
        """Return the entries that an index holds under a value."""
        return self._indexes[name].find(value)

    def publish(self, changes: Sequence[Change]) -> None:
        """Remember changes for watchers to come and offer them to those that are there."""
        self.history.extend(changes)
        for watcher in list(self.watchers):
            watcher.offer(changes)
