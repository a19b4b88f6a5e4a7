"""Rules on volumes that are there to be claimed: capacity, one source, the nodes that reach it. Pure."""

from __future__ import annotations

import posixpath
from typing import Any

from control.apiserver import field, notation
from control.apiserver.validation import claims, meta, names, scheduling, sources
from fairlead.api import codec, objects
from fairlead.api.pb import core_v1_pb2 as corev1

RECLAIM_POLICIES = frozenset({"Delete", "Recycle", "Retain"})
ISCSI_NAME_MAX = 64
ISCSI_TEXT = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is"
    " specified."
)
SECRETS = ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef")
# Labels of nodes whose old names may be written anew with the present ones.
PRESENT_LABELS = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}


def validate(spec: corev1.PersistentVolumeSpec, path: str, name: str = "") -> field.Faults:
    """Judge the spec of a volume of that name."""
    faults = claims.access_modes(spec.accessModes, f"{path}.accessModes")
    faults += _capacity(spec, f"{path}.capacity")
    policy = spec.persistentVolumeReclaimPolicy
    if policy and policy not in RECLAIM_POLICIES:
        faults.append(field.unsupported(f"{path}.persistentVolumeReclaimPolicy", policy, RECLAIM_POLICIES))
    if spec.HasField("nodeAffinity"):
        faults += _nodes(spec.nodeAffinity, f"{path}.nodeAffinity")
    faults += _source(spec, path, name)
    host = spec.persistentVolumeSource.hostPath.path
    if policy == "Recycle" and host and posixpath.normpath(host).strip("/") == "":
        text = "may not be 'recycle' for a hostPath mount of '/'"
        faults.append(field.forbidden(f"{path}.persistentVolumeReclaimPolicy", text))
    return faults + claims.class_and_mode(spec, path)


def _capacity(spec: corev1.PersistentVolumeSpec, path: str) -> field.Faults:
    faults = [] if spec.capacity else [field.required(path)]
    if set(spec.capacity) != {"storage"}:
        shown = notation.struct({name: amount.string for name, amount in spec.capacity.items()})
        faults.append(field.unsupported(path, shown, ("storage",)))
    for name in sorted(spec.capacity):
        at = f"{path}[{name}]"
        faults += claims.basic(at, spec.capacity[name]) + claims.size(at, spec.capacity[name])
    return faults


def _nodes(affinity: corev1.VolumeNodeAffinity, path: str) -> field.Faults:
    if not affinity.HasField("required"):
        return [field.required(f"{path}.required", "must specify required node constraints")]
    return scheduling.node_selector(affinity.required, f"{path}.required")


def _source(spec: corev1.PersistentVolumeSpec, path: str, name: str) -> field.Faults:
    source = spec.persistentVolumeSource
    kind, faults = sources.one_of(source, _KINDS, path)
    target = source.iscsi.targetPortal
    if kind == "iscsi" and source.iscsi.HasField("initiatorName") and len(f"{name}:{target}") > ISCSI_NAME_MAX:
        faults.append(field.invalid(f"{path}.iscsi.targetportal", target, ISCSI_TEXT))
    if kind == "local" and not spec.HasField("nodeAffinity"):
        faults.append(field.required(f"{path}.nodeAffinity", "Local volume requires node affinity"))
    return faults


def _iscsi(value: corev1.ISCSIPersistentVolumeSource, path: str) -> field.Faults:
    return sources.iscsi(value, path, persistent=True)


def _csi(value: corev1.CSIPersistentVolumeSource, path: str) -> field.Faults:
    faults = sources.csi_driver_name(value.driver, f"{path}.driver")
    faults += sources.missing(value, path, "volumeHandle")
    for part in SECRETS:
        if value.HasField(part):
            faults += _secret(getattr(value, part), f"{path}.{part}")
    return faults


def _secret(secret: corev1.SecretReference, path: str) -> field.Faults:
    faults = sources.missing(secret, path, "name")
    if secret.name:
        faults += field.invalids(f"{path}.name", secret.name, names.subdomain(secret.name))
    faults += sources.missing(secret, path, "namespace")
    if secret.namespace:
        faults += field.invalids(f"{path}.namespace", secret.namespace, names.label(secret.namespace))
    return faults


# In the order in which Kubernetes looks for them: the first that is given is the one that is meant.
_KINDS = (
    sources.HOST_PATH,
    sources.GCE,
    sources.AWS,
    sources.GLUSTERFS,
    sources.FLOCKER,
    sources.NFS,
    sources.RBD,
    sources.QUOBYTE,
    sources.CEPHFS,
    sources.Kind("iscsi", _iscsi),
    sources.CINDER,
    sources.FC,
    sources.Kind("flexVolume", sources.FLEX.judge, never_too_many=True),
    sources.AZURE_FILE,
    sources.VSPHERE,
    sources.PHOTON,
    sources.PORTWORX,
    sources.AZURE_DISK,
    sources.SCALE_IO,
    sources.Kind("local", sources.local),
    sources.STORAGE_OS,
    sources.Kind("csi", _csi),
)


def validate_update(spec: corev1.PersistentVolumeSpec, old: corev1.PersistentVolumeSpec) -> field.Faults:
    """Judge what an update changes of a volume: its source may gain the secret for its expansion, once."""
    faults: field.Faults = []
    mine, theirs = objects.copy(spec).persistentVolumeSource, old.persistentVolumeSource
    if theirs.HasField("csi") and not theirs.csi.HasField("controllerExpandSecretRef") and mine.HasField("csi"):
        mine.csi.ClearField("controllerExpandSecretRef")
    if mine != theirs and codec.to_json(mine) != codec.to_json(theirs):
        text = "spec.persistentvolumesource is immutable after creation"
        faults.append(field.forbidden("spec.persistentvolumesource", text))
    faults += mode_kept(spec, old)
    if old.HasField("nodeAffinity") and not _same_nodes(spec.nodeAffinity, old.nodeAffinity):
        shown = notation.struct(spec.nodeAffinity) if spec.HasField("nodeAffinity") else None
        text = f"{meta.IMMUTABLE}, except for updating from beta label to GA"
        faults.append(field.invalid("nodeAffinity", shown, text))
    return faults


def mode_kept(spec: Any, old: Any) -> field.Faults:
    """Judge that the mode of a volume or a claim has not changed."""
    shown = spec.volumeMode if spec.HasField("volumeMode") else None
    return meta.immutable("volumeMode", shown, spec.volumeMode != old.volumeMode)


def _same_nodes(new: corev1.VolumeNodeAffinity, old: corev1.VolumeNodeAffinity) -> bool:
    """Say whether two affinities are the same, but for old names of labels that are now called otherwise."""
    renamed = objects.copy(old)
    terms = zip(new.required.nodeSelectorTerms, renamed.required.nodeSelectorTerms, strict=False)
    for term, was in terms:
        for rule, before in zip(term.matchExpressions, was.matchExpressions, strict=False):
            if PRESENT_LABELS.get(before.key) == rule.key:
                before.key = rule.key
    return new == renamed
