"""What hollow pods pretend: addresses of the node's range, and readiness that waits for its gates."""

from __future__ import annotations

from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import samples
from node.agent import hollow, interface


class Told:
    """A sink that keeps the newest status of each pod."""

    def __init__(self) -> None:
        self.statuses: dict[str, corev1.PodStatus] = {}

    def status(self, pod: corev1.Pod, status: corev1.PodStatus) -> None:
        """Keep it."""
        self.statuses[pod.metadata.name] = status

    def terminated(self, namespace: str, name: str, uid: str) -> None:
        """Forget it."""
        del self.statuses[name]

    def event(self, event: corev1.Event) -> None:
        """Pass over it."""

    def token_needed(self, request: agent.TokenNeeded) -> None:
        """Pass over it."""

    def fault(self, fault: interface.Fault) -> None:
        """Pass over it."""

    def addresses(self) -> dict[str, str]:
        """Return each pod's address."""
        return {name: status.podIP for name, status in self.statuses.items()}


def assigned(pods: hollow.HollowPods, *some: corev1.Pod) -> None:
    """Assign pods."""
    pods.apply([agent.Change(pod=pod) for pod in some], complete=False)


def test_pods_have_addresses_of_their_nodes_range() -> None:
    """The lowest that are free, never the gateway's; one that is freed is another's next."""
    told = Told()
    pods = hollow.HollowPods("node-1", told)
    pods.configure(interface.ClusterInfo(pod_cidrs=("10.128.3.0/24",)))
    on_host = samples.pod("c")
    on_host.spec.hostNetwork = True
    assigned(pods, samples.pod("a"), samples.pod("b"), on_host)
    assert told.addresses() == {"a": "10.128.3.2", "b": "10.128.3.3", "c": "127.0.0.1"}
    assert [each.ip for each in told.statuses["a"].podIPs] == ["10.128.3.2"]

    gone = samples.pod("a")
    gone.metadata.deletionTimestamp.seconds = 1
    assigned(pods, gone)
    pods.apply([agent.Change(removed=agent.Removed(resource="pods", uid="uid-a"))], complete=False)
    assigned(pods, samples.pod("d"))
    assert told.addresses() == {"b": "10.128.3.3", "c": "127.0.0.1", "d": "10.128.3.2"}


def test_a_range_that_comes_late_is_for_the_pods_that_wait() -> None:
    """The node's own, not another's."""
    told = Told()
    pods = hollow.HollowPods("node-1", told)
    assigned(pods, samples.pod("a"))
    assert told.addresses() == {"a": ""}

    for name, cidr in (("node-2", "10.128.2.0/24"), ("node-1", "10.128.1.0/24")):
        node = samples.node(name)
        node.spec.podCIDRs.append(cidr)
        pods.apply([agent.Change(node=node)], complete=False)

    assert told.addresses() == {"a": "10.128.1.2"}


def test_a_pod_is_ready_when_its_gates_are_open() -> None:
    """As the real agent says it; a pod that changes otherwise is not reported again."""
    told = Told()
    pods = hollow.HollowPods("node-1", told)
    pod = samples.pod("a")
    pod.spec.readinessGates.add(conditionType="example.com/open")
    assigned(pods, pod)
    ready = next(each for each in told.statuses["a"].conditions if each.type == "Ready")
    assert (ready.status, ready.reason) == ("False", "ReadinessGatesNotReady")

    pod.status.conditions.add(type="example.com/open", status="True")
    assigned(pods, pod)
    ready = next(each for each in told.statuses["a"].conditions if each.type == "Ready")
    assert (ready.status, ready.reason) == ("True", "")

    before = told.statuses["a"]
    pod.metadata.labels["new"] = "label"
    assigned(pods, pod)
    assert told.statuses["a"] is before
