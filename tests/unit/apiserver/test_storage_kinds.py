"""Storage kinds: defaults, what is refused, what may change, where they lie."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api import names
from tests.unit.apiserver import judging, yamls

SUBDOMAIN = names.dns_subdomain("A")[0]
STORAGE_CLASS = "{metadata: {name: fast}, provisioner: example.com/disk, parameters: {kind: ssd}}"
ATTACHMENT = """
metadata: {name: a}
spec: {attacher: csi.example.com, nodeName: node-1, source: {persistentVolumeName: pv-1}}
"""
DRIVER = "{metadata: {name: csi.example.com}, spec: {tokenRequests: [{audience: vault}]}}"
CSI_NODE = """
metadata: {name: node-1}
spec: {drivers: [{name: csi.example.com, nodeID: n1, topologyKeys: [example.com/rack], allocatable: {count: 8}}]}
"""
CAPACITY = "{metadata: {name: c, namespace: default}, storageClassName: fast, capacity: 10Gi}"
GOOD = {
    "StorageClass": STORAGE_CLASS,
    "VolumeAttachment": ATTACHMENT,
    "CSIDriver": DRIVER,
    "CSINode": CSI_NODE,
    "CSIStorageCapacity": CAPACITY,
}
WHOLE = {
    "StorageClass": """
        apiVersion: storage.k8s.io/v1
        kind: StorageClass
        metadata: {name: fast}
        provisioner: example.com/disk
        parameters: {kind: ssd}
        reclaimPolicy: Delete
        volumeBindingMode: Immediate
        """,
    "VolumeAttachment": """
        apiVersion: storage.k8s.io/v1
        kind: VolumeAttachment
        metadata: {name: a}
        spec: {attacher: csi.example.com, nodeName: node-1, source: {persistentVolumeName: pv-1}}
        status: {attached: false}
        """,
    "CSIDriver": """
        apiVersion: storage.k8s.io/v1
        kind: CSIDriver
        metadata: {name: csi.example.com}
        spec:
          attachRequired: true
          podInfoOnMount: false
          volumeLifecycleModes: [Persistent]
          storageCapacity: false
          fsGroupPolicy: ReadWriteOnceWithFSType
          tokenRequests: [{audience: vault}]
          requiresRepublish: false
          seLinuxMount: false
        """,
    "CSINode": """
        apiVersion: storage.k8s.io/v1
        kind: CSINode
        metadata: {name: node-1}
        spec:
          drivers: [{name: csi.example.com, nodeID: n1, topologyKeys: [example.com/rack], allocatable: {count: 8}}]
        """,
    "CSIStorageCapacity": """
        apiVersion: storage.k8s.io/v1
        kind: CSIStorageCapacity
        metadata: {name: c, namespace: default}
        storageClassName: fast
        capacity: 10Gi
        """,
}
BAD: list[tuple[str, dict[str, Any], list[str]]] = [
    ("StorageClass", {"provisioner": ""}, ["provisioner: Required value"]),
    (
        "StorageClass",
        {"reclaimPolicy": "Recycle"},
        ['reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"'],
    ),
    (
        "StorageClass",
        {"volumeBindingMode": "Later"},
        ['volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"'],
    ),
    ("StorageClass", {"parameters": {"": "x"}}, ['parameters: Invalid value: "": field can not be empty.']),
    (
        "StorageClass",
        {"parameters": {str(number): "" for number in range(513)}},
        ["parameters: Too long: may not be more than 512 bytes"],
    ),
    (
        "StorageClass",
        {"allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": []}]}]},
        ["allowedTopologies[0].matchLabelExpressions[0].values: Required value"],
    ),
    (
        "VolumeAttachment",
        {"spec/attacher": ""},
        [
            "spec.attacher: Required value",
            "spec.attacher: Required value",
            f'spec.attacher: Invalid value: "": {SUBDOMAIN}',
        ],
    ),
    (
        "VolumeAttachment",
        {"spec/source": {}},
        ["spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"],
    ),
    (
        "VolumeAttachment",
        {"spec/source/inlineVolumeSpec": {}},
        ["spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName"],
    ),
    (
        "CSIDriver",
        {"spec/fsGroupPolicy": "All"},
        ['spec.fsGroupPolicy: Unsupported value: "All": supported values: "File", "None", "ReadWriteOnceWithFSType"'],
    ),
    (
        "CSIDriver",
        {"spec/volumeLifecycleModes": ["Short"]},
        ['spec.volumeLifecycleModes: Unsupported value: "Short": supported values: "Persistent", "Ephemeral"'],
    ),
    (
        "CSIDriver",
        {"spec/tokenRequests/1": {"audience": "vault"}},
        ['spec.tokenRequests[1].audience: Duplicate value: "vault"'],
    ),
    (
        "CSIDriver",
        {"spec/tokenRequests/0/expirationSeconds": 5},
        [
            "spec.tokenRequests[0].expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes"
        ],
    ),
    ("CSINode", {"spec/drivers/0/nodeID": ""}, ["spec.drivers[0].nodeID: Required value"]),
    (
        "CSINode",
        {"spec/drivers/0/allocatable/count": -1},
        ["spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0"],
    ),
    (
        "CSINode",
        {"spec/drivers/1": {"name": "csi.example.com", "nodeID": "n"}},
        ['spec.drivers[1].name: Duplicate value: "csi.example.com"'],
    ),
    ("CSIStorageCapacity", {"storageClassName": ""}, [f'storageClassName: Invalid value: "": {SUBDOMAIN}']),
    ("CSIStorageCapacity", {"capacity": "-1"}, ['capacity: Invalid value: "-1": must be greater than or equal to 0']),
]
CHANGES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("StorageClass", {"parameters/kind": "hdd"}, ["parameters: Forbidden: updates to parameters are forbidden."]),
    ("StorageClass", {"provisioner": "b"}, ["provisioner: Forbidden: updates to provisioner are forbidden."]),
    (
        "StorageClass",
        {"reclaimPolicy": "Retain"},
        ["reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden."],
    ),
    (
        "StorageClass",
        {"volumeBindingMode": "WaitForFirstConsumer"},
        ['volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable'],
    ),
    ("StorageClass", {"allowVolumeExpansion": True}, []),
    (
        "VolumeAttachment",
        {"spec/nodeName": "node-2"},
        [
            'spec: Invalid value: {"attacher":"csi.example.com","nodeName":"node-2","source":{"persistentVolumeName":"pv-1"}}: field is immutable'
        ],
    ),
    (
        "CSIDriver",
        {"spec/attachRequired": False},
        ["spec.attachedRequired: Invalid value: false: field is immutable"],
    ),
    (
        "CSIDriver",
        {"spec/volumeLifecycleModes": ["Ephemeral"]},
        ['spec.volumeLifecycleModes: Invalid value: []storage.VolumeLifecycleMode{"Ephemeral"}: field is immutable'],
    ),
    (
        "CSINode",
        {"spec/drivers/0/nodeID": "n2"},
        [
            'spec.drivers: Invalid value: {"allocatable":{"count":8},"name":"csi.example.com","nodeID":"n2","topologyKeys":["example.com/rack"]}: field is immutable'
        ],
    ),
    ("CSINode", {"spec/drivers": []}, []),
    (
        "CSIStorageCapacity",
        {"storageClassName": "slow"},
        ['storageClassName: Invalid value: "slow": field is immutable'],
    ),
    ("CSIStorageCapacity", {"capacity": "5Gi"}, []),
]


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_object_is_stored_with_its_defaults(kind: str) -> None:
    """Compared whole with the JSON that Kubernetes would serve."""
    assert judging.faults(kind, GOOD[kind]) == []
    assert judging.document(kind, GOOD[kind]) == yamls.loaded(WHOLE[kind])


@pytest.mark.parametrize(("kind", "changes", "wanted"), BAD)
def test_a_bad_object_is_refused_in_kubernetes_words(kind: str, changes: dict[str, Any], wanted: list[str]) -> None:
    """Each fault with its path."""
    assert judging.faults(kind, GOOD[kind], changes) == wanted


@pytest.mark.parametrize(("kind", "changes", "wanted"), CHANGES)
def test_an_update_changes_what_it_may(kind: str, changes: dict[str, Any], wanted: list[str]) -> None:
    """And is refused where it touches what stays."""
    assert judging.update(kind, GOOD[kind], changes)[1] == wanted


def test_a_csi_driver_counts_its_changes() -> None:
    """It begins without a generation."""
    assert judging.update("CSIDriver", DRIVER, {"spec/requiresRepublish": True})[0].metadata.generation == 1


KEYS = {
    "StorageClass": "/registry/storageclasses/fast",
    "VolumeAttachment": "/registry/volumeattachments/a",
    "CSIDriver": "/registry/csidrivers/csi.example.com",
    "CSINode": "/registry/csinodes/node-1",
    "CSIStorageCapacity": "/registry/csistoragecapacities/default/c",
}


@pytest.mark.parametrize("kind", KEYS)
def test_objects_lie_where_kubernetes_puts_them(kind: str) -> None:
    """Key, envelope, and bytes that read back as the same object."""
    assert judging.stored_at(kind, GOOD[kind]) == KEYS[kind]
