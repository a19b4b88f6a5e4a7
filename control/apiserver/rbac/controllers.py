"""The table of the controllers' default roles: `system:controller:<name>`, bound to that account of kube-system.

Lines as in defaults.py, one for each rule that Kubernetes 1.32 has, in its order. Where Fairlead's controllers need
more than Kubernetes' of the same name, the line says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EVENTS = "create update patch | core events.k8s.io | events"
SIGNERS = (
    "kubernetes.io/legacy-unknown kubernetes.io/kube-apiserver-client "
    "kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving"
)

CLUSTER_ROLES: Mapping[str, Sequence[str]] = {
    "attachdetach-controller": (
        "list watch | core | persistentvolumes persistentvolumeclaims",
        "get list watch | core | nodes",
        "patch update | core | nodes/status",
        "list watch | core | pods",
        EVENTS,
        "get create delete list watch | storage.k8s.io | volumeattachments",
        "get watch list | storage.k8s.io | csidrivers",
        "get watch list | storage.k8s.io | csinodes",
    ),
    "certificate-controller": (
        "get list watch delete | certificates.k8s.io | certificatesigningrequests",
        "update | certificates.k8s.io | certificatesigningrequests/status certificatesigningrequests/approval",
        "approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client-kubelet",
        f"sign | certificates.k8s.io | signers | {SIGNERS}",
        "create | authorization.k8s.io | subjectaccessreviews",
        EVENTS,
    ),
    "clusterrole-aggregation-controller": (
        "escalate get list watch update patch | rbac.authorization.k8s.io | clusterroles",
        EVENTS,  # Fairlead's: every controller has a recorder
    ),
    "cronjob-controller": (
        "get list watch update | batch | cronjobs",
        "get list watch create update delete patch | batch | jobs",
        "update | batch | cronjobs/status",
        "update | batch | cronjobs/finalizers",
        "list watch delete | core | pods",
        EVENTS,
    ),
    "daemon-set-controller": (
        "get list watch | extensions apps | daemonsets",
        "update | extensions apps | daemonsets/status",
        "update | extensions apps | daemonsets/finalizers",
        "list watch | core | nodes",
        "list watch create delete patch | core | pods",
        "create | core | pods/binding",
        "get list watch create delete update patch | apps | controllerrevisions",
        EVENTS,
    ),
    "deployment-controller": (
        "get list watch update | extensions apps | deployments",
        "update | extensions apps | deployments/status",
        "update | extensions apps | deployments/finalizers",
        "get list watch create update patch delete | apps extensions | replicasets",
        "get list watch update | core | pods",
        EVENTS,
    ),
    "disruption-controller": (
        "get list watch | extensions apps | deployments",
        "get list watch | apps extensions | replicasets",
        "get list watch | core | replicationcontrollers",
        "get list watch | policy | poddisruptionbudgets",
        "get list watch | apps | statefulsets",
        "update | policy | poddisruptionbudgets/status",
        "patch update | core | pods/status",
        "get | * | */scale",
        EVENTS,
    ),
    "endpoint-controller": (
        "get list watch | core | services pods",
        "get list watch create update delete | core | endpoints",
        "create | core | endpoints/restricted",
        EVENTS,
    ),
    "endpointslice-controller": (
        "get list watch | core | services pods nodes",
        "update | core | services/finalizers",
        "get list watch create update delete | discovery.k8s.io | endpointslices",
        EVENTS,
    ),
    "endpointslicemirroring-controller": (
        "get list watch | core | services endpoints",
        "update | core | services/finalizers",
        "update | core | endpoints/finalizers",
        "get list watch create update delete | discovery.k8s.io | endpointslices",
        EVENTS,
    ),
    # Kubernetes' API server does this itself.
    "flow-schema-status-controller": (
        "get list watch | flowcontrol.apiserver.k8s.io | flowschemas prioritylevelconfigurations",
        "update | flowcontrol.apiserver.k8s.io | flowschemas/status",
        EVENTS,
    ),
    # Kubernetes' aggregator does this with all rights, within its API server.
    "apiservice-registration-controller": (
        "get list watch create update delete | apiregistration.k8s.io | apiservices",
        "get list watch | apiextensions.k8s.io | customresourcedefinitions",
        EVENTS,
    ),
    "apiservice-availability-controller": (
        "get list watch | apiregistration.k8s.io | apiservices",
        "update | apiregistration.k8s.io | apiservices/status",
        "get list watch | core | services",
        "get list watch | discovery.k8s.io | endpointslices",
        EVENTS,
    ),
    "ephemeral-volume-controller": (
        "get list watch | core | pods",
        "update | core | pods/finalizers",
        "get list watch create | core | persistentvolumeclaims",
        EVENTS,
    ),
    "expand-controller": (
        "get list watch update patch | core | persistentvolumes",
        "update patch | core | persistentvolumeclaims/status",
        "get list watch | core | persistentvolumeclaims",
        EVENTS,
        "get | core | services",
    ),
    "generic-garbage-collector": ("get list watch patch update delete | * | *", EVENTS),
    "horizontal-pod-autoscaler": (
        "get list watch | autoscaling | horizontalpodautoscalers",
        "update | autoscaling | horizontalpodautoscalers/status",
        "get update | * | */scale",
        "list watch | core | pods",
        "list | metrics.k8s.io | pods",
        "get list | custom.metrics.k8s.io | *",
        "get list | external.metrics.k8s.io | *",
        EVENTS,
    ),
    "job-controller": (
        "get list watch update patch | batch | jobs",
        "update | batch | jobs/status",
        "update | batch | jobs/finalizers",
        "list watch create delete patch | core | pods",
        EVENTS,
    ),
    "legacy-service-account-token-cleaner": (
        "get | core | configmaps | kube-apiserver-legacy-service-account-token-tracking",
        "patch delete | core | secrets",
    ),
    "namespace-controller": (
        "get list watch delete | core | namespaces",
        "update | core | namespaces/finalize namespaces/status",
        "get list watch delete deletecollection | * | *",
        EVENTS,  # Fairlead's
    ),
    "node-controller": (
        "get list watch update delete patch | core | nodes",
        "patch update | core | nodes/status",
        "patch update | core | pods/status",
        "list watch get delete | core | pods",
        EVENTS,
        "get list watch | coordination.k8s.io | leases",  # Fairlead's: it reads a silent node's lease itself
    ),
    "persistent-volume-binder": (
        "get list watch update create delete | core | persistentvolumes",
        "update | core | persistentvolumes/status",
        "get list watch update | core | persistentvolumeclaims",
        "update | core | persistentvolumeclaims/status",
        "list watch get create delete | core | pods",
        "get list watch | storage.k8s.io | storageclasses",
        "list watch | core | nodes",
        EVENTS,
        "watch | core | events",
        "get | core | services",
    ),
    "pod-garbage-collector": (
        "list watch delete | core | pods",
        "get list watch | core | nodes",
        "patch | core | pods/status",
        "get | core | pods",  # Fairlead's, and so is what follows
        "update | core | pods/status",
        EVENTS,
    ),
    "pv-protection-controller": ("get list watch update | core | persistentvolumes", EVENTS),
    "pvc-protection-controller": (
        "get list watch update | core | persistentvolumeclaims",
        "list watch get | core | pods",
        EVENTS,
    ),
    "replicaset-controller": (
        "get list watch update | apps extensions | replicasets",
        "update | apps extensions | replicasets/status",
        "update | apps extensions | replicasets/finalizers",
        "list watch patch create delete | core | pods",
        EVENTS,
        "get | core | pods",  # Fairlead's
    ),
    "replication-controller": (
        "get list watch update | core | replicationcontrollers",
        "update | core | replicationcontrollers/status",
        "update | core | replicationcontrollers/finalizers",
        "list watch patch create delete | core | pods",
        EVENTS,
        "get | core | pods",  # Fairlead's
    ),
    "resourcequota-controller": ("list watch | * | *", "update | core | resourcequotas/status", EVENTS),
    "root-ca-cert-publisher": ("create update | core | configmaps", EVENTS),
    "route-controller": ("list watch | core | nodes", "patch | core | nodes/status", EVENTS),
    "service-account-controller": ("create | core | serviceaccounts", EVENTS),
    "service-controller": (
        "get list watch | core | services",
        "patch update | core | services/status",
        "list watch | core | nodes",
        EVENTS,
    ),
    "statefulset-controller": (
        "list watch | core | pods",
        "get list watch | apps | statefulsets",
        "update | apps | statefulsets/status",
        "update | apps | statefulsets/finalizers",
        "get create delete update patch | core | pods",
        "get create delete update patch list watch | apps | controllerrevisions",
        "get create list watch | core | persistentvolumeclaims",
        "update delete | core | persistentvolumeclaims",
        "update | core | pods/finalizers",
        EVENTS,
    ),
    "ttl-after-finished-controller": ("get list watch delete | batch | jobs", EVENTS),
    "ttl-controller": ("update patch list watch | core | nodes", EVENTS),
    "validatingadmissionpolicy-status-controller": (
        "get list watch | admissionregistration.k8s.io | validatingadmissionpolicies",
        "get patch update | admissionregistration.k8s.io | validatingadmissionpolicies/status",
        EVENTS,
    ),
}
