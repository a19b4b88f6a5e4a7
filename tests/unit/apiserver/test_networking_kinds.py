"""Networking kinds: defaults, what is refused, what may change, where they lie."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api import names
from tests.unit.apiserver import judging, yamls

SUBDOMAIN = names.dns_subdomain("A")[0]
LABEL_1035 = names.dns_1035_label("A")[0]
INGRESS = """
metadata: {name: web, namespace: default}
spec:
  ingressClassName: nginx
  rules:
  - host: a.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
"""
INGRESS_CLASS = """
metadata: {name: nginx}
spec: {controller: example.com/nginx, parameters: {apiGroup: example.com, kind: Settings, name: usual}}
"""
POLICY = """
metadata: {name: web, namespace: default}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]
  egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]
"""
GOOD = {
    "Ingress": INGRESS,
    "IngressClass": INGRESS_CLASS,
    "NetworkPolicy": POLICY,
}
WHOLE = {
    "Ingress": """
        apiVersion: networking.k8s.io/v1
        kind: Ingress
        metadata: {name: web, namespace: default, generation: 1}
        spec:
          ingressClassName: nginx
          rules:
          - host: a.example.com
            http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
        status: {loadBalancer: {}}
        """,
    "IngressClass": """
        apiVersion: networking.k8s.io/v1
        kind: IngressClass
        metadata: {name: nginx, generation: 1}
        spec:
          controller: example.com/nginx
          parameters: {apiGroup: example.com, kind: Settings, name: usual, scope: Cluster}
        """,
    "NetworkPolicy": """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: web, namespace: default, generation: 1}
        spec:
          podSelector: {matchLabels: {app: web}}
          ingress: [{from: [{podSelector: {}}], ports: [{protocol: TCP, port: 80}]}]
          egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]
          policyTypes: [Ingress, Egress]
        """,
}
PATHS = "spec/rules/0/http/paths"
BAD: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "Ingress",
        {"spec/rules": []},
        ["spec: Invalid value: []networking.IngressRule(nil): either `defaultBackend` or `rules` must be specified"],
    ),
    (
        "Ingress",
        {"spec/rules/0/host": "10.0.0.1"},
        ['spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'],
    ),
    (
        "Ingress",
        {"spec/rules/0/host": "*.A"},
        [f'spec.rules[0].host: Invalid value: "*.A": {names.wildcard_subdomain("*.A")[0]}'],
    ),
    ("Ingress", {PATHS: []}, ["spec.rules[0].http.paths: Required value"]),
    (
        "Ingress",
        {f"{PATHS}/0/pathType": None},
        ["spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"],
    ),
    (
        "Ingress",
        {f"{PATHS}/0/pathType": "Regex"},
        [
            'spec.rules[0].http.paths[0].pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"'
        ],
    ),
    (
        "Ingress",
        {f"{PATHS}/0/path": "a//b/.."},
        [
            'spec.rules[0].http.paths[0].path: Invalid value: "a//b/..": must be an absolute path',
            "spec.rules[0].http.paths[0].path: Invalid value: \"a//b/..\": must not contain '//'",
            "spec.rules[0].http.paths[0].path: Invalid value: \"a//b/..\": cannot end with '/..'",
        ],
    ),
    (
        "Ingress",
        {f"{PATHS}/0/backend": {}},
        ['spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required'],
    ),
    (
        "Ingress",
        {f"{PATHS}/0/backend/service/port": {"name": "x", "number": 1}},
        ['spec.rules[0].http.paths[0].backend: Invalid value: "": cannot set both port name & port number'],
    ),
    (
        "Ingress",
        {f"{PATHS}/0/backend/service/port": {}},
        ["spec.rules[0].http.paths[0].backend: Required value: port name or number is required"],
    ),
    (
        "Ingress",
        {f"{PATHS}/0/backend/service/port": {"number": 70000}},
        [
            "spec.rules[0].http.paths[0].backend.service.port.number: Invalid value: 70000: must be between 1 and 65535, inclusive"
        ],
    ),
    (
        "Ingress",
        {f"{PATHS}/0/backend/service/name": "9a"},
        [f'spec.rules[0].http.paths[0].backend.service.name: Invalid value: "9a": {LABEL_1035}'],
    ),
    (
        "Ingress",
        {"spec/defaultBackend": {"resource": {"kind": "", "name": "a/b"}}},
        [
            "spec.defaultBackend.resource.kind: Required value: kind is required",
            "spec.defaultBackend.resource.name: Invalid value: \"a/b\": may not contain '/'",
        ],
    ),
    (
        "Ingress",
        {"spec/tls": [{"hosts": ["A"], "secretName": "B"}]},
        [
            f'spec.tls[0].hosts[0]: Invalid value: "A": {SUBDOMAIN}',
            f'spec.tls[0].secretName: Invalid value: "B": {SUBDOMAIN}',
        ],
    ),
    (
        "Ingress",
        {"metadata/annotations": {"kubernetes.io/ingress.class": "other"}},
        [
            'annotations.kubernetes.io/ingress.class: Invalid value: "other": must match `ingressClassName` when both are specified'
        ],
    ),
    ("IngressClass", {"spec/controller": ""}, ["spec.controller: Required value"]),
    (
        "IngressClass",
        {"spec/controller": "nginx"},
        ['spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as "acme.io/foo")'],
    ),
    (
        "IngressClass",
        {"spec/parameters/scope": "Namespace"},
        ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
    ),
    (
        "IngressClass",
        {"spec/parameters/namespace": "a"},
        ["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"],
    ),
    (
        "IngressClass",
        {"spec/parameters": {"apiGroup": "", "kind": "", "name": ""}},
        [
            f'spec.parameters.apiGroup: Invalid value: "": {names.dns_subdomain("")[0]}',
            "spec.parameters.kind: Required value: kind is required",
            "spec.parameters.name: Required value: name is required",
        ],
    ),
    (
        "IngressClass",
        {"spec/parameters/scope": "World"},
        ['spec.parameters.scope: Unsupported value: "World": supported values: "Cluster", "Namespace"'],
    ),
    (
        "NetworkPolicy",
        {"spec/ingress/0/from/0": {}},
        ["spec.ingress[0].from[0]: Required value: must specify a peer"],
    ),
    (
        "NetworkPolicy",
        {"spec/egress/0/to/0/podSelector": {}},
        ["spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer"],
    ),
    (
        "NetworkPolicy",
        {"spec/egress/0/to/0/ipBlock/cidr": "10.0.0.0/255.0.0.0"},
        [
            'spec.egress[0].to[0].ipBlock.cidr: Invalid value: "10.0.0.0/255.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'
        ],
    ),
    (
        "NetworkPolicy",
        {"spec/egress/0/to/0/ipBlock/cidr": "fe80::1%eth0/64"},
        [
            'spec.egress[0].to[0].ipBlock.cidr: Invalid value: "fe80::1%eth0/64": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'
        ],
    ),
    ("NetworkPolicy", {"spec/egress/0/to/0/ipBlock/cidr": ""}, ["spec.egress[0].to[0].ipBlock.cidr: Required value"]),
    (
        "NetworkPolicy",
        {"spec/egress/0/to/0/ipBlock/cidr": "10.0.0.1"},
        [
            'spec.egress[0].to[0].ipBlock.cidr: Invalid value: "10.0.0.1": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'
        ],
    ),
    (
        "NetworkPolicy",
        {"spec/egress/0/to/0/ipBlock/except": ["10.0.0.0/8"]},
        ['spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`'],
    ),
    (
        "NetworkPolicy",
        {"spec/ingress/0/ports/0/protocol": "ICMP"},
        ['spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"'],
    ),
    (
        "NetworkPolicy",
        {"spec/ingress/0/ports/0": {"endPort": 9}},
        ["spec.ingress[0].ports[0].endPort: Invalid value: 9: may not be specified when `port` is not specified"],
    ),
    (
        "NetworkPolicy",
        {"spec/ingress/0/ports/0": {"port": "http", "endPort": 9}},
        ["spec.ingress[0].ports[0].endPort: Invalid value: 9: may not be specified when `port` is non-numeric"],
    ),
    (
        "NetworkPolicy",
        {"spec/ingress/0/ports/0/endPort": 79},
        ["spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`"],
    ),
    (
        "NetworkPolicy",
        {"spec/policyTypes": ["Both"]},
        ['spec.policyTypes[0]: Unsupported value: "Both": supported values: "Ingress", "Egress"'],
    ),
    (
        "NetworkPolicy",
        {"spec/podSelector/matchExpressions": [{"key": "a", "operator": "Like"}]},
        ['spec.podSelector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator'],
    ),
]
CHANGES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("Ingress", {"spec/rules/0/host": "b.example.com"}, []),
    (
        "IngressClass",
        {"spec/controller": "example.com/other"},
        ['spec.controller: Invalid value: "example.com/other": field is immutable'],
    ),
    ("NetworkPolicy", {"spec/policyTypes": ["Egress"]}, []),
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


@pytest.mark.parametrize(
    ("kind", "changes", "generation"),
    [
        ("Ingress", {"spec/rules/0/host": "b.example.com"}, 2),
        ("Ingress", {"metadata/labels": {"a": "b"}}, 1),
        ("IngressClass", {"spec/parameters/name": "other"}, 2),
        ("NetworkPolicy", {"spec/podSelector": {}}, 2),
    ],
)
def test_generations_count_what_is_wanted(kind: str, changes: dict[str, Any], generation: int) -> None:
    """Changes of the spec count."""
    assert judging.update(kind, GOOD[kind], changes)[0].metadata.generation == generation


KEYS = {
    "Ingress": "/registry/ingress/default/web",
    "IngressClass": "/registry/ingressclasses/nginx",
    "NetworkPolicy": "/registry/networkpolicies/default/web",
}


@pytest.mark.parametrize("kind", KEYS)
def test_objects_lie_where_kubernetes_puts_them(kind: str) -> None:
    """Key, envelope, and bytes that read back as the same object."""
    assert judging.stored_at(kind, GOOD[kind]) == KEYS[kind]


def test_a_status_is_written_alone() -> None:
    """A write to an Ingress leaves its status, a write to the status leaves all else, and both are judged."""
    address = {"status/loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}
    both = {**address, "spec/ingressClassName": "other"}

    plain, _ = judging.update("Ingress", INGRESS, both)
    status, found = judging.update("Ingress", INGRESS, both, status=True)
    _, refused = judging.update(
        "Ingress", INGRESS, {"status/loadBalancer": {"ingress": [{"ip": "x"}, {"hostname": "10.0.0.1"}]}}, status=True
    )

    assert (plain.spec.ingressClassName, len(plain.status.loadBalancer.ingress)) == ("other", 0)
    assert (status.spec.ingressClassName, status.status.loadBalancer.ingress[0].ip, found) == (
        "nginx",
        "10.0.0.1",
        [],
    )
    assert refused == [
        'status.loadBalancer.ingress[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        'status.loadBalancer.ingress[1].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
    ]
