"""Versions of a custom kind: objects lie in etcd at one of them and are read and written at each that is served.

The registries of a definition's versions share its shapes and its converter. What a version shows of an entry is made
once and kept with the entry, so that lists, watches and sessions share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from control.apiserver import views as viewing
from control.apiserver.custom.shape import Shape
from control.apiserver.structural import pruning
from control.store import interface
from control.store.entry import Change, Entry
from fairlead import slices
from fairlead.api import codec, objects, scheme


class Converter(Protocol):
    """Makes objects of one version from objects of others."""

    async def convert(
        self, some: Sequence[objects.Unstructured], kind: scheme.Kind
    ) -> Sequence[objects.Unstructured]:
        """Return fresh objects of the kind's version, in order."""
        ...


class Renaming:
    """The conversion strategy None: versions differ in nothing but their name."""

    async def convert(
        self, some: Sequence[objects.Unstructured], kind: scheme.Kind
    ) -> Sequence[objects.Unstructured]:
        """Return copies that name the version."""
        return [each.copied(kind) for each in some]


class CustomViews(viewing.Views):
    """How one served version sees what is stored at any."""

    def __init__(self, shapes: Mapping[str, Shape], served: str, stored: str, converter: Converter) -> None:
        self._shapes = shapes
        self._served = shapes[served]
        self._stored = shapes[stored]
        self._converter = converter

    def decode(self, item: interface.KeyValue, kind: scheme.Kind) -> Entry:
        """Return the entry of a stored value, at the version that it was stored at."""
        custom = codec.decode_stored_custom(item.value, kind)
        return Entry(item.key, custom.kind, custom, item.revision)

    async def present(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Return entries at the served version, pruned and defaulted by their schemas."""
        shown: list[Entry | None] = []
        waiting: list[tuple[int, Entry, objects.Unstructured]] = []
        async for entry in slices.sliced(entries):
            found = self._known(entry)
            if found is None:
                obj = self._completed(entry.object)
                if obj.kind.version == self._served.kind.version:
                    found = self._remember(entry, obj)
                else:
                    waiting.append((len(shown), entry, obj))
            shown.append(found)
        if waiting:
            converted = await self._converter.convert([obj for _, _, obj in waiting], self._served.kind)
            for (at, entry, _), obj in zip(waiting, converted, strict=True):
                pruning.prune(obj.content, self._served.schema, is_root=True)
                shown[at] = self._remember(entry, obj)
        return [entry for entry in shown if entry is not None]

    async def present_changes(self, changes: Sequence[Change]) -> Sequence[Change]:
        """Return changes at the served version."""
        held = [entry for change in changes for entry in (change.entry, change.previous) if entry is not None]
        shown = iter(await self.present(held))
        return [
            Change(change.type, next(shown), next(shown) if change.previous is not None else None)
            for change in changes
        ]

    async def stored(self, obj: Any) -> Any:
        """Return an object at the version that objects are stored at."""
        if obj.kind.version == self._stored.kind.version:
            return obj
        (converted,) = await self._converter.convert([obj], self._stored.kind)
        converted.metadata.resourceVersion = ""
        pruning.prune(converted.content, self._stored.schema, is_root=True)
        return converted

    def _known(self, entry: Entry) -> Entry | None:
        made = (entry.views or {}).get(self._served.kind.version)
        return made[1] if made is not None and made[0] is self else None

    def _completed(self, obj: Any) -> objects.Unstructured:
        """Return a copy as the schema of its own version has it; as it is where that version is gone."""
        fresh: objects.Unstructured = obj.copied()
        shape = self._shapes.get(fresh.kind.version)
        if shape is not None:
            shape.complete(fresh)
        return fresh

    def _remember(self, entry: Entry, obj: objects.Unstructured) -> Entry:
        stale = entry.object.kind.version != self._stored.kind.version  # type: ignore[attr-defined]
        view = entry if obj == entry.object and not stale else Entry(entry.key, obj.kind, obj, entry.revision)
        view.stale = stale
        if entry.views is None:
            entry.views = {}
        entry.views[self._served.kind.version] = (self, view)
        return view
