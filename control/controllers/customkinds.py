"""The kinds that controllers of all kinds work on: the built-in ones, and custom ones as they come and go.

The garbage collector and the namespace controller make one each. It follows the definitions of custom resources.
"""

from __future__ import annotations

from collections.abc import Callable

from fairlead.api import custom, objects
from fairlead.api import scheme as schemes
from fairlead.client import informer

Told = Callable[[schemes.Kind], None]


def _nothing(kind: schemes.Kind) -> None:
    """Care for nothing."""


class CustomKinds:
    """A scheme that follows the definitions; `began` and `ended` are told of each collection that comes or goes."""

    def __init__(
        self,
        informers: informer.Informers,
        base: schemes.Scheme = schemes.DEFAULT,
        *,
        began: Told = _nothing,
        ended: Told = _nothing,
    ) -> None:
        self.scheme = base.copy()
        self._began = began
        self._ended = ended
        informers.of(custom.Definition).add_handler(self._changed)

    def _changed(self, change: str, old: custom.Definition | None, new: custom.Definition | None) -> None:
        before = custom.served_kinds(old) if old is not None else ()
        after = custom.served_kinds(new) if new is not None else ()
        for kind in before:
            self.scheme.remove(kind)
        for kind in after:
            self.scheme.add(kind)
        gone, come = (kinds[0] if kinds else None for kinds in (before, after))
        if gone is not None and come is not None and _name(gone) == _name(come):
            return
        if gone is not None:
            self._ended(gone)
        if come is not None:
            self._began(come)


def _name(kind: schemes.Kind) -> str:
    return objects.type_name(objects.class_of(kind))
