"""What claims, Ingresses and pods get from classes, and what claims may become."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import networking_v1_pb2 as networkingv1
from fairlead.api.pb import node_v1_pb2 as nodev1
from fairlead.api.pb import scheduling_v1_pb2 as schedulingv1
from fairlead.api.pb import storage_v1_pb2 as storagev1
from fairlead.testing import control
from tests.unit.apiserver import yamls

DEFAULT = "annotations: {storageclass.kubernetes.io/is-default-class: 'true'}"


@pytest.fixture
async def admin() -> AsyncIterator[Any]:
    """An administrator's client."""
    clock = iter(range(1000, 100000))
    async with control.memory_api(now=lambda: float(next(clock))) as api:
        yield api.as_user(*control.ADMIN)


def claim(more: str = "", storage: str = "1Gi") -> corev1.PersistentVolumeClaim:
    """Return a claim."""
    return yamls.read(
        f"{{metadata: {{name: data, namespace: default}}, spec: {{accessModes: [ReadWriteOnce], resources:"
        f" {{requests: {{storage: {storage}}}}}{more}}}}}",
        corev1.PersistentVolumeClaim,
    )


@pytest.mark.parametrize(
    ("more", "want"), [("", "new"), (", storageClassName: other", "other"), (", storageClassName: ''", "")]
)
async def test_a_claim_without_a_class_gets_the_newest_default(admin: Any, more: str, want: str) -> None:
    """An empty name asks for none; the claim is held until it is used no more."""
    for name, marks in (("old", DEFAULT), ("new", DEFAULT), ("plain", "labels: {}")):
        text = f"{{metadata: {{name: {name}, {marks}}}, provisioner: example.com/disk}}"
        await admin.create(yamls.read(text, storagev1.StorageClass))
        await admin.get(storagev1.StorageClass, name)

    made = await admin.create(claim(more))

    assert made.spec.storageClassName == want
    assert list(made.metadata.finalizers) == ["kubernetes.io/pvc-protection"]


async def test_an_ingress_without_a_class_gets_the_default(admin: Any) -> None:
    """The class that is marked."""
    marked = "annotations: {ingressclass.kubernetes.io/is-default-class: 'true'}"
    text = f"{{metadata: {{name: front, {marked}}}, spec: {{controller: example.com/front}}}}"
    await admin.create(yamls.read(text, networkingv1.IngressClass))
    await admin.get(networkingv1.IngressClass, "front")  # a read waits until the cache shows it
    backend = "{service: {name: web, port: {number: 80}}}"
    text = f"{{metadata: {{name: web, namespace: default}}, spec: {{defaultBackend: {backend}}}}}"

    made = await admin.create(yamls.read(text, networkingv1.Ingress))

    assert made.spec.ingressClassName == "front"


async def test_only_bound_claims_of_a_class_that_expands_grow(admin: Any) -> None:
    """In Kubernetes' words."""
    text = "{metadata: {name: fixed}, provisioner: example.com/disk}"
    await admin.create(yamls.read(text, storagev1.StorageClass))
    made = await admin.create(claim(", storageClassName: fixed"))
    made.spec.resources.requests["storage"].string = "2Gi"
    with pytest.raises(errors.ApiError) as unbound:
        await admin.update(made)
    made.status.phase = "Bound"
    made = await admin.update(made, subresource="status")
    made.spec.volumeName = "disk"
    made.spec.resources.requests["storage"].string = "1Gi"
    made = await admin.update(made)
    made.spec.resources.requests["storage"].string = "2Gi"
    with pytest.raises(errors.Forbidden) as fixed:
        await admin.update(made)

    assert unbound.value.code in (403, 422)
    assert fixed.value.message == (
        'persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc can be resized and the'
        " storageclass that provisions the pvc must support resize"
    )


RUNTIME = "{metadata: {name: small}, handler: runsc, overhead: {podFixed: {cpu: 100m}}, scheduling: {nodeSelector:"
RUNTIME += " {runtime: small}, tolerations: [{key: small, operator: Exists}]}}"


def pod(more: str = "") -> corev1.Pod:
    """Return a pod."""
    made = yamls.read(f"spec: {{containers: [{{name: a, image: web}}]{more}}}", corev1.Pod)
    made.metadata.name, made.metadata.namespace = "web", "default"
    return made


async def test_a_runtime_class_brings_overhead_and_scheduling(admin: Any) -> None:
    """What the class says is added to the pod."""
    await admin.create(yamls.read(RUNTIME, nodev1.RuntimeClass))

    made = await admin.create(pod(", runtimeClassName: small"))

    assert (made.spec.overhead["cpu"].string, dict(made.spec.nodeSelector)) == ("100m", {"runtime": "small"})
    assert "small" in {one.key for one in made.spec.tolerations}


@pytest.mark.parametrize(
    ("own", "want"),
    [
        ("{key: small, operator: Equal, value: a}", [("small", "Exists", "")]),
        ("{operator: Exists}", [("", "Exists", "")]),
        ("{key: small, operator: Exists, effect: NoSchedule}", [("small", "Exists", "")]),
        ("{key: big, operator: Exists}", [("big", "Exists", ""), ("small", "Exists", "")]),
    ],
)
async def test_a_toleration_that_another_covers_is_left_out(admin: Any, own: str, want: Any) -> None:
    """Of those of the pod and of its runtime class."""
    await admin.create(yamls.read(RUNTIME, nodev1.RuntimeClass))

    made = await admin.create(pod(f", runtimeClassName: small, tolerations: [{own}]"))

    found = [(one.key, one.operator, one.value) for one in made.spec.tolerations]
    assert [one for one in found if not one[0].startswith("node.kubernetes.io/")] == want


@pytest.mark.parametrize(
    ("more", "want"),
    [
        (", runtimeClassName: lost", 'pod rejected: RuntimeClass "lost" not found'),
        (
            ", runtimeClassName: small, overhead: {cpu: 1}",
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
        ),
        (
            ", overhead: {cpu: 1}",
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
        (
            ", runtimeClassName: small, nodeSelector: {runtime: big}",
            "conflict: runtimeClass.scheduling.nodeSelector[runtime] = small; pod.spec.nodeSelector[runtime] = big",
        ),
    ],
)
async def test_a_pod_that_contradicts_its_runtime_class(admin: Any, more: str, want: str) -> None:
    """Refused in Kubernetes' words."""
    await admin.create(yamls.read(RUNTIME, nodev1.RuntimeClass))
    with pytest.raises(errors.Forbidden) as refused:
        await admin.create(pod(more))

    assert refused.value.message == f'pods "web" is forbidden: {want}'


async def test_priority_classes(admin: Any) -> None:
    """The default class names itself in pods; there is only one."""
    text = "{metadata: {name: usual}, value: 5, globalDefault: true, preemptionPolicy: Never}"
    await admin.create(yamls.read(text, schedulingv1.PriorityClass))
    await admin.get(schedulingv1.PriorityClass, "usual")
    with pytest.raises(errors.Forbidden) as second:
        await admin.create(yamls.read(text.replace("usual", "other"), schedulingv1.PriorityClass))

    made = await admin.create(pod())

    assert (made.spec.priorityClassName, made.spec.priority, made.spec.preemptionPolicy) == ("usual", 5, "Never")
    assert second.value.message == (
        'priorityclasses.scheduling.k8s.io "other" is forbidden: PriorityClass usual is already marked as default.'
        " Only one default can exist"
    )
