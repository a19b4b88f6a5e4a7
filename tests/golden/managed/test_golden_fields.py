"""What a creator owns of a Pod, a Deployment, a Service and a ConfigMap, as Kubernetes writes it, byte for byte."""

from __future__ import annotations

import pathlib

import pytest
from google.protobuf.message import Message

from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import control
from tests.unit.apiserver import yamls

HERE = pathlib.Path(__file__).parent
POD = """
metadata: {name: web, namespace: default, labels: {app: web}, annotations: {note: x}}
spec:
  nodeSelector: {disk: ssd}
  tolerations: [{key: a, operator: Exists}]
  volumes: [{name: data, emptyDir: {}}]
  containers:
  - name: web
    image: web:1
    env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}, {name: A, value: b}]
    ports: [{containerPort: 443}, {containerPort: 80}]
    resources: {requests: {cpu: 100m}}
    volumeMounts: [{name: data, mountPath: /data}]
"""
DEPLOYMENT = """
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}
"""
SERVICE = """
metadata: {name: web, namespace: default, labels: {app: web}}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""
CONFIGMAP = """
metadata:
  name: web
  namespace: default
  finalizers: [example.com/hold]
  ownerReferences: [{apiVersion: v1, kind: Secret, name: x, uid: "42"}]
data: {b: "1", a: "2"}
immutable: false
"""


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("pod", POD, corev1.Pod),
        ("deployment", DEPLOYMENT, appsv1.Deployment),
        ("service", SERVICE, corev1.Service),
        ("configmap", CONFIGMAP, corev1.ConfigMap),
    ],
)
async def test_a_creator_owns_what_it_set_and_the_defaults_of_it(name: str, text: str, kind: type[Message]) -> None:
    """Kubernetes' managedFields of a creation: neither status nor what admission and allocation add."""
    async with control.memory_api(now=lambda: 1000.0) as api:
        made = await api.as_user(*control.ADMIN).create(yamls.read(text, kind), field_manager="test")

    [entry] = made.metadata.managedFields  # type: ignore[attr-defined]
    assert entry.fieldsV1.Raw.decode() == (HERE / f"{name}.json").read_text().strip()
    assert (entry.manager, entry.operation, entry.fieldsType, entry.time.seconds) == (
        "test",
        "Update",
        "FieldsV1",
        1000,
    )
