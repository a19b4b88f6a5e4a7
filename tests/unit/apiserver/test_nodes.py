"""What a node's agent may write, and the pods that it finds."""

from __future__ import annotations

from typing import Any

import pytest

from control.apiserver.server import ApiServer
from fairlead.api import errors, objects
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client.interface import Patch, PatchType, Selection
from tests.unit.apiserver import yamls

POD = "{metadata: {name: web, namespace: default}, spec: {containers: [{name: main, image: web}]}}"


def node_client(api: ApiServer, node: str) -> Any:
    """A node's client."""
    return api.as_user(f"system:node:{node}", ["system:nodes"])


async def bind(client: Any, name: str, node: str) -> None:
    """Give a pod its node."""
    binding = corev1.Binding()
    binding.target.name = node
    await client.post(corev1.Pod, name, "default", "binding", binding)


async def test_a_node_writes_its_own_and_nothing_else(admin: Any, api: ApiServer) -> None:
    """Its Node, its Lease, the status of its pods; not another's."""
    mine = node_client(api, "node-1")
    await mine.create(yamls.read("metadata: {name: node-1}", corev1.Node))
    lease = yamls.read("metadata: {name: node-1, namespace: kube-node-lease}", coordinationv1.Lease)
    await mine.create(lease)
    for name, node in (("web", "node-1"), ("db", "node-2")):
        pod = yamls.read(POD, corev1.Pod)
        pod.metadata.name = name
        await admin.create(pod)
        await bind(admin, name, node)
    web = objects.copy(await mine.get(corev1.Pod, "web", "default"))
    web.status.phase = "Running"
    await mine.update(web, subresource="status")

    other = objects.copy(await admin.get(corev1.Pod, "db", "default"))
    other.status.phase = "Running"
    with pytest.raises(
        errors.Forbidden, match='node "node-1" can only update pod status for pods with spec.nodeName'
    ):
        await mine.update(other, subresource="status")
    with pytest.raises(errors.Forbidden, match="can only delete pods"):
        await mine.delete(corev1.Pod, "db", "default")
    with pytest.raises(errors.Forbidden, match='node "node-1" is not allowed to modify node "node-2"'):
        await mine.create(yamls.read("metadata: {name: node-2}", corev1.Node))
    with pytest.raises(errors.Forbidden, match="can only create mirror pods"):
        await mine.create(yamls.read(POD.replace("web", "x"), corev1.Pod))
    with pytest.raises(errors.Forbidden, match="no relationship found"):
        await mine.get(corev1.Pod, "db", "default")
    with pytest.raises(errors.NotFound):
        await mine.get(corev1.Pod, "nobody", "default")
    await mine.delete(corev1.Pod, "web", "default", options=metav1.DeleteOptions(gracePeriodSeconds=0))


async def test_a_node_may_not_loosen_its_taints(admin: Any, api: ApiServer) -> None:
    """Nor take labels of Kubernetes' domains that are not a node's to give."""
    node = yamls.read("{metadata: {name: node-1}, spec: {taints: [{key: a, effect: NoSchedule}]}}", corev1.Node)
    made = objects.copy(await admin.create(node))
    mine = node_client(api, "node-1")
    del made.spec.taints[:]

    with pytest.raises(errors.Forbidden, match="not allowed to modify taints"):
        await mine.update(made)
    body = b'{"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}}'
    with pytest.raises(errors.Forbidden, match="is not allowed to modify labels: node-role.kubernetes.io"):
        await mine.patch(corev1.Node, "node-1", "", Patch(PatchType.MERGE, body))


async def test_pods_are_selected_by_node(admin: Any) -> None:
    """By the index; the answer is in key order."""
    for name in ("b", "a", "c"):
        pod = yamls.read(POD, corev1.Pod)
        pod.metadata.name = name
        await admin.create(pod)
        if name != "c":
            await bind(admin, name, "node-1")

    listed = await admin.list(corev1.Pod, select=Selection(fields="spec.nodeName=node-1"))

    assert [one.metadata.name for one in listed.items] == ["a", "b"]
