"""What each kind's objects get where the user leaves it out: whole objects, compared."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message

from control.apiserver.strategies import deployment, endpointslice, namespace, node, pod, replicaset, secret, service
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from tests.unit.apiserver import yamls

CASES: list[Any] = [
    pytest.param(
        pod.PodStrategy(),
        corev1.Pod,
        """
        metadata: {name: web, namespace: default}
        spec:
          containers:
          - name: main
            image: registry.example:5000/web:1.0
            ports: [{containerPort: 80}]
            env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
            resources: {limits: {cpu: 1000m, memory: 128Mi}, requests: {cpu: 500m}}
            readinessProbe: {httpGet: {port: 80}}
          volumes: [{name: a}, {name: b, configMap: {name: c}}, {name: d, secret: {secretName: s}}]
        """,
        """
        apiVersion: v1
        kind: Pod
        metadata: {creationTimestamp: null, name: web, namespace: default}
        spec:
          containers:
          - name: main
            image: registry.example:5000/web:1.0
            imagePullPolicy: IfNotPresent
            ports: [{containerPort: 80, protocol: TCP}]
            env: [{name: NODE, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: spec.nodeName}}}]
            resources: {limits: {cpu: "1", memory: 128Mi}, requests: {cpu: 500m, memory: 128Mi}}
            readinessProbe:
              httpGet: {path: /, port: 80, scheme: HTTP}
              timeoutSeconds: 1
              periodSeconds: 10
              successThreshold: 1
              failureThreshold: 3
            terminationMessagePath: /dev/termination-log
            terminationMessagePolicy: File
          dnsPolicy: ClusterFirst
          enableServiceLinks: true
          restartPolicy: Always
          schedulerName: default-scheduler
          securityContext: {}
          terminationGracePeriodSeconds: 30
          volumes:
          - {name: a, emptyDir: {}}
          - {name: b, configMap: {name: c, defaultMode: 420}}
          - {name: d, secret: {secretName: s, defaultMode: 420}}
        status: {phase: Pending, qosClass: Burstable}
        """,
        id="pod",
    ),
    pytest.param(
        pod.PodStrategy(),
        corev1.Pod,
        """
        metadata: {name: web, namespace: default, labels: {a: b}}
        spec:
          hostNetwork: true
          serviceAccount: robot
          containers: [{name: main, image: web, ports: [{containerPort: 80}]}]
        status: {phase: Running}
        """,
        """
        apiVersion: v1
        kind: Pod
        metadata: {creationTimestamp: null, name: web, namespace: default, labels: {a: b}}
        spec:
          containers:
          - image: web
            imagePullPolicy: Always
            name: main
            ports: [{containerPort: 80, hostPort: 80, protocol: TCP}]
            resources: {}
            terminationMessagePath: /dev/termination-log
            terminationMessagePolicy: File
          dnsPolicy: ClusterFirst
          enableServiceLinks: true
          hostNetwork: true
          restartPolicy: Always
          schedulerName: default-scheduler
          securityContext: {}
          serviceAccount: robot
          serviceAccountName: robot
          terminationGracePeriodSeconds: 30
        status: {phase: Pending, qosClass: BestEffort}
        """,
        id="pod on the host's network, with a status that does not count",
    ),
    pytest.param(
        deployment.DeploymentStrategy(),
        appsv1.Deployment,
        """
        metadata: {name: web, namespace: default}
        spec:
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}}
            spec: {containers: [{name: main, image: web}]}
        """,
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {creationTimestamp: null, generation: 1, name: web, namespace: default}
        spec:
          progressDeadlineSeconds: 600
          replicas: 1
          revisionHistoryLimit: 10
          selector: {matchLabels: {app: web}}
          strategy: {rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}, type: RollingUpdate}
          template:
            metadata: {creationTimestamp: null, labels: {app: web}}
            spec:
              containers:
              - image: web
                imagePullPolicy: Always
                name: main
                resources: {}
                terminationMessagePath: /dev/termination-log
                terminationMessagePolicy: File
              dnsPolicy: ClusterFirst
              restartPolicy: Always
              schedulerName: default-scheduler
              securityContext: {}
              terminationGracePeriodSeconds: 30
        status: {}
        """,
        id="deployment",
    ),
    pytest.param(
        replicaset.ReplicaSetStrategy(),
        appsv1.ReplicaSet,
        """
        metadata: {name: web, namespace: default}
        spec:
          selector: {matchLabels: {app: web}}
          template: {metadata: {labels: {app: web}}, spec: {containers: []}}
        status: {replicas: 4}
        """,
        """
        apiVersion: apps/v1
        kind: ReplicaSet
        metadata: {creationTimestamp: null, generation: 1, name: web, namespace: default}
        spec:
          replicas: 1
          selector: {matchLabels: {app: web}}
          template:
            metadata: {creationTimestamp: null, labels: {app: web}}
            spec:
              containers: null
              dnsPolicy: ClusterFirst
              restartPolicy: Always
              schedulerName: default-scheduler
              securityContext: {}
              terminationGracePeriodSeconds: 30
        status: {replicas: 0}
        """,
        id="replicaset",
    ),
    pytest.param(
        service.ServiceStrategy(),
        corev1.Service,
        """
        metadata: {name: web, namespace: default}
        spec:
          type: NodePort
          selector: {app: web}
          sessionAffinity: ClientIP
          ports: [{port: 80}, {port: 81, targetPort: http}]
        """,
        """
        apiVersion: v1
        kind: Service
        metadata: {creationTimestamp: null, name: web, namespace: default}
        spec:
          externalTrafficPolicy: Cluster
          internalTrafficPolicy: Cluster
          ipFamilies: [IPv4]
          ipFamilyPolicy: SingleStack
          ports:
          - {port: 80, protocol: TCP, targetPort: 80}
          - {port: 81, protocol: TCP, targetPort: http}
          selector: {app: web}
          sessionAffinity: ClientIP
          sessionAffinityConfig: {clientIP: {timeoutSeconds: 10800}}
          type: NodePort
        status: {loadBalancer: {}}
        """,
        id="service",
    ),
    pytest.param(
        namespace.NamespaceStrategy(),
        corev1.Namespace,
        "metadata: {name: lab}",
        """
        apiVersion: v1
        kind: Namespace
        metadata: {creationTimestamp: null, name: lab, labels: {kubernetes.io/metadata.name: lab}}
        spec: {finalizers: [kubernetes]}
        status: {phase: Active}
        """,
        id="namespace",
    ),
    pytest.param(
        node.NodeStrategy(),
        corev1.Node,
        "{metadata: {name: node-1}, spec: {podCIDR: 10.128.0.0/24}, status: {capacity: {cpu: '2'}}}",
        """
        apiVersion: v1
        kind: Node
        metadata: {creationTimestamp: null, name: node-1}
        spec: {podCIDR: 10.128.0.0/24, podCIDRs: [10.128.0.0/24]}
        status:
          allocatable: {cpu: "2"}
          capacity: {cpu: "2"}
          daemonEndpoints: {kubeletEndpoint: {Port: 0}}
          nodeInfo: {machineID: '', systemUUID: '', bootID: '', kernelVersion: '', osImage: '', operatingSystem: '',
            containerRuntimeVersion: '', kubeletVersion: '', kubeProxyVersion: '', architecture: ''}
        """,
        id="node",
    ),
    pytest.param(
        secret.SecretStrategy(),
        corev1.Secret,
        "{metadata: {name: s, namespace: default}, data: {a: YQ==}, stringData: {a: b, c: d}}",
        """
        apiVersion: v1
        kind: Secret
        metadata: {creationTimestamp: null, name: s, namespace: default}
        data: {a: Yg==, c: ZA==}
        type: Opaque
        """,
        id="secret",
    ),
    pytest.param(
        endpointslice.EndpointSliceStrategy(),
        discoveryv1.EndpointSlice,
        "{metadata: {name: s, namespace: default}, addressType: IPv4, endpoints: [], ports: [{port: 80}]}",
        """
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {creationTimestamp: null, generation: 1, name: s, namespace: default}
        addressType: IPv4
        endpoints: null
        ports: [{name: "", port: 80, protocol: TCP}]
        """,
        id="endpointslice",
    ),
]


@pytest.mark.parametrize(("strategy", "kind", "given", "want"), CASES)
def test_a_new_object_gets_its_defaults(strategy: Any, kind: type[Message], given: str, want: str) -> None:
    """Exactly these; a status that a creation carries does not count."""
    obj = yamls.read(given, kind)

    strategy.default(obj)
    strategy.prepare_for_create(obj)

    assert _pruned(yamls.parsed(obj)) == _pruned(yamls.loaded(want))


def _pruned(value: Any) -> Any:
    """Return YAML without nulls, which a manifest may write or not."""
    if isinstance(value, dict):
        return {key: _pruned(item) for key, item in value.items() if item is not None}
    return [_pruned(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("strategy", "kind", "given", "want"), CASES)
def test_defaulting_twice_changes_nothing(strategy: Any, kind: type[Message], given: str, want: str) -> None:
    """So an update that sends back what was read is no change."""
    once = yamls.read(given, kind)
    strategy.default(once)
    twice = type(once)()
    twice.CopyFrom(once)

    strategy.default(twice)

    assert twice == once


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("busybox", "Always"),
        ("busybox:latest", "Always"),
        ("host:5000/busybox", "Always"),
        ("busybox:1", "IfNotPresent"),
        ("host:5000/busybox:1", "IfNotPresent"),
        ("busybox@sha256:abc", "IfNotPresent"),
    ],
)
def test_an_image_without_a_fixed_tag_is_always_pulled(image: str, policy: str) -> None:
    """`latest`, or no tag and no digest."""
    made = corev1.Pod()
    made.spec.containers.add(name="main", image=image)

    pod.PodStrategy().default(made)

    assert made.spec.containers[0].imagePullPolicy == policy


@pytest.mark.parametrize(
    ("containers", "want"),
    [
        ("[{name: a}]", "BestEffort"),
        ("[{name: a, resources: {requests: {cpu: 1}}}]", "Burstable"),
        ("[{name: a, resources: {limits: {cpu: 1}}}]", "Burstable"),
        (
            "[{name: a, resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1000m, memory: 1024Mi}}}]",
            "Guaranteed",
        ),
        (
            "[{name: a, resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1, memory: 1Gi}}}, {name: b}]",
            "Burstable",
        ),
        ("[{name: a, resources: {requests: {nvidia.com/gpu: 1}}}]", "BestEffort"),
    ],
)
def test_the_quality_of_service_follows_requests_and_limits(containers: str, want: str) -> None:
    """For CPU and memory, of every container."""
    spec = yamls.read(f"containers: {containers}", corev1.PodSpec)

    assert pod.qos_class(spec) == want
