"""The record of who wrote what: the managedFields that a creation or an update leaves.

One for each kind, called by its registry once the request's object is read and defaulted, and before admission: what
admission and strategy add belongs to nobody, as in Kubernetes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from control.apiserver.managed import content, entries
from control.apiserver.managed.entries import Owner
from control.apiserver.strategies import strategy as strategies
from fairlead.api import scheme
from fairlead.api.fields import comparing, sets
from fairlead.api.pb import meta_v1_pb2 as metav1


class Tracker:
    """Keeps managedFields of one kind's objects."""

    def __init__(self, strategy: strategies.Strategy[Any], now: Callable[[], float]) -> None:
        self.strategy = strategy
        self.now = now

    @property
    def kind(self) -> scheme.Kind:
        """The kind."""
        return self.strategy.kind

    def time(self) -> int:
        """Return the second that entries are stamped with."""
        return int(self.now())

    def created(self, obj: Any, manager: str) -> None:
        """Make the creator of an object the owner of all that it set."""
        strategy = self.strategy
        fields, text = content.creation(obj, strategy.typing(), strategy.reset_fields(""))
        listed = obj.metadata.managedFields
        del listed[:]
        if fields:
            owner = Owner(manager, entries.UPDATE, self.kind.api_version, "", self.time(), fields, text)
            listed.extend(entries.encode([owner]))

    def updated(self, obj: Any, old: Any, manager: str, subresource: str = "") -> None:
        """Make whoever changed an object the owner of what it changed.

        An object that nobody is recorded for stays so, until it is first applied.
        """
        owners = _base(obj, old, subresource)
        if not owners:
            del obj.metadata.managedFields[:]
            return
        strategy = self.strategy
        comparison = content.changes(old, obj, strategy.typing(), strategy.reset_fields(subresource))
        mine = Owner(manager, entries.UPDATE, self.kind.api_version, subresource)
        store(obj, entries.capped(recorded(owners, comparison, mine, self.time())))


def store(obj: Any, owners: list[Owner]) -> None:
    """Write owners into an object's metadata."""
    listed = obj.metadata.managedFields
    del listed[:]
    listed.extend(entries.encode(owners))


def _base(obj: Any, old: Any, subresource: str) -> list[Owner]:
    """Return the owners that an update starts from: those that the request lists, or else the stored ones."""
    given = obj.metadata.managedFields
    if given and not subresource and given != old.metadata.managedFields:
        if entries.is_reset(given):
            return []
        found = decoded(given)
        if found:
            return found
    return decoded(old.metadata.managedFields)


def decoded(listed: Any) -> list[Owner]:
    """Return the owners that can be read; none where any entry cannot, as Kubernetes decides."""
    known: list[metav1.ManagedFieldsEntry] = listed
    try:
        return entries.decode(known)
    except sets.FieldsError:
        return []


def recorded(owners: list[Owner], comparison: comparing.Comparison, mine: Owner, time: int) -> list[Owner]:
    """Return who owns what after a change that takes what it sets from all others."""
    taken = comparison.taken()
    lost = sets.union(taken, comparison.removed)
    found: list[Owner] = []
    already: Owner | None = None
    for owner in owners:
        if owner.identity == mine.identity:
            already = owner
            continue
        left = without(owner, lost)
        if left.fields:
            found.append(left)
    if already is not None:
        kept = without(already, comparison.removed)
        if taken and not sets.covers(kept.fields, taken):
            kept = kept.owning(sets.union(kept.fields, taken))
        mine = replace(kept, time=time) if taken else kept
        return [*found, mine] if mine.fields else found
    return [*found, replace(mine, fields=taken, time=time)] if taken else found


def without(owner: Owner, lost: sets.FieldSet) -> Owner:
    """Return an owner without fields that it no longer owns."""
    if not lost or not sets.intersection(owner.fields, lost):
        return owner
    return owner.owning(sets.difference(owner.fields, lost))
