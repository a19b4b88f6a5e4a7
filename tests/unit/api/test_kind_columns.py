"""What `get` prints of workloads, batch, storage, quotas, autoscalers and budgets."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

import datetime

import pytest
import yaml

from fairlead.api import codec, columns, scheme
from fairlead.api.openapi import descriptions
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1

NOW = datetime.datetime(2026, 1, 1, 1, tzinfo=datetime.UTC)
CREATED = "creationTimestamp: '2026-01-01T00:00:00Z'"
TEMPLATE = (
    "{metadata: {labels: {app: web}}, spec: {nodeSelector: {a: b}, containers: [{name: main, image: 'web:1'}]}}"
)
SELECTOR = "selector: {matchLabels: {app: web}}"
CPU = "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}"
SEEN = "{type: Resource, resource: {name: cpu, current: {averageUtilization: 12}}}"
PODS = "{type: Pods, pods: {metric: {name: hits}, target: {type: AverageValue, averageValue: '5'}}}"
RATE = "{type: External, external: {metric: {name: q}, target: {type: AverageValue, averageValue: '5'}}}"
SEEN_TIMES = "firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:30:00Z'"
RULES = "selector: {matchLabels: {app: web}, matchExpressions: [{key: c, operator: DoesNotExist}, {key: b, operator: In, values: [y, x]}]}"
WRONG = "selector: {matchExpressions: [{key: c, operator: In}]}"
TIMES = "startTime: '2026-01-01T00:00:00Z', completionTime: '2026-01-01T00:01:00Z'"

ROWS = [
    ("v1", "ReplicationController", f"spec: {{replicas: 2, selector: {{app: web}}, template: {TEMPLATE}}}, status: {{replicas: 1, readyReplicas: 1}}",
     "Name=web Desired=2 Current=1 Ready=1 Age=60m +Containers=main +Images=web:1 +Selector=app=web"),
    ("v1", "PodTemplate", f"template: {TEMPLATE}", "Name=web Containers=main Images=web:1 Pod Labels=app=web"),
    ("v1", "Endpoints", "subsets: [{addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}], ports: [{port: 80}, {port: 443}]}]",
     "Name=web Endpoints=10.0.0.1:80,10.0.0.2:80,10.0.0.1:443 + 1 more... Age=60m"),
    ("v1", "Endpoints", "subsets: [{addresses: [{ip: 'fd00::1'}], ports: [{port: 80}]}]", "Name=web Endpoints=[fd00::1]:80 Age=60m"),
    ("v1", "Endpoints", "subsets: []", "Name=web Endpoints=<none> Age=60m"),
    ("v1", "Endpoints", "subsets: [{notReadyAddresses: [{ip: 10.0.0.1}], ports: [{port: 80}]}]", "Name=web Endpoints= Age=60m"),
    ("v1", "Node", "status: {conditions: [{type: Ready, status: 'False'}], nodeInfo: {kubeletVersion: v1}, addresses: [{type: InternalIP, address: 10.0.0.1}]}",
     "Name=web Status=NotReady Roles=<none> Age=60m Version=v1 +Internal-IP=10.0.0.1 +External-IP=<none> +OS-Image=<unknown> +Kernel-Version=<unknown> +Container-Runtime=<unknown>"),
    ("v1", "Service", "spec: {type: LoadBalancer, clusterIP: 10.0.0.1, externalIPs: [9.9.9.9], ports: [{port: 80, nodePort: 30080, protocol: TCP}]}, status: {loadBalancer: {ingress: [{ip: 8.8.8.8}, {ip: 1.1.1.1}]}}",
     "Name=web Type=LoadBalancer Cluster-IP=10.0.0.1 External-IP=1.1.1.1,8.8.8.8,9.9.9.9 Port(s)=80:30080/TCP Age=60m +Selector=<none>"),
    ("v1", "Service", "spec: {type: ClusterIP, clusterIP: None}, status: {loadBalancer: {ingress: [{ip: 8.8.8.8}]}}",
     "Name=web Type=ClusterIP Cluster-IP=None External-IP=<none> Port(s)=<none> Age=60m +Selector=<none>"),
    ("v1", "Event", f"involvedObject: {{kind: Pod, name: a}}, reason: R, message: ' m ', type: Normal, source: {{component: c, host: h}}, {SEEN_TIMES}, count: 3",
     "Last Seen=30m Type=Normal Reason=R Object=pod/a +Subobject= +Source=c, h Message=m +First Seen=60m +Count=3 +Name=web"),
    ("v1", "Event", "involvedObject: {kind: Node}, eventTime: '2026-01-01T00:00:00.000000Z', reportingComponent: c, reportingInstance: i",
     "Last Seen=60m Type= Reason= Object=node +Subobject= +Source=c, i Message= +First Seen=60m +Count=1 +Name=web"),
    ("v1", "Event", f"involvedObject: {{kind: Node, name: a}}, {SEEN_TIMES}, series: {{count: 9, lastObservedTime: '2026-01-01T00:50:00.000000Z'}}",
     "Last Seen=10m Type= Reason= Object=node/a +Subobject= +Source= Message= +First Seen=60m +Count=9 +Name=web"),
    ("v1", "Event", "involvedObject: {kind: Node, name: a}", "Last Seen=<unknown> Type= Reason= Object=node/a +Subobject= +Source= Message= +First Seen=<unknown> +Count=1 +Name=web"),
    ("apps/v1", "Deployment", f"spec: {{replicas: 3, {RULES}, template: {TEMPLATE}}}, status: {{readyReplicas: 2, updatedReplicas: 1}}",
     "Name=web Ready=2/3 Up-to-date=1 Available=0 Age=60m +Containers=main +Images=web:1 +Selector=app=web,b in (x,y),!c"),
    ("apps/v1", "ReplicaSet", f"spec: {{replicas: 3, {WRONG}, template: {TEMPLATE}}}",
     "Name=web Desired=3 Current=0 Ready=0 Age=60m +Containers=main +Images=web:1 +Selector=<error>"),
    ("apps/v1", "Deployment", f"spec: {{replicas: 3, {WRONG}, template: {TEMPLATE}}}",
     "Name=web Ready=0/3 Up-to-date=0 Available=0 Age=60m +Containers=main +Images=web:1 +Selector=<invalid>"),
    ("v1", "LimitRange", "spec: {limits: []}", "Name=web Created At=2026-01-01T00:00:00Z"),
    ("v1", "ResourceQuota", "status: {hard: {limits.cpu: '4', pods: '5', cpu: '2'}, used: {pods: '1', cpu: 500m}}",
     "Name=web Request=cpu: 500m/2, pods: 1/5 Limit=limits.cpu: 0/4 Age=60m"),
    ("v1", "PersistentVolume", "spec: {capacity: {storage: 1Gi}, accessModes: [ReadOnlyMany, ReadWriteOnce], persistentVolumeReclaimPolicy: Retain, claimRef: {namespace: a, name: b}, storageClassName: fast, volumeMode: Block}, status: {phase: Bound}",
     "Name=web Capacity=1Gi Access Modes=RWO,ROX Reclaim Policy=Retain Status=Bound Claim=a/b StorageClass=fast VolumeAttributesClass=<unset> Reason= Age=60m +VolumeMode=Block"),
    ("v1", "PersistentVolumeClaim", "spec: {resources: {requests: {storage: 1Gi}}}, status: {phase: Pending}",
     "Name=web Status=Pending Volume= Capacity= Access Modes= StorageClass= VolumeAttributesClass=<unset> Age=60m +VolumeMode=<unset>"),
    ("v1", "PersistentVolumeClaim", "spec: {volumeName: pv, volumeMode: Filesystem}, status: {phase: Bound, accessModes: [ReadWriteMany], capacity: {storage: 2Gi}}",
     "Name=web Status=Bound Volume=pv Capacity=2Gi Access Modes=RWX StorageClass= VolumeAttributesClass=<unset> Age=60m +VolumeMode=Filesystem"),
    ("apps/v1", "StatefulSet", f"spec: {{replicas: 3, template: {TEMPLATE}}}, status: {{readyReplicas: 2}}", "Name=web Ready=2/3 Age=60m +Containers=main +Images=web:1"),
    ("apps/v1", "DaemonSet", f"spec: {{{SELECTOR}, template: {TEMPLATE}}}, status: {{desiredNumberScheduled: 5, currentNumberScheduled: 4, numberReady: 3, updatedNumberScheduled: 2, numberAvailable: 1}}",
     "Name=web Desired=5 Current=4 Ready=3 Up-to-date=2 Available=1 Node Selector=a=b Age=60m +Containers=main +Images=web:1 +Selector=app=web"),
    ("apps/v1", "ControllerRevision", "revision: 3", "Name=web Controller=<none> Revision=3 Age=60m"),
    ("batch/v1", "Job", f"spec: {{completions: 3, {SELECTOR}, template: {TEMPLATE}}}, status: {{succeeded: 1, startTime: '2026-01-01T00:00:00Z'}}",
     "Name=web Status=Running Completions=1/3 Duration=60m Age=60m +Containers=main +Images=web:1 +Selector=app=web"),
    ("batch/v1", "Job", f"spec: {{parallelism: 2, {SELECTOR}, template: {TEMPLATE}}}, status: {{succeeded: 1, {TIMES}, conditions: [{{type: Complete, status: 'True'}}]}}",
     "Name=web Status=Complete Completions=1/1 of 2 Duration=60s Age=60m +Containers=main +Images=web:1 +Selector=app=web"),
    ("batch/v1", "CronJob", f"spec: {{schedule: '@daily', suspend: false, jobTemplate: {{spec: {{template: {TEMPLATE}}}}}}}",
     "Name=web Schedule=@daily Timezone=<none> Suspend=False Active=0 Last Schedule=<none> Age=60m +Containers=main +Images=web:1 +Selector=<none>"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", f"spec: {{scaleTargetRef: {{kind: Deployment, name: web}}, minReplicas: 1, maxReplicas: 5, metrics: [{CPU}]}}, status: {{currentReplicas: 2, currentMetrics: [{SEEN}]}}",
     "Name=web Reference=Deployment/web Targets=cpu: 12%/80% MinPods=1 MaxPods=5 Replicas=2 Age=60m"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", f"spec: {{scaleTargetRef: {{kind: Deployment, name: web}}, maxReplicas: 5, metrics: [{CPU}, {PODS}, {RATE}]}}",
     "Name=web Reference=Deployment/web Targets=cpu: <unknown>/80%, <unknown>/5 + 1 more... MinPods=<unset> MaxPods=5 Replicas=0 Age=60m"),
    ("policy/v1", "PodDisruptionBudget", "spec: {minAvailable: 50%}, status: {disruptionsAllowed: 2}", "Name=web Min Available=50% Max Unavailable=N/A Allowed Disruptions=2 Age=60m"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "kind", "body", "want"), ROWS, ids=[f"{row[1]}-{at}" for at, row in enumerate(ROWS)]
)
def test_a_row_reads_as_kubectl_prints_it(version: str, kind: str, body: str, want: str) -> None:
    """Each column with its cell; `+` marks those of wide tables."""
    found = scheme.DEFAULT.by_kind(version, kind)
    assert found.message is not None
    document = yaml.safe_load(f"{{metadata: {{name: web, {CREATED}}}, {body}}}")

    cells = columns.row(codec.from_json(document, found.message), NOW)

    named = columns.of_kind(found)
    shown = [f"{'+' * one.priority}{one.name}={cell}" for one, cell in zip(named, cells, strict=True)]
    assert " ".join(shown) == want


DEFINED = [
    ("v1", "Pod", "Name:string:name Ready:string: Status:string: Restarts:string: Age:string: IP:string: Node:string: Nominated Node:string: Readiness Gates:string:"),
    ("apps/v1", "DaemonSet", "Name:string:name Desired:integer: Current:integer: Ready:integer: Up-to-date:integer: Available:integer: Node Selector:string: Age:string: Containers:string: Images:string: Selector:string:"),
    ("batch/v1", "CronJob", "Name:string:name Schedule:string: Timezone:string: Suspend:boolean: Active:integer: Last Schedule:string: Age:string: Containers:string: Images:string: Selector:string:"),
    ("v1", "LimitRange", "Name:string:name Created At:date:"),
    ("storage.k8s.io/v1", "VolumeAttachment", "Name:string:name Attacher:string:name PV:string: Node:string: Attached:boolean: Age:string:"),
    ("storage.k8s.io/v1", "StorageClass", "Name:string:name Provisioner:string: ReclaimPolicy:string: VolumeBindingMode:string: AllowVolumeExpansion:string: Age:string:"),
    ("scheduling.k8s.io/v1", "PriorityClass", "Name:string:name Value:integer: Global-Default:boolean: Age:string: PreemptionPolicy:string:"),
    ("events.k8s.io/v1", "Event", "Last Seen:string: Type:string: Reason:string: Object:string: Subobject:string: Source:string: Message:string: First Seen:string: Count:string: Name:string:name"),
]  # fmt: skip


@pytest.mark.parametrize(("version", "kind", "want"), DEFINED, ids=[row[1] for row in DEFINED])
def test_columns_are_defined_as_kubernetes_defines_them(version: str, kind: str, want: str) -> None:
    """Type and format, which need not be what the cells are: counts stand in columns of texts."""
    defined = columns.of_kind(scheme.DEFAULT.by_kind(version, kind))

    assert " ".join(f"{one.name}:{one.type}:{one.format}" for one in defined) == want


def test_what_a_scale_is_called_has_no_format() -> None:
    """As Kubernetes' printer leaves it out there alone."""
    name = columns.of_object(autoscalingv1.Scale(), scheme.DEFAULT.find("pods"))[0]

    assert (name.name, name.format) == ("Name", "")


@pytest.mark.parametrize("kind", list(scheme.DEFAULT), ids=lambda kind: f"{kind.api_version}-{kind.kind}")
def test_every_column_says_what_it_shows(kind: scheme.Kind) -> None:
    """One line, from data/columns.yaml."""
    silent = [one.name for one in columns.of_kind(kind) if not descriptions.of_column(kind.kind, one.name)]

    assert silent == []
