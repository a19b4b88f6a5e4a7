"""What joins a pod late, and Bindings by themselves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fairlead.api import errors, objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client.interface import Patch, PatchType
from fairlead.testing import control
from tests.unit.apiserver import judging, yamls

POD = """
metadata: {name: web, namespace: default}
spec: {containers: [{name: main, image: web}], volumes: [{name: data, emptyDir: {}}]}
"""


@pytest.fixture
async def admin() -> AsyncIterator[Any]:
    """A client of system:masters, and a pod."""
    async with control.memory_api() as api:
        client = api.as_user(*control.ADMIN)
        await client.create(yamls.read(POD, corev1.Pod))
        yield client


async def joined(admin: Any, *containers: dict[str, Any]) -> corev1.Pod:
    """Patch ephemeral containers into the pod."""
    body = json.dumps({"spec": {"ephemeralContainers": containers}}).encode()
    patch = Patch(PatchType.STRATEGIC, body)
    found: corev1.Pod = await admin.patch(corev1.Pod, "web", "default", patch, subresource="ephemeralcontainers")
    return found


async def test_a_container_joins_a_pod_with_its_defaults_and_stays(admin: Any) -> None:
    """kubectl debug patches it in; nothing else of the patch is taken, and another follows."""
    first = await joined(admin, {"name": "debug", "image": "busybox", "targetContainerName": "main"})
    second = await joined(admin, {"name": "more", "image": "busybox"})

    found = [one.ephemeralContainerCommon for one in second.spec.ephemeralContainers]
    assert {one.name for one in found} == {"debug", "more"}
    assert found[0].terminationMessagePath == "/dev/termination-log"
    assert len(first.spec.ephemeralContainers) == 1


@pytest.mark.parametrize(
    ("container", "fault"),
    [
        ({"name": "main", "image": "a"}, 'spec.ephemeralContainers[0].name: Duplicate value: "main"'),
        (
            {"name": "a", "image": "a", "targetContainerName": "lost"},
            'spec.ephemeralContainers[0].targetContainerName: Not found: "lost"',
        ),
        (
            {"name": "a", "image": "a", "ports": [{"containerPort": 80}]},
            "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
        ),
        (
            {"name": "a", "image": "a", "resources": {"limits": {"cpu": "1"}}},
            "spec.ephemeralContainers[0].resources: Forbidden: cannot be set for an Ephemeral Container",
        ),
        (
            {"name": "a", "image": "a", "livenessProbe": {"exec": {"command": ["a"]}}},
            "spec.ephemeralContainers[0].livenessProbe: Forbidden: cannot be set for an Ephemeral Container",
        ),
        (
            {"name": "a", "image": "a", "volumeMounts": [{"name": "data", "mountPath": "/a", "subPath": "b"}]},
            "spec.ephemeralContainers[0].volumeMounts[0].subPath: Forbidden:"
            " cannot be set for an Ephemeral Container",
        ),
    ],
)
async def test_an_ephemeral_container_has_no_more_than_it_may(
    admin: Any, container: dict[str, Any], fault: str
) -> None:
    """In Kubernetes' words."""
    with pytest.raises(errors.Invalid) as refused:
        await joined(admin, container)
    assert [f"{cause.field}: {cause.message}" for cause in refused.value.causes] == [fault]


async def test_an_ephemeral_container_neither_goes_nor_changes(admin: Any) -> None:
    """Only additions."""
    pod = objects.copy(await joined(admin, {"name": "debug", "image": "busybox"}))
    changed = objects.copy(pod)
    changed.spec.ephemeralContainers[0].ephemeralContainerCommon.image = "other"
    gone = objects.copy(pod)
    del gone.spec.ephemeralContainers[:]

    faults = []
    for one in (changed, gone):
        with pytest.raises(errors.Invalid) as refused:
            await admin.update(one, subresource="ephemeralcontainers")
        faults += [cause.message.strip() for cause in refused.value.causes]

    assert faults == [
        'Forbidden: existing ephemeral containers "debug" may not be changed',
        'Forbidden: existing ephemeral containers "debug" may not be removed',
    ]


def test_a_pod_is_not_created_with_ephemeral_containers() -> None:
    """They join later."""
    found = judging.faults("Pod", POD, {"spec/ephemeralContainers": [{"name": "a", "image": "a"}]})
    assert found == ["spec.ephemeralContainers: Forbidden: cannot be set on create"]


async def test_a_binding_posted_to_the_namespace_binds_its_pod(admin: Any) -> None:
    """POST /api/v1/namespaces/default/bindings."""
    await admin.create(
        yamls.read("{metadata: {name: web, namespace: default}, target: {kind: Node, name: node-1}}", corev1.Binding)
    )
    assert (await admin.get(corev1.Pod, "web", "default")).spec.nodeName == "node-1"
