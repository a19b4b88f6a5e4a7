"""Rules of the shapes that widely used definitions carry: gateways and routes, certificates, clusters of workers.

Each holds for a good object and refuses what it is about.
"""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from control.apiserver.structural import rules, schema
from control.apiserver.validation import structural

LISTENERS = yaml.safe_load(
    r"""
    type: object
    properties:
      spec:
        type: object
        required: [listeners]
        properties:
          addresses:
            type: array
            maxItems: 16
            x-kubernetes-validations:
            - {message: addresses are unique, rule: "self.all(a1, a1.type == 'IPAddress' ? self.exists_one(a2, a2.type == a1.type && a2.value == a1.value) : true)"}
            items:
              type: object
              x-kubernetes-validations:
              - message: a host name is one
                rule: "self.type == 'Hostname' ? self.value.matches(r\"\"\"^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$\"\"\") : true"
              properties: {type: {type: string, default: IPAddress, maxLength: 253}, value: {type: string, maxLength: 253}}
          listeners:
            type: array
            maxItems: 64
            x-kubernetes-list-type: map
            x-kubernetes-list-map-keys: [name]
            x-kubernetes-validations:
            - {message: no tls for plain protocols, rule: "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)"}
            - {message: https ends tls, rule: "self.all(l, (l.protocol == 'HTTPS' && has(l.tls)) ? (l.tls.mode == '' || l.tls.mode == 'Terminate') : true)"}
            - message: listeners are told apart
              rule: "self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && (has(l1.hostname) && has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))"
            items:
              type: object
              required: [name, port, protocol]
              properties:
                name: {type: string, maxLength: 253}
                port: {type: integer, format: int32}
                protocol: {type: string, maxLength: 255}
                hostname: {type: string, maxLength: 253}
                tls:
                  type: object
                  x-kubernetes-validations:
                  - {message: a certificate to end tls with, rule: "self.mode == 'Terminate' ? size(self.certificateRefs) > 0 || size(self.options) > 0 : true"}
                  properties:
                    mode: {type: string, default: Terminate, enum: ["", Terminate, Passthrough]}
                    options: {type: object, default: {}, additionalProperties: {type: string}}
                    certificateRefs: {type: array, default: [], items: {type: object, properties: {name: {type: string}}}}
    """
)
GATEWAY = yaml.safe_load(
    """
    addresses: [{type: IPAddress, value: 10.0.0.1}, {type: Hostname, value: www.example.com}]
    listeners:
    - {name: plain, port: 80, protocol: HTTP}
    - {name: other, port: 80, protocol: HTTP, hostname: a.example.com}
    - {name: secure, port: 443, protocol: HTTPS, tls: {mode: Terminate, options: {}, certificateRefs: [{name: c}]}}
    """
)
ROUTES = yaml.safe_load(
    r"""
    type: object
    properties:
      spec:
        type: object
        x-kubernetes-validations:
        - {message: at most 4 matches, rule: "(self.rules.size() > 0 ? self.rules[0].matches.size() : 0) + (self.rules.size() > 1 ? self.rules[1].matches.size() : 0) + (self.rules.size() > 2 ? self.rules[2].matches.size() : 0) <= 4"}
        properties:
          parentRefs:
            type: array
            maxItems: 32
            x-kubernetes-validations:
            - message: parents are told apart
              rule: "self.all(p1, self.exists_one(p2, p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name && (((!has(p1.__namespace__) || p1.__namespace__ == '') && (!has(p2.__namespace__) || p2.__namespace__ == '')) || (has(p1.__namespace__) && has(p2.__namespace__) && p1.__namespace__ == p2.__namespace__)) && (((!has(p1.sectionName) || p1.sectionName == '') && (!has(p2.sectionName) || p2.sectionName == '')) || (has(p1.sectionName) && has(p2.sectionName) && p1.sectionName == p2.sectionName))))"
            items:
              type: object
              properties: {group: {type: string, default: g, maxLength: 253}, kind: {type: string, default: k, maxLength: 63}, name: {type: string, maxLength: 253}, namespace: {type: string, maxLength: 63}, sectionName: {type: string, maxLength: 253}}
          rules:
            type: array
            maxItems: 16
            items:
              type: object
              x-kubernetes-validations:
              - {message: a redirect has no backends, rule: "(has(self.backendRefs) && self.backendRefs.size() > 0) ? (!has(self.filters) || self.filters.all(f, !has(f.requestRedirect))) : true"}
              - {message: prefixes replace prefixes, rule: "(has(self.filters) && self.filters.exists_one(f, has(f.requestRedirect) && has(f.requestRedirect.path) && f.requestRedirect.path.type == 'ReplacePrefixMatch' && has(f.requestRedirect.path.replacePrefixMatch))) ? ((size(self.matches) != 1 || !has(self.matches[0].path) || self.matches[0].path.type != 'PathPrefix') ? false : true) : true"}
              - {message: the backend is faster, rule: "!(has(self.request) && has(self.backendRequest) && duration(self.request) != duration('0s') && duration(self.backendRequest) > duration(self.request))"}
              properties:
                request: {type: string, maxLength: 20}
                backendRequest: {type: string, maxLength: 20}
                backendRefs:
                  type: array
                  maxItems: 16
                  items:
                    type: object
                    x-kubernetes-validations: [{message: a Service has a port, rule: "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true"}]
                    properties: {group: {type: string, default: "", maxLength: 253}, kind: {type: string, default: Service, maxLength: 63}, port: {type: integer}}
                filters:
                  type: array
                  maxItems: 16
                  x-kubernetes-validations:
                  - {message: redirect or rewrite, rule: "!(self.exists(f, f.type == 'RequestRedirect') && self.exists(f, f.type == 'URLRewrite'))"}
                  - {message: headers once, rule: "self.filter(f, f.type == 'RequestHeaderModifier').size() <= 1"}
                  items:
                    type: object
                    properties:
                      type: {type: string, maxLength: 63}
                      requestRedirect: {type: object, properties: {path: {type: object, properties: {type: {type: string}, replacePrefixMatch: {type: string}}}}}
                matches:
                  type: array
                  maxItems: 8
                  default: [{path: {type: PathPrefix, value: /}}]
                  items:
                    type: object
                    properties:
                      path:
                        type: object
                        x-kubernetes-validations:
                        - {message: paths are absolute, rule: "(self.type in ['Exact', 'PathPrefix']) ? self.value.startsWith('/') : true"}
                        - {message: no dots, rule: "(self.type in ['Exact', 'PathPrefix']) ? !self.value.contains('/./') && !self.value.contains('/../') && !self.value.endsWith('/..') : true"}
                        - message: characters of paths
                          rule: "(self.type in ['Exact', 'PathPrefix']) ? self.value.matches(r\"\"\"^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$\"\"\") : true"
                        properties: {type: {type: string, default: PathPrefix, maxLength: 63}, value: {type: string, default: /, maxLength: 1024}}
    """
)
ROUTE = yaml.safe_load(
    """
    parentRefs: [{group: g, kind: k, name: a}, {group: g, kind: k, name: a, namespace: b}]
    rules:
    - matches: [{path: {type: PathPrefix, value: /shop}}]
      request: 10s
      backendRequest: 2s
      backendRefs: [{group: "", kind: Service, port: 80}]
      filters: [{type: RequestHeaderModifier}]
    """
)
OTHERS = yaml.safe_load(
    """
    type: object
    properties:
      spec:
        type: object
        x-kubernetes-validations:
        - {message: exactly one issuer, rule: "[has(self.acme), has(self.ca), has(self.selfSigned)].filter(x, x == true).size() == 1"}
        - {message: managed needs a region, rule: "!('*' in self.policies || 'Create' in self.policies) || has(self.region)"}
        - {message: mode is immutable once set, rule: "!has(oldSelf.mode) || (has(self.mode) && self.mode == oldSelf.mode)"}
        - {message: workers within bounds, rule: "self.workers.all(w, w.minReplicas <= w.replicas && w.replicas <= w.maxReplicas)"}
        - {message: at most 10 workers, rule: "self.workers.map(w, w.replicas).sum() <= 10"}
        properties:
          acme: {type: object}
          ca: {type: object}
          selfSigned: {type: object}
          region: {type: string}
          mode: {type: string}
          policies: {type: array, default: ["*"], maxItems: 16, items: {type: string}}
          memory: {x-kubernetes-int-or-string: true, x-kubernetes-validations: [{message: at least 1Gi, rule: "type(self) == string ? quantity(self).compareTo(quantity('1Gi')) >= 0 : self >= 1"}]}
          ranges: {type: array, default: [], maxItems: 64, items: {type: string, maxLength: 43}, x-kubernetes-validations: [{message: IPv4 networks, rule: "self.all(x, isCIDR(x) && cidr(x).ip().family() == 4)"}]}
          labels: {type: object, default: {}, maxProperties: 100, additionalProperties: {type: string}, x-kubernetes-validations: [{message: labels are not Kubernetes', rule: "self.all(x, x in ['kubernetes.io/os'] || !x.find('^([^/]+)').endsWith('kubernetes.io'))"}]}
          workers:
            type: array
            default: []
            maxItems: 100
            items: {type: object, properties: {minReplicas: {type: integer, default: 0}, replicas: {type: integer}, maxReplicas: {type: integer, default: 5}}}
    """.replace("Kubernetes', rule", "Kubernetes own, rule")
)
OTHER = yaml.safe_load(
    """
    acme: {}
    region: north
    mode: a
    policies: [Create]
    memory: 2Gi
    ranges: [10.0.0.0/8]
    labels: {kubernetes.io/os: linux, example.com/a: b}
    workers: [{minReplicas: 1, replicas: 2, maxReplicas: 3}]
    """
)
ABSENT = object()


def judged(written: dict[str, Any], spec: Any, old: Any = None) -> list[str]:
    """Return the messages of the rules that a spec breaks."""
    found = rules.Rules(schema.parse(written)).validate({"spec": spec}, None if old is None else {"spec": old})
    return [
        fault.message.removeprefix('Invalid value: "object": ').removeprefix('Invalid value: "array": ')
        for fault in found
    ]


def changed(spec: Any, path: str, value: Any) -> Any:
    """Return a copy of a spec with one part replaced, or taken away."""
    made = copy.deepcopy(spec)
    *steps, last = [int(each) if each.isdigit() else each for each in path.split("|")]
    place = made
    for step in steps:
        place = place[step]
    if value is ABSENT:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value
    return made


@pytest.mark.parametrize(("written", "spec"), [(LISTENERS, GATEWAY), (ROUTES, ROUTE), (OTHERS, OTHER)])
def test_definitions_are_accepted_and_good_objects_pass(written: dict[str, Any], spec: Any) -> None:
    """Every rule compiles, and holds."""
    assert structural.validate(written, "") == []
    assert judged(written, spec) == []
    assert judged(written, spec, spec) == []


@pytest.mark.parametrize(
    ("written", "spec", "path", "value", "message"),
    [
        (LISTENERS, GATEWAY, "addresses|2", {"type": "IPAddress", "value": "10.0.0.1"}, "addresses are unique"),
        (LISTENERS, GATEWAY, "addresses|1|value", "-no.example.com", "a host name is one"),
        (LISTENERS, GATEWAY, "listeners|0|tls", {"mode": "Passthrough"}, "no tls for plain protocols"),
        (LISTENERS, GATEWAY, "listeners|2|tls|mode", "Passthrough", "https ends tls"),
        (LISTENERS, GATEWAY, "listeners|2|tls|certificateRefs", [], "a certificate to end tls with"),
        (LISTENERS, GATEWAY, "listeners|1|hostname", ABSENT, "listeners are told apart"),
        (ROUTES, ROUTE, "rules|0|matches", [{"path": {"type": "Exact", "value": "/a"}}] * 5, "at most 4 matches"),
        (ROUTES, ROUTE, "parentRefs|1|namespace", "", "parents are told apart"),
        (ROUTES, ROUTE, "rules|0|filters|1", {"type": "x", "requestRedirect": {}}, "a redirect has no backends"),
        (ROUTES, ROUTE, "rules|0|backendRequest", "1m", "the backend is faster"),
        (ROUTES, ROUTE, "rules|0|backendRefs|0|port", ABSENT, "a Service has a port"),
        (ROUTES, ROUTE, "rules|0|filters", [{"type": "RequestRedirect"}, {"type": "URLRewrite"}], "redirect or rewrite"),
        (ROUTES, ROUTE, "rules|0|filters|1", {"type": "RequestHeaderModifier"}, "headers once"),
        (ROUTES, ROUTE, "rules|0|matches|0|path|value", "/a/../b", "no dots"),
        (ROUTES, ROUTE, "rules|0|matches|0|path|value", "/a b", "characters of paths"),
        (OTHERS, OTHER, "ca", {}, "exactly one issuer"),
        (OTHERS, OTHER, "region", ABSENT, "managed needs a region"),
        (OTHERS, OTHER, "workers|0|replicas", 4, "workers within bounds"),
        (OTHERS, OTHER, "workers", [{"minReplicas": 0, "replicas": 4, "maxReplicas": 5}] * 3, "at most 10 workers"),
        (OTHERS, OTHER, "ranges", ["fd00::/8"], "IPv4 networks"),
        (OTHERS, OTHER, "labels|node.kubernetes.io", "x", "labels are not Kubernetes own"),
    ],
)  # fmt: skip
def test_what_a_rule_is_about_is_refused(written: Any, spec: Any, path: str, value: Any, message: str) -> None:
    """By that rule, and by no other."""
    assert judged(written, changed(spec, path, value)) == [message]


@pytest.mark.parametrize(("memory", "faults"), [("512Mi", 1), (0, 1), (1, 0), ("1Gi", 0)])
def test_a_rule_may_ask_which_of_two_types_a_value_has(memory: Any, faults: int) -> None:
    """An amount is a number or a text."""
    assert len(judged(OTHERS, {**OTHER, "memory": memory})) == faults


def test_a_change_is_refused_once_a_field_is_set() -> None:
    """It may be set, and stays."""
    assert judged(OTHERS, OTHER, changed(OTHER, "mode", ABSENT)) == []
    assert judged(OTHERS, changed(OTHER, "mode", "b"), OTHER) == ["mode is immutable once set"]
    assert judged(OTHERS, changed(OTHER, "mode", ABSENT), OTHER) == ["mode is immutable once set"]
