"""What custom kinds the watch cache holds: the scheme and the places of objects, as definitions come and go.

The cache tells of each CustomResourceDefinition that it applies, and learns which table begins or ends by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairlead.api import custom
from fairlead.api import scheme as schemes

KIND = schemes.DEFAULT.of(custom.Definition)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a definition's change means for the tables: one that is now kept, one that is no longer."""

    begins: schemes.Kind | None = None
    ends: schemes.Kind | None = None


NO_EFFECT = Effect()


class Definitions:
    """The custom kinds of a scheme, by the key of what defines them."""

    def __init__(self, scheme: schemes.Scheme) -> None:
        self._scheme = scheme
        self._served: dict[str, Sequence[schemes.Kind]] = {}
        self._kept: dict[str, schemes.Kind] = {}

    def keys(self) -> Sequence[str]:
        """Return the keys of the definitions that are known."""
        return list(self._kept.keys() | self._served.keys())

    def apply(self, key: str, definition: custom.Definition | None) -> Effect:
        """Take in a definition, or that there is none any more."""
        for kind in self._served.pop(key, ()):
            self._scheme.remove(kind)
        kinds = custom.served_kinds(definition) if definition is not None else ()
        if definition is None or not kinds or _is_built_in(kinds[0]):
            kept = self._kept.pop(key, None) if definition is None else None
            return Effect(ends=kept)
        for kind in kinds:
            self._scheme.add(kind)
        self._served[key] = kinds
        stored = custom.kind_at(definition, custom.storage_version(definition))
        known = self._kept.get(key)
        self._kept[key] = stored
        return NO_EFFECT if known == stored else Effect(begins=stored)


def _is_built_in(kind: schemes.Kind) -> bool:
    """Say whether a kind of the API's own has the names; it stays."""
    return any(
        each.group == kind.group and (each.resource == kind.resource or each.kind == kind.kind)
        for each in schemes.DEFAULT
    )
