"""The rows of access control, networking, storage, scheduling and runtimes, as kubectl prints them."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from fairlead.api import codec, columns, scheme

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
CREATED = "2025-12-31T23:59:00Z"

ROWS: list[tuple[str, str, dict[str, Any], list[str], list[Any]]] = [
    ("rbac.authorization.k8s.io/v1", "Role", {}, ["Name", "Created At"], ["x", CREATED]),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        {
            "roleRef": {"kind": "ClusterRole", "name": "view"},
            "subjects": [
                {"kind": "User", "name": "ann"},
                {"kind": "User", "name": "bob"},
                {"kind": "ServiceAccount", "name": "robot", "namespace": "lab"},
            ],
        },
        ["Name", "Role", "Age", "Users", "Groups", "ServiceAccounts"],
        ["x", "ClusterRole/view", "60s", "ann, bob", "", "lab/robot"],
    ),
    (
        "networking.k8s.io/v1",
        "Ingress",
        {
            "spec": {"ingressClassName": "nginx", "tls": [{}], "rules": [{"host": host} for host in "abcd"]},
            "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.2"}, {"hostname": "10.example.com"}]}},
        },
        ["Name", "Class", "Hosts", "Address", "Ports", "Age"],
        ["x", "nginx", "a,b,c + 1 more...", "10.0.0.2,10.example.com", "80, 443", "60s"],
    ),
    (
        "networking.k8s.io/v1",
        "Ingress",
        {},
        ["Name", "Class", "Hosts", "Address", "Ports", "Age"],
        ["x", "<none>", "*", "", "80", "60s"],
    ),
    (
        "networking.k8s.io/v1",
        "IngressClass",
        {"spec": {"controller": "a/b", "parameters": {"apiGroup": "c.d", "kind": "Settings", "name": "e"}}},
        ["Name", "Controller", "Parameters", "Age"],
        ["x", "a/b", "Settings.c.d/e", "60s"],
    ),
    (
        "networking.k8s.io/v1",
        "NetworkPolicy",
        {"spec": {"podSelector": {"matchLabels": {"app": "web"}}}},
        ["Name", "Pod-Selector", "Age"],
        ["x", "app=web", "60s"],
    ),
    (
        "storage.k8s.io/v1",
        "StorageClass",
        {
            "provisioner": "p",
            "allowVolumeExpansion": True,
            "metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        },
        ["Name", "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age"],
        ["x (default)", "p", "Delete", "Immediate", True, "60s"],
    ),
    (
        "storage.k8s.io/v1",
        "VolumeAttachment",
        {
            "spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "pv"}},
            "status": {"attached": True},
        },
        ["Name", "Attacher", "PV", "Node", "Attached", "Age"],
        ["x", "a", "pv", "n", True, "60s"],
    ),
    (
        "storage.k8s.io/v1",
        "CSIDriver",
        {"spec": {"tokenRequests": [{"audience": "a"}, {"audience": "b"}], "volumeLifecycleModes": ["Persistent"]}},
        [
            "Name",
            "AttachRequired",
            "PodInfoOnMount",
            "StorageCapacity",
            "TokenRequests",
            "RequiresRepublish",
            "Modes",
            "Age",
        ],
        ["x", True, False, False, "a,b", False, "Persistent", "60s"],
    ),
    (
        "storage.k8s.io/v1",
        "CSINode",
        {"spec": {"drivers": [{"name": "a", "nodeID": "b"}]}},
        ["Name", "Drivers", "Age"],
        ["x", 1, "60s"],
    ),
    (
        "storage.k8s.io/v1",
        "CSIStorageCapacity",
        {"storageClassName": "fast", "capacity": "10Gi"},
        ["Name", "StorageClassName", "Capacity"],
        ["x", "fast", "10Gi"],
    ),
    (
        "scheduling.k8s.io/v1",
        "PriorityClass",
        {"value": 7, "globalDefault": True, "preemptionPolicy": "Never"},
        ["Name", "Value", "Global-Default", "Age", "PreemptionPolicy"],
        ["x", 7, True, "60s", "Never"],
    ),
    (
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        {"webhooks": [{"name": "a"}, {"name": "b"}]},
        ["Name", "Webhooks", "Age"],
        ["x", 2, "60s"],
    ),
    (
        "flowcontrol.apiserver.k8s.io/v1",
        "FlowSchema",
        {"spec": {"priorityLevelConfiguration": {"name": "low"}, "matchingPrecedence": 7}},
        ["Name", "PriorityLevel", "MatchingPrecedence", "DistinguisherMethod", "Age", "MissingPL"],
        ["x", "low", 7, "<none>", "60s", "?"],
    ),
    (
        "flowcontrol.apiserver.k8s.io/v1",
        "PriorityLevelConfiguration",
        {
            "spec": {
                "type": "Limited",
                "limited": {
                    "nominalConcurrencyShares": 5,
                    "limitResponse": {"queuing": {"queues": 8, "handSize": 2, "queueLengthLimit": 50}},
                },
            }
        },
        ["Name", "Type", "NominalConcurrencyShares", "Queues", "HandSize", "QueueLengthLimit", "Age"],
        ["x", "Limited", 5, 8, 2, 50, "60s"],
    ),
    (
        "flowcontrol.apiserver.k8s.io/v1",
        "PriorityLevelConfiguration",
        {"spec": {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 5}}},
        ["Name", "Type", "NominalConcurrencyShares", "Queues", "HandSize", "QueueLengthLimit", "Age"],
        ["x", "Exempt", "<none>", "<none>", "<none>", "<none>", "60s"],
    ),
    (
        "networking.k8s.io/v1",
        "Ingress",
        {"spec": {"rules": [{}, {"host": "a"}, {"host": "b"}, {"host": "c"}, {}]}},
        ["Name", "Class", "Hosts", "Address", "Ports", "Age"],
        ["x", "<none>", "a,b,c + 2 more...", "", "80", "60s"],
    ),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicyBinding",
        {"spec": {"policyName": "p", "paramRef": {"selector": {"matchLabels": {"a": "b"}}}}},
        ["Name", "PolicyName", "ParamRef", "Age"],
        [
            "x",
            "p",
            "&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{},}",
            "60s",
        ],
    ),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, ["Name", "Created At"], ["x", CREATED]),
    (
        "autoscaling/v1",
        "HorizontalPodAutoscaler",
        {"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5}},
        ["Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"],
        ["x", "Deployment/web", "<none>", "<unset>", 5, 0, "60s"],
    ),
    (
        "discovery.k8s.io/v1",
        "EndpointSlice",
        {"addressType": "IPv4", "ports": [{"port": 80}, {}, {"name": "a"}], "endpoints": []},
        ["Name", "AddressType", "Ports", "Endpoints", "Age"],
        ["x", "IPv4", "80,*,a", "<unset>", "60s"],
    ),
    (
        "apiregistration.k8s.io/v1",
        "APIService",
        {
            "spec": {"service": {"namespace": "a", "name": "b"}},
            "status": {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]},
        },
        ["Name", "Service", "Available", "Age"],
        ["x", "a/b", "False (MissingEndpoints)", "60s"],
    ),
    (
        "apiregistration.k8s.io/v1",
        "APIService",
        {},
        ["Name", "Service", "Available", "Age"],
        ["x", "Local", "Unknown", "60s"],
    ),
    ("node.k8s.io/v1", "RuntimeClass", {"handler": "runsc"}, ["Name", "Handler", "Age"], ["x", "runsc", "60s"]),
]


@pytest.mark.parametrize(("version", "kind", "content", "names", "cells"), ROWS)
def test_a_row_reads_as_kubectl_prints_it(
    version: str, kind: str, content: dict[str, Any], names: list[str], cells: list[Any]
) -> None:
    """Names, order, texts, numbers and booleans of Kubernetes' printers."""
    metadata = {"name": "x", "creationTimestamp": CREATED, **content.get("metadata", {})}
    obj: Any = codec.decode_object({"apiVersion": version, "kind": kind, **content, "metadata": metadata})

    assert [column.name for column in columns.of_kind(scheme.DEFAULT.of(obj))] == names
    assert list(columns.row(obj, NOW)) == cells
