"""Names of definitions: which are accepted, and the conditions that say so. Pure.

Within a group no two definitions share a plural, singular or short name, nor a kind or list kind; who is first keeps
them. Source: Kubernetes' documentation, "Extend the Kubernetes API with CustomResourceDefinitions".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fairlead.api import conditions, custom, objects, times
from fairlead.api.pb import meta_v1_pb2 as metav1

Definition = custom.Definition


def settle(definition: Definition, others: Iterable[Definition], now: float) -> Definition:
    """Return a definition with its accepted names and conditions as they should be."""
    fresh = objects.copy(definition)
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        if other.spec.group == definition.spec.group and other.metadata.name != definition.metadata.name:
            accepted = other.status.acceptedNames
            resources |= {accepted.plural, accepted.singular, *accepted.shortNames}
            kinds |= {accepted.kind, accepted.listKind}
    reason, message = _accept(fresh, resources, kinds)
    stamp = times.from_seconds(now)
    wanted, accepted = definition.spec.names, fresh.status.acceptedNames
    del accepted.categories[:]
    accepted.categories.extend(wanted.categories)
    if custom.is_protected(definition.spec.group):
        _approve(fresh, stamp)
    good = reason == "NoConflicts"
    _set(fresh, custom.NAMES_ACCEPTED, good, reason, message, stamp)
    if good and not custom.is_true(fresh, custom.ESTABLISHED):
        _set(fresh, custom.ESTABLISHED, True, "InitialNamesAccepted", "the initial names have been accepted", stamp)
    elif not good and custom.condition(fresh, custom.ESTABLISHED) is None:
        _set(fresh, custom.ESTABLISHED, False, "NotAccepted", "not all names are accepted", stamp)
    return fresh


def _approve(fresh: Definition, stamp: metav1.Time) -> None:
    """Say how a definition in a group of Kubernetes' own was approved."""
    value = fresh.metadata.annotations.get(custom.APPROVAL, "")
    approved = not value.startswith("unapproved")
    reason = "ApprovedAnnotation" if approved else "UnapprovedAnnotation"
    message = f"approved in {value}" if approved else f'not approved: "{value}"'
    _set(fresh, custom.APPROVED, approved, reason, message, stamp)


def terminating(definition: Definition, holds: bool, reason: str, message: str, now: float) -> Definition:
    """Return a definition that says how far its objects' deletion has come."""
    fresh = objects.copy(definition)
    _set(fresh, custom.TERMINATING, holds, reason, message, times.from_seconds(now))
    return fresh


def _set(definition: Definition, kind: str, holds: bool, reason: str, message: str, stamp: metav1.Time) -> None:
    status = conditions.TRUE if holds else conditions.FALSE
    conditions.set_condition(definition.status.conditions, kind, status, stamp, reason=reason, message=message)


def _accept(fresh: Definition, resources: Collection[str], kinds: Collection[str]) -> tuple[str, str]:
    """Take over each name that is free; returns the reason and message of the condition, the last fault's."""
    wanted, accepted = fresh.spec.names, fresh.status.acceptedNames
    reason, message = "NoConflicts", "no conflicts found"
    for name, used in (("plural", resources), ("singular", resources)):
        if not _take(wanted, accepted, name, used):
            reason, message = f"{name.capitalize()}Conflict", f'"{getattr(wanted, name)}" is already in use'
    taken = [name for name in wanted.shortNames if name in resources and name not in accepted.shortNames]
    if taken:
        listed = [f'"{name}" is already in use' for name in taken]
        reason = "ShortNamesConflict"
        message = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
    else:
        del accepted.shortNames[:]
        accepted.shortNames.extend(wanted.shortNames)
    for name, label in (("kind", "Kind"), ("listKind", "ListKind")):
        if not _take(wanted, accepted, name, kinds):
            reason, message = f"{label}Conflict", f'"{getattr(wanted, name)}" is already in use'
    return reason, message


def _take(wanted: object, accepted: object, name: str, used: Collection[str]) -> bool:
    value = getattr(wanted, name)
    if value != getattr(accepted, name) and value in used:
        return False
    setattr(accepted, name, value)
    return True
