"""What `get` prints of workloads, batch, storage, quotas, autoscalers and budgets."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

import datetime

import pytest
import yaml

from fairlead.api import codec, columns, scheme

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
TIMES = "startTime: '2026-01-01T00:00:00Z', completionTime: '2026-01-01T00:01:00Z'"

ROWS = [
    ("v1", "ReplicationController", f"spec: {{replicas: 2, selector: {{app: web}}, template: {TEMPLATE}}}, status: {{replicas: 1, readyReplicas: 1}}",
     "Name=web Desired=2 Current=1 Ready=1 Age=60m +Containers=main +Images=web:1 +Selector=app=web"),
    ("v1", "PodTemplate", f"template: {TEMPLATE}", "Name=web Containers=main Images=web:1 Pod Labels=app=web"),
    ("v1", "Endpoints", "subsets: [{addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}], ports: [{port: 80}, {port: 443}]}]",
     "Name=web Endpoints=10.0.0.1:80,10.0.0.2:80,10.0.0.1:443 + 1 more... Age=60m"),
    ("v1", "Endpoints", "subsets: [{addresses: [{ip: 'fd00::1'}], ports: [{port: 80}]}]", "Name=web Endpoints=[fd00::1]:80 Age=60m"),
    ("v1", "Endpoints", "subsets: []", "Name=web Endpoints=<none> Age=60m"),
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
