"""Webhook configurations, fairness, aggregation: defaults, what is refused, what may change, where they lie."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import orjson
import pytest

from control.apiserver.strategies import flowcontrol, flowdefaults
from fairlead.api import codec, names
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1
from fairlead.testing import control
from tests.unit.apiserver import judging, yamls

SUBDOMAIN = names.dns_subdomain("A")[0]

HOOKS = """
metadata: {name: check}
webhooks:
- name: check.example.com
  sideEffects: None
  admissionReviewVersions: [v1]
  clientConfig: {service: {namespace: lab, name: hook, path: /check}}
  rules: [{operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [pods]}]
"""
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
    "MutatingWebhookConfiguration": HOOKS,
    "ValidatingWebhookConfiguration": HOOKS,
    "FlowSchema": SCHEMA,
    "PriorityLevelConfiguration": LEVEL,
    "APIService": SERVICE,
}
HOOK_DEFAULTS = """
        metadata: {name: check, generation: 1}
        webhooks:
        - name: check.example.com
          sideEffects: None
          admissionReviewVersions: [v1]
          clientConfig: {service: {namespace: lab, name: hook, path: /check, port: 443}}
          rules: [{operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [pods], scope: "*"}]
          failurePolicy: Fail
          matchPolicy: Equivalent
          namespaceSelector: {}
          objectSelector: {}
          timeoutSeconds: 10
"""
WHOLE = {
    "MutatingWebhookConfiguration": f"""
        apiVersion: admissionregistration.k8s.io/v1
        kind: MutatingWebhookConfiguration{HOOK_DEFAULTS}          reinvocationPolicy: Never
        """,
    "ValidatingWebhookConfiguration": f"""
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingWebhookConfiguration{HOOK_DEFAULTS}""",
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
HOOK, MUTATING = "webhooks/0", "MutatingWebhookConfiguration"
RULE = f"{HOOK}/rules/0"
LIMITED = "spec/limited"
QUEUING = f"{LIMITED}/limitResponse/queuing"
BAD: list[tuple[str, dict[str, Any], list[str]]] = [
    (MUTATING, {f"{HOOK}/name": ""}, ["webhooks[0].name: Required value"]),
    (
        MUTATING,
        {f"{HOOK}/name": "check"},
        [
            'webhooks[0].name: Invalid value: "check": should be a domain with at least three segments separated by dots'
        ],
    ),
    (
        MUTATING,
        {f"{HOOK}/sideEffects": None},
        ["webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun"],
    ),
    (
        MUTATING,
        {f"{HOOK}/sideEffects": "Some"},
        ['webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'],
    ),
    (
        MUTATING,
        {f"{HOOK}/failurePolicy": "Retry"},
        ['webhooks[0].failurePolicy: Unsupported value: "Retry": supported values: "Fail", "Ignore"'],
    ),
    (
        MUTATING,
        {f"{HOOK}/reinvocationPolicy": "Always"},
        ['webhooks[0].reinvocationPolicy: Unsupported value: "Always": supported values: "IfNeeded", "Never"'],
    ),
    (
        MUTATING,
        {f"{HOOK}/timeoutSeconds": 31},
        ["webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"],
    ),
    (
        MUTATING,
        {f"{HOOK}/admissionReviewVersions": []},
        ["webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1"],
    ),
    (
        MUTATING,
        {f"{HOOK}/admissionReviewVersions": ["v2", "v2"]},
        [
            'webhooks[0].admissionReviewVersions[1]: Invalid value: "v2": duplicate version',
            'webhooks[0].admissionReviewVersions: Invalid value: []string{"v2", "v2"}: must include at least one of v1, v1beta1',
        ],
    ),
    (
        MUTATING,
        {f"{HOOK}/clientConfig": {}},
        ["webhooks[0].clientConfig: Required value: exactly one of url or service is required"],
    ),
    (
        MUTATING,
        {f"{HOOK}/clientConfig": {"url": "http://u@host/a?b#c"}},
        [
            "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
            'webhooks[0].clientConfig.url: Invalid value: "u": user information is not permitted in the URL',
            'webhooks[0].clientConfig.url: Invalid value: "c": fragments are not permitted in the URL',
            'webhooks[0].clientConfig.url: Invalid value: "b": query parameters are not permitted in the URL',
        ],
    ),
    (
        MUTATING,
        {f"{HOOK}/clientConfig/service": {"path": "a//b", "port": 0}},
        [
            "webhooks[0].clientConfig.service.name: Required value: service name is required",
            "webhooks[0].clientConfig.service.namespace: Required value: service namespace is required",
            "webhooks[0].clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
            "webhooks[0].clientConfig.service.path: Invalid value: \"a//b\": must start with a '/'",
            'webhooks[0].clientConfig.service.path: Invalid value: "a//b": segment[0] may not be empty',
            'webhooks[0].clientConfig.service.path: Invalid value: "a//b": segment[1] may not be empty',
        ],
    ),
    (
        MUTATING,
        {f"{RULE}/operations": ["*", "CREATE", "READ"]},
        [
            'webhooks[0].rules[0].operations: Invalid value: []admissionregistration.OperationType{"*", "CREATE", "READ"}: if \'*\' is present, must not specify other operations',
            'webhooks[0].rules[0].operations[2]: Unsupported value: "READ": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
        ],
    ),
    (
        MUTATING,
        {f"{RULE}/apiGroups": ["*", "a"]},
        [
            'webhooks[0].rules[0].apiGroups: Invalid value: []string{"*", "a"}: if \'*\' is present, must not specify other API groups'
        ],
    ),
    (MUTATING, {f"{RULE}/apiVersions": [""]}, ["webhooks[0].rules[0].apiVersions[0]: Required value"]),
    (
        MUTATING,
        {f"{RULE}/resources": ["pods/*", "pods/status"]},
        [
            "webhooks[0].rules[0].resources[1]: Invalid value: \"pods/status\": if 'pods/*' is present, must not specify pods/status"
        ],
    ),
    (
        MUTATING,
        {f"{RULE}/resources": ["*", "pods"]},
        [
            'webhooks[0].rules[0].resources: Invalid value: []string{"*", "pods"}: if \'*\' is present, must not specify other resources without subresources'
        ],
    ),
    (
        MUTATING,
        {f"{RULE}/scope": "Some"},
        ['webhooks[0].rules[0].scope: Unsupported value: "Some": supported values: "*", "Cluster", "Namespaced"'],
    ),
    (
        MUTATING,
        {f"{HOOK}/matchConditions": [{"name": "a"}, {"name": "a", "expression": "true"}]},
        [
            "webhooks[0].matchConditions[0].expression: Required value",
            'webhooks[0].matchConditions[1].name: Duplicate value: "a"',
        ],
    ),
    (
        "ValidatingWebhookConfiguration",
        {f"{HOOK}/matchPolicy": "Loose"},
        ['webhooks[0].matchPolicy: Unsupported value: "Loose": supported values: "Equivalent", "Exact"'],
    ),
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
        ['spec.distinguisherMethod.type: Unsupported value: "ByMood": supported values: "ByNamespace", "ByUser"'],
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


@pytest.mark.parametrize(
    ("kind", "changes", "generation"),
    [
        (MUTATING, {f"{HOOK}/timeoutSeconds": 5}, 2),
        (MUTATING, {"metadata/labels": {"a": "b"}}, 1),
        ("FlowSchema", {"spec/matchingPrecedence": 2000}, 2),
        ("PriorityLevelConfiguration", {f"{LIMITED}/lendablePercent": 5}, 2),
        ("APIService", {"spec/versionPriority": 5}, 0),
    ],
)
def test_generations_count_what_is_wanted(kind: str, changes: dict[str, Any], generation: int) -> None:
    """An APIService has none."""
    obj, found = judging.update(kind, GOOD[kind], changes)
    assert (obj.metadata.generation, found) == (generation, [])


@pytest.mark.parametrize("kind", ["FlowSchema", "PriorityLevelConfiguration", "APIService"])
def test_a_status_is_written_alone(kind: str) -> None:
    """Its writer changes neither spec nor what users wrote into the metadata."""
    changes = {
        "status/conditions": [{"type": "A", "status": "True"}],
        "metadata/labels": {"a": "b"},
        "metadata/annotations": {"a": "b"},
        "metadata/finalizers": ["a/b"],
    }

    obj, found = judging.update(kind, GOOD[kind], changes, status=True)

    assert found == []
    assert [one.type for one in obj.status.conditions] == ["A"]
    assert not obj.metadata.labels
    assert not obj.metadata.annotations
    assert not obj.metadata.finalizers


def test_a_condition_of_a_type_stands_once() -> None:
    """And an APIService's has one of three statuses."""
    twice = {"status/conditions": [{"type": "A"}, {"type": "A"}, {}]}
    odd = {"status/conditions": [{"type": "Available", "status": "Perhaps"}]}

    assert judging.update("FlowSchema", SCHEMA, twice, status=True)[1] == [
        'status.conditions[1].type: Duplicate value: "A"',
        "status.conditions[2].type: Required value: must not be empty",
    ]
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
