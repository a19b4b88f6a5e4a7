"""Classes of pods, by priority and runtime: defaults, what is refused, what may change, where they lie."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api import names
from tests.unit.apiserver import judging, yamls

LABEL = names.dns_label("A")[0]
PRIORITY = "{metadata: {name: high}, value: 1000, description: important}"
RUNTIME = """
metadata: {name: sandboxed}
handler: runsc
overhead: {podFixed: {cpu: 100m, memory: 64Mi}}
scheduling: {nodeSelector: {sandbox: "yes"}, tolerations: [{key: sandbox, operator: Exists}]}
"""
GOOD = {
    "PriorityClass": PRIORITY,
    "RuntimeClass": RUNTIME,
}
WHOLE = {
    "PriorityClass": """
        apiVersion: scheduling.k8s.io/v1
        kind: PriorityClass
        metadata: {name: high, generation: 1}
        value: 1000
        description: important
        preemptionPolicy: PreemptLowerPriority
        """,
    "RuntimeClass": """
        apiVersion: node.k8s.io/v1
        kind: RuntimeClass
        metadata: {name: sandboxed}
        handler: runsc
        overhead: {podFixed: {cpu: 100m, memory: 64Mi}}
        scheduling: {nodeSelector: {sandbox: "yes"}, tolerations: [{key: sandbox, operator: Exists}]}
        """,
}
BAD: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "PriorityClass",
        {"value": 1_000_000_001},
        ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
    ),
    (
        "PriorityClass",
        {"metadata/name": "system-mine"},
        [
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class"
        ],
    ),
    (
        "PriorityClass",
        {"metadata/name": "system-node-critical"},
        [
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: value of system-node-critical PriorityClass must be 2000001000"
        ],
    ),
    (
        "PriorityClass",
        {"preemptionPolicy": "Maybe"},
        ['preemptionPolicy: Unsupported value: "Maybe": supported values: "PreemptLowerPriority", "Never"'],
    ),
    ("RuntimeClass", {"handler": "A"}, [f'handler: Invalid value: "A": {LABEL}']),
    (
        "RuntimeClass",
        {"scheduling/tolerations/1": {"key": "sandbox", "operator": "Exists"}},
        [
            'scheduling.tolerations[1]: Duplicate value: core.Toleration{Key:"sandbox", Operator:"Exists", Value:"",'
            ' Effect:"", TolerationSeconds:(*int64)(nil)}'
        ],
    ),
]
CHANGES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("PriorityClass", {"value": 1}, ["value: Forbidden: may not be changed in an update."]),
    (
        "PriorityClass",
        {"preemptionPolicy": "Never"},
        ['preemptionPolicy: Invalid value: "Never": field is immutable'],
    ),
    ("PriorityClass", {"description": "less"}, []),
    ("RuntimeClass", {"handler": "runc"}, ['handler: Invalid value: "runc": field is immutable']),
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


@pytest.mark.parametrize(("kind", "changes", "wanted"), CHANGES)
def test_an_update_changes_what_it_may(kind: str, changes: dict[str, Any], wanted: list[str]) -> None:
    """And is refused where it touches what stays."""
    assert judging.update(kind, GOOD[kind], changes)[1] == wanted


def test_a_priority_class_stays_at_its_generation() -> None:
    """It has no spec to count."""
    assert judging.update("PriorityClass", PRIORITY, {"description": "less"})[0].metadata.generation == 1


KEYS = {
    "PriorityClass": "/registry/priorityclasses/high",
    "RuntimeClass": "/registry/runtimeclasses/sandboxed",
}


@pytest.mark.parametrize("kind", KEYS)
def test_objects_lie_where_kubernetes_puts_them(kind: str) -> None:
    """Key, envelope, and bytes that read back as the same object."""
    assert judging.stored_at(kind, GOOD[kind]) == KEYS[kind]
