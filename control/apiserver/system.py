"""What only the server writes of an object's metadata: judged on the way in, and kept from one write to the next.

The order of Kubernetes' `rest.BeforeCreate` and `rest.BeforeUpdate`; pure.
"""

from __future__ import annotations

from typing import Any

from control.apiserver.managed import entries
from fairlead.api import errors, scheme
from fairlead.api.pb import meta_v1_pb2 as metav1

OTHER_NAMESPACE = "the namespace of the provided object does not match the namespace sent on the request"
NO_REVISION = ("", "0")


def prepare_new(kind: scheme.Kind, metadata: metav1.ObjectMeta, namespace: str) -> None:
    """Set the namespace that a request names, and take away what a new object cannot have. BadRequest."""
    if kind.namespaced:
        if metadata.namespace and namespace and metadata.namespace != namespace:
            raise errors.BadRequest(OTHER_NAMESPACE)
        metadata.namespace = metadata.namespace or namespace
        if not metadata.namespace:
            raise errors.BadRequest("an empty namespace may not be set during creation")
    else:
        metadata.namespace = ""
    if metadata.resourceVersion not in NO_REVISION:
        raise errors.BadRequest("resourceVersion should not be set on objects to be created")
    for name in ("resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"):
        metadata.ClearField(name)


def check_place(metadata: metav1.ObjectMeta, namespace: str, name: str) -> None:
    """Refuse an object that is to be at a place and says that it is at another one. BadRequest."""
    if namespace and metadata.namespace not in ("", namespace):
        raise errors.BadRequest(OTHER_NAMESPACE)
    if not metadata.name:
        text = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        raise errors.BadRequest(text)
    if metadata.name != name:
        text = f"the name of the object ({metadata.name}) does not match the name on the URL ({name})"
        raise errors.BadRequest(text)


def check_preconditions(kind: scheme.Kind, metadata: metav1.ObjectMeta, before: metav1.ObjectMeta) -> None:
    """Refuse an update of another object of the name, or of an older state. Conflict."""
    if metadata.uid and metadata.uid != before.uid:
        why = f"Precondition failed: UID in precondition: {metadata.uid}, UID in object meta: {before.uid}"
        raise errors.conflict(kind.group, kind.resource, before.name, why)
    if metadata.resourceVersion not in (*NO_REVISION, before.resourceVersion):
        raise errors.conflict(kind.group, kind.resource, before.name)


def is_unconditional(metadata: metav1.ObjectMeta) -> bool:
    """Tell whether an update names no state that it was made for."""
    return metadata.resourceVersion in NO_REVISION


def unconditional(kind: scheme.Kind, name: str) -> errors.ApiError:
    """Return the refusal of an update that has to name the state that it was made for."""
    text = "Invalid value: 0x0: must be specified for an update"
    return errors.invalid(
        kind.group, kind.kind, name, [errors.Cause("FieldValueInvalid", text, "metadata.resourceVersion")]
    )


def keep(metadata: metav1.ObjectMeta, before: metav1.ObjectMeta) -> None:
    """Take over what only the server writes, where the caller left it out or must not choose it."""
    metadata.name = metadata.name or before.name
    metadata.namespace = (metadata.namespace or before.namespace) if before.namespace else ""
    metadata.uid = before.uid
    metadata.generateName = before.generateName
    metadata.generation = before.generation
    metadata.ClearField("selfLink")
    metadata.creationTimestamp.CopyFrom(before.creationTimestamp)
    metadata.ClearField("deletionTimestamp")
    if before.HasField("deletionTimestamp"):
        metadata.deletionTimestamp.CopyFrom(before.deletionTimestamp)
    if before.HasField("deletionGracePeriodSeconds"):
        metadata.deletionGracePeriodSeconds = before.deletionGracePeriodSeconds
    else:
        metadata.ClearField("deletionGracePeriodSeconds")


def keep_times(obj: Any, old: Any) -> None:
    """Take over the managedFields of the old object where nothing but their times has changed."""
    mine, before = obj.metadata.managedFields, old.metadata.managedFields
    if mine == before or not entries.same_but_for_times(mine, before):
        return
    kept = list(mine)
    del mine[:]
    mine.extend(before)
    if obj != old:
        del mine[:]
        mine.extend(kept)
