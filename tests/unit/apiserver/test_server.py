"""The API server as a whole, in memory: pods, namespaces, updates, watches, outages."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from control.apiserver import authn, reading
from control.apiserver.server import ApiServer
from control.apiserver.strategies import table
from control.store import memory
from fairlead.api import errors, objects, scheme
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from fairlead.api.pb import storage_v1_pb2 as storagev1
from fairlead.client.interface import Patch, PatchType
from fairlead.testing import control
from tests.unit.apiserver import yamls

POD = "{metadata: {name: web, namespace: default}, spec: {containers: [{name: main, image: web}]}}"


async def bind(client: Any, name: str, node: str) -> None:
    """Give a pod its node."""
    binding = corev1.Binding()
    binding.target.name = node
    await client.post(corev1.Pod, name, "default", "binding", binding)


async def test_a_new_pod_gets_tolerations_account_and_priority(admin: Any) -> None:
    """Admission, after defaulting."""
    made = await admin.create(yamls.read(POD, corev1.Pod))

    assert [(one.key, one.effect, one.tolerationSeconds) for one in made.spec.tolerations] == [
        ("node.kubernetes.io/not-ready", "NoExecute", 300),
        ("node.kubernetes.io/unreachable", "NoExecute", 300),
    ]
    assert (made.spec.serviceAccountName, made.spec.priority) == ("default", 0)


async def test_a_pods_own_tolerations_stay(admin: Any) -> None:
    """A toleration for 0 s is not joined by one for 300 s."""
    wanted = yamls.read(POD, corev1.Pod)
    wanted.spec.tolerations.add(
        key="node.kubernetes.io/not-ready", operator="Exists", effect="NoExecute", tolerationSeconds=0
    )

    made = await admin.create(wanted)

    assert [one.tolerationSeconds for one in made.spec.tolerations] == [0, 300]


async def test_a_namespace_goes_when_it_is_finalised_and_takes_nothing_before(admin: Any) -> None:
    """Terminating, then refused creations, then gone."""
    await admin.create(yamls.read("metadata: {name: lab}", corev1.Namespace))

    marked = await admin.delete(corev1.Namespace, "lab")
    late = yamls.read(POD, corev1.Pod)
    late.metadata.namespace = "lab"
    with pytest.raises(errors.Forbidden) as refused:
        await admin.create(late)
    finalised = objects.copy(marked)
    del finalised.spec.finalizers[:]
    await admin.update(finalised, subresource="finalize")

    assert marked.status.phase == "Terminating"
    assert refused.value.message == (
        'pods "web" is forbidden: unable to create new content in namespace lab because it is being terminated'
    )
    assert refused.value.causes[0].reason == "NamespaceTerminating"
    with pytest.raises(errors.NotFound):
        await admin.get(corev1.Namespace, "lab")


async def test_a_scale_is_read_and_written_as_a_scale(admin: Any) -> None:
    """autoscaling/v1; the Deployment's generation counts it."""
    deployment = yamls.read(
        """
        metadata: {name: web, namespace: default}
        spec:
          selector: {matchLabels: {app: web}}
          template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: web}]}}
        """,
        appsv1.Deployment,
    )
    await admin.create(deployment)

    scaled = await admin.patch(
        appsv1.Deployment, "web", "default", Patch(PatchType.MERGE, b'{"spec": {"replicas": 3}}'), subresource="scale"
    )
    after = await admin.get(appsv1.Deployment, "web", "default")

    assert isinstance(scaled, autoscalingv1.Scale)
    assert (scaled.spec.replicas, scaled.status.selector) == (3, "app=web")
    assert (after.spec.replicas, after.metadata.generation) == (3, 2)


async def test_an_eviction_deletes_gracefully(admin: Any) -> None:
    """The pod is marked."""
    from fairlead.api.pb import policy_v1_pb2 as policyv1

    await admin.create(yamls.read(POD, corev1.Pod))
    await bind(admin, "web", "node-1")
    eviction = policyv1.Eviction()
    eviction.metadata.name, eviction.metadata.namespace = "web", "default"

    await admin.post(corev1.Pod, "web", "default", "eviction", eviction)

    assert (await admin.get(corev1.Pod, "web", "default")).metadata.HasField("deletionTimestamp")


async def test_a_lease_is_not_overwritten_blindly(admin: Any) -> None:
    """An update must say which revision it has seen."""
    lease = yamls.read("{metadata: {name: l, namespace: default}, spec: {holderIdentity: a}}", coordinationv1.Lease)
    await admin.create(lease)

    with pytest.raises(errors.Invalid, match="metadata.resourceVersion: Invalid value: 0x0: must be specified"):
        await admin.update(lease)


async def test_an_event_goes_after_an_hour() -> None:
    """It is written under an etcd lease."""
    clock = [0.0]
    store = memory.MemoryStore(clock=lambda: clock[0])
    async with control.memory_api(store) as api:
        admin = api.as_user(*control.ADMIN)
        event = yamls.read(
            "{metadata: {name: e, namespace: default}, involvedObject: {namespace: default, name: x}}", corev1.Event
        )
        await admin.create(event)
        clock[0] = 3599.0
        await admin.get(corev1.Event, "e", "default")
        clock[0] = 3700.0

        with pytest.raises(errors.NotFound):
            await admin.get(corev1.Event, "e", "default")


async def test_without_etcd_calls_fail_as_unavailable_and_recover(admin: Any, api: ApiServer) -> None:
    """Reads and writes; when etcd is back, so are they."""
    assert isinstance(api.store, memory.MemoryStore)
    api.store.available = False

    with pytest.raises((errors.ServiceUnavailable, errors.Timeout)):
        await admin.get(corev1.Namespace, "default")
    with pytest.raises((errors.ServiceUnavailable, errors.Timeout)):
        await admin.create(yamls.read(POD, corev1.Pod))
    stale = await admin.get(corev1.Namespace, "default", resource_version="0")
    api.store.available = True

    assert stale.metadata.name == "default"
    await asyncio.wait_for(_until_created(admin), 10)


async def _until_created(admin: Any) -> None:
    while True:
        try:
            await admin.create(yamls.read(POD, corev1.Pod))
        except (errors.ServiceUnavailable, errors.Timeout):
            continue
        return


async def test_an_unconditional_update_wins_over_what_came_between(admin: Any) -> None:
    """Many at once: all are carried out, one after the other."""
    made = await admin.create(
        yamls.read("{metadata: {name: c, namespace: default}, data: {n: '0'}}", corev1.ConfigMap)
    )

    async def write(n: int) -> None:
        fresh = objects.copy(made)
        fresh.metadata.resourceVersion = ""
        fresh.data["n"] = str(n)
        await admin.update(fresh)

    await asyncio.gather(*(write(n) for n in range(1, 21)))

    assert (await admin.get(corev1.ConfigMap, "c", "default")).data["n"] != "0"


def test_some_kinds_are_updated_only_at_a_state_that_is_named() -> None:
    """Of each kind what Kubernetes' strategies say; some are created by an update as well."""
    every = {each.kind.kind: each for each in table.strategies()}
    conditional = {name for name, each in every.items() if not each.allow_unconditional_update}
    created = {name for name, each in every.items() if each.created_by_update}
    assert conditional == {
        *("APIService", "CSIDriver", "CSINode", "CSIStorageCapacity", "CustomResourceDefinition", "Lease"),
        *("MutatingWebhookConfiguration", "PodDisruptionBudget", "RuntimeClass", "ValidatingAdmissionPolicy"),
        *("ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttachment"),
    }
    assert created == {
        *("ClusterRole", "ClusterRoleBinding", "Endpoints", "Event", "Lease", "LimitRange", "Role", "RoleBinding"),
        *("RuntimeClass", "Service"),
    }


async def test_an_update_of_a_kind_that_is_so_guarded_names_its_state(admin: Any) -> None:
    """The object's as well as its status'."""
    made = policyv1.PodDisruptionBudget()
    made.metadata.name, made.metadata.namespace = "web", "default"
    made.spec.minAvailable.intVal = 1
    made = objects.copy(await admin.create(made))
    made.metadata.ClearField("resourceVersion")
    for subresource in ("", "status"):
        with pytest.raises(errors.Invalid) as refused:
            await admin.update(made, subresource=subresource)
        text = "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
        assert refused.value.message == f'PodDisruptionBudget.policy "web" is invalid: {text}'


async def test_a_status_update_of_an_attachment_keeps_its_labels(admin: Any) -> None:
    """Kubernetes' newer status strategies take metadata through the object alone."""
    made = storagev1.VolumeAttachment()
    made.metadata.name = "one"
    made.metadata.labels["a"] = "b"
    made.spec.attacher, made.spec.nodeName = "csi.example.com", "n1"
    made.spec.source.persistentVolumeName = "volume"
    made = objects.copy(await admin.create(made))
    made.metadata.labels["a"] = "c"
    made.status.attached = True

    after = await admin.update(made, subresource="status")

    assert (dict(after.metadata.labels), after.status.attached) == ({"a": "b"}, True)


async def test_a_status_update_does_not_move_a_pod(admin: Any) -> None:
    """Spec, owners and quality of service stay as they were."""
    made = objects.copy(await admin.create(yamls.read(POD, corev1.Pod)))
    made.spec.nodeName = "node-9"
    made.status.qosClass = "Guaranteed"
    made.status.phase = "Running"

    after = await admin.update(made, subresource="status")

    assert (after.spec.nodeName, after.status.qosClass, after.status.phase) == ("", "BestEffort", "Running")


async def test_an_update_creates_an_object_of_the_kinds_that_kubernetes_creates_so(
    api: ApiServer, admin: Any
) -> None:
    """A lease is one of them, a ConfigMap is not; who may only update is refused, and a uid must be known."""
    lease = yamls.read("{metadata: {name: leader, namespace: default, resourceVersion: '7'}}", coordinationv1.Lease)
    made = await admin.update(lease)
    assert made.metadata.uid
    assert made.metadata.creationTimestamp.seconds == 1000
    assert [entry.operation for entry in made.metadata.managedFields] == []  # it has no fields
    with pytest.raises(errors.Conflict):
        await admin.update(lease)

    with pytest.raises(errors.NotFound):
        await admin.update(yamls.read("{metadata: {name: none, namespace: default}}", corev1.ConfigMap))

    known = yamls.read("{metadata: {name: other, namespace: default, uid: u1}}", coordinationv1.Lease)
    with pytest.raises(errors.Conflict, match="Precondition failed: UID in precondition: u1, UID in object meta: $"):
        await admin.update(known)

    role = "{metadata: {name: updater}, rules: [{apiGroups: ['*'], resources: ['*'], verbs: [update]}]}"
    await admin.create(yamls.read(role, rbacv1.ClusterRole))
    binding = "{metadata: {name: updater}, subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: ann}]}"
    bound = yamls.read(binding, rbacv1.ClusterRoleBinding)
    bound.roleRef.apiGroup, bound.roleRef.kind, bound.roleRef.name = (
        "rbac.authorization.k8s.io",
        "ClusterRole",
        "updater",
    )
    await admin.create(bound)
    await api.cache.fresh()
    with pytest.raises(errors.Forbidden, match='cannot create resource "leases"'):
        await api.as_user("ann").update(
            yamls.read("{metadata: {name: other, namespace: default}}", coordinationv1.Lease)
        )


async def test_a_limit_range_without_a_name_is_named_by_a_uid(admin: Any) -> None:
    """As Kubernetes' strategy does for this kind alone."""
    made = await admin.create(yamls.read("{metadata: {namespace: default}}", corev1.LimitRange))

    assert str(uuid.UUID(made.metadata.name)) == made.metadata.name


async def test_a_watch_without_initial_events_begins_with_what_comes(api: ApiServer, admin: Any) -> None:
    """`sendInitialEvents=false` without a revision: what is there already is not told."""
    await admin.create(yamls.read("{metadata: {name: old, namespace: default}}", corev1.ConfigMap))
    query = reading.WatchQuery("default", bookmark_seconds=0.01, initial_events=False)
    kind = scheme.DEFAULT.of(corev1.ConfigMap)
    user = authn.user("admin", ("system:masters",))
    async with contextlib.aclosing(api.watch(user, kind, query)) as events:
        first = asyncio.ensure_future(anext(events))
        others = 0
        while not first.done():  # what changes elsewhere moves the watch on
            others += 1
            text = f"{{metadata: {{name: other-{others}, namespace: default}}}}"
            await admin.create(yamls.read(text, corev1.ServiceAccount))
        assert [event.type for event in first.result()] == ["BOOKMARK"]
        await admin.create(yamls.read("{metadata: {name: new, namespace: default}}", corev1.ConfigMap))
        told = [event async for some in _until_added(events) for event in some]

    assert [event.entry.object.metadata.name for event in told if event.type == "ADDED"] == ["new"]


async def _until_added(events: Any) -> AsyncIterator[Any]:
    """Pass a watch's batches on until one says that something came."""
    async for some in events:
        yield some
        if any(event.type == "ADDED" for event in some):
            return
