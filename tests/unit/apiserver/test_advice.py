"""What is warned of, kind by kind, in Kubernetes' words, and whom the warnings reach."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

from typing import Any

import pytest

from control.apiserver import warnings
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.testing import control
from tests.unit.apiserver import judging, yamls

POD = "{metadata: {name: web, namespace: default}, spec: {containers: [{name: a, image: a}]}}"
TEMPLATE = "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}"
WORKLOAD = (
    f"{{metadata: {{name: web, namespace: default}}, spec: {{selector: {{matchLabels: {{a: b}}}}, {TEMPLATE}}}}}"
)
JOB = "template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}"
SERVICE = "{metadata: {name: web, namespace: default}, spec: {ports: [{port: 80}]}}"
VOLUME = (
    "{metadata: {name: data}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /x}}}"
)
CLAIM = "{metadata: {name: data, namespace: default}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}"
INGRESS = (
    "{metadata: {name: web, namespace: default}, spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}"
)
CLASS = "{metadata: {name: fast}, provisioner: x}"
GOOD = {
    "Pod": POD,
    "Deployment": WORKLOAD,
    "ReplicaSet": WORKLOAD,
    "DaemonSet": WORKLOAD,
    "StatefulSet": WORKLOAD,
    "ReplicationController": f"{{metadata: {{name: web, namespace: default}}, spec: {{{TEMPLATE}}}}}",
    "PodTemplate": f"{{metadata: {{name: web, namespace: default}}, {TEMPLATE}}}",
    "Job": f"{{metadata: {{name: web, namespace: default}}, spec: {{{JOB}}}}}",
    "CronJob": f"{{metadata: {{name: web, namespace: default}}, spec: {{schedule: '0 0 * * *', jobTemplate: {{spec: {{{JOB}}}}}}}}}",
    "Service": SERVICE,
    "PersistentVolume": VOLUME,
    "PersistentVolumeClaim": CLAIM,
    "Ingress": INGRESS,
    "StorageClass": CLASS,
    "RuntimeClass": "{metadata: {name: fast}, handler: fast}",
    "Node": "{metadata: {name: a, labels: {beta.kubernetes.io/os: linux}}}",
    "CSIStorageCapacity": "{metadata: {name: c, namespace: default}, storageClassName: fast}",
}
C = "spec/containers/0"
RULE = "affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms"


def advised(kind: str, changes: dict[str, Any]) -> list[str]:
    """Return what a creation is warned of."""
    return list(judging.STRATEGIES[kind].advise(judging.prepared(kind, GOOD[kind], changes), None))


@pytest.mark.parametrize("kind", GOOD)
def test_nobody_is_warned_of_what_is_good(kind: str) -> None:
    """A plain object of each kind."""
    assert advised(kind, {}) == []


@pytest.mark.parametrize(
    ("kind", "changes", "want"),
    [
        ("Pod", {"metadata/name": "a.b"}, ["metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]"]),
        ("Deployment", {"metadata/name": "a.b"}, ["metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]"]),
        ("Pod", {"spec/nodeSelector": {"beta.kubernetes.io/os": "linux"}}, ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead']),
        ("Pod", {f"spec/{RULE}": [{"matchExpressions": [{"key": "beta.kubernetes.io/arch", "operator": "Exists"}]}]}, [f'spec.{RULE.replace("/", ".")}[0].matchExpressions[0].key: beta.kubernetes.io/arch is deprecated since v1.14; use "kubernetes.io/arch" instead']),
        ("Pod", {"spec/topologySpreadConstraints": [{"topologyKey": "failure-domain.beta.kubernetes.io/zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}]}, ['spec.topologySpreadConstraints[0].topologyKey: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use "topology.kubernetes.io/zone" instead', "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod"]),
        ("Pod", {"metadata/annotations": {"scheduler.alpha.kubernetes.io/critical-pod": ""}}, ['metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the "priorityClassName" field instead']),
        ("Pod", {"metadata/annotations": {"container.seccomp.security.alpha.kubernetes.io/a": "x"}}, ['metadata.annotations[container.seccomp.security.alpha.kubernetes.io/a]: non-functional in v1.27+; use the "seccompProfile" field instead']),
        ("Pod", {"metadata/annotations": {"seccomp.security.alpha.kubernetes.io/pod": "x"}}, ['metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the "seccompProfile" field instead']),
        ("Deployment", {"spec/template/metadata/annotations": {"container.apparmor.security.beta.kubernetes.io/a": "x"}}, ['spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/a]: deprecated since v1.30; use the "appArmorProfile" field instead']),
        ("Pod", {"spec/volumes": [{"name": "v", "gitRepo": {"repository": "x"}}]}, ["spec.volumes[0].gitRepo: deprecated in v1.11"]),
        ("Pod", {"spec/volumes": [{"name": "v", "rbd": {"image": "x"}}]}, ["spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+"]),
        ("Pod", {"spec/volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}, {"secret": {"name": "s", "items": [{"key": "k", "path": "t"}]}}]}}]}, ['spec.volumes[0].projected.sources.secrets[0]: has duplicated path with ServiceAccountToken "t"']),
        ("Pod", {"spec/hostAliases": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.1"}]}, ['spec.hostAliases[1].ip: duplicate ip "1.1.1.1"']),
        ("Pod", {"spec/imagePullSecrets": [{"name": "a"}, {"name": "a"}, {}]}, ['spec.imagePullSecrets[1].name: duplicate name "a"', 'spec.imagePullSecrets[2].name: invalid empty name ""']),
        ("Pod", {f"{C}/resources": {"limits": {"memory": "1.5"}}}, ['spec.containers[0].resources.limits[memory]: fractional byte value "1500m" is invalid, must be an integer', 'spec.containers[0].resources.requests[memory]: fractional byte value "1500m" is invalid, must be an integer']),
        ("Pod", {f"{C}/env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, ['spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply']),
        ("Pod", {f"{C}/env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A):2"}]}, []),
        ("Pod", {f"{C}/ports": [{"containerPort": 80}, {"containerPort": 80}]}, ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"]),
        ("Pod", {f"{C}/ports": [{"containerPort": 80}, {"containerPort": 80, "hostPort": 8080}]}, ["spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]"]),
        ("Pod", {f"{C}/ports": [{"containerPort": 80, "hostPort": 1}, {"containerPort": 80, "hostPort": 1, "hostIP": "1.1.1.1"}]}, ["spec.containers[0].ports[1]: dangerously ambiguous port definition with spec.containers[0].ports[0]"]),
        ("Pod", {f"{C}/ports": [{"name": "p", "containerPort": 80, "hostIP": "1.1.1.1"}]}, ["spec.containers[0].ports[0]: hostIP set without hostPort: {Name:p HostPort:0 ContainerPort:80 Protocol:TCP HostIP:1.1.1.1}"]),
        ("Pod", {"spec/terminationGracePeriodSeconds": -1}, ["spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"]),
        ("Pod", {"spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": {"topologyKey": "x"}}]}, ["spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.labelSelector: a null labelSelector results in matching no pod"]),
        ("DaemonSet", {"spec/template/spec/hostAliases": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.1"}]}, ['spec.template.spec.hostAliases[1].ip: duplicate ip "1.1.1.1"']),
        ("PodTemplate", {"template/spec/hostAliases": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.1"}]}, ['template.spec.hostAliases[1].ip: duplicate ip "1.1.1.1"']),
        ("CronJob", {"spec/jobTemplate/spec/template/spec/hostAliases": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.1"}]}, ['spec.jobTemplate.spec.template.spec.hostAliases[1].ip: duplicate ip "1.1.1.1"']),
        ("Job", {"spec/completionMode": "Indexed", "spec/completions": 100001, "spec/parallelism": 10001}, ["spec: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"]),
        ("Service", {"spec/clusterIP": "None", "spec/sessionAffinity": "ClientIP", "spec/loadBalancerIP": "1.1.1.1", "spec/externalIPs": ["1.1.1.1"]}, ["spec.loadBalancerIP is ignored for headless services", "spec.externalIPs is ignored for headless services", "spec.SessionAffinity is ignored for headless services"]),
        ("Service", {"spec/externalIPs": ["2001:DB8::1"]}, ['spec.externalIPs[0]: IPv6 address "2001:DB8::1" is not in RFC 5952 canonical format ("2001:db8::1"), which may cause controller apply-loops']),
        ("Service", {"spec/externalName": "x"}, ['spec.externalName is ignored when spec.type is not "ExternalName"']),
        ("PersistentVolume", {"spec/persistentVolumeReclaimPolicy": "Recycle"}, ["spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."]),
        ("PersistentVolume", {"metadata/annotations": {"volume.beta.kubernetes.io/mount-options": "x"}}, ['metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; use "mountOptions" attribute instead']),
        ("PersistentVolumeClaim", {"spec/resources/requests/storage": "1.5"}, ['spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer']),
        ("Ingress", {"metadata/annotations": {"kubernetes.io/ingress.class": "x"}}, ["annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"]),
        ("StorageClass", {"allowedTopologies": [{"matchLabelExpressions": [{"key": "beta.kubernetes.io/os", "values": ["a"]}]}]}, ['allowedTopologies[0].matchLabelExpressions[0]: deprecated since v1.14; use "kubernetes.io/os" instead']),
        ("Node", {"spec/configSource": {"configMap": {"name": "a", "namespace": "b", "kubeletConfigKey": "c"}}}, []),
        ("Node", {"spec/externalID": "i-1"}, ["spec.externalID: this field is deprecated, and is unused by Kubernetes"]),
        ("RuntimeClass", {"scheduling/nodeSelector": {"beta.kubernetes.io/os": "linux"}}, ['scheduling.nodeSelector: deprecated since v1.14; use "kubernetes.io/os" instead']),
        ("CSIStorageCapacity", {"nodeTopology/matchLabels": {"beta.kubernetes.io/os": "linux"}}, ['nodeTopology.matchLabels.beta.kubernetes.io/os: deprecated since v1.14; use "kubernetes.io/os" instead']),
    ],
)  # fmt: skip
def test_what_is_odd_is_told_in_kubernetes_words(kind: str, changes: dict[str, Any], want: list[str]) -> None:
    """Each text with the path that Kubernetes gives it."""
    assert advised(kind, changes) == want


async def test_warnings_come_with_creations_and_with_changes_of_a_spec() -> None:
    """An update that leaves the template alone says nothing of it; a name is told of once."""
    deployment = yamls.read(WORKLOAD, appsv1.Deployment)
    deployment.metadata.name = "web.1"
    deployment.spec.template.spec.hostAliases.add(ip="1.1.1.1")
    deployment.spec.template.spec.hostAliases.add(ip="1.1.1.1")
    twice = 'spec.template.spec.hostAliases[1].ip: duplicate ip "1.1.1.1"'
    async with control.memory_api() as api:
        client = api.as_user(*control.ADMIN)
        with warnings.collected() as created:
            made = await client.create(deployment)
        with warnings.collected() as labelled:
            made.metadata.labels["a"] = "b"
            made = await client.update(made)
        with warnings.collected() as scaled:
            made.spec.replicas = 3
            await client.update(made)

    assert [text.partition(":")[0] for text in created] == ["metadata.name", twice.partition(":")[0]]
    assert (labelled, scaled) == ([], [twice])


def test_a_negative_revision_limit_of_a_stateful_set_is_taken() -> None:
    """It is warned of only."""
    assert judging.faults("StatefulSet", WORKLOAD, {"spec/revisionHistoryLimit": -1}) == []


def test_a_label_with_dots_is_told_so() -> None:
    """Where the name would do for other objects."""
    assert judging.faults("Namespace", "{metadata: {name: a.b}}") == [
        'metadata.name: Invalid value: "a.b": must not contain dots'
    ]
