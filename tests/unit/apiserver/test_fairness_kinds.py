"""Flow schemas and priority levels: defaults, what is refused, and those that every cluster has."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import pytest

from control.apiserver.strategies import flowcontrol, flowdefaults
from fairlead.api import codec
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1
from fairlead.testing import control
from tests.unit.apiserver import judging, yamls

SCHEMA = """
metadata: {name: mine}
spec:
  priorityLevelConfiguration: {name: low}
  rules:
  - subjects: [{kind: User, user: {name: ann}}]
    resourceRules: [{verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaces: ["*"]}]
    nonResourceRules: [{verbs: [get], nonResourceURLs: [/healthz]}]
"""
LEVEL = "{metadata: {name: low}, spec: {type: Limited, limited: {limitResponse: {type: Queue, queuing: {}}}}}"
GOOD = {
    "FlowSchema": SCHEMA,
    "PriorityLevelConfiguration": LEVEL,
}
WHOLE = {
    "FlowSchema": """
        apiVersion: flowcontrol.apiserver.k8s.io/v1
        kind: FlowSchema
        metadata: {name: mine, generation: 1}
        spec:
          priorityLevelConfiguration: {name: low}
          matchingPrecedence: 1000
          rules:
          - subjects: [{kind: User, user: {name: ann}}]
            resourceRules: [{verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaces: ["*"]}]
            nonResourceRules: [{verbs: [get], nonResourceURLs: [/healthz]}]
        status: {}
        """,
    "PriorityLevelConfiguration": """
        apiVersion: flowcontrol.apiserver.k8s.io/v1
        kind: PriorityLevelConfiguration
        metadata: {name: low, generation: 1}
        spec:
          type: Limited
          limited:
            nominalConcurrencyShares: 30
            lendablePercent: 0
            limitResponse: {type: Queue, queuing: {queues: 64, handSize: 8, queueLengthLimit: 50}}
        status: {}
        """,
}
LIMITED = "spec/limited"
QUEUING = f"{LIMITED}/limitResponse/queuing"
BAD: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "FlowSchema",
        {"spec/matchingPrecedence": -1},
        ["spec.matchingPrecedence: Invalid value: -1: must be a positive value"],
    ),
    (
        "FlowSchema",
        {"spec/matchingPrecedence": 1},
        ["spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"],
    ),
    (
        "FlowSchema",
        {"spec/priorityLevelConfiguration": {}},
        ["spec.priorityLevelConfiguration.name: Required value: must reference a priority level"],
    ),
    (
        "FlowSchema",
        {"spec/distinguisherMethod": {"type": "ByMood"}},
        ['spec.distinguisherMethod.type: Unsupported value: flowcontrol.FlowDistinguisherMethod{Type:"ByMood"}: supported values: "ByNamespace", "ByUser"'],
    ),
    (
        "FlowSchema",
        {"spec/rules/0/subjects": []},
        ["spec.rules[0].subjects: Required value: subjects must contain at least one value"],
    ),
    (
        "FlowSchema",
        {"spec/rules/0/subjects/0": {"kind": "Group", "user": {"name": "a"}}},
        [
            "spec.rules[0].subjects[0].group: Required value: group is required when subject kind is 'Group'",
            "spec.rules[0].subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User'",
        ],
    ),
    (
        "FlowSchema",
        {"spec/rules/0/subjects/0": {"kind": "ServiceAccount", "serviceAccount": {"name": "*"}}},
        [
            "spec.rules[0].subjects[0].serviceAccount.namespace: Required value: must specify namespace for service account"
        ],
    ),
    (
        "FlowSchema",
        {"spec/rules/0/resourceRules/0/verbs": ["look"]},
        [
            'spec.rules[0].resourceRules[0].verbs: Unsupported value: []string{"look"}: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"'
        ],
    ),
    (
        "FlowSchema",
        {"spec/rules/0/resourceRules/0/namespaces": []},
        [
            "spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace"
        ],
    ),
    (
        "FlowSchema",
        {"spec/rules/0/nonResourceRules/0/nonResourceURLs": ["a", "/a*"]},
        [
            'spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "a": must start with slash',
            'spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: "/a*": wildcard can only do suffix matching',
        ],
    ),
    (
        "PriorityLevelConfiguration",
        {"spec/type": "Exempt"},
        [
            "spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'",
            "spec.limited: Forbidden: must be nil if the type is not Limited",
        ],
    ),
    (
        "PriorityLevelConfiguration",
        {LIMITED: None},
        ["spec.limited: Required value: must not be empty when type is Limited"],
    ),
    (
        "PriorityLevelConfiguration",
        {f"{LIMITED}/nominalConcurrencyShares": -1},
        ["spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer"],
    ),
    (
        "PriorityLevelConfiguration",
        {f"{LIMITED}/lendablePercent": 101},
        ["spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive"],
    ),
    (
        "PriorityLevelConfiguration",
        {f"{LIMITED}/limitResponse/type": "Reject"},
        ["spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited"],
    ),
    (
        "PriorityLevelConfiguration",
        {QUEUING: {"handSize": 65}},
        ["spec.limited.limitResponse.queuing.handSize: Invalid value: 65: should not be greater than queues (64)"],
    ),
    (
        "PriorityLevelConfiguration",
        {QUEUING: {"handSize": 20}},
        [
            "spec.limited.limitResponse.queuing.handSize: Invalid value: 20: required entropy bits of deckSize 64 and handSize 20 should not be greater than 60"
        ],
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


@pytest.mark.parametrize(
    ("kind", "changes", "generation"),
    [
        ("FlowSchema", {"spec/matchingPrecedence": 2000}, 2),
        ("PriorityLevelConfiguration", {f"{LIMITED}/lendablePercent": 5}, 2),
    ],
)
def test_generations_count_what_is_wanted(kind: str, changes: dict[str, Any], generation: int) -> None:
    """Changes of the spec count."""
    obj, found = judging.update(kind, GOOD[kind], changes)
    assert (obj.metadata.generation, found) == (generation, [])


@pytest.mark.parametrize("kind", GOOD)
def test_a_status_is_written_alone(kind: str) -> None:
    """Its writer changes neither spec nor what users wrote into the metadata."""
    judging.check_status_alone(kind, GOOD[kind])


def test_a_condition_of_a_type_stands_once() -> None:
    """And each has one."""
    twice = {"status/conditions": [{"type": "A"}, {"type": "A"}, {}]}

    assert judging.update("FlowSchema", SCHEMA, twice, status=True)[1] == [
        'status.conditions[1].type: Duplicate value: "A"',
        "status.conditions[2].type: Required value: must not be empty",
    ]


@pytest.mark.parametrize("made", [*flowdefaults.schemas(), *flowdefaults.levels()], ids=lambda one: one.metadata.name)
def test_the_defaults_of_fairness_are_valid_and_complete(made: Any) -> None:
    """Defaulting adds nothing to them, and the mandatory ones cannot become anything else."""
    strategy = judging.STRATEGIES[type(made).DESCRIPTOR.name]
    before = codec.to_json(made)

    strategy.default(made)

    assert codec.to_json(made) == before
    assert list(strategy.validate(made)) == []


def test_mandatory_objects_keep_their_specs() -> None:
    """Of the exempt level, only the shares may change."""
    schema = next(one for one in flowdefaults.schemas() if one.metadata.name == "catch-all")
    schema.spec.matchingPrecedence = 9999
    level = next(one for one in flowdefaults.levels() if one.metadata.name == "exempt")
    level.spec.exempt.nominalConcurrencyShares = 10

    faults = flowcontrol.FlowSchemaStrategy().validate(schema)

    assert [one.message.rpartition(": ")[2] for one in faults] == ["spec of 'catch-all' must equal the fixed value"]
    assert flowcontrol.PriorityLevelStrategy().validate(level) == []


def test_dealing_a_hand_takes_bits_of_a_hash() -> None:
    """A card of 64 takes six."""
    assert [flowcontrol.entropy_bits(1, 1), flowcontrol.entropy_bits(64, 6), flowcontrol.entropy_bits(128, 6)] == [
        0,
        36,
        42,
    ]


async def test_every_cluster_has_the_defaults_of_fairness() -> None:
    """They are made at start."""
    async with control.memory_api() as api:
        client = api.as_user(*control.ADMIN)

        schemas = await client.list(flowcontrolv1.FlowSchema)
        levels = await client.list(flowcontrolv1.PriorityLevelConfiguration)

        assert {one.metadata.name for one in schemas.items} == {one.metadata.name for one in flowdefaults.schemas()}
        assert {one.metadata.name for one in levels.items} == {one.metadata.name for one in flowdefaults.levels()}
