"""APIServices: those of what is served here, and what is said of the others."""

from __future__ import annotations

import pytest

from control.controllers import apiservices
from fairlead.api import custom, objects
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from tests.support import definitions
from tests.unit.controllers import cluster as clusters

APIService = apiregistrationv1.APIService


def service(*ports: int) -> corev1.Service:
    """Return a Service with some ports."""
    made = corev1.Service()
    made.metadata.name, made.metadata.namespace = "wardle", "default"
    for port in ports:
        made.spec.ports.add(name="https", port=port)
    return made


def slice_of(*ready: bool) -> discoveryv1.EndpointSlice:
    """Return a slice with an endpoint for each."""
    made = discoveryv1.EndpointSlice()
    made.ports.add(name="https", port=8443)
    for each in ready:
        made.endpoints.add(addresses=["10.0.0.1"]).conditions.ready = each
    return made


@pytest.mark.parametrize(
    ("target", "slices", "verdict"),
    [
        (None, [], ("False", "ServiceNotFound", 'service/wardle in "default" is not present')),
        (service(80), [], ("False", "ServicePortError", 'service/wardle in "default" is not listening on port 443')),
        (service(443), [], ("False", "EndpointsNotFound", 'cannot find endpoints for service/wardle in "default"')),
        (
            service(443),
            [slice_of(False)],
            (
                "False",
                "MissingEndpoints",
                'endpoints for service/wardle in "default" have no addresses with port name "https"',
            ),
        ),
        (service(443), [slice_of(False, True)], None),
    ],
)
def test_what_a_service_lacks_is_told(
    target: corev1.Service | None, slices: list[discoveryv1.EndpointSlice], verdict: tuple[str, str, str] | None
) -> None:
    """In kube-aggregator's words; only a Service with endpoints is asked."""
    wanted = APIService()
    wanted.spec.service.namespace, wanted.spec.service.name = "default", "wardle"

    assert apiservices.judge(wanted, target, slices) == verdict


async def test_what_is_served_here_is_registered() -> None:
    """Built-in groups from the start, those of custom resources while their definitions are there."""
    async with clusters.cluster(watched=[APIService]) as cluster:

        def names() -> set[str]:
            return {each.metadata.name for each in cluster.all(APIService)}

        await clusters.wait_until(lambda: "" if {"v1.", "v1.apps", "v1.apiextensions.k8s.io"} <= names() else "none")
        await definitions.establish(cluster.api, cluster.client)
        await clusters.wait_until(lambda: "" if "v1.example.com" in names() else "not registered")
        made = await cluster.client.get(APIService, "v1.example.com")
        assert [(each.type, each.status, each.reason) for each in made.status.conditions] == [
            ("Available", "True", "Local")
        ]
        core = await cluster.client.get(APIService, "v1.")
        assert (core.spec.groupPriorityMinimum, core.spec.versionPriority) == (18000, 1)
        assert "v1.apiregistration.k8s.io" not in names()

        await cluster.client.delete(custom.Definition, "widgets.example.com")
        await clusters.wait_until(lambda: "still there" if "v1.example.com" in names() else "")


async def test_an_api_without_its_service_is_not_available() -> None:
    """The condition says what is missing."""
    async with clusters.cluster(watched=[APIService]) as cluster:
        made = APIService()
        made.metadata.name = "v1alpha1.wardle.example.com"
        made.spec.group, made.spec.version = "wardle.example.com", "v1alpha1"
        made.spec.service.namespace, made.spec.service.name = "default", "wardle"
        made.spec.groupPriorityMinimum, made.spec.versionPriority = 1000, 15
        await cluster.client.create(made)

        def condition() -> str:
            found = [each for each in cluster.all(APIService) if each.metadata.name == made.metadata.name]
            reasons = [condition.reason for each in found for condition in each.status.conditions]
            return "" if reasons == ["ServiceNotFound"] else str(reasons)

        await clusters.wait_until(condition)


async def test_a_local_api_service_with_other_priorities_is_put_right() -> None:
    """Priorities of built-in groups are the server's; what is not marked as kept is left alone."""
    async with clusters.cluster(watched=[APIService]) as cluster:

        def priority(name: str) -> int:
            found = [each for each in cluster.all(APIService) if each.metadata.name == name]
            return found[0].spec.groupPriorityMinimum if found else 0

        await clusters.wait_until(lambda: "" if priority("v2.autoscaling") == 17500 else "not registered")
        changed = objects.copy(await cluster.client.get(APIService, "v2.autoscaling"))
        changed.spec.groupPriorityMinimum = 5
        await cluster.client.update(changed)

        await clusters.wait_until(lambda: "" if priority("v2.autoscaling") == 17500 else "not put right")
