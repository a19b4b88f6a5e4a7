"""APIServices: defaults, what is refused, where they lie."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fairlead.api import codec
from tests.unit.apiserver import judging, yamls

SERVICE = """
metadata: {name: v1.example.com}
spec:
  group: example.com
  version: v1
  groupPriorityMinimum: 1000
  versionPriority: 15
  service: {namespace: lab, name: api}
"""
GOOD = {
    "APIService": SERVICE,
}
WHOLE = {
    "APIService": """
        apiVersion: apiregistration.k8s.io/v1
        kind: APIService
        metadata: {name: v1.example.com}
        spec:
          group: example.com
          version: v1
          groupPriorityMinimum: 1000
          versionPriority: 15
          service: {namespace: lab, name: api, port: 443}
        status: {}
        """,
}
BAD: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "APIService",
        {"metadata/name": "v1.other.com"},
        ['metadata.name: Invalid value: "v1.other.com": must be `spec.version+"."+spec.group`: "v1.example.com"'],
    ),
    (
        "APIService",
        {"spec/groupPriorityMinimum": 0},
        ["spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000"],
    ),
    (
        "APIService",
        {"spec/versionPriority": 1001},
        ["spec.versionPriority: Invalid value: 1001: must be positive and less than 1000"],
    ),
    ("APIService", {"spec/service/name": ""}, ["spec.service.name: Required value"]),
    (
        "APIService",
        {"spec/service/port": 70000},
        ["spec.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive"],
    ),
    (
        "APIService",
        {"spec/insecureSkipTLSVerify": True, "spec/caBundle": "YQ=="},
        ["spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present"],
    ),
    (
        "APIService",
        {"spec/service": None, "spec/caBundle": "YQ=="},
        ['spec.caBundle: Invalid value: "1 bytes": local APIServices may not have a caBundle'],
    ),
]


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_object_is_stored_with_its_defaults(kind: str) -> None:
    """Compared whole with the JSON that Kubernetes would serve."""
    assert judging.faults(kind, GOOD[kind]) == []
    assert judging.document(kind, GOOD[kind]) == yamls.loaded(WHOLE[kind])


@pytest.mark.parametrize(("kind", "changes", "wanted"), BAD)
def test_a_bad_object_is_refused_in_kubernetes_words(kind: str, changes: dict[str, Any], wanted: list[str]) -> None:
    """Each fault with its path."""
    assert judging.faults(kind, GOOD[kind], changes) == wanted


def test_an_api_service_has_no_generation() -> None:
    """Whatever changes in its spec."""
    obj, found = judging.update("APIService", SERVICE, {"spec/versionPriority": 5})
    assert (obj.metadata.generation, found) == (0, [])


@pytest.mark.parametrize("kind", GOOD)
def test_a_status_is_written_alone(kind: str) -> None:
    """Its writer changes neither spec nor what users wrote into the metadata."""
    judging.check_status_alone(kind, GOOD[kind])


def test_a_condition_has_one_of_three_statuses() -> None:
    """Kubernetes judges those of APIServices, and no others."""
    odd = {"status/conditions": [{"type": "Available", "status": "Perhaps"}]}

    assert judging.update("APIService", SERVICE, odd, status=True)[1] == [
        'status.conditions[0].status: Unsupported value: "Perhaps": supported values: "True", "False", "Unknown"'
    ]


def test_what_is_served_here_is_available() -> None:
    """A local APIService says so from its creation."""
    found = judging.document(
        "APIService", "{metadata: {name: v1.}, spec: {version: v1, groupPriorityMinimum: 1, versionPriority: 1}}"
    )
    assert found["status"] == {
        "conditions": [
            {
                "type": "Available",
                "status": "True",
                "lastTransitionTime": None,
                "reason": "Local",
                "message": "Local APIServices are always available",
            }
        ]
    }


def test_an_api_service_is_stored_as_json_under_its_group() -> None:
    """As Kubernetes stores it."""
    obj = judging.prepared("APIService", SERVICE)
    row = judging.STRATEGIES["APIService"].kind

    assert row.key("", obj.metadata.name) == "/registry/apiregistration.k8s.io/apiservices/v1.example.com"
    assert orjson.loads(codec.encode_stored(obj))["kind"] == "APIService"
    assert codec.decode_stored(codec.encode_stored(obj)) == obj
