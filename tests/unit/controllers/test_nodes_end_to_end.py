"""What happens to pods and Services when nodes fail, over the real API on a memory store."""

from __future__ import annotations

from fairlead.api import conditions, objects, pods, times
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from tests.unit.controllers import cluster as clusters


async def _set_ready(cluster: clusters.Cluster, name: str, status: str) -> None:
    """Say of a node what the dispatcher would."""
    node = objects.copy(await cluster.client.get(corev1.Node, name))
    conditions.set_condition(node.status.conditions, "Ready", status, times.now(), reason="NodeStatusUnknown")
    await cluster.client.update(node, subresource="status")


def _impatient(name: str, replicas: int = 3) -> clusters.appsv1.Deployment:
    """Return a Deployment whose pods leave a failing node at once."""
    fresh = clusters.deployment(name, replicas)
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        fresh.spec.template.spec.tolerations.add(key=key, operator="Exists", effect="NoExecute", tolerationSeconds=0)
    return fresh


async def test_pods_of_a_dead_node_are_replaced_while_they_are_terminating() -> None:
    """A node goes unknown: its pod is not ready and terminating, a third replica runs elsewhere, and is counted."""
    async with clusters.cluster(watched=[discoveryv1.EndpointSlice]) as cluster:
        await cluster.client.create(clusters.service("web"))
        await cluster.client.create(_impatient("web"))
        await cluster.rolled_out("web")
        cluster.kubelets.dead.add("node-2")

        await _set_ready(cluster, "node-2", "Unknown")

        def replaced() -> str:
            alive = [pod for pod in cluster.pods() if pod.spec.nodeName != "node-2" and pods.is_ready(pod)]
            return "" if len(alive) == 3 else f"{len(alive)} run elsewhere"

        await clusters.wait_until(replaced)
        (old,) = [pod for pod in cluster.all(corev1.Pod) if pod.spec.nodeName == "node-2"]
        assert pods.is_terminating(old)
        assert not pods.is_ready(old)
        disruption = conditions.get(old.status.conditions, "DisruptionTarget")
        assert disruption is not None
        assert disruption.message == "Taint manager: deleting due to NoExecute taint"
        await cluster.rolled_out("web")

        def only_living_endpoints() -> str:
            found = {
                endpoint.nodeName
                for each in cluster.all(discoveryv1.EndpointSlice)
                if each.metadata.name.startswith("web-")
                for endpoint in each.endpoints
                if endpoint.conditions.ready
            }
            return "" if found == {"node-1", "node-3"} else str(found)

        await clusters.wait_until(only_living_endpoints)


async def test_taints_follow_the_ready_condition() -> None:
    """Unknown brings both unreachable taints, True takes them away; foreign taints stay."""
    async with clusters.cluster(watched=[corev1.Node]) as cluster:

        def taint(node: corev1.Node) -> None:
            node.spec.taints.add(key="mine", value="x", effect="NoSchedule")

        def taints() -> set[tuple[str, str]]:
            (node,) = [each for each in cluster.all(corev1.Node) if each.metadata.name == "node-1"]
            return {(one.key, one.effect) for one in node.spec.taints}

        await cluster.change(corev1.Node, "node-1", taint, "")
        await _set_ready(cluster, "node-1", "Unknown")
        unreachable = "node.kubernetes.io/unreachable"
        want = {("mine", "NoSchedule"), (unreachable, "NoSchedule"), (unreachable, "NoExecute")}
        await clusters.wait_until(lambda: "" if taints() == want else str(taints()))
        await _set_ready(cluster, "node-1", "True")
        await clusters.wait_until(lambda: "" if taints() == {("mine", "NoSchedule")} else str(taints()))


async def test_pods_without_that_toleration_stay() -> None:
    """Pods that tolerate the taints for 300 s, as admission makes them, are not ready and stay."""
    async with clusters.cluster() as cluster:
        await cluster.client.create(clusters.deployment("web"))
        await cluster.rolled_out("web")
        cluster.kubelets.dead.add("node-2")
        await _set_ready(cluster, "node-2", "Unknown")

        def marked() -> str:
            (pod,) = [pod for pod in cluster.pods() if pod.spec.nodeName == "node-2"]
            return "still ready" if pods.is_ready(pod) else ""

        await clusters.wait_until(marked)
        assert len(cluster.pods()) == 3
