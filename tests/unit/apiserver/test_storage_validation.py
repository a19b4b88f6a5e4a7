"""What is refused of PersistentVolumes and their claims, in Kubernetes' words and with the paths that it names."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.apiserver import judging

VOLUME = """
metadata: {name: disk}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /a}}
"""
CLAIM = """
metadata: {name: data, namespace: default}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
SUBDOMAIN = r"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
ISCSI = {"targetPortal": "t", "iqn": "iqn.2020-01.a.b:c", "lun": 0}
LONG = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."
BETA = "volume.beta.kubernetes.io/storage-class"
ANNOTATED = {"metadata/annotations": {BETA: "slow"}}
FIXED = "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
ZONES = "spec/nodeAffinity/required/nodeSelectorTerms"


def source(**given: Any) -> dict[str, Any]:
    """Return the changes that give the volume another source."""
    return {"spec/hostPath": None, **{f"spec/{name}": value for name, value in given.items()}}


def zone(key: str) -> list[dict[str, Any]]:
    """Return the terms of nodes in a zone, which a label's key names."""
    return [{"matchExpressions": [{"key": key, "operator": "In", "values": ["a"]}]}]


CASES: list[tuple[str, str, dict[str, Any], list[str]]] = [
    ("PersistentVolume", VOLUME, source(), ["spec: Required value: must specify a volume type"]),
    ("PersistentVolume", VOLUME, {"spec/nfs": {"server": "s", "path": "/"}}, ["spec.nfs: Forbidden: may not specify more than 1 volume type"]),
    ("PersistentVolume", VOLUME, {"spec/flexVolume": {}}, ["spec.flexVolume.driver: Required value"]),
    ("PersistentVolume", VOLUME, {"spec/capacity/storage": "-1500m"}, ['spec.capacity[storage]: Invalid value: -1: must be a valid resource quantity', 'spec.capacity[storage]: Invalid value: "-1500m": must be greater than zero']),
    ("PersistentVolume", VOLUME, {"spec/accessModes": ["ReadWriteOncePod", "Some"]}, ['spec.accessModes: Unsupported value: "Some": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"']),
    ("PersistentVolume", VOLUME, {"spec/hostPath/path": "//", "spec/persistentVolumeReclaimPolicy": "Recycle"}, ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"]),
    ("PersistentVolume", VOLUME, source(iscsi={**ISCSI, "iqn": "abc"}), ['spec.iscsi.iqn: Invalid value: "abc": must be valid format']),
    ("PersistentVolume", VOLUME, source(iscsi={**ISCSI, "targetPortal": "t" * 60, "initiatorName": ISCSI["iqn"]}), [f'spec.iscsi.targetportal: Invalid value: "{"t" * 60}": {LONG}']),
    ("PersistentVolume", VOLUME, source(iscsi={**ISCSI, "secretRef": {}}), ["spec.iscsi.secretRef.name: Required value"]),
    ("PersistentVolume", VOLUME, source(csi={"driver": "d", "volumeHandle": "h", "nodeStageSecretRef": {}, "nodePublishSecretRef": {"name": "A"}}), [f'spec.csi.nodePublishSecretRef.name: Invalid value: "A": {SUBDOMAIN}', "spec.csi.nodePublishSecretRef.namespace: Required value"]),
    ("PersistentVolume", VOLUME, source(local={}), ["spec.local.path: Required value", "spec.nodeAffinity: Required value: Local volume requires node affinity"]),
    ("PersistentVolume", VOLUME, source(azureFile={"secretName": "s", "shareName": "s", "secretNamespace": ""}), ["spec.azureFile.secretNamespace: Required value"]),
    ("PersistentVolume", VOLUME, source(glusterfs={"endpoints": "e", "path": "p", "endpointsNamespace": ""}), ['spec.glusterfs.endpointsNamespace: Invalid value: "": if the endpointnamespace is set, it must be a valid namespace name']),
    ("PersistentVolume", VOLUME, source(storageos={"volumeName": "v", "secretRef": {"name": "n"}}), ["spec.storageos.secretRef.namespace: Required value"]),
    ("PersistentVolumeClaim", CLAIM, {"spec/resources/requests": {}}, ["spec.resources[storage]: Required value"]),
    ("PersistentVolumeClaim", CLAIM, {"spec/dataSourceRef": {"kind": "A", "name": "a"}}, [f'spec.{part}: Invalid value: "A": must be \'PersistentVolumeClaim\' when referencing the default apiGroup' for part in ("dataSource", "dataSourceRef")]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "changes", "want"), CASES, ids=[f"{row[0]}: {row[3][0][:60]}" for row in CASES])  # fmt: skip
def test_bad_storage_is_refused_for_all_its_faults(
    kind: str, text: str, changes: dict[str, Any], want: list[str]
) -> None:
    """Each fault with its path."""
    assert judging.faults(kind, text, changes) == want


UPDATES: list[tuple[str, str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("PersistentVolume", VOLUME, {}, {"spec/hostPath/path": "/b"}, ["spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"]),
    ("PersistentVolume", VOLUME, source(csi={"driver": "d", "volumeHandle": "h"}), source(csi={"driver": "d", "volumeHandle": "h", "controllerExpandSecretRef": {"name": "a", "namespace": "b"}}), []),
    ("PersistentVolume", VOLUME, {}, {"spec/volumeMode": "Block"}, ['volumeMode: Invalid value: "Block": field is immutable']),
    ("PersistentVolume", VOLUME, {ZONES: zone("failure-domain.beta.kubernetes.io/zone")}, {ZONES: zone("topology.kubernetes.io/zone")}, []),
    ("PersistentVolume", VOLUME, {ZONES: zone("topology.kubernetes.io/zone")}, {}, ['nodeAffinity: Invalid value: "null": field is immutable, except for updating from beta label to GA']),
    ("PersistentVolumeClaim", CLAIM, {}, {"spec/resources/requests/storage": "2Gi"}, [FIXED]),
    ("PersistentVolumeClaim", CLAIM, ANNOTATED, {}, [f'metadata.annotations.{BETA}: Invalid value: "": field is immutable']),
    ("PersistentVolumeClaim", CLAIM, ANNOTATED, {"spec/storageClassName": "slow"}, []),
    ("PersistentVolumeClaim", CLAIM, ANNOTATED, {**ANNOTATED, "spec/storageClassName": "fast"}, [FIXED]),
    ("PersistentVolumeClaim", CLAIM, {}, {"spec/storageClassName": "fast"}, []),
    ("PersistentVolumeClaim", CLAIM, {"spec/storageClassName": "slow"}, {"spec/storageClassName": "fast"}, [FIXED]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "before", "after", "want"), UPDATES, ids=[f"{row[0]}: {(row[4] or ['fine'])[0][:60]}" for row in UPDATES])  # fmt: skip
def test_storage_changes_little(
    kind: str, text: str, before: dict[str, Any], after: dict[str, Any], want: list[str]
) -> None:
    """A volume keeps its source, a claim its class; what an old annotation or label says may be said anew."""
    assert judging.updated(kind, text, before, after) == want


STATUSES: list[tuple[dict[str, Any], list[str]]] = [
    ({"capacity": {"storage": "-1"}}, ["status.capacity[storage]: Invalid value: -1: must be a valid resource quantity"]),
    ({"allocatedResourceStatuses": {"storage": "Growing"}}, ['status.allocatedResourceStatus: Unsupported value: "storage": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending"']),
    ({"allocatedResources": {"cpu": "1"}}, ['status.allocatedResources: Unsupported value: "cpu": supported values: "storage"']),
    ({"allocatedResources": {"storage": "1Gi"}, "allocatedResourceStatuses": {"storage": "NodeResizePending"}}, []),
]  # fmt: skip


@pytest.mark.parametrize(("after", "want"), STATUSES)
def test_a_claims_status_is_judged(after: dict[str, Any], want: list[str]) -> None:
    """Its capacity, and how far a resize has come."""
    assert judging.status_updated("PersistentVolumeClaim", CLAIM, {}, after) == want
