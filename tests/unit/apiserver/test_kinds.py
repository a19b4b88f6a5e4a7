"""Kinds that only lie there until a controller comes: one good object each, whole, and its place in etcd."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api import codec
from fairlead.testing import control
from tests.unit.apiserver import judging, yamls

TEMPLATE = "{metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: 'web:1'}]}}"
FILLED = """
metadata: {creationTimestamp: null, labels: {app: web}}
spec:
  containers:
  - name: main
    image: web:1
    imagePullPolicy: IfNotPresent
    resources: {}
    terminationMessagePath: /dev/termination-log
    terminationMessagePolicy: File
  dnsPolicy: ClusterFirst
  restartPolicy: Always
  schedulerName: default-scheduler
  securityContext: {}
  terminationGracePeriodSeconds: 30
"""
NEVER = "{spec: {restartPolicy: Never, containers: [{name: main, image: 'web:1'}]}}"
META = "metadata: {name: web, namespace: default}"

# kind, key in etcd, what the user writes, what is stored but for the metadata that the server gives.
KINDS: list[tuple[str, str, str, str]] = [
    (
        "ReplicationController",
        "controllers/default/web",
        f"{{{META}, spec: {{template: {TEMPLATE}}}}}",
        """
        metadata: {generation: 1, labels: {app: web}}
        spec: {replicas: 1, selector: {app: web}, template: FILLED}
        status: {replicas: 0}
        """,
    ),
    (
        "PodTemplate",
        "podtemplates/default/web",
        f"{{{META}, template: {TEMPLATE}}}",
        "{metadata: {generation: 1}, template: FILLED}",
    ),
    (
        "Endpoints",
        "services/endpoints/default/web",
        f"{{{META}, subsets: [{{addresses: [{{ip: 10.0.0.1}}], ports: [{{port: 80}}]}}]}}",
        "{metadata: {}, subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 80, protocol: TCP}]}]}",
    ),
    (
        "LimitRange",
        "limitranges/default/web",
        f"{{{META}, spec: {{limits: [{{type: Container, max: {{cpu: 2000m}}, min: {{memory: 1Mi}}}}]}}}}",
        """
        metadata: {}
        spec:
          limits:
          - {type: Container, max: {cpu: "2"}, min: {memory: 1Mi}, default: {cpu: "2"},
             defaultRequest: {cpu: "2", memory: 1Mi}}
        """,
    ),
    (
        "ResourceQuota",
        "resourcequotas/default/web",
        f"{{{META}, spec: {{hard: {{cpu: 2000m, pods: '5'}}}}, status: {{used: {{cpu: '1'}}}}}}",
        '{metadata: {}, spec: {hard: {cpu: "2", pods: "5"}}, status: {}}',
    ),
    (
        "PersistentVolume",
        "persistentvolumes/web",
        """
        metadata: {name: web}
        spec: {capacity: {storage: 1024Mi}, accessModes: [ReadWriteOnce], hostPath: {path: /data}}
        """,
        """
        metadata: {finalizers: [kubernetes.io/pv-protection]}
        spec:
          accessModes: [ReadWriteOnce]
          capacity: {storage: 1Gi}
          hostPath: {path: /data, type: ""}
          persistentVolumeReclaimPolicy: Retain
          volumeMode: Filesystem
        status: {phase: Pending, lastPhaseTransitionTime: "1970-01-01T00:16:40Z"}
        """,
    ),
    (
        "PersistentVolumeClaim",
        "persistentvolumeclaims/default/web",
        f"""
        {META}
        spec:
          accessModes: [ReadWriteOnce]
          resources: {{requests: {{storage: 1Gi}}}}
          dataSource: {{apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: a}}
        """,
        """
        metadata: {finalizers: [kubernetes.io/pvc-protection]}
        spec:
          accessModes: [ReadWriteOnce]
          resources: {requests: {storage: 1Gi}}
          dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: a}
          dataSourceRef: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: a}
          volumeMode: Filesystem
        status: {phase: Pending}
        """,
    ),
    (
        "StatefulSet",
        "statefulsets/default/web",
        f"""
        {META}
        spec:
          serviceName: web
          selector: {{matchLabels: {{app: web}}}}
          template: {TEMPLATE}
          volumeClaimTemplates:
          - metadata: {{name: data}}
            spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
        """,
        """
        metadata: {generation: 1}
        spec:
          persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
          podManagementPolicy: OrderedReady
          replicas: 1
          revisionHistoryLimit: 10
          selector: {matchLabels: {app: web}}
          serviceName: web
          template: FILLED
          updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 0}}
          volumeClaimTemplates:
          - apiVersion: v1
            kind: PersistentVolumeClaim
            metadata: {name: data, creationTimestamp: null}
            spec:
              accessModes: [ReadWriteOnce]
              resources: {requests: {storage: 1Gi}}
              volumeMode: Filesystem
            status: {phase: Pending}
        status: {replicas: 0, availableReplicas: 0}
        """,
    ),
    (
        "DaemonSet",
        "daemonsets/default/web",
        f"{{{META}, spec: {{selector: {{matchLabels: {{app: web}}}}, template: {TEMPLATE}}}}}",
        """
        metadata: {generation: 1}
        spec:
          revisionHistoryLimit: 10
          selector: {matchLabels: {app: web}}
          template: FILLED
          updateStrategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}
        status: {currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0}
        """,
    ),
    (
        "ControllerRevision",
        "controllerrevisions/default/web",
        f"{{{META}, revision: 3, data: {{spec: {{a: 1}}}}}}",
        "{metadata: {}, revision: 3, data: {spec: {a: 1}}}",
    ),
    (
        "CronJob",
        "cronjobs/default/web",
        f"""
        {META}
        spec:
          schedule: "*/5 * * * *"
          jobTemplate: {{spec: {{template: {NEVER}}}}}
        """,
        """
        metadata: {generation: 1}
        spec:
          concurrencyPolicy: Allow
          failedJobsHistoryLimit: 1
          jobTemplate:
            metadata: {creationTimestamp: null}
            spec:
              template:
                metadata: {creationTimestamp: null}
                spec:
                  containers:
                  - name: main
                    image: web:1
                    imagePullPolicy: IfNotPresent
                    resources: {}
                    terminationMessagePath: /dev/termination-log
                    terminationMessagePolicy: File
                  dnsPolicy: ClusterFirst
                  restartPolicy: Never
                  schedulerName: default-scheduler
                  securityContext: {}
                  terminationGracePeriodSeconds: 30
          schedule: "*/5 * * * *"
          successfulJobsHistoryLimit: 3
          suspend: false
        status: {}
        """,
    ),
    (
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers/default/web",
        f"""
        {META}
        spec:
          scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}
          maxReplicas: 5
          behavior: {{scaleUp: {{stabilizationWindowSeconds: 5}}}}
        """,
        """
        metadata: {}
        spec:
          scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
          minReplicas: 1
          maxReplicas: 5
          metrics:
          - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}
          behavior:
            scaleUp:
              stabilizationWindowSeconds: 5
              selectPolicy: Max
              policies:
              - {type: Pods, value: 4, periodSeconds: 15}
              - {type: Percent, value: 100, periodSeconds: 15}
            scaleDown: {selectPolicy: Max, policies: [{type: Percent, value: 100, periodSeconds: 15}]}
        status: {currentMetrics: null, desiredReplicas: 0}
        """,
    ),
    (
        "PodDisruptionBudget",
        "poddisruptionbudgets/default/web",
        f"{{{META}, spec: {{minAvailable: 50%, selector: {{matchLabels: {{app: web}}}}}}}}",
        """
        metadata: {generation: 1}
        spec: {minAvailable: 50%, selector: {matchLabels: {app: web}}}
        status: {disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0}
        """,
    ),
]  # fmt: skip


def filled(value: Any) -> Any:
    """Return a parsed object with FILLED replaced by the template that it stands for."""
    if value == "FILLED":
        return yamls.loaded(FILLED)
    if isinstance(value, dict):
        return {key: filled(inner) for key, inner in value.items()}
    return [filled(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("kind", "key", "text", "want"), KINDS, ids=[row[0] for row in KINDS])
async def test_a_new_object_gets_its_defaults_and_lies_at_its_key(kind: str, key: str, text: str, want: str) -> None:
    """Through the whole API: defaulted, judged, stored as etcd's bytes and read back from them."""
    async with control.memory_api(now=lambda: judging.NOW) as api:
        strategy = judging.STRATEGIES[kind]

        made = await api.as_user(*control.ADMIN).create(yamls.read(text, strategy.message))

        item, _ = await api.store.get(f"/registry/{key}")
        assert item is not None
        stored = codec.decode_stored(item.value)
        assert item.value.startswith(b"k8s\0")
        shown = yamls.parsed(stored)  # type: ignore[arg-type]
        assert isinstance(shown, dict)
        assert (shown.pop("apiVersion"), shown.pop("kind")) == (strategy.kind.api_version, kind)
        for name in ("name", "namespace", "uid", "creationTimestamp", "managedFields"):
            shown["metadata"].pop(name, None)
        assert shown == filled(yamls.loaded(want))
        stored.metadata.resourceVersion = made.metadata.resourceVersion
        assert stored == made
