"""How a registry sees what is stored: the seam where custom resources are pruned, defaulted and converted.

A registry reads entries through `present` and stores what `stored` makes of an object. Built-in kinds are stored as
the registry knows them, which is what `Views` does: nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from control.store import interface
from control.store.entry import Change, Entry
from fairlead.api import codec, conversion, scheme


class Views:
    """The versions of a kind that is stored as it is served."""

    def decode(self, item: interface.KeyValue, kind: scheme.Kind) -> Entry:
        """Return the entry of a stored value, as it is stored."""
        return Entry(item.key, kind, conversion.to_hub(codec.decode_stored(item.value)), item.revision)

    async def present(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Return entries as the registry's version shows them, in their order."""
        return entries

    async def present_changes(self, changes: Sequence[Change]) -> Sequence[Change]:
        """Return changes as the registry's version shows them."""
        return changes

    async def stored(self, obj: Any) -> Any:
        """Return an object as it is to be stored; the object itself stays as it is."""
        return obj


AS_STORED = Views()
