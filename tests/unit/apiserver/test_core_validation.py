"""What is refused of Services, nodes, limits and other core objects, in Kubernetes' words and order."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import pytest

from control.apiserver.validation import meta
from fairlead.api.pb import meta_v1_pb2 as metav1
from tests.unit.apiserver import judging

KINDS = {
    "Service": "{metadata: {name: web, namespace: default}, spec: {selector: {app: web}, ports: [{port: 80}]}}",
    "Node": "metadata: {name: a}",
    "LimitRange": "{metadata: {name: a, namespace: default}, spec: {limits: [{type: Container}]}}",
    "ResourceQuota": "{metadata: {name: a, namespace: default}, spec: {hard: {pods: 1}}}",
    "Namespace": "metadata: {name: a}",
    "Secret": "{metadata: {name: a, namespace: default}, type: kubernetes.io/dockercfg, data: {.dockercfg: e30=}}",
    "RuntimeClass": "{metadata: {name: a}, handler: runc}",
    "Pod": "{metadata: {name: a, namespace: default}, spec: {containers: [{name: a, image: a, terminationMessagePolicy: File}]}}",
}
IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
BALANCED = "may only be used when `type` is 'LoadBalancer'"
NAME = r"name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
HEADLESS = {"spec/clusterIP": "None"}
BOTH = ["IPv4", "IPv6"]
MODE, HINTS = "service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"
RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
BALANCER = {"spec/type": "LoadBalancer"}
OUTSIDE = {"spec/type": "ExternalName", "spec/externalName": "a.b."}
LIMIT = "spec/limits/0/"

NEW: list[tuple[str, dict[str, Any], list[str]]] = [
    ("Service", {"spec/clusterIP": "10.96.0.1", "spec/clusterIPs": ["10.96.0.2"]}, ['spec.clusterIPs: Invalid value: []string{"10.96.0.2"}: first value must match `clusterIP`']),
    ("Service", {"spec/clusterIPs": ["10.96.0.2"]}, ['spec.clusterIPs: Invalid value: []string{"10.96.0.2"}: must be empty when `clusterIP` is not specified']),
    ("Service", {"spec/ipFamilies": ["IPv5", "IPv5"], "spec/ipFamilyPolicy": "Triple"}, [
        'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
        'spec.ipFamilies[1]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
        'spec.ipFamilies[1]: Duplicate value: "IPv5"',
        'spec.ipFamilyPolicy: Unsupported value: "Triple": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
    ]),
    ("Service", {"spec/clusterIP": "None", "spec/clusterIPs": ["None", "a", "b"], "spec/ports": []}, [
        'spec.clusterIPs: Invalid value: []string{"None", "a", "b"}: \'None\' must be the first and only value',
        f'spec.clusterIPs[1]: Invalid value: "a": {IP}',
        f'spec.clusterIPs[2]: Invalid value: "b": {IP}',
        'spec.clusterIPs: Invalid value: []string{"None", "a", "b"}: may only hold up to 2 values',
    ]),
    ("Service", {"spec/clusterIP": "10.96.0.1", "spec/clusterIPs": ["10.96.0.1", "10.96.0.2"]}, ['spec.clusterIPs: Invalid value: []string{"10.96.0.1", "10.96.0.2"}: may specify no more than one IP for each IP family']),
    ("Service", {"spec/clusterIP": "10.96.0.1", "spec/ipFamilies": ["IPv6"]}, ['spec.clusterIPs[0]: Invalid value: "10.96.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`']),
    ("Service", {"spec/clusterIP": "fd00::1"}, ['spec.clusterIPs[0]: Invalid value: []string{"fd00::1"}: IPv6 is not configured on this cluster']),
    ("Service", {"spec/ipFamilies": ["IPv6"]}, ['spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster']),
    ("Service", {"spec/ipFamilies": BOTH}, ["spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"]),
    ("Service", {"spec/ipFamilyPolicy": "RequireDualStack"}, ['spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services']),
    ("Service", {"spec/ipFamilyPolicy": "PreferDualStack"}, []),
    ("Service", {**HEADLESS, "spec/selector": None, "spec/ipFamilies": BOTH}, []),
    ("Service", {"metadata/annotations": {MODE: "Auto", HINTS: "auto"}}, [f'metadata.annotations[{MODE}]: Invalid value: "Auto": must match annotations[{HINTS}] when both are specified']),
    ("Service", {"spec/type": "Odd"}, ['spec.type: Unsupported value: "Odd": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"']),
    ("Service", {**OUTSIDE, "spec/clusterIP": "10.96.0.1", "spec/ipFamilies": ["IPv4"], "spec/ipFamilyPolicy": "SingleStack"}, [
        "spec.clusterIPs: Forbidden: may not be set for ExternalName services",
        "spec.ipFamilies: Forbidden: may not be set for ExternalName services",
        "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services",
    ]),
    ("Service", OUTSIDE, []),
    ("Service", {"spec/ports/0/appProtocol": "a b"}, [f'spec.ports[0].appProtocol: Invalid value: "a b": {NAME}']),
    ("Service", {"spec/type": "NodePort", "spec/ports": [{"port": 1, "name": "a", "nodePort": 30000}, {"port": 2, "name": "b", "nodePort": 30000}]}, ["spec.ports[1].nodePort: Duplicate value: 30000"]),
    ("Service", {"spec/externalIPs": ["a", "127.0.0.1"]}, [
        f'spec.externalIPs[0]: Invalid value: "a": {IP}',
        'spec.externalIPs[1]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ]),
    ("Service", {"spec/loadBalancerSourceRanges": ["a", " 10.0.0.0/8 "], "spec/allocateLoadBalancerNodePorts": True, "spec/loadBalancerClass": "a"}, [
        f"spec.LoadBalancerSourceRanges: Forbidden: {BALANCED}",
        'spec.LoadBalancerSourceRanges[0]: Invalid value: "a": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
        f"spec.allocateLoadBalancerNodePorts: Forbidden: {BALANCED}",
        f"spec.loadBalancerClass: Forbidden: {BALANCED}",
    ]),
    ("Service", {"metadata/annotations": {RANGES: "10.0.0.0/8, b"}}, [
        f"metadata.annotations[{RANGES}]: Forbidden: {BALANCED}",
        f'metadata.annotations[{RANGES}]: Invalid value: "b": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ]),
    ("Service", {**BALANCER, "spec/loadBalancerClass": "a b"}, [f'spec.loadBalancerClass: Invalid value: "a b": {NAME}']),
    ("Service", {"spec/healthCheckNodePort": 30000}, ["spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"]),
    ("Service", {"spec/trafficDistribution": "Near"}, ['spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose"']),
    ("Node", {"spec/podCIDRs": ["10.0.0.0/24", "10.0.0.0/24"]}, [
        'spec.podCIDRs: Invalid value: []string{"10.0.0.0/24", "10.0.0.0/24"}: may specify no more than one CIDR for each IP family',
        'spec.podCIDRs[1]: Duplicate value: "10.0.0.0/24"',
    ]),
    ("Node", {"status/allocatable": {"pods": "1.5"}}, ['status.allocatable.pods: Invalid value: "1500m": must be an integer']),
    ("LimitRange", {LIMIT + "type": "Pod", LIMIT + "max": {"gold": "1", "a/b/c": "1"}}, [
        'spec.limits[0].max[a/b/c]: Invalid value: "a/b/c": a qualified name must consist of alphanumeric characters, \'-\', \'_\' or \'.\', and must start and end with an alphanumeric character (e.g. \'MyName\',  or \'my.name\',  or \'123-abc\', regex used for validation is \'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\') with an optional DNS subdomain prefix and \'/\' (e.g. \'example.com/MyName\')',
        'spec.limits[0].max[a/b/c]: Invalid value: "a/b/c": doesn\'t follow extended resource name standard',
        'spec.limits[0].max[gold]: Invalid value: "gold": must be a standard resource type or fully qualified',
        'spec.limits[0].max[gold]: Invalid value: "gold": must be a standard resource for containers',
    ]),
    ("LimitRange", {LIMIT + "min": {"cpu": "2"}, LIMIT + "default": {"cpu": "1"}}, [
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
        'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
    ]),
    ("LimitRange", {LIMIT + "type": "Pod", LIMIT + "min": {"cpu": "1n"}, LIMIT + "max": {"cpu": "2m"}, LIMIT + "maxLimitRequestRatio": {"cpu": "3"}}, ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000']),
    ("ResourceQuota", {"spec/hard": {"a b": "1"}}, [
        f'spec.hard[a b]: Invalid value: "a b": {NAME}',
        'spec.hard[a b]: Invalid value: "a b": must be a standard resource for quota',
    ]),
    ("Namespace", {"spec/finalizers": ["mine"]}, ['spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified']),
    ("Secret", {}, []),
    ("Secret", {"data": {".dockercfg": "W10="}}, ['data[.dockercfg]: Invalid value: "<secret contents redacted>": json: cannot unmarshal array into Go value of type map[string]interface {}']),
    ("Secret", {"data": {".dockercfg": "ew=="}}, ['data[.dockercfg]: Invalid value: "<secret contents redacted>": unexpected end of JSON input']),
    ("Secret", {"type": "kubernetes.io/ssh-auth", "data": {"ssh-privatekey": ""}}, ["data[ssh-privatekey]: Required value"]),
    ("RuntimeClass", {"overhead": {"podFixed": {"cpu": "-1", "hugepages-2Mi": "1Mi"}}}, [
        'overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        'overhead.limits[hugepages-2Mi]: Invalid value: "1Mi": 1Mi is not positive integer multiple of hugepages-2Mi',
    ]),
    ("Pod", {"metadata/finalizers": ["a b", "orphan", "foregroundDeletion", "mine"]}, [
        f'metadata.finalizers: Invalid value: "a b": {NAME}',
        'metadata.finalizers: Invalid value: []string{"a b", "orphan", "foregroundDeletion", "mine"}: finalizer orphan and foregroundDeletion cannot be both set',
        'metadata.finalizers[0]: Invalid value: "a b": name is neither a standard finalizer name nor is it fully qualified',
        'metadata.finalizers[3]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
    ]),
    ("Pod", {"metadata/ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "a", "uid": "u"}, {"apiVersion": "a/b/c", "kind": "A", "name": "", "uid": "u"}]}, [
        'metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event","name":"a","uid":"u"}: /v1, Kind=Event is disallowed from being an owner',
        'metadata.ownerReferences.apiVersion: Invalid value: "a/b/c": version must not be empty',
        'metadata.ownerReferences.name: Invalid value: "": must not be empty',
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes", "want"), NEW, ids=[f"{row[0]}: {(row[2] or ['fine'])[0][:60]}" for row in NEW])  # fmt: skip
def test_a_bad_core_object_is_refused_for_all_its_faults(kind: str, changes: dict[str, Any], want: list[str]) -> None:
    """Kubernetes' paths, words and order."""
    assert judging.faults(kind, KINDS[kind], changes) == want


ADDRESS = {"spec/clusterIP": "10.96.0.5"}
SAME = {"spec/clusterIP": "10.96.0.5", "spec/clusterIPs": ["10.96.0.5"]}
LOCAL = {**BALANCER, "spec/externalTrafficPolicy": "Local"}
CIDRS = 'node updates may not change podCIDR except from "" to valid'

CHANGES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("Service", ADDRESS, {"spec/clusterIP": "10.96.0.6"}, ["spec.clusterIPs: Required value"]),
    ("Service", ADDRESS, {"spec/clusterIP": "10.96.0.6", "spec/clusterIPs": ["10.96.0.5"]}, ['spec.clusterIPs[0]: Invalid value: []string{"10.96.0.6"}: may not change once set']),
    ("Service", ADDRESS, {"spec/clusterIP": "None", "spec/clusterIPs": ["None"]}, ['spec.clusterIPs[0]: Invalid value: []string{"None"}: may not change once set']),
    ("Service", {**BALANCER, **ADDRESS, "spec/loadBalancerClass": "a"}, {**BALANCER, **SAME}, ['spec.loadBalancerClass: Invalid value: "null": may not change once set']),
    ("Service", {**BALANCER, **ADDRESS, "spec/loadBalancerClass": "a"}, {**SAME, "spec/loadBalancerClass": "a"}, []),
    ("Service", {**LOCAL, **ADDRESS, "spec/healthCheckNodePort": 30001}, {**LOCAL, **SAME, "spec/healthCheckNodePort": 30002}, ["spec.healthCheckNodePort: Forbidden: field is immutable"]),
    ("Service", {**LOCAL, **ADDRESS, "spec/healthCheckNodePort": 30001}, {**LOCAL, **SAME}, []),
    ("Service", {**LOCAL, **ADDRESS, "spec/healthCheckNodePort": 30001}, {**SAME, "spec/externalTrafficPolicy": "Local", "spec/healthCheckNodePort": 30001}, []),
    ("Service", ADDRESS, {**OUTSIDE, **SAME}, []),
    ("Node", {"spec/podCIDRs": ["10.0.0.0/24", "fd00::/64"]}, {"spec/podCIDRs": ["10.1.0.0/24", "fd01::/64"]}, [f"spec.podCIDRs: Forbidden: {CIDRS}", f"spec.podCIDRs: Forbidden: {CIDRS}"]),
    ("Node", {"spec/externalID": "a"}, {"spec/externalID": "b"}, ["spec.externalID: Forbidden: may not be updated"]),
    ("Node", {"spec/configSource": {"configMap": {"name": "a"}}}, {}, []),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "before", "after", "want"), CHANGES, ids=[f"{row[0]}: {(row[3] or ['fine'])[0][:60]}" for row in CHANGES])  # fmt: skip
def test_a_core_object_may_change_only_where_kubernetes_lets_it(
    kind: str, before: dict[str, Any], after: dict[str, Any], want: list[str]
) -> None:
    """What is carried along to a type without use for it is dropped."""
    assert judging.updated(kind, KINDS[kind], before, after) == want


def test_a_service_without_address_and_selector_has_both_families() -> None:
    """Its user says where it leads; with a selector it has the cluster's family."""
    for selector, want in ((None, ("RequireDualStack", BOTH)), ({"a": "b"}, ("SingleStack", ["IPv4"]))):
        made = judging.prepared("Service", KINDS["Service"], {**HEADLESS, "spec/selector": selector})

        assert (made.spec.ipFamilyPolicy, list(made.spec.ipFamilies)) == want


STATUSES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("Service", {}, {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}, ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"]),
    ("Service", BALANCER, {"loadBalancer": {"ingress": [{"ip": "a"}, {"ipMode": "VIP", "hostname": "10.0.0.1"}, {"ip": "10.0.0.1", "ipMode": "Odd"}]}}, [
        f'status.loadBalancer.ingress[0].ip: Invalid value: "a": {IP}',
        "status.loadBalancer.ingress[0].ipMode: Required value: must be specified when `ip` is set",
        "status.loadBalancer.ingress[1].ipMode: Forbidden: may not be specified when `ip` is not set",
        'status.loadBalancer.ingress[1].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
        'status.loadBalancer.ingress[2].ipMode: Unsupported value: "Odd": supported values: "Proxy", "VIP"',
    ]),
    ("Node", {}, {"addresses": [{"type": "InternalIP", "address": "a"}] * 2}, ['status.addresses[1]: Duplicate value: core.NodeAddress{Type:"InternalIP", Address:"a"}']),
    ("Namespace", {}, {"phase": "Terminating"}, ["status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"]),
    ("Namespace", {}, {"phase": "Active"}, []),
    ("Namespace", {"metadata/deletionTimestamp": "2026-01-01T00:00:00Z"}, {"phase": "Active"}, ["status.Phase: Invalid value: \"Active\": may only be 'Terminating' if `deletionTimestamp` is not empty"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes", "after", "want"), STATUSES)
def test_a_core_status_is_judged(kind: str, changes: dict[str, Any], after: dict[str, Any], want: list[str]) -> None:
    """What a balancer, a node or the namespace controller reports."""
    strategy, old = judging.STRATEGIES[kind], judging.prepared(kind, KINDS[kind], changes)
    obj = judging.with_status(old, after)

    assert judging.texts(strategy.validate_status_update(obj, old)) == want


def test_what_holds_a_namespace_is_judged() -> None:
    """The path of a finalize request names the place."""
    made = judging.prepared("Namespace", KINDS["Namespace"])
    made.spec.finalizers.append("mine")

    text = 'spec.finalizers[1]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'
    assert judging.texts(judging.STRATEGIES["Namespace"].validate_finalize(made)) == [text]  # type: ignore[attr-defined]


def test_what_an_update_may_not_change_of_metadata() -> None:
    """New finalizers of what is being deleted come first; times are shown as Go shows them."""
    old = metav1.ObjectMeta(name="a", uid="u", generation=2)
    old.creationTimestamp.seconds = old.deletionTimestamp.seconds = 60
    new = metav1.ObjectMeta(name="b", uid="v", generation=1, finalizers=["b/b", "a/a"])
    new.creationTimestamp.seconds = 120

    assert judging.texts(meta.validate_update(new, old)) == [
        'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a/a", "b/b"}',
        "metadata.generation: Invalid value: 1: must not be decremented",
        'metadata.name: Invalid value: "b": field is immutable',
        'metadata.uid: Invalid value: "v": field is immutable',
        "metadata.creationTimestamp: Invalid value: 1970-01-01 00:02:00 +0000 UTC: field is immutable",
        'metadata.deletionTimestamp: Invalid value: "null": field is immutable',
    ]


def test_only_one_owner_is_the_controller() -> None:
    """The fault shows all references."""
    owners = [metav1.OwnerReference(apiVersion="v1", kind="A", name=name, uid="u", controller=True) for name in "ab"]
    shown = ",".join(f'{{"apiVersion":"v1","controller":true,"kind":"A","name":"{name}","uid":"u"}}' for name in "ab")

    assert judging.texts(meta.owners(owners, "owners")) == [
        f'owners: Invalid value: [{shown}]: Only one reference can have Controller set to true. Found "true" in references for A/a and A/b'
    ]
