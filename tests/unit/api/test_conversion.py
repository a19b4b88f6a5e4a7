"""Versions of a kind: what converts, what stays, and that nothing is lost either way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api import codec, conversion, scheme
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import autoscaling_v2_pb2 as autoscalingv2
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.api.pb import discovery_v1beta1_pb2 as discoveryv1beta1
from fairlead.api.pb import events_v1_pb2 as eventsv1
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.api.pb import policy_v1beta1_pb2 as policyv1beta1
from tests.unit.api.test_round_trips import made
from tests.unit.apiserver import yamls

V1 = scheme.DEFAULT.of(autoscalingv1.HorizontalPodAutoscaler)
SAME_BOTH_WAYS = [row for row in scheme.VERSIONS if row.message is not autoscalingv1.HorizontalPodAutoscaler]
HOSTNAME = "kubernetes.io/hostname"

COUNTS = st.integers(1, 100)
WORDS = st.sampled_from(["requests", "queue", "load"])
AMOUNTS = st.sampled_from(["1", "250m", "10Gi"])
SELECTORS = st.none() | st.fixed_dictionaries({"matchLabels": st.dictionaries(WORDS, WORDS, max_size=2)})


def _without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {key: one for key, one in value.items() if one is not None}


METRIC_NAMES = st.fixed_dictionaries({"name": WORDS, "selector": SELECTORS}).map(_without_none)
OBJECTS = st.fixed_dictionaries({"kind": WORDS, "name": WORDS, "apiVersion": st.just("v1")})
WHOLE = st.fixed_dictionaries({"type": st.just("Value"), "value": AMOUNTS})
PER_POD = st.fixed_dictionaries({"type": st.just("AverageValue"), "averageValue": AMOUNTS})
RELATIVE = st.fixed_dictionaries({"type": st.just("Utilization"), "averageUtilization": COUNTS})


def _source(kind: str, field: str, **parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"type": st.just(kind), field: st.fixed_dictionaries(dict(parts))})


METRICS = st.one_of(
    _source("Object", "object", describedObject=OBJECTS, metric=METRIC_NAMES, target=WHOLE | PER_POD),
    _source("Pods", "pods", metric=METRIC_NAMES, target=PER_POD),
    _source("Resource", "resource", name=st.just("memory"), target=RELATIVE | PER_POD),
    _source("External", "external", metric=METRIC_NAMES, target=WHOLE | PER_POD),
    _source(
        "ContainerResource", "containerResource", name=st.just("cpu"), container=WORDS, target=RELATIVE | PER_POD
    ),
)
CURRENT = st.one_of(
    _source("Pods", "pods", metric=METRIC_NAMES, current=st.fixed_dictionaries({"averageValue": AMOUNTS})),
    _source(
        "Resource",
        "resource",
        name=st.sampled_from(["cpu", "memory"]),
        current=st.fixed_dictionaries({"averageUtilization": COUNTS, "averageValue": AMOUNTS}),
    ),
    _source(
        "Object",
        "object",
        describedObject=OBJECTS,
        metric=METRIC_NAMES,
        current=st.fixed_dictionaries({"value": AMOUNTS}),
    ),
)
CPU = st.just([]) | COUNTS.map(
    lambda percent: [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}},
        }
    ]
)
RULES = st.fixed_dictionaries(
    {
        "stabilizationWindowSeconds": st.none() | COUNTS,
        "selectPolicy": st.none() | st.sampled_from(["Max", "Min", "Disabled"]),
        "policies": st.lists(
            st.fixed_dictionaries({"type": st.just("Pods"), "value": COUNTS, "periodSeconds": COUNTS}), max_size=2
        ),
    }
).map(_without_none)
CONDITIONS = st.lists(
    st.fixed_dictionaries(
        {"type": st.just("AbleToScale"), "status": st.just("True"), "reason": WORDS, "message": WORDS}
    ),
    max_size=1,
)


@st.composite
def autoscalers(draw: st.DrawFn) -> autoscalingv2.HorizontalPodAutoscaler:
    """Draw an autoscaler of v2 with every kind of metric; the processor's comes last, as v1 gives it back."""
    document: dict[str, Any] = {
        "metadata": {"name": "web", "namespace": "default", "annotations": {"mine": "kept"}},
        "spec": {
            "scaleTargetRef": draw(OBJECTS),
            "minReplicas": draw(COUNTS),
            "maxReplicas": draw(COUNTS),
            "metrics": [*draw(st.lists(METRICS, max_size=3)), *draw(CPU)],
        },
        "status": {
            "currentReplicas": draw(COUNTS),
            "desiredReplicas": draw(COUNTS),
            "currentMetrics": draw(st.lists(CURRENT, max_size=2)),
            "conditions": draw(CONDITIONS),
        },
    }
    if draw(st.booleans()):
        document["spec"]["behavior"] = {"scaleUp": draw(RULES)}
    return codec.from_json(document, autoscalingv2.HorizontalPodAutoscaler)


@given(hub=autoscalers())
def test_an_autoscaler_survives_v1(hub: autoscalingv2.HorizontalPodAutoscaler) -> None:
    """What v1 has no field for travels in annotations, and the object's own annotations stay."""
    version = conversion.from_hub(hub, V1)

    assert isinstance(version, autoscalingv1.HorizontalPodAutoscaler)
    assert version.metadata.annotations["mine"] == "kept"
    assert codec.to_json(conversion.to_hub(version)) == codec.to_json(hub)


@pytest.mark.parametrize("row", SAME_BOTH_WAYS, ids=lambda row: row.api_version)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_every_other_version_survives_its_hub(row: scheme.Kind, seed: int) -> None:
    """Whatever an object of an old version holds, its hub keeps and gives back."""
    assert row.message is not None
    version: Any = made(row.message.DESCRIPTOR.full_name, seed)

    again = conversion.from_hub(conversion.to_hub(version), row)

    if isinstance(version, discoveryv1beta1.EndpointSlice):
        for endpoint in version.endpoints:  # the name of an endpoint's node becomes a label of it
            if endpoint.HasField("nodeName") and HOSTNAME not in endpoint.topology:
                endpoint.topology[HOSTNAME] = endpoint.nodeName
    assert codec.to_json(again) == codec.to_json(version)


@pytest.mark.parametrize("row", SAME_BOTH_WAYS, ids=lambda row: row.api_version)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_every_hub_survives_its_other_versions(row: scheme.Kind, seed: int) -> None:
    """What is stored does not change because an old client writes back what it read."""
    hub_type = type(conversion.to_hub(row.message()))  # type: ignore[misc]
    hub = made(hub_type.DESCRIPTOR.full_name, seed)

    assert codec.to_json(conversion.to_hub(conversion.from_hub(hub, row))) == codec.to_json(hub)


def test_v1s_annotations_are_kubernetes() -> None:
    """The names and the text of each annotation, as kubectl shows them of a real cluster."""
    hub = yamls.read(
        """
        metadata: {name: web, namespace: default}
        spec:
          scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
          minReplicas: 1
          maxReplicas: 5
          metrics:
          - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}
          - {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1Gi}}}
          - type: Object
            object:
              describedObject: {apiVersion: v1, kind: Service, name: web}
              metric: {name: hits}
              target: {type: Value, value: 10k}
          behavior: {scaleDown: {policies: [{type: Pods, value: 4, periodSeconds: 60}]}}
        status:
          currentReplicas: 1
          desiredReplicas: 1
          currentMetrics:
          - {type: Resource, resource: {name: cpu, current: {averageUtilization: 9, averageValue: 9m}}}
          conditions: [{type: AbleToScale, status: "True", reason: ReadyForNewScale, message: recommended}]
        """,
        autoscalingv2.HorizontalPodAutoscaler,
    )

    version = conversion.from_hub(hub, V1)

    assert version.spec.targetCPUUtilizationPercentage == 50
    assert version.status.currentCPUUtilizationPercentage == 9
    prefix = "autoscaling.alpha.kubernetes.io/"
    assert {key.removeprefix(prefix): json.loads(one) for key, one in version.metadata.annotations.items()} == {
        "metrics": [
            {"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "1Gi"}},
            {
                "type": "Object",
                "object": {
                    "target": {"kind": "Service", "name": "web", "apiVersion": "v1"},
                    "metricName": "hits",
                    "targetValue": "10k",
                },
            },
        ],
        "behavior": {
            "ScaleUp": None,
            "ScaleDown": {
                "StabilizationWindowSeconds": None,
                "SelectPolicy": None,
                "Policies": [{"Type": "Pods", "Value": 4, "PeriodSeconds": 60}],
            },
        },
        "current-metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "currentAverageUtilization": 9, "currentAverageValue": "9m"},
            }
        ],
        "conditions": [
            {
                "type": "AbleToScale",
                "status": "True",
                "lastTransitionTime": None,
                "reason": "ReadyForNewScale",
                "message": "recommended",
            }
        ],
    }


@pytest.mark.parametrize("text", ["{", "7", '["x"]', '[{"type": 7}]'])
def test_an_annotation_that_cannot_be_read_is_dropped(text: str) -> None:
    """As in Kubernetes: the object is not refused for it, and the annotation goes."""
    version = yamls.read("{metadata: {name: web}, spec: {maxReplicas: 2}}", autoscalingv1.HorizontalPodAutoscaler)
    for name in ("metrics", "behavior", "current-metrics", "conditions"):
        version.metadata.annotations[f"autoscaling.alpha.kubernetes.io/{name}"] = text

    hub = conversion.to_hub(version)

    assert codec.to_json(hub)["spec"] == {
        "scaleTargetRef": {"kind": "", "name": ""}, "maxReplicas": 2
    }  # fmt: skip
    assert not hub.metadata.annotations


EMPTY_MATCH = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"
SELECTOR_PAIRS = [
    ("selector: {}", f"selector: {{matchExpressions: [{{key: {EMPTY_MATCH}, operator: Exists}}]}}"),
    (f"selector: {{matchExpressions: [{{key: {EMPTY_MATCH}, operator: DoesNotExist}}]}}", "selector: {}"),
    ("selector: {matchLabels: {a: b}}", "selector: {matchLabels: {a: b}}"),
    ("minAvailable: 1", "minAvailable: 1"),
]


@pytest.mark.parametrize(("beta", "stable"), SELECTOR_PAIRS)
def test_an_empty_selector_means_none_in_v1beta1_and_all_in_v1(beta: str, stable: str) -> None:
    """The marker that Kubernetes keeps the difference with."""
    version = yamls.read(f"spec: {{{beta}}}", policyv1beta1.PodDisruptionBudget)
    hub = yamls.read(f"spec: {{{stable}}}", policyv1.PodDisruptionBudget)

    assert conversion.to_hub(version) == hub
    assert conversion.from_hub(hub, scheme.DEFAULT.of(policyv1beta1.PodDisruptionBudget)) == version


def test_a_beta_slices_topology_becomes_zone_and_node() -> None:
    """The zone is a field of v1, the host's name goes where it repeats the node's, the rest is deprecated."""
    version = yamls.read(
        """
        addressType: IPv4
        endpoints:
        - addresses: [10.0.0.1]
          nodeName: node-1
          topology: {topology.kubernetes.io/zone: a, kubernetes.io/hostname: node-1, rack: r7}
        """,
        discoveryv1beta1.EndpointSlice,
    )

    hub = conversion.to_hub(version)

    assert hub == yamls.read(
        """
        addressType: IPv4
        endpoints: [{addresses: [10.0.0.1], nodeName: node-1, zone: a, deprecatedTopology: {rack: r7}}]
        """,
        discoveryv1.EndpointSlice,
    )
    assert conversion.from_hub(hub, scheme.DEFAULT.of(discoveryv1beta1.EndpointSlice)) == version


def test_a_hubs_object_is_returned_as_it_is() -> None:
    """No copy is made for the versions that nearly all requests name."""
    hub: Message = policyv1.PodDisruptionBudget()
    assert conversion.to_hub(hub) is hub
    assert conversion.from_hub(hub, scheme.DEFAULT.of(discoveryv1.EndpointSlice)) is hub


@pytest.mark.parametrize(
    ("fields", "hub"),
    [
        ("regarding.kind=Pod,reason!=a\\,b", "involvedObject.kind=Pod,reason!=a\\,b"),
        ("reportingController=kubelet", "reportingComponent=kubelet"),
        ("metadata.name=x", "metadata.name=x"),
        ("nonsense", "nonsense"),
        ("", ""),
    ],
)
def test_field_selectors_are_renamed(fields: str, hub: str) -> None:
    """events.k8s.io names its fields anew; so do selectors on them."""
    assert conversion.fields_to_hub(fields, scheme.DEFAULT.of(eventsv1.Event)) == hub


def test_the_scheme_shows_each_collection_once() -> None:
    """Iterating gives hubs, `versions` every row whose hub is there, and a short name finds the hub."""
    hubs = list(scheme.DEFAULT)
    assert len({row.prefix for row in hubs}) == len(hubs)
    assert all(scheme.DEFAULT.hub(row).prefix == row.prefix for row in scheme.DEFAULT.versions())
    assert scheme.DEFAULT.find("events").api_version == "v1"
    assert scheme.DEFAULT.find("events.events.k8s.io").api_version == "events.k8s.io/v1"
