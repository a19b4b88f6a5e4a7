"""Rules on claims to storage, and what a claim shares with a volume: modes of access and of the volume. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from control.apiserver import field
from control.apiserver.validation import meta, names, numbers, selectors
from fairlead.api import codec, objects, quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import resource_pb2

ACCESS_MODES = frozenset({"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"})
VOLUME_MODES = frozenset({"Block", "Filesystem"})
SOLE = "ReadWriteOncePod"
POSITIVE = "must be greater than zero"
FIXED_TEXT = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
RESIZE_STATES = frozenset({
    "ControllerResizeInfeasible", "ControllerResizeInProgress", "NodeResizeInfeasible", "NodeResizeInProgress",
    "NodeResizePending",
})  # fmt: skip
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


def access_modes(modes: Sequence[str], path: str, missing: str = "") -> field.Faults:
    """Judge how a volume may be mounted; `missing` is what is said where nothing is."""
    faults = [] if modes else [field.required(path, missing)]
    faults += [field.unsupported(path, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if SOLE in modes and any(mode != SOLE and mode in ACCESS_MODES for mode in modes):
        faults.append(field.forbidden(path, "may not use ReadWriteOncePod with other access modes"))
    return faults


def class_and_mode(spec: Any, path: str) -> field.Faults:
    """Judge the storage class' name and the volume's mode of a claim or a volume."""
    faults: field.Faults = []
    if spec.storageClassName:
        name = spec.storageClassName
        faults += field.invalids(f"{path}.storageClassName", name, names.subdomain(name))
    if spec.HasField("volumeMode") and spec.volumeMode not in VOLUME_MODES:
        faults.append(field.unsupported(f"{path}.volumeMode", spec.volumeMode, VOLUME_MODES))
    return faults


def basic(path: str, value: resource_pb2.Quantity) -> field.Faults:
    """Judge an amount: not less than nothing; Kubernetes shows it as a whole number."""
    try:
        nanos = quantity.of(value).nanos
    except quantity.QuantityError as error:
        return [field.invalid(path, value.string, str(error))]
    return [field.invalid(path, -(-nanos // quantity.NANO), "must be a valid resource quantity")] if nanos < 0 else []


def size(path: str, value: resource_pb2.Quantity) -> field.Faults:
    """Judge an amount of storage: more than nothing."""
    try:
        parsed = quantity.of(value)
    except quantity.QuantityError as error:
        return [field.invalid(path, value.string, str(error))]
    return [field.invalid(path, str(parsed), POSITIVE)] if parsed.nanos <= 0 else []


def validate(spec: corev1.PersistentVolumeClaimSpec, path: str) -> field.Faults:
    """Judge a claim's spec."""
    faults = access_modes(spec.accessModes, f"{path}.accessModes", "at least 1 access mode is required")
    if spec.HasField("selector"):
        faults += selectors.validate(spec.selector, f"{path}.selector")
    at = f"{path}.resources[storage]"
    if "storage" not in spec.resources.requests:
        faults.append(field.required(at))
    else:
        faults += size(at, spec.resources.requests["storage"])
    faults += class_and_mode(spec, path)
    for part in ("dataSource", "dataSourceRef"):
        if spec.HasField(part):
            faults += _source(getattr(spec, part), f"{path}.{part}")
    return faults + _one_source(spec, path)


def _source(source: Any, path: str) -> field.Faults:
    faults: field.Faults = []
    if not source.name:
        faults.append(field.required(f"{path}.name"))
    if not source.kind:
        faults.append(field.required(f"{path}.kind"))
    if not source.apiGroup:
        if source.kind != "PersistentVolumeClaim":
            text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
            faults.append(field.invalid(path, source.kind, text))
    else:
        faults += field.invalids(f"{path}.apiGroup", source.apiGroup, names.subdomain(source.apiGroup))
    if isinstance(source, corev1.TypedObjectReference) and source.namespace:
        faults += field.invalids(f"{path}.namespace", source.namespace, names.label(source.namespace))
    return faults


def _one_source(spec: corev1.PersistentVolumeClaimSpec, path: str) -> field.Faults:
    """Judge that a claim's two ways to name its source say the same; Kubernetes shows the path as the value."""
    if not spec.HasField("dataSource") or not spec.HasField("dataSourceRef"):
        return []
    source, reference = spec.dataSource, spec.dataSourceRef
    if reference.namespace:
        text = "may not be specified when dataSourceRef.namespace is specified"
        return [field.invalid(path, field.Raw(f"{path}.dataSource"), text)]
    if (source.apiGroup, source.kind, source.name) != (reference.apiGroup, reference.kind, reference.name):
        return [field.invalid(path, field.Raw(f"{path}.dataSource"), "must match dataSourceRef")]
    return []


def validate_update(claim: corev1.PersistentVolumeClaim, old: corev1.PersistentVolumeClaim) -> field.Faults:
    """Judge what an update changes: the volume's name and an absent class once, the size of a bound claim."""
    mine, theirs = objects.copy(claim).spec, objects.copy(old).spec
    if not theirs.volumeName:
        theirs.volumeName = mine.volumeName
    faults = _class_kept(claim, old, mine)
    if claim.status.phase == "Bound" and mine.resources.requests:
        mine.resources.requests["storage"].CopyFrom(theirs.resources.requests["storage"])
    if mine != theirs and codec.to_json(mine) != codec.to_json(theirs):
        faults.append(field.forbidden("spec", FIXED_TEXT))
    new_size, old_size = (_amount(one.spec.resources.requests) for one in (claim, old))
    if new_size is not None and old_size is not None and new_size < old_size:
        capacity = _amount(old.status.capacity)
        if capacity is not None and not capacity < new_size:
            text = "field can not be less than status.capacity"
            faults.append(field.forbidden("spec.resources.requests.storage", text))
    shown = claim.spec.volumeMode if claim.spec.HasField("volumeMode") else None
    return faults + meta.immutable("volumeMode", shown, claim.spec.volumeMode != old.spec.volumeMode)


def _class_kept(
    claim: corev1.PersistentVolumeClaim, old: corev1.PersistentVolumeClaim, mine: corev1.PersistentVolumeClaimSpec
) -> field.Faults:
    """Judge the class that an old annotation names; a class that may be written down leaves `mine` as it was."""
    annotated, before = claim.metadata.annotations, old.metadata.annotations
    given = claim.spec.HasField("storageClassName") and not old.spec.HasField("storageClassName")
    named = given and before.get(BETA_CLASS, claim.spec.storageClassName) == claim.spec.storageClassName
    if named:
        mine.ClearField("storageClassName")
    if named and BETA_CLASS in before and annotated.get(BETA_CLASS, before[BETA_CLASS]) == before[BETA_CLASS]:
        return []
    changed = annotated.get(BETA_CLASS, "") != before.get(BETA_CLASS, "")
    return meta.immutable(f"metadata.annotations.{BETA_CLASS}", annotated.get(BETA_CLASS, ""), changed)


def _amount(resources: Any) -> quantity.Quantity | None:
    try:
        return quantity.of(resources["storage"]) if "storage" in resources else quantity.whole(0)
    except quantity.QuantityError:
        return None


def validate_status(claim: corev1.PersistentVolumeClaim) -> field.Faults:
    """Judge a claim's new status: its capacity, and what is being made larger."""
    faults: field.Faults = []
    if not claim.spec.accessModes:
        faults.append(field.required("Spec.accessModes"))
    status = claim.status
    for name in sorted(status.capacity):
        faults += basic(f"status.capacity[{name}]", status.capacity[name])
    path = "status.allocatedResourceStatus"
    for name in sorted(status.allocatedResourceStatuses):
        faults += _resized(name, path)
        if status.allocatedResourceStatuses[name] not in RESIZE_STATES:
            faults.append(field.unsupported(path, name, RESIZE_STATES))
    path = "status.allocatedResources"
    for name in sorted(status.allocatedResources):
        faults += _resized(name, path) or basic(f"{path}[{name}]", status.allocatedResources[name])
    return faults


def _resized(name: str, path: str) -> field.Faults:
    """Judge the name of what a claim has an amount of: storage, or something of a driver's own."""
    faults = field.invalids(path, name, names.qualified(name))
    if not faults and numbers.is_native(name) and name != "storage":
        faults.append(field.unsupported(path, name, ("storage",)))
    return faults
