"""The entries of metadata.managedFields: who owns what, since when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from fairlead.api import times
from fairlead.api.fields import sets
from fairlead.api.pb import meta_v1_pb2 as metav1

APPLY, UPDATE = "Apply", "Update"
FIELDS_TYPE = "FieldsV1"
MAX_UPDATERS = 10
ANCIENT = "ancient-changes"
BEFORE_FIRST_APPLY = "before-first-apply"

Identity = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Owner:
    """One manager's fields; `time` is in seconds since the epoch. `text` is the FieldsV1 of `fields`, if at hand."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""
    time: int | None = None
    fields: sets.FieldSet = field(default_factory=dict)
    text: bytes | None = None

    @property
    def identity(self) -> Identity:
        """What tells owners apart; an applier is the same whatever version it applies."""
        version = "" if self.operation == APPLY else self.api_version
        return self.manager, self.operation, version, self.subresource

    def owning(self, fields: sets.FieldSet) -> Owner:
        """Return the owner with other fields."""
        return self if fields is self.fields else replace(self, fields=fields, text=None)


def decode(listed: Iterable[metav1.ManagedFieldsEntry]) -> list[Owner]:
    """Return the owners that an object lists; sets.FieldsError where an entry cannot be read."""
    found: dict[Identity, Owner] = {}
    for entry in listed:
        if entry.operation not in (APPLY, UPDATE) or entry.fieldsType not in ("", FIELDS_TYPE):
            raise sets.FieldsError(f"entry of {entry.manager}")
        if entry.time.seconds not in times.SAYABLE:
            raise sets.FieldsError(f"time of the entry of {entry.manager}")
        text = entry.fieldsV1.Raw
        owner = Owner(
            entry.manager or "unknown",
            entry.operation,
            entry.apiVersion,
            entry.subresource,
            entry.time.seconds if entry.HasField("time") else None,
            sets.parse(text),
            text,
        )
        found[owner.identity] = owner
    return list(found.values())


def encode(owners: Iterable[Owner]) -> list[metav1.ManagedFieldsEntry]:
    """Return owners as an object lists them: appliers first, then by time."""
    return [_entry(owner) for owner in sorted(owners, key=_order)]


def _entry(owner: Owner) -> metav1.ManagedFieldsEntry:
    entry = metav1.ManagedFieldsEntry(
        manager=owner.manager,
        operation=owner.operation,
        apiVersion=owner.api_version,
        fieldsType=FIELDS_TYPE,
        subresource=owner.subresource,
    )
    if owner.time is not None:
        entry.time.seconds = owner.time
    entry.fieldsV1.Raw = sets.dump(owner.fields) if owner.text is None else owner.text
    return entry


def _order(owner: Owner) -> tuple[str, int, str, str, str]:
    return owner.operation, owner.time or 0, owner.manager, owner.api_version, owner.subresource


def is_reset(listed: Sequence[metav1.ManagedFieldsEntry]) -> bool:
    """Say whether a request asks that nobody own anything: one entry, and that empty."""
    return len(listed) == 1 and not listed[0].ListFields()


def capped(owners: Sequence[Owner]) -> list[Owner]:
    """Return owners of which at most ten are updaters: the oldest become `ancient-changes`, one a version."""
    updaters = sorted(
        (owner for owner in owners if owner.operation == UPDATE), key=lambda one: (one.time or 0, one.identity)
    )
    count = len(updaters)
    if count <= MAX_UPDATERS:
        return list(owners)
    kept = {owner.identity: owner for owner in owners}
    first: dict[str, Owner] = {}
    for owner in updaters:
        if count <= MAX_UPDATERS:
            break
        version = owner.api_version
        if version not in first:
            first[version] = owner
            continue
        bucket = Owner(ANCIENT, UPDATE, version)
        there = kept.get(bucket.identity) or kept.pop(first[version].identity)
        del kept[owner.identity]
        fields = sets.union(there.fields, owner.fields)
        kept[bucket.identity] = replace(bucket, fields=fields, time=owner.time)
        count -= 1
    return list(kept.values())


def same_but_for_times(left: Sequence[metav1.ManagedFieldsEntry], right: Sequence[metav1.ManagedFieldsEntry]) -> bool:
    """Say whether two lists name the same owners of the same fields."""
    if len(left) != len(right):
        return False
    return {_timeless(entry) for entry in left} == {_timeless(entry) for entry in right}


def _timeless(entry: metav1.ManagedFieldsEntry) -> tuple[str, str, str, str, bytes]:
    return entry.manager, entry.operation, entry.apiVersion, entry.subresource, entry.fieldsV1.Raw
