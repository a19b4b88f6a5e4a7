"""What is refused, field by field, in Kubernetes' words."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import pytest
import yaml

from control.apiserver import field
from control.apiserver.validation import meta
from fairlead.api import codec, names
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from tests.unit.apiserver import judging

POD = """
metadata: {name: web, namespace: default}
spec: {containers: [{name: main, image: web}], volumes: [{name: data, emptyDir: {}}]}
"""
DEPLOYMENT = """
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: web}]}}
"""
SERVICE = """
metadata: {name: web, namespace: default}
spec: {ports: [{port: 80}]}
"""
SLICE = """
metadata: {name: web, namespace: default}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1]}]
ports: [{port: 80}]
"""
GOOD = {
    "Pod": POD,
    "Deployment": DEPLOYMENT,
    "ReplicaSet": DEPLOYMENT,
    "Service": SERVICE,
    "EndpointSlice": SLICE,
    "ConfigMap": "{metadata: {name: c, namespace: default}, data: {a: b}}",
    "Secret": "{metadata: {name: c, namespace: default}, data: {a: Yg==}}",
    "Node": "{metadata: {name: node-1}, spec: {taints: [{key: a, effect: NoSchedule}]}}",
    "Lease": "{metadata: {name: l, namespace: default}, spec: {holderIdentity: a, leaseDurationSeconds: 6}}",
    "Event": "{metadata: {name: e, namespace: default}, involvedObject: {namespace: default, name: x}}",
    "Namespace": "metadata: {name: lab}",
    "ServiceAccount": "metadata: {name: robot, namespace: default}",
}


def judged(kind: str, changes: dict[str, Any]) -> list[str]:
    """Return the faults of a good object with changes, as `path: message`."""
    return judging.faults(kind, GOOD[kind], changes)


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_object_has_no_fault(kind: str) -> None:
    """The objects that the tables below change."""
    assert judged(kind, {}) == []


LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with"
    " an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)

PODS: list[tuple[dict[str, Any], str]] = [
    ({"spec/containers": []}, "spec.containers: Required value"),
    ({"spec/containers/0/name": ""}, "spec.containers[0].name: Required value"),
    ({"spec/containers/0/name": "A"}, f'spec.containers[0].name: Invalid value: "A": {LABEL}'),
    ({"spec/containers/1": {"name": "main", "image": "b"}}, 'spec.containers[1].name: Duplicate value: "main"'),
    ({"spec/containers/0/image": " web"}, 'spec.containers[0].image: Invalid value: " web": must not have leading or trailing whitespace'),
    ({"spec/containers/0/imagePullPolicy": "Often"}, 'spec.containers[0].imagePullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", "Never"'),
    ({"spec/containers/0/ports": [{"containerPort": 0}]}, "spec.containers[0].ports[0].containerPort: Required value"),
    ({"spec/containers/0/ports": [{"containerPort": 65536}]}, "spec.containers[0].ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive"),
    ({"spec/containers/0/ports": [{"containerPort": 1, "protocol": "ICMP"}]}, 'spec.containers[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'),
    ({"spec/containers/0/ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]}, 'spec.containers[0].ports[1].name: Duplicate value: "a"'),
    ({"spec/containers/0/env": [{"name": ""}]}, "spec.containers[0].env[0].name: Required value"),
    ({"spec/containers/0/env": [{"name": "A", "valueFrom": {}}]}, 'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`'),
    ({"spec/containers/0/env": [{"name": "A", "value": "b", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]}, 'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'),
    ({"spec/containers/0/env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "c"}}}]}, "spec.containers[0].env[0].valueFrom.secretKeyRef.key: Required value"),
    ({"spec/containers/0/envFrom": [{}]}, 'spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'),
    ({"spec/containers/0/volumeMounts": [{"name": "lost", "mountPath": "/a"}]}, 'spec.containers[0].volumeMounts[0].name: Not found: "lost"'),
    ({"spec/containers/0/volumeMounts": [{"name": "data"}]}, "spec.containers[0].volumeMounts[0].mountPath: Required value"),
    ({"spec/containers/0/volumeMounts": [{"name": "data", "mountPath": "/a"}, {"name": "data", "mountPath": "/a"}]}, 'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique'),
    ({"spec/containers/0/volumeMounts": [{"name": "data", "mountPath": "/a", "subPath": "../x"}]}, 'spec.containers[0].volumeMounts.subPath: Invalid value: "../x": must not contain \'..\''),
    ({"spec/containers/0/livenessProbe": {}}, "spec.containers[0].livenessProbe: Required value: must specify a handler type"),
    ({"spec/containers/0/livenessProbe": {"exec": {"command": ["a"]}, "successThreshold": 2}}, "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"),
    ({"spec/containers/0/readinessProbe": {"tcpSocket": {"port": 80}, "exec": {"command": ["a"]}}}, "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"),
    ({"spec/containers/0/readinessProbe": {"exec": {"command": ["a"]}, "periodSeconds": -1}}, "spec.containers[0].readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0"),
    ({"spec/containers/0/resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}, 'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'),
    ({"spec/containers/0/resources": {"requests": {"cpu": "-1"}}}, 'spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0'),
    ({"spec/containers/0/resources": {"requests": {"nvidia.com/gpu": "1"}}}, "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources"),
    ({"spec/containers/0/resources": {"limits": {"nvidia.com/gpu": "500m"}}}, 'spec.containers[0].resources.limits[nvidia.com/gpu]: Invalid value: "500m": must be an integer'),
    ({"spec/containers/0/securityContext": {"runAsUser": -1}}, "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"),
    ({"spec/containers/0/securityContext": {"privileged": True, "allowPrivilegeEscalation": False}}, 'spec.containers[0].securityContext: Invalid value: {"allowPrivilegeEscalation":false,"privileged":true}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true'),
    ({"spec/initContainers": [{"name": "main", "image": "i"}]}, 'spec.initContainers[0].name: Duplicate value: "main"'),
    ({"spec/initContainers": [{"name": "i", "image": "i", "readinessProbe": {"tcpSocket": {"port": 1}}}]}, "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always"),
    ({"spec/restartPolicy": "Sometimes"}, 'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'),
    ({"spec/dnsPolicy": "None"}, "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"),
    ({"spec/activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"),
    ({"spec/tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}, "spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'"),
    ({"spec/tolerations": [{"operator": "Equal"}]}, 'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"'),
    ({"spec/tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 1}]}, "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` is set"),
    ({"spec/affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}}, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term"),
    ({"spec/affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}}]}}}, "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty"),
    ({"spec/topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}]}, "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"),
    ({"spec/volumes": [{"name": "data"}, {"name": "data"}]}, 'spec.volumes[1].name: Duplicate value: "data"'),
    ({"spec/volumes": [{"name": "data", "emptyDir": {}, "hostPath": {"path": "/a"}}]}, "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"),
    ({"spec/volumes": [{"name": "data", "hostPath": {"path": "/a/../b"}}]}, "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"),
    ({"spec/volumes": [{"name": "data", "secret": {}}]}, "spec.volumes[0].secret.secretName: Required value"),
    ({"spec/volumes": [{"name": "data", "configMap": {"name": "c", "items": [{"key": "a"}]}}]}, "spec.volumes[0].configMap.items[0].path: Required value"),
    ({"spec/volumes": [{"name": "data", "configMap": {"name": "c", "defaultMode": 512}}]}, "spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive"),
    ({"spec/hostNetwork": True, "spec/containers/0/ports": [{"containerPort": 1, "hostPort": 2}]}, "spec.containers[0].ports[0].hostPort: Invalid value: 2: must match `containerPort` when `hostNetwork` is true"),
    ({"metadata/name": ""}, "metadata.name: Required value: name or generateName is required"),
    ({"metadata/labels": {"a b": "c"}}, "metadata.labels: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"),
    ({"metadata/finalizers": ["mine"]}, 'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'),
    ({"metadata/ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "b", "uid": ""}]}, 'metadata.ownerReferences.uid: Invalid value: "": must not be empty'),
]  # fmt: skip

OTHERS: list[tuple[str, dict[str, Any], str]] = [
    ("Deployment", {"spec/replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    ("Deployment", {"spec/selector": {}}, 'spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string(nil), MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: empty selector is invalid for deployment'),
    ("Deployment", {"spec/selector/matchLabels": {"app": "db"}}, 'spec.template.metadata.labels: Invalid value: map[string]string{"app":"web"}: `selector` does not match template `labels`'),
    ("Deployment", {"spec/template/spec/restartPolicy": "Never"}, 'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'),
    ("Deployment", {"spec/template/spec/containers/0/image": ""}, "spec.template.spec.containers[0].image: Required value"),
    ("Deployment", {"spec/strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}}, "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"),
    ("Deployment", {"spec/strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}, 'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: intstr.IntOrString{Type:0, IntVal:0, StrVal:""}: may not be 0 when `maxSurge` is 0'),
    ("Deployment", {"spec/strategy": {"rollingUpdate": {"maxUnavailable": "101%"}}}, 'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: intstr.IntOrString{Type:1, IntVal:0, StrVal:"101%"}: must not be greater than 100%'),
    ("Deployment", {"spec/progressDeadlineSeconds": 5, "spec/minReadySeconds": 5}, "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"),
    ("ReplicaSet", {"spec/selector": None}, "spec.selector: Required value"),
    ("Service", {"spec/ports": []}, "spec.ports: Required value"),
    ("Service", {"spec/ports/1": {"port": 81}}, "spec.ports[0].name: Required value"),
    ("Service", {"spec/ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]}, 'spec.ports[1]: Duplicate value: core.ServicePort{Name:"", Protocol:"TCP", AppProtocol:(*string)(nil), Port:80, TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:""}, NodePort:0}'),
    ("Service", {"spec/ports/0/port": 0, "spec/ports/0/targetPort": 1}, "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
    ("Service", {"spec/ports/0/nodePort": 30000}, "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"),
    ("Service", {"spec/type": "ExternalName"}, "spec.externalName: Required value"),
    ("Service", {"spec/type": "NodePort", "spec/clusterIP": "None"}, "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"),
    ("Service", {"spec/clusterIP": "10.0.0"}, 'spec.clusterIPs[0]: Invalid value: "10.0.0": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'),
    ("Service", {"spec/sessionAffinity": "Cookie"}, 'spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"'),
    ("Service", {"spec/externalTrafficPolicy": "Local"}, 'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'),
    ("Service", {"metadata/name": "1web"}, "metadata.name: Invalid value: \"1web\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"),
    ("EndpointSlice", {"addressType": ""}, "addressType: Required value"),
    ("EndpointSlice", {"endpoints/0/addresses": ["127.0.0.1"]}, 'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'),
    ("EndpointSlice", {"endpoints/0/addresses": ["::1:2"]}, 'endpoints[0].addresses[0]: Invalid value: "::1:2": must be a valid IPv4 address'),
    ("EndpointSlice", {"endpoints/0/hints": {"forZones": [{"name": "a b"}]}}, f'endpoints[0].hints.forZones[0].name: Invalid value: "a b": {names.label_value("a b")[0]}'),
    ("EndpointSlice", {"endpoints/0/hints": {"forZones": [{"name": "a"}] * 9}}, "endpoints[0].hints.forZones: Too many: 9: must have at most 8 items"),
    ("EndpointSlice", {"addressType": "FQDN", "endpoints/0/addresses": ["a"]}, 'endpoints[0].addresses[0]: Invalid value: "a": should be a domain with at least two segments separated by dots'),
    ("EndpointSlice", {"endpoints/0/addresses": []}, "endpoints[0].addresses: Required value: must contain at least 1 address"),
    ("ConfigMap", {"data": {"a b": "c"}}, "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"),
    ("ConfigMap", {"binaryData": {"a": "Yg=="}}, 'data[a]: Invalid value: "a": duplicate of key present in binaryData'),
    ("Secret", {"type": "kubernetes.io/tls"}, "data[tls.crt]: Required value"),
    ("Secret", {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}}, ""),
    ("Secret", {"type": "kubernetes.io/service-account-token"}, "metadata.annotations[kubernetes.io/service-account.name]: Required value"),
    ("Node", {"spec/taints/0/effect": "Never"}, 'metadata.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'),
    ("Node", {"spec/taints/1": {"key": "a", "effect": "NoSchedule"}}, 'metadata.taints[1]: Duplicate value: core.Taint{Key:"a", Value:"", Effect:"NoSchedule", TimeAdded:<nil>}: taints must be unique by key and effect pair'),
    ("Node", {"status/capacity": {"cpu": "-1"}, "status/allocatable": {"cpu": "1"}}, 'status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0'),
    ("Node", {"metadata/namespace": "default"}, "metadata.namespace: Forbidden: not allowed on this type"),
    ("Lease", {"spec/leaseDurationSeconds": 0}, "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"),
    ("Event", {"involvedObject/namespace": "other"}, 'involvedObject.namespace: Invalid value: "other": does not match event.namespace'),
    ("Namespace", {"metadata/name": "a.b"}, 'metadata.name: Invalid value: "a.b": must not contain dots'),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "want"), PODS, ids=[want[:60] for _, want in PODS])
def test_a_bad_pod_is_refused(changes: dict[str, Any], want: str) -> None:
    """The path of the field and what is wrong with it."""
    assert judged("Pod", changes)[0] == want


@pytest.mark.parametrize(
    ("kind", "changes", "want"), OTHERS, ids=[f"{kind}: {want[:50]}" for kind, _, want in OTHERS]
)
def test_a_bad_object_of_another_kind_is_refused(kind: str, changes: dict[str, Any], want: str) -> None:
    """The path of the field and what is wrong with it; "" for what looks bad and is not."""
    assert (judged(kind, changes) or [""])[0] == want


UPDATES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("Pod", {}, {"spec/containers/0/image": "other"}, ""),
    ("Pod", {}, {"spec/activeDeadlineSeconds": 5}, ""),
    ("Pod", {}, {"spec/tolerations": [{"operator": "Exists"}]}, ""),
    ("Pod", {"spec/tolerations": [{"operator": "Exists"}]}, {}, "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"),
    ("Pod", {}, {"spec/containers/0/command": ["a"]}, "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"),
    ("Pod", {}, {"spec/containers/1": {"name": "b", "image": "b"}}, "spec.containers: Forbidden: pod updates may not add or remove containers"),
    ("Pod", {"spec/activeDeadlineSeconds": 5}, {"spec/activeDeadlineSeconds": 6}, "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"),
    ("Pod", {}, {"spec/schedulingGates": [{"name": "a"}]}, "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a'"),
    ("Deployment", {}, {"spec/selector/matchLabels": {"app": "db"}, "spec/template/metadata/labels": {"app": "db"}}, 'spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{"app":"db"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable'),
    ("ReplicaSet", {}, {"spec/selector/matchLabels": {"app": "db"}, "spec/template/metadata/labels": {"app": "db"}}, 'spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{"app":"db"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable'),
    ("Service", {"spec/clusterIP": "10.96.0.5"}, {"spec/clusterIP": "10.96.0.6", "spec/clusterIPs": ["10.96.0.6"]}, 'spec.clusterIPs[0]: Invalid value: []string{"10.96.0.6"}: may not change once set'),
    ("Service", {"spec/clusterIP": "10.96.0.5"}, {}, ""),
    ("EndpointSlice", {}, {"addressType": "FQDN", "endpoints/0/addresses": ["a.b"]}, 'addressType: Invalid value: "FQDN": field is immutable'),
    ("ConfigMap", {"immutable": True}, {"data": {"a": "c"}, "immutable": True}, "data: Forbidden: field is immutable when `immutable` is set"),
    ("ConfigMap", {"immutable": True}, {}, "immutable: Forbidden: field is immutable when `immutable` is set"),
    ("Secret", {"immutable": True}, {"data": {"a": "Yw=="}, "immutable": True}, "data: Forbidden: field is immutable when `immutable` is set"),
    ("Secret", {}, {"type": "example.com/other"}, 'type: Invalid value: "example.com/other": field is immutable'),
    ("Node", {"spec/podCIDR": "10.128.0.0/24"}, {"spec/podCIDR": "10.128.1.0/24"}, 'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'),
    ("Node", {}, {"spec/podCIDR": "10.128.1.0/24"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "before", "after", "want"), UPDATES, ids=[f"{row[0]}: {row[3][:40]}" for row in UPDATES]
)
def test_an_update_may_change_only_what_may_change(
    kind: str, before: dict[str, Any], after: dict[str, Any], want: str
) -> None:
    """Immutable fields, and those that may change."""
    assert (judging.updated(kind, GOOD[kind], before, after) or [""])[0] == want


@pytest.mark.parametrize(
    ("field", "value", "want"),
    [
        ("name", "b", 'metadata.name: Invalid value: "b": field is immutable'),
        ("namespace", "b", 'metadata.namespace: Invalid value: "b": field is immutable'),
        ("uid", "b", 'metadata.uid: Invalid value: "b": field is immutable'),
        ("generation", 1, "metadata.generation: Invalid value: 1: must not be decremented"),
    ],
)
def test_metadata_that_the_server_gave_stays(field: str, value: Any, want: str) -> None:
    """Name, namespace, uid, and generations that go down."""
    old = metav1.ObjectMeta(name="a", namespace="a", uid="a", generation=2)
    new = metav1.ObjectMeta(name="a", namespace="a", uid="a", generation=2)
    setattr(new, field, value)

    faults = meta.validate_update(new, old)

    assert [f"{fault.field}: {fault.message}" for fault in faults] == [want]


def test_a_deployments_generation_counts_changes_of_its_spec() -> None:
    """Not those of its status or labels."""
    strategy = judging.STRATEGIES["Deployment"]
    old = codec.from_json(yaml.safe_load(DEPLOYMENT), strategy.message)
    strategy.default(old)
    strategy.prepare_for_create(old)
    generations = []
    for change in ({}, {"metadata/labels": {"a": "b"}}, {"spec/replicas": 5}):
        new = codec.from_json(judging.changed(DEPLOYMENT, change), strategy.message)
        strategy.default(new)
        strategy.prepare_for_update(new, old)
        generations.append(new.metadata.generation)

    assert generations == [1, 1, 2]


def test_labels_of_a_pod_are_judged_by_their_values_too() -> None:
    """A value has 63 characters at most."""
    pod = corev1.Pod()
    pod.metadata.labels["a"] = "x" * 64

    faults = meta.labels(pod.metadata.labels, "metadata.labels")

    assert faults[0].message.endswith("must be no more than 63 characters")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a", '"a"'), ('a"b\\', r'"a\"b\\"'), ("a\0b\n\x7f", r'"a\x00b\n\x7f"'), ("ä\u200b", r'"ä\u200b"')],
)
def test_a_text_is_shown_as_go_quotes_it(text: str, shown: str) -> None:
    """Control characters and what nobody can see are escaped, letters are not."""
    assert field.shown(text) == shown
