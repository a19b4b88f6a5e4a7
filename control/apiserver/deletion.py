"""How an object is deleted: at once, or by being marked and held until its grace and finalizers are done.

The registry asks `decide`, then writes what it says. The rules are Kubernetes': "Pod termination", "Finalizers" and
"Garbage collection". Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from control.apiserver import field
from control.apiserver.strategies import strategy as strategies
from fairlead.api import errors, objects
from fairlead.api.pb import meta_v1_pb2 as metav1

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
POLICIES = frozenset({"Background", "Foreground", "Orphan"})


@dataclass(frozen=True, slots=True)
class Remove:
    """The object goes now."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The object stays for a while, changed to `obj`; unchanged where it is already being deleted."""

    obj: Any


def decide(strategy: strategies.Strategy[Any], obj: Any, options: metav1.DeleteOptions, now: int) -> Remove | Mark:
    """Return what a request to delete does to an object at a time (seconds since the epoch)."""
    marked = objects.copy(obj)
    meta = marked.metadata
    _set_policy_finalizers(meta, options, strategy.orphans_by_default)
    grace = strategy.grace(obj, options)
    if meta.HasField("deletionTimestamp"):
        if grace is not None and grace.seconds < meta.deletionGracePeriodSeconds:
            # only a shorter grace counts, from when the deletion began
            meta.deletionTimestamp.seconds += grace.seconds - meta.deletionGracePeriodSeconds
            meta.deletionGracePeriodSeconds = grace.seconds
    else:
        seconds = grace.seconds if grace is not None else 0
        meta.deletionTimestamp.seconds = now + seconds
        meta.deletionGracePeriodSeconds = seconds
        if meta.generation > 0:
            meta.generation += 1
        strategy.begin_deletion(marked)
    if is_over(strategy, marked):
        return Remove()
    return Mark(marked)


def is_over(strategy: strategies.Strategy[Any], obj: Any) -> bool:
    """Say whether nothing holds an object any more that is being deleted."""
    meta = obj.metadata
    if not meta.HasField("deletionTimestamp") or strategy.blocks_removal(obj):
        return False
    return not meta.deletionGracePeriodSeconds


def _set_policy_finalizers(meta: metav1.ObjectMeta, options: metav1.DeleteOptions, orphans: bool) -> None:
    """Add or take away the finalizers by which the garbage collector knows what to do with dependents."""
    policy = options.propagationPolicy
    if options.HasField("orphanDependents"):
        policy = "Orphan" if options.orphanDependents else "Background"
    if not policy:
        if any(one in (ORPHAN, FOREGROUND) for one in meta.finalizers):
            return
        policy = "Orphan" if orphans else "Background"
    wanted = {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(policy, [])
    others = [one for one in meta.finalizers if one not in (ORPHAN, FOREGROUND)]
    if list(meta.finalizers) != others + wanted:
        del meta.finalizers[:]
        meta.finalizers.extend(others + wanted)


def check_options(options: metav1.DeleteOptions) -> None:
    """Refuse options that contradict themselves."""
    if options.HasField("orphanDependents") and options.HasField("propagationPolicy"):
        text = "orphanDependents and deletionPropagation cannot be both set"
        raise errors.invalid(field.META_GROUP, "DeleteOptions", "", [errors.Cause("FieldValueInvalid", text, "")])
    if options.HasField("propagationPolicy") and options.propagationPolicy not in POLICIES:
        cause = field.unsupported("propagationPolicy", options.propagationPolicy, POLICIES)
        raise errors.invalid(field.META_GROUP, "DeleteOptions", "", [cause])


def check_preconditions(kind_resource: tuple[str, str], obj: Any, options: metav1.DeleteOptions) -> None:
    """Raise Conflict where the object is not the one that the caller means."""
    if not options.HasField("preconditions"):
        return
    wanted, meta = options.preconditions, obj.metadata
    if wanted.HasField("uid") and wanted.uid != meta.uid:
        why = f"Precondition failed: UID in precondition: {wanted.uid}, UID in object meta: {meta.uid}"
        raise errors.conflict(*kind_resource, meta.name, why)
    if wanted.HasField("resourceVersion") and wanted.resourceVersion != meta.resourceVersion:
        why = (
            f"the ResourceVersion in the precondition ({wanted.resourceVersion}) does not match the ResourceVersion"
            f" in record ({meta.resourceVersion}). The object might have been modified"
        )
        raise errors.conflict(*kind_resource, meta.name, why)
