"""Which Endpoints a Service gets, and that they follow its pods over the real API."""

from __future__ import annotations

from typing import Any

from control.controllers import endpoints
from fairlead.api import codec, conditions, times
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import samples
from tests.unit.controllers import cluster as clusters


def pod(number: int, *, ready: bool = True, phase: str = "Running", terminating: bool = False) -> corev1.Pod:
    """Return a pod of `web` with an address."""
    made = samples.pod(f"web-{number}", labels={"app": "web"}, node_name="node-1")
    made.status.phase, made.status.podIP = phase, f"10.128.0.{number}"
    status = conditions.TRUE if ready else conditions.FALSE
    conditions.set_condition(made.status.conditions, "Ready", status, times.from_seconds(1))
    made.spec.containers[0].ports.add(name="http", containerPort=8080)
    if terminating:
        made.metadata.deletionTimestamp.seconds = 1
    return made


def service(**changes: Any) -> corev1.Service:
    """Return a Service with a cluster address."""
    made = clusters.service("web")
    made.spec.clusterIP = "10.96.0.7"
    made.metadata.labels["tier"] = "front"
    for name, value in changes.items():
        setattr(made.spec, name, value)
    return made


def address(number: int) -> dict[str, Any]:
    """Return the JSON of a pod's address."""
    target = {"kind": "Pod", "namespace": "default", "name": f"web-{number}", "uid": f"uid-web-{number}"}
    return {"ip": f"10.128.0.{number}", "nodeName": "node-1", "targetRef": target}


def subsets(made: corev1.Endpoints) -> Any:
    """Return the JSON of subsets."""
    return codec.to_json(made).get("subsets", [])


def test_ready_and_unready_pods_are_told_apart() -> None:
    """Those that have ended, or are being deleted, are not there; the Service's labels are."""
    some = [pod(2), pod(1), pod(3, ready=False), pod(4, phase="Failed"), pod(5, terminating=True)]

    made = endpoints.decide(service(), some)

    assert subsets(made) == [
        {
            "addresses": [address(1), address(2)],
            "notReadyAddresses": [address(3)],
            "ports": [{"port": 8080, "protocol": "TCP"}],
        }
    ]
    assert dict(made.metadata.labels) == {"tier": "front"}


def test_a_headless_service_is_labelled_and_needs_no_ports() -> None:
    """Its addresses then stand alone."""
    headless = service(clusterIP="None", publishNotReadyAddresses=True)
    del headless.spec.ports[:]

    made = endpoints.decide(headless, [pod(1, ready=False), pod(2, terminating=True)])

    assert subsets(made) == [{"addresses": [address(1), address(2)]}]
    assert made.metadata.labels["service.kubernetes.io/headless"] == ""


def test_ports_with_the_same_addresses_share_a_subset() -> None:
    """A pod whose named port has another number makes another subset."""
    other = pod(2)
    other.spec.containers[0].ports[0].containerPort = 9090
    two = service()
    two.spec.ports[0].name = "a"
    two.spec.ports.add(name="b", port=443).targetPort.intVal = 8443

    made = subsets(endpoints.decide(two, [pod(1), other]))

    ports = {tuple(port["port"] for port in subset["ports"]): len(subset["addresses"]) for subset in made}
    assert ports == {(8080,): 1, (9090,): 1, (8443,): 2}


def test_more_than_a_thousand_addresses_are_cut() -> None:
    """Those that are ready are kept first, and an annotation tells."""
    made = endpoints.decide(service(), [pod(number, ready=number % 2 == 0) for number in range(1, 1401)])

    (subset,) = made.subsets
    assert (len(subset.addresses), len(subset.notReadyAddresses)) == (700, 300)
    assert made.metadata.annotations["endpoints.kubernetes.io/over-capacity"] == "truncated"


async def test_endpoints_follow_their_service() -> None:
    """They come with it, show its pods, come back when someone deletes them, and go with it."""
    async with clusters.cluster(watched=[corev1.Endpoints]) as cluster:
        await cluster.client.create(clusters.service("web"))
        await cluster.client.create(clusters.deployment("web", 2))

        def shown(count: int) -> str:
            found = [each for each in cluster.all(corev1.Endpoints) if each.metadata.name == "web"]
            counts = [len(subset.addresses) for each in found for subset in each.subsets]
            return "" if counts == [count] else f"{counts} instead of {count}"

        await clusters.wait_until(lambda: shown(2))
        await cluster.client.delete(corev1.Endpoints, "web", "default")
        await clusters.wait_until(lambda: shown(2))

        await cluster.client.delete(corev1.Service, "web", "default")

        def gone() -> str:
            return str([each.metadata.name for each in cluster.all(corev1.Endpoints) if each.metadata.name == "web"])

        await clusters.wait_until(lambda: "" if gone() == "[]" else gone())
