"""Which EndpointSlices a Service gets, and how few writes it takes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from control.controllers import slices
from fairlead.api import conditions, objects, times
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.testing import samples
from tests.unit.controllers import cluster as clusters

SERVICE = clusters.service("web")
SERVICE.spec.clusterIP = "10.96.0.7"


def _pod(number: int, *, ready: bool = True, port: int = 8080, node: str = "node-1") -> corev1.Pod:
    pod = samples.pod(f"web-{number}", node_name=node)
    pod.spec.containers[0].ports.add(name="http", containerPort=port)
    pod.status.phase, pod.status.podIP = "Running", f"10.128.{number // 250}.{number % 250 + 1}"
    status = conditions.TRUE if ready else conditions.FALSE
    conditions.set_condition(pod.status.conditions, "Ready", status, times.from_seconds(1))
    return pod


def _decide(pods: Sequence[corev1.Pod], existing: Sequence[discoveryv1.EndpointSlice] = ()) -> slices.Plan:
    return slices.decide(SERVICE, pods, existing, lambda node: {"node-1": "zone-a"}.get(node, ""))


def _stored(plan: slices.Plan) -> list[discoveryv1.EndpointSlice]:
    """Return the created slices as the API would have stored them."""
    made = [objects.copy(each) for each in plan.create]
    for number, each in enumerate(made):
        each.metadata.name, each.metadata.resourceVersion = f"web-{number}", str(number + 1)
    return made


def test_endpoint_tells_all_of_its_pod() -> None:
    """Address, node, zone, reference and conditions."""
    (made,) = _decide([_pod(1)]).create
    (endpoint,) = made.endpoints
    assert list(endpoint.addresses) == ["10.128.0.2"]
    assert (endpoint.nodeName, endpoint.zone, endpoint.targetRef.name) == ("node-1", "zone-a", "web-1")
    flags = endpoint.conditions
    assert (flags.ready, flags.serving, flags.terminating) == (True, True, False)
    assert [(port.name, port.protocol, port.port) for port in made.ports] == [("", "TCP", 8080)]
    assert dict(made.metadata.labels) == {
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }


def _terminating(pod: corev1.Pod) -> corev1.Pod:
    pod.metadata.deletionTimestamp.seconds = 1
    return pod


@pytest.mark.parametrize(
    ("pod", "want"),
    [
        (_pod(1), (True, True, False)),
        (_pod(1, ready=False), (False, False, False)),
        (_terminating(_pod(1)), (False, True, True)),
        (_terminating(_pod(1, ready=False)), (False, False, True)),
    ],
)
def test_conditions_of_an_endpoint(pod: corev1.Pod, want: tuple[bool, bool, bool]) -> None:
    """Ready is serving and not terminating."""
    flags = slices.endpoint(pod, SERVICE, lambda node: "").conditions
    assert (flags.ready, flags.serving, flags.terminating) == want


def test_unready_pods_can_be_published() -> None:
    """With publishNotReadyAddresses every endpoint is ready."""
    service = objects.copy(SERVICE)
    service.spec.publishNotReadyAddresses = True
    assert slices.endpoint(_terminating(_pod(1, ready=False)), service, lambda node: "").conditions.ready


def test_finished_and_addressless_pods_are_left_out() -> None:
    """A pod without an address, or one that has finished, is no endpoint."""
    unborn, finished = _pod(1), _pod(2)
    unborn.status.podIP, finished.status.phase = "", "Succeeded"
    (placeholder,) = _decide([unborn, finished]).create
    assert list(placeholder.endpoints) == []


def test_a_hundred_endpoints_a_slice() -> None:
    """250 pods need three slices."""
    plan = _decide([_pod(number) for number in range(250)])
    assert sorted(len(each.endpoints) for each in plan.create) == [50, 100, 100]


def test_nothing_to_do_writes_nothing() -> None:
    """Slices that are right stay untouched."""
    pods = [_pod(number) for number in range(150)]
    assert _decide(pods, _stored(_decide(pods))) == slices.Plan([], [], [])


def test_one_changed_pod_is_one_write() -> None:
    """A pod that is no longer ready changes the one slice that holds it."""
    pods = [_pod(number) for number in range(250)]
    existing = _stored(_decide(pods))
    pods[120] = _pod(120, ready=False)
    plan = _decide(pods, existing)
    assert (len(plan.create), len(plan.update), len(plan.delete)) == (0, 1, 0)


def test_replaced_pods_fill_the_gap() -> None:
    """A new pod takes the place of one that is gone: one write."""
    pods = [_pod(number) for number in range(200)]
    existing = _stored(_decide(pods))
    plan = _decide([*pods[1:], _pod(300)], existing)
    assert (len(plan.create), len(plan.update), len(plan.delete)) == (0, 1, 0)


def test_new_pods_go_where_there_is_room() -> None:
    """An unchanged slice with room is filled before a new one is made; full ones stay untouched."""
    pods = [_pod(number) for number in range(150)]
    existing = _stored(_decide(pods))
    plan = _decide([*pods, _pod(300)], existing)
    assert [len(each.endpoints) for each in plan.update] == [51]
    assert list(plan.create) == []


def test_last_pod_gone_leaves_an_empty_slice() -> None:
    """A Service without endpoints keeps one slice without any, and that is written once."""
    existing = _stored(_decide([_pod(1)]))
    plan = _decide([], existing)
    assert [list(each.endpoints) for each in plan.update] == [[]]
    assert (list(plan.create), list(plan.delete)) == ([], [])
    assert _decide([], plan.update) == slices.Plan([], [], [])


def test_named_port_may_differ_between_pods() -> None:
    """Pods whose port of that name has another number get a slice of their own."""
    plan = _decide([_pod(1), _pod(2, port=9090)])
    assert sorted(each.ports[0].port for each in plan.create) == [8080, 9090]


def test_changed_port_reuses_the_slice() -> None:
    """When the port changes the old slice is rewritten instead of deleted and made again."""
    existing = _stored(_decide([_pod(1)]))
    plan = _decide([_pod(1, port=9090)], existing)
    assert (len(plan.create), len(plan.delete)) == (0, 0)
    assert [(each.metadata.name, each.ports[0].port) for each in plan.update] == [("web-0", 9090)]
