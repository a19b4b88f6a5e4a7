"""The difference of two JSON values as sets of fields: what was added, modified and removed.

Paths of all that appears or disappears count, those of objects and lists on the way included, as Kubernetes counts
them: a label that is an object's first adds `f:labels` and `f:labels.f:app`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.api import objects
from fairlead.api.fields import sets, steps, typings
from fairlead.api.fields.sets import FieldSet, Node
from fairlead.api.fields.typings import Shape, Typing

Json = Any
_KEYS = (str, int, type(None))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of the fields of an object."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    def taken(self) -> FieldSet:
        """Return what whoever made the change now owns."""
        return sets.union(self.added, self.modified)

    def excluding(self, fields: FieldSet) -> Comparison:
        """Return the comparison without fields and all below them."""
        if not fields:
            return self
        kept = (sets.recursive_difference(one, fields) for one in (self.added, self.modified, self.removed))
        return Comparison(*kept)


def compare(old: dict[str, Json], new: dict[str, Json], kind: Typing) -> Comparison:
    """Return the difference of two objects, or of the parts of them that are given."""
    found = _Found()
    _compare_fields(old, new, kind, found)
    return Comparison(found.added, found.modified, found.removed)


class _Found:
    """What is added, modified and removed below one path."""

    __slots__ = ("added", "modified", "removed")

    def __init__(self) -> None:
        self.added: dict[str, Node] = {}
        self.modified: dict[str, Node] = {}
        self.removed: dict[str, Node] = {}

    def take(self, step: str, below: _Found) -> None:
        """Put what was found below a step under it."""
        if below.added:
            self.added[step] = below.added
        if below.modified:
            self.modified[step] = below.modified
        if below.removed:
            self.removed[step] = below.removed


def _compare(step: str, old: Json, new: Json, kind: Typing, found: _Found) -> None:
    """Compare two values that are both there."""
    shape = kind.shape
    if shape is Shape.WHOLE:
        if not objects.same_json(old, new):
            found.modified[step] = sets.LEAF
        return
    shape = typings.resolved(kind, old, new)
    container = dict if shape is Shape.FIELDS else list
    fits = all(value is None or isinstance(value, container) for value in (old, new))
    if shape is Shape.WHOLE or not fits or not (old or new):
        if not objects.same_json(old, new):
            found.modified[step] = sets.LEAF
        return
    below = _Found()
    if shape is Shape.FIELDS:
        _compare_fields(old or {}, new or {}, kind, below)
    else:
        _compare_elements(old or [], new or [], kind, below)
    found.take(step, below)


def _compare_fields(old: dict[str, Json], new: dict[str, Json], kind: Typing, found: _Found) -> None:
    for name, value in new.items():
        below = kind.child(name) or typings.DEDUCED
        step = steps.FIELD + name
        if name in old:
            _compare(step, old[name], value, below, found)
        else:
            found.added[step] = whole(value, below)
    for name, value in old.items():
        if name not in new:
            found.removed[steps.FIELD + name] = whole(value, kind.child(name) or typings.DEDUCED)


def _compare_elements(old: Sequence[Json], new: Sequence[Json], kind: Typing, found: _Found) -> None:
    below = kind.element or typings.DEDUCED
    if kind.keys and _aligned(old, new, kind):
        for left, right in zip(old, new, strict=True):
            if not objects.same_json(left, right):
                _compare(kind.step(right), left, right, below, found)
        return
    before, after = by_step(old, kind), by_step(new, kind)
    for step, items in after.items():
        there = before.get(step, ())
        if not there:
            found.added[step] = _all(items, below)
        elif len(items) == 1 and len(there) == 1:
            _compare(step, there[0], items[0], below, found)
        elif not objects.same_json(list(there), list(items)):
            found.modified[step] = sets.LEAF
    for step, items in before.items():
        if step not in after:
            found.removed[step] = _all(items, below)


def _aligned(old: Sequence[Json], new: Sequence[Json], kind: Typing) -> bool:
    """Say whether two lists have the same elements, each once and at the same place: the usual case, and cheap."""
    if len(old) != len(new):
        return False
    names = [name for name, _ in kind.keys]
    seen = set()
    for left, right in zip(old, new, strict=True):
        if type(left) is not dict or type(right) is not dict:
            return False
        keys = tuple([right.get(name) for name in names])
        if keys != tuple([left.get(name) for name in names]) or not all(type(one) in _KEYS for one in keys):
            return False
        seen.add(keys)
    return len(seen) == len(new)


def by_step(items: Iterable[Json], kind: Typing) -> dict[str, list[Json]]:
    """Return the elements of a list by their steps, in the list's order; of some there may be several."""
    found: dict[str, list[Json]] = {}
    for item in items:
        found.setdefault(kind.step(item), []).append(item)
    return found


def _all(items: Sequence[Json], kind: Typing) -> Node:
    return sets.LEAF if len(items) > 1 else whole(items[0], kind)


def whole(value: Json, kind: Typing) -> Node:
    """Return the node of a value with every path below it."""
    shape = typings.resolved(kind, value)
    if shape is Shape.WHOLE or not value:
        return sets.LEAF
    if shape is Shape.FIELDS:
        if not isinstance(value, dict):
            return sets.LEAF
        below = {steps.FIELD + name: whole(one, kind.child(name) or typings.DEDUCED) for name, one in value.items()}
    else:
        if not isinstance(value, list):
            return sets.LEAF
        element = kind.element or typings.DEDUCED
        below = {step: _all(items, element) for step, items in by_step(value, kind).items()}
    return {sets.MEMBER: sets.LEAF, **below}
