"""Which EndpointSlices mirror Endpoints that somebody writes, and that they follow them over the real API."""

from __future__ import annotations

from collections.abc import Sequence

from control.controllers import mirroring, slices
from fairlead.api import codec, objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from tests.unit.controllers import cluster as clusters


def written(*addresses: str, port: int = 80) -> corev1.Endpoints:
    """Return the Endpoints `web`, of one subset."""
    made = corev1.Endpoints()
    made.metadata.name, made.metadata.namespace, made.metadata.uid = "web", "default", "uid-web"
    subset = made.subsets.add()
    subset.ports.add(port=port, protocol="TCP")
    subset.addresses.extend(corev1.EndpointAddress(ip=address) for address in addresses)
    return made


def stored(plan: slices.Plan) -> list[discoveryv1.EndpointSlice]:
    """Return the created slices as the API would have stored them."""
    made = [objects.copy(each) for each in plan.create]
    for number, each in enumerate(made):
        each.metadata.name = f"web-{number}"
    return made


def told(some: Sequence[discoveryv1.EndpointSlice]) -> list[tuple[str, list[int], list[str]]]:
    """Return address type, ports and addresses of each slice."""
    return [
        (one.addressType, [port.port for port in one.ports], [each.addresses[0] for each in one.endpoints])
        for one in some
    ]


def test_a_slice_tells_what_the_endpoints_do() -> None:
    """Address, name, node, target, whether it is ready; labels and annotations but those that are not for it."""
    made = written("10.1.2.3")
    made.metadata.labels["app"] = "web"
    made.metadata.annotations.update({"note": "kept", "kubectl.kubernetes.io/last-applied-configuration": "{}"})
    address = made.subsets[0].notReadyAddresses.add(ip="10.1.2.4", hostname="four", nodeName="node-1")
    address.targetRef.kind, address.targetRef.name = "Pod", "web-4"

    plan, skipped = mirroring.decide(made, [])

    (one,) = plan.create
    assert skipped == 0
    assert codec.to_json(one) == {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": "web-",
            "namespace": "default",
            "creationTimestamp": None,
            "labels": {
                "app": "web",
                "kubernetes.io/service-name": "web",
                "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
            },
            "annotations": {"note": "kept"},
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Endpoints",
                    "name": "web",
                    "uid": "uid-web",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": ["10.1.2.3"], "conditions": {"ready": True}},
            {
                "addresses": ["10.1.2.4"],
                "conditions": {"ready": False},
                "hostname": "four",
                "nodeName": "node-1",
                "targetRef": {"kind": "Pod", "name": "web-4"},
            },
        ],
        "ports": [{"name": "", "protocol": "TCP", "port": 80}],
    }


def test_each_family_and_set_of_ports_has_a_slice() -> None:
    """Subsets with the same ports share one; an address that stands twice is there once."""
    made = written("10.1.2.3", "fd00::1")
    made.subsets.extend([*written("10.1.2.4", "10.1.2.3").subsets, *written("10.1.2.3", port=81).subsets])

    plan, _ = mirroring.decide(made, [])

    assert sorted(told(plan.create)) == [
        ("IPv4", [80], ["10.1.2.3", "10.1.2.4"]),
        ("IPv4", [81], ["10.1.2.3"]),
        ("IPv6", [80], ["fd00::1"]),
    ]


def test_slices_that_are_right_stay() -> None:
    """Nothing is written for what is mirrored already."""
    made = written("10.1.2.3")
    plan, _ = mirroring.decide(made, [])

    assert mirroring.decide(made, stored(plan))[0] == slices.Plan([], [], [])


def test_a_change_is_one_write() -> None:
    """Another address changes the slice, other ports turn the one that is left over into a new one."""
    existing = stored(mirroring.decide(written("10.1.2.3"), [])[0])

    address, _ = mirroring.decide(written("10.2.3.4"), existing)
    ports, _ = mirroring.decide(written("10.1.2.3", port=81), existing)

    for plan, want in ((address, ("IPv4", [80], ["10.2.3.4"])), (ports, ("IPv4", [81], ["10.1.2.3"]))):
        assert told(plan.update) == [want]
        assert [each.metadata.name for each in plan.update] == ["web-0"]
        assert (plan.create, plan.delete) == ([], [])


def test_a_subset_has_at_most_a_thousand_addresses() -> None:
    """Those beyond are counted, so that an Event can tell of them."""
    made = written(*(f"10.1.{number // 250}.{number % 250}" for number in range(1003)))

    plan, skipped = mirroring.decide(made, [])

    assert (len(plan.create[0].endpoints), skipped) == (1000, 3)


def test_some_endpoints_want_no_slices() -> None:
    """Those of the API server itself, and what leader elections once kept."""
    skipping, leading = written("10.1.2.3"), written("10.1.2.3")
    skipping.metadata.labels["endpointslice.kubernetes.io/skip-mirror"] = "true"
    leading.metadata.annotations["control-plane.alpha.kubernetes.io/leader"] = "{}"

    assert [mirroring.is_mirrored(each) for each in (written("10.1.2.3"), skipping, leading)] == [True, False, False]


async def test_slices_follow_endpoints_and_their_service() -> None:
    """They come with both, and go when the Service selects pods itself or the Endpoints go."""
    async with clusters.cluster(watched=[discoveryv1.EndpointSlice]) as cluster:

        def shown(*want: str) -> str:
            mirrored = [
                each
                for each in cluster.all(discoveryv1.EndpointSlice)
                if each.metadata.labels[slices.MANAGED_BY] == mirroring.MANAGER
            ]
            found = [endpoint.addresses[0] for each in mirrored for endpoint in each.endpoints]
            return "" if found == list(want) else f"{found} instead of {want}"

        made = written("10.1.2.3")
        made.metadata.uid = ""
        await cluster.client.create(made)
        service = clusters.service("web")
        service.spec.selector.clear()
        stored_service = await cluster.client.create(service)
        await clusters.wait_until(lambda: shown("10.1.2.3"))

        made.subsets[0].addresses[0].ip = "10.2.3.4"
        await cluster.client.update(made)
        await clusters.wait_until(lambda: shown("10.2.3.4"))

        stored_service.spec.selector["app"] = "web"
        stored_service = await cluster.client.update(stored_service)
        await clusters.wait_until(shown)
