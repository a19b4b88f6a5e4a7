"""dryRun=All: every verb is judged as if it were carried out, and nothing is written or taken."""

from __future__ import annotations

from typing import Any

import pytest

from control.apiserver.server import ApiServer
from fairlead.api import errors, objects
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.client.interface import Patch, PatchType
from tests.unit.apiserver import yamls

POD = (
    "{metadata: {name: web, namespace: default, labels: {app: web}}, spec: {containers: [{name: main, image: web}]}}"
)
SERVICE = "{metadata: {name: web, namespace: default}, spec: {type: NodePort, ports: [{port: 80}]}}"
QUOTA = "{metadata: {name: q, namespace: default}, spec: {hard: {pods: '1'}}}"
DEPLOYMENT = """
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}
"""
DRY = metav1.DeleteOptions(dryRun=["All"])


async def revision(api: ApiServer) -> int:
    """Return the store's revision: it counts every write."""
    return (await api.store.get("/registry/none"))[1]


async def test_no_verb_of_a_dry_run_writes(api: ApiServer, admin: Any) -> None:
    """Create, update, each patch, apply, delete, collections, binding, eviction, scale, status."""
    pod = await admin.create(yamls.read(POD, corev1.Pod))
    deployment = await admin.create(yamls.read(DEPLOYMENT, appsv1.Deployment))
    before = await revision(api)

    other = yamls.read(POD, corev1.Pod)
    other.metadata.name = "other"
    made = await admin.create(other, dry_run=True)
    assert (bool(made.metadata.uid), made.metadata.resourceVersion) == (True, "")
    changed = objects.copy(pod)
    changed.metadata.labels["a"] = "b"
    assert (await admin.update(changed, dry_run=True)).metadata.labels["a"] == "b"
    changed.status.phase = "Failed"
    assert (await admin.update(changed, subresource="status", dry_run=True)).status.phase == "Failed"
    for kind, body in (
        (PatchType.MERGE, b'{"metadata": {"labels": {"c": "d"}}}'),
        (PatchType.STRATEGIC, b'{"metadata": {"labels": {"c": "d"}}}'),
        (PatchType.JSON, b'[{"op": "add", "path": "/metadata/labels/c", "value": "d"}]'),
        (PatchType.APPLY, b"{apiVersion: v1, kind: Pod, metadata: {labels: {c: d}}}"),
    ):
        got = await admin.patch(corev1.Pod, "web", "default", Patch(kind, body), field_manager="me", dry_run=True)
        assert got.metadata.labels["c"] == "d"
    patched = Patch(PatchType.MERGE, b'{"spec": {"replicas": 7}}')
    got = await admin.patch(appsv1.Deployment, "web", "default", patched, subresource="scale", dry_run=True)
    assert got.spec.replicas == 7
    binding = corev1.Binding()
    binding.target.name = "n1"
    await admin.post(corev1.Pod, "web", "default", "binding", binding, dry_run=True)
    eviction = policyv1.Eviction()
    eviction.metadata.name = "web"
    await admin.post(corev1.Pod, "web", "default", "eviction", eviction, dry_run=True)
    await admin.delete(corev1.Pod, "web", "default", options=DRY)
    assert await admin.delete_collection(corev1.Pod, "default", options=DRY) == 1

    assert await revision(api) == before
    assert await admin.get(corev1.Pod, "web", "default") == pod
    assert await admin.get(appsv1.Deployment, "web", "default") == deployment


async def test_a_dry_run_is_refused_where_the_write_would_be(admin: Any) -> None:
    """What exists, what is invalid, what is not there, what has changed meanwhile."""
    pod = await admin.create(yamls.read(POD, corev1.Pod))

    with pytest.raises(errors.AlreadyExists, match='pods "web" already exists'):
        await admin.create(yamls.read(POD, corev1.Pod), dry_run=True)
    with pytest.raises(errors.Invalid):
        await admin.create(yamls.read("{metadata: {name: x, namespace: default}}", corev1.Pod), dry_run=True)
    with pytest.raises(errors.NotFound):
        await admin.delete(corev1.Pod, "none", "default", options=DRY)
    stale = objects.copy(pod)
    stale.metadata.resourceVersion = "1"
    with pytest.raises(errors.Conflict):
        await admin.update(stale, dry_run=True)


async def test_dry_services_take_neither_addresses_nor_ports(api: ApiServer, admin: Any) -> None:
    """The address that a dry run was shown is free for the next, and its port."""
    chosen = yamls.read(SERVICE, corev1.Service)
    chosen.spec.clusterIP = "10.96.0.77"
    chosen.spec.ports[0].nodePort = 30077
    for _ in range(2):
        got = await admin.create(chosen, dry_run=True)
        assert (got.spec.clusterIP, got.spec.ports[0].nodePort) == ("10.96.0.77", 30077)
    held = yamls.read(SERVICE, corev1.Service)
    held.metadata.name = "held"
    held.metadata.finalizers.append("example.com/hold")
    await admin.create(held)
    await admin.create(chosen, dry_run=True)
    await admin.delete(corev1.Service, "held", "default")  # only marked: a transaction without allocations

    made = await admin.create(chosen)

    assert (made.spec.clusterIP, made.spec.ports[0].nodePort) == ("10.96.0.77", 30077)
    assert await api.repairs.repair() == "allocations are in order"


async def test_dry_pods_use_no_quota(api: ApiServer, admin: Any) -> None:
    """A quota of one pod has room after any number of dry runs, and refuses a dry run when it is used up."""
    await admin.create(yamls.read(QUOTA, corev1.ResourceQuota))
    quota = objects.copy(await admin.get(corev1.ResourceQuota, "q", "default"))
    quota.status.hard["pods"].string = "1"
    quota.status.used["pods"].string = "0"
    await admin.update(quota, subresource="status")
    pod = yamls.read(POD, corev1.Pod)
    for _ in range(3):
        await admin.create(pod, dry_run=True)

    await admin.create(pod)

    pod.metadata.name = "second"
    with pytest.raises(errors.Forbidden, match="exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"):
        await admin.create(pod, dry_run=True)
