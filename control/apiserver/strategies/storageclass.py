"""StorageClasses and VolumeAttachments: how volumes are provided, and which node has one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from control.apiserver import field, notation
from control.apiserver.advice import labels
from control.apiserver.strategies import strategy
from control.apiserver.validation import meta, names
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import storage_v1_pb2 as storagev1

RECLAIM_POLICIES = ("Delete", "Retain")
BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
MAX_PARAMETERS = 512
MAX_PARAMETERS_BYTES = 256 * 1024
MAX_METADATA_BYTES = 256 * 1024
MAX_MESSAGE_BYTES = 1024
MAX_DRIVER_NAME = 63


class StorageClassStrategy(strategy.Strategy[storagev1.StorageClass]):
    """The rules of StorageClasses."""

    message = storagev1.StorageClass

    def default(self, obj: storagev1.StorageClass) -> None:
        """Fill in what becomes of released volumes and when volumes are bound."""
        if not obj.HasField("reclaimPolicy"):
            obj.reclaimPolicy = "Delete"
        if not obj.HasField("volumeBindingMode"):
            obj.volumeBindingMode = "Immediate"

    def advise(self, obj: storagev1.StorageClass, old: storagev1.StorageClass | None) -> Iterable[str]:
        """Warn of deprecated labels of nodes."""
        for index, term in enumerate(obj.allowedTopologies):
            for place, rule in enumerate(term.matchLabelExpressions):
                if rule.key in labels.DEPRECATED:
                    at = f"allowedTopologies[{index}].matchLabelExpressions[{place}]"
                    yield f"{at}: {labels.DEPRECATED[rule.key]}"

    def validate(self, obj: storagev1.StorageClass) -> field.Faults:
        """Judge a new StorageClass."""
        faults: field.Faults = []
        if not obj.provisioner:
            faults.append(field.required("provisioner"))
        else:
            lower = obj.provisioner.lower()
            faults += field.invalids("provisioner", lower, names.qualified(lower))
        faults += parameters("parameters", obj.parameters)
        if obj.reclaimPolicy and obj.reclaimPolicy not in RECLAIM_POLICIES:
            faults.append(field.unsupported("reclaimPolicy", obj.reclaimPolicy, RECLAIM_POLICIES))
        if obj.volumeBindingMode not in BINDING_MODES:
            faults.append(field.unsupported("volumeBindingMode", obj.volumeBindingMode, BINDING_MODES))
        return faults + _topologies(obj.allowedTopologies)

    def validate_update(self, obj: storagev1.StorageClass, old: storagev1.StorageClass) -> field.Faults:
        """Judge a changed StorageClass: what volumes were made by stays."""
        faults: field.Faults = []
        if dict(obj.parameters) != dict(old.parameters):
            faults.append(field.forbidden("parameters", "updates to parameters are forbidden."))
        for name in ("provisioner", "reclaimPolicy"):
            if getattr(obj, name) != getattr(old, name):
                faults.append(field.forbidden(name, f"updates to {name} are forbidden."))
        mode = obj.volumeBindingMode
        return faults + meta.immutable("volumeBindingMode", mode, mode != old.volumeBindingMode)


class VolumeAttachmentStrategy(strategy.Strategy[storagev1.VolumeAttachment]):
    """The rules of VolumeAttachments."""

    message = storagev1.VolumeAttachment
    allow_unconditional_update = False

    def prepare_for_create(self, obj: storagev1.VolumeAttachment) -> None:
        """Start without status."""
        strategy.drop_status(obj)

    def prepare_for_update(self, obj: storagev1.VolumeAttachment, old: storagev1.VolumeAttachment) -> None:
        """Keep the status."""
        strategy.keep_status(obj, old)

    def prepare_for_status_update(self, obj: storagev1.VolumeAttachment, old: storagev1.VolumeAttachment) -> None:
        """Keep all but the status."""
        strategy.keep_all_but_status(obj, old)
        strategy.keep_user_metadata(obj, old)

    def validate(self, obj: storagev1.VolumeAttachment) -> field.Faults:
        """Judge a new VolumeAttachment."""
        spec = obj.spec
        faults = _attachment(obj) + driver_name("spec.attacher", spec.attacher)
        if spec.source.HasField("persistentVolumeName"):
            name = spec.source.persistentVolumeName
            faults += field.invalids("spec.source.persistentVolumeName", name, names.subdomain(name))
        return faults

    def validate_update(self, obj: storagev1.VolumeAttachment, old: storagev1.VolumeAttachment) -> field.Faults:
        """Judge a changed VolumeAttachment: its spec stays."""
        faults = _attachment(obj)
        if not strategy.same(obj.spec, old.spec):
            faults += meta.immutable("spec", notation.struct(obj.spec), True)
        return faults

    def validate_status_update(
        self, obj: storagev1.VolumeAttachment, old: storagev1.VolumeAttachment
    ) -> field.Faults:
        """Judge what the attacher says."""
        return _attachment(obj)


def parameters(path: str, values: Mapping[str, str]) -> field.Faults:
    """Judge parameters that a driver gets: how many, how long."""
    if len(values) > MAX_PARAMETERS:
        return [field.too_long(path, MAX_PARAMETERS)]
    faults = [field.invalid(path, "", "field can not be empty.")] if "" in values else []
    if sum(len(key.encode()) + len(value.encode()) for key, value in values.items()) > MAX_PARAMETERS_BYTES:
        faults.append(field.too_long(path, MAX_PARAMETERS_BYTES))
    return faults


def driver_name(path: str, name: str) -> field.Faults:
    """Judge the name of a CSI driver."""
    faults = [] if name else [field.required(path)]
    if len(name) > MAX_DRIVER_NAME:
        faults.append(field.too_long(path, MAX_DRIVER_NAME))
    return faults + field.invalids(path, name, names.subdomain(name.lower()))


def _attachment(obj: storagev1.VolumeAttachment) -> field.Faults:
    spec, source, path = obj.spec, obj.spec.source, "spec.source"
    one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    faults = [] if spec.attacher else [field.required("spec.attacher")]
    if source.HasField("inlineVolumeSpec") and source.HasField("persistentVolumeName"):
        faults.append(field.forbidden(path, one))
    elif not source.HasField("inlineVolumeSpec") and not source.HasField("persistentVolumeName"):
        faults.append(field.required(path, one))
    elif source.HasField("persistentVolumeName") and not source.persistentVolumeName:
        text = "must specify non empty persistentVolumeName"
        faults.append(field.required(f"{path}.persistentVolumeName", text))
    faults += field.invalids("spec.nodeName", spec.nodeName, names.subdomain(spec.nodeName))
    metadata = obj.status.attachmentMetadata
    if sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items()) > MAX_METADATA_BYTES:
        faults.append(field.too_long("status.attachmentMetadata", MAX_METADATA_BYTES))
    for name in ("attachError", "detachError"):
        if len(getattr(obj.status, name).message.encode()) > MAX_MESSAGE_BYTES:
            # Kubernetes names the limit of the metadata here
            faults.append(field.too_long(f"status.{name}.message", MAX_METADATA_BYTES))
    return faults


def _topologies(terms: Sequence[corev1.TopologySelectorTerm]) -> field.Faults:
    faults: field.Faults = []
    seen: list[dict[str, frozenset[str]]] = []
    for index, term in enumerate(terms):
        path, wanted = f"allowedTopologies[{index}]", {}
        for place, rule in enumerate(term.matchLabelExpressions):
            at = f"{path}.matchLabelExpressions[{place}]"
            faults += [] if rule.values else [field.required(f"{at}.values")]
            for number in sorted(field.repeats(rule.values)):
                faults.append(field.duplicate(f"{at}.values[{number}]", rule.values[number]))
            faults += field.invalids(f"{at}.key", rule.key, names.qualified(rule.key))
            if rule.key in wanted:
                faults.append(field.duplicate(f"{at}.key", rule.key))
            wanted[rule.key] = frozenset(rule.values)
        if wanted in seen:
            faults.append(field.duplicate(f"{path}.matchLabelExpressions", ""))
        seen.append(wanted)
    return faults
