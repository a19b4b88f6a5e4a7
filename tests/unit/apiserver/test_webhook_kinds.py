"""Webhook configurations: defaults, what is refused, generations."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.apiserver import judging, yamls

HOOKS = """
metadata: {name: check}
webhooks:
- name: check.example.com
  sideEffects: None
  admissionReviewVersions: [v1]
  clientConfig: {service: {namespace: lab, name: hook, path: /check}}
  rules: [{operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [pods]}]
"""
GOOD = {
    "MutatingWebhookConfiguration": HOOKS,
    "ValidatingWebhookConfiguration": HOOKS,
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
}
HOOK, MUTATING = "webhooks/0", "MutatingWebhookConfiguration"
RULE = f"{HOOK}/rules/0"
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
        {f"{HOOK}/clientConfig/service": {"name": "hook", "port": 1}},
        ["webhooks[0].clientConfig.service.name: Required value: service name is required"],  # as Kubernetes says it
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
    ],
)
def test_generations_count_what_is_wanted(kind: str, changes: dict[str, Any], generation: int) -> None:
    """Changes of the webhooks count."""
    obj, found = judging.update(kind, GOOD[kind], changes)
    assert (obj.metadata.generation, found) == (generation, [])
