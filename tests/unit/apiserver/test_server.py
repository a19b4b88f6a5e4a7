"""The API server as a whole, in memory: admission, namespaces, Services, subresources, outages."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from control.apiserver import authn, bootstrap, reading
from control.apiserver.server import ApiServer
from control.apiserver.strategies import flowdefaults
from control.store import memory
from fairlead.api import errors, objects, scheme
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from fairlead.client.interface import Patch, PatchType, Selection
from fairlead.testing import control
from tests.unit.apiserver import yamls

POD = "{metadata: {name: web, namespace: default}, spec: {containers: [{name: main, image: web}]}}"


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server with the built-in objects."""
    async with control.memory_api(now=lambda: 1000.0) as made:
        yield made


@pytest.fixture
def admin(api: ApiServer) -> Any:
    """A client of system:masters."""
    return api.as_user(*control.ADMIN)


def node_client(api: ApiServer, node: str) -> Any:
    """A node's client."""
    return api.as_user(f"system:node:{node}", ["system:nodes"])


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


async def test_kubernetes_namespaces_stay(admin: Any) -> None:
    """default cannot be deleted."""
    with pytest.raises(errors.Forbidden, match="this namespace may not be deleted"):
        await admin.delete(corev1.Namespace, "default")


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


async def test_a_service_gets_an_address_and_keeps_it(admin: Any) -> None:
    """An apply that leaves addresses and node ports out changes nothing."""
    wanted = yamls.read(
        "{metadata: {name: web, namespace: default}, spec: {type: NodePort, ports: [{port: 80}]}}", corev1.Service
    )
    made = await admin.create(wanted)

    again = await admin.update(wanted)

    assert made.spec.clusterIP.startswith("10.96.")
    assert 30000 <= made.spec.ports[0].nodePort <= 32767
    assert again == made


async def test_a_node_port_that_another_process_gave_back_is_free() -> None:
    """What one process remembers as taken is read once more before it refuses."""
    text = "{metadata: {name: web, namespace: default}, spec: {type: NodePort, ports: [{port: 80, nodePort: 30010}]}}"
    store = memory.MemoryStore()
    async with control.memory_api(store) as first, control.memory_api(store) as second:
        here, there = (each.as_user(*control.ADMIN) for each in (first, second))
        await here.create(yamls.read(text, corev1.Service))
        await there.delete(corev1.Service, "web", "default")
        made = await here.create(yamls.read(text, corev1.Service))
        with pytest.raises(errors.Invalid, match="provided port is already allocated"):
            await there.create(yamls.read(text.replace("web", "other"), corev1.Service))
    assert made.spec.ports[0].nodePort == 30010


async def test_a_service_that_becomes_cluster_ip_gives_its_node_port_back(admin: Any, api: ApiServer) -> None:
    """And one that becomes NodePort gets one."""
    wanted = yamls.read("{metadata: {name: web, namespace: default}, spec: {ports: [{port: 80}]}}", corev1.Service)
    await admin.create(wanted)
    for kind in ("NodePort", "ClusterIP"):
        body = f'{{"spec": {{"type": "{kind}"}}}}'.encode()
        changed = await admin.patch(corev1.Service, "web", "default", Patch(PatchType.MERGE, body))

        assert bool(changed.spec.ports[0].nodePort) == (kind == "NodePort")
        assert await api.repairs.repair() == "allocations are in order"


async def test_the_repair_mends_what_another_wrote(admin: Any, api: ApiServer) -> None:
    """A bitmap that was lost is made again from the Services."""
    from control.store.interface import Remove

    for name in ("/registry/ranges/serviceips", "/registry/ranges/servicenodeports"):
        item, _ = await api.store.get(name)
        if item is not None:
            await api.store.commit(Remove(name, item.revision))

    assert await api.repairs.repair() == "mended 10.96.0.0/12: 0 leaked, 1 missing"
    assert await api.repairs.repair() == "allocations are in order"


async def test_a_headless_service_has_no_address(admin: Any) -> None:
    """clusterIP None stays."""
    wanted = yamls.read(
        "{metadata: {name: db, namespace: default}, spec: {clusterIP: None, ports: [{port: 80}]}}", corev1.Service
    )

    made = await admin.create(wanted)

    assert (made.spec.clusterIP, list(made.spec.clusterIPs)) == ("None", ["None"])


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


async def test_a_status_update_does_not_move_a_pod(admin: Any) -> None:
    """Spec, owners and quality of service stay as they were."""
    made = objects.copy(await admin.create(yamls.read(POD, corev1.Pod)))
    made.spec.nodeName = "node-9"
    made.status.qosClass = "Guaranteed"
    made.status.phase = "Running"

    after = await admin.update(made, subresource="status")

    assert (after.spec.nodeName, after.status.qosClass, after.status.phase) == ("", "BestEffort", "Running")


@pytest.mark.parametrize(
    ("subsets", "want"),
    [
        (
            "[{addresses: [{ip: 10.0.0.2}, {ip: 10.0.0.1}], ports: [{name: b, port: 2}]},"
            " {addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}], ports: [{name: a, port: 1}]}]",
            "[{addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}],"
            " ports: [{name: a, port: 1, protocol: TCP}, {name: b, port: 2, protocol: TCP}]}]",
        ),
        (
            "[{addresses: [{ip: 10.0.0.1}], ports: [{port: 1}]},"
            " {notReadyAddresses: [{ip: 10.0.0.1}], ports: [{port: 1}]}]",
            "[{notReadyAddresses: [{ip: 10.0.0.1}], ports: [{port: 1, protocol: TCP}]}]",
        ),
        (
            "[{addresses: [{ip: 10.0.0.2}], ports: [{port: 1}]}, {addresses: [{ip: 10.0.0.1}], ports: [{port: 2}]}]",
            "[{addresses: [{ip: 10.0.0.1}], ports: [{port: 2, protocol: TCP}]},"
            " {addresses: [{ip: 10.0.0.2}], ports: [{port: 1, protocol: TCP}]}]",
        ),
        ("[{addresses: [{ip: 10.0.0.2}, {ip: 10.0.0.1}]}]", "[{addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}]}]"),
    ],
)
async def test_endpoints_are_stored_in_order_and_packed(admin: Any, subsets: str, want: str) -> None:
    """A port is there once with all its addresses, ports with the same share a subset, not ready outdoes ready."""
    made = await admin.create(
        yamls.read(f"{{metadata: {{name: db, namespace: default}}, subsets: {subsets}}}", corev1.Endpoints)
    )

    assert made.subsets == yamls.read(f"{{subsets: {want}}}", corev1.Endpoints).subsets


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


async def test_built_in_namespaces_and_flows_come_back(api: ApiServer, admin: Any) -> None:
    """What was deleted is made again; what is there stays as it is."""
    await admin.delete(flowcontrolv1.FlowSchema, "probes")
    await admin.delete(flowcontrolv1.PriorityLevelConfiguration, "catch-all")

    assert await bootstrap.ensure_kept(api) == "made again: 2 flow schemas and priority levels"
    assert await bootstrap.ensure_kept(api) == ""


async def test_built_in_flows_follow_unless_they_are_told_not_to(api: ApiServer, admin: Any) -> None:
    """By Kubernetes' annotation; one without it that has been changed keeps the change and says so."""
    auto, level = flowdefaults.AUTO_UPDATE, flowcontrolv1.PriorityLevelConfiguration
    for name, value in (("system", "true"), ("node-high", "f"), ("workload-low", None)):
        changed = objects.copy(await admin.get(level, name))
        changed.spec.limited.nominalConcurrencyShares = 1
        changed.metadata.annotations.pop(auto)
        if value is not None:
            changed.metadata.annotations[auto] = value
        await admin.update(changed)
    exempt = objects.copy(await admin.get(level, "exempt"))
    exempt.spec.exempt.nominalConcurrencyShares = 7
    exempt.metadata.annotations[auto] = "false"
    await admin.update(exempt)

    assert await bootstrap.ensure_kept(api) == "made again: 3 flow schemas and priority levels"

    found = {one.metadata.name: one for one in (await admin.list(level)).items}
    names = ("system", "node-high", "workload-low")
    assert [found[name].spec.limited.nominalConcurrencyShares for name in names] == [30, 1, 1]
    assert [found[name].metadata.annotations[auto] for name in names] == ["true", "f", "false"]
    assert found["exempt"].spec.exempt.nominalConcurrencyShares == 7
    assert found["exempt"].metadata.annotations[auto] == "true"
    assert await bootstrap.ensure_kept(api) == ""


async def test_flows_that_are_built_in_no_longer_go(api: ApiServer, admin: Any) -> None:
    """Only those that still follow: what a user has taken over, or made, stays."""
    schema = objects.copy(await admin.get(flowcontrolv1.FlowSchema, "service-accounts"))
    for name, value in (("old", "true"), ("taken-over", "false"), ("own", "")):
        made = flowcontrolv1.FlowSchema(spec=schema.spec)
        made.metadata.name = name
        if value:
            made.metadata.annotations[flowdefaults.AUTO_UPDATE] = value
        await admin.create(made)

    assert await bootstrap.ensure_kept(api) == "made again: 1 flow schemas and priority levels"

    names = {one.metadata.name for one in (await admin.list(flowcontrolv1.FlowSchema)).items}
    assert names & {"old", "taken-over", "own"} == {"taken-over", "own"}
