"""The table of the default roles of users, nodes and the control plane's parts, and of who has them.

Lines as in defaults.py, one for each rule that Kubernetes 1.32 has, in its order. A binding is the role and its
subjects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from control.apiserver.rbac.controllers import EVENTS

READ = "get list watch"
WRITE = "create delete deletecollection patch update"
ALL = f"{READ} {WRITE}"
HEALTH = "/healthz /livez /readyz /version /version/"

CLUSTER_ROLES: Mapping[str, Sequence[str]] = {
    "cluster-admin": ("* | * | *", "* | *"),
    "system:discovery": (
        "get | /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
    ),
    "system:basic-user": (
        "create | authorization.k8s.io | selfsubjectaccessreviews selfsubjectrulesreviews",
        "create | authentication.k8s.io | selfsubjectreviews",
    ),
    "system:public-info-viewer": (f"get | {HEALTH}",),
    "system:monitoring": ("get | /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*",),
    "system:aggregate-to-admin": (
        "create | authorization.k8s.io | localsubjectaccessreviews",
        f"{ALL} | rbac.authorization.k8s.io | roles rolebindings",
    ),
    "system:aggregate-to-edit": (
        f"{READ} | core | pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy",
        "impersonate | core | serviceaccounts",
        f"{WRITE} | core | pods pods/attach pods/exec pods/portforward pods/proxy",
        "create | core | pods/eviction",
        f"{WRITE} | core | configmaps events persistentvolumeclaims replicationcontrollers"
        " replicationcontrollers/scale secrets serviceaccounts services services/proxy",
        "create | core | serviceaccounts/token",
        f"{WRITE} | apps | daemonsets deployments deployments/rollback deployments/scale replicasets"
        " replicasets/scale statefulsets statefulsets/scale",
        f"{WRITE} | autoscaling | horizontalpodautoscalers",
        f"{WRITE} | batch | cronjobs jobs",
        f"{WRITE} | extensions | daemonsets deployments deployments/rollback deployments/scale ingresses"
        " networkpolicies replicasets replicasets/scale replicationcontrollers/scale",
        f"{WRITE} | policy | poddisruptionbudgets",
        f"{WRITE} | networking.k8s.io | ingresses networkpolicies",
        f"{ALL} | coordination.k8s.io | leases",
    ),
    "system:aggregate-to-view": (
        f"{READ} | core | configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods"
        " replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status",
        f"{READ} | core | bindings events limitranges namespaces/status pods/log pods/status"
        " replicationcontrollers/status resourcequotas resourcequotas/status",
        f"{READ} | core | namespaces",
        f"{READ} | discovery.k8s.io | endpointslices",
        f"{READ} | apps | controllerrevisions daemonsets daemonsets/status deployments deployments/scale"
        " deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale"
        " statefulsets/status",
        f"{READ} | autoscaling | horizontalpodautoscalers horizontalpodautoscalers/status",
        f"{READ} | batch | cronjobs cronjobs/status jobs jobs/status",
        f"{READ} | extensions | daemonsets daemonsets/status deployments deployments/scale deployments/status"
        " ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status"
        " replicationcontrollers/scale",
        f"{READ} | policy | poddisruptionbudgets poddisruptionbudgets/status",
        f"{READ} | networking.k8s.io | ingresses ingresses/status networkpolicies",
    ),
    "system:heapster": (
        f"{READ} | core | events namespaces nodes pods",
        f"{READ} | extensions | deployments",
    ),
    # Bound to nobody: nodes have the node authorizer.
    "system:node": (
        "create | authentication.k8s.io | tokenreviews",
        "create | authorization.k8s.io | localsubjectaccessreviews subjectaccessreviews",
        f"{READ} | core | services",
        f"create {READ} | core | nodes",
        "patch update | core | nodes/status",
        "patch update | core | nodes",
        "create patch update | core | events",
        f"{READ} | core | pods",
        "create delete | core | pods",
        "patch update | core | pods/status",
        "create | core | pods/eviction",
        f"{READ} | core | configmaps secrets",
        "get | core | persistentvolumeclaims persistentvolumes",
        "get | core | endpoints",
        "create get list watch | certificates.k8s.io | certificatesigningrequests",
        "create delete get patch update | coordination.k8s.io | leases",
        "get | storage.k8s.io | volumeattachments",
        "create | core | serviceaccounts/token",
        "get patch update | core | persistentvolumeclaims/status",
        f"{READ} | storage.k8s.io | csidrivers",
        "create delete get patch update | storage.k8s.io | csinodes",
        f"{READ} | node.k8s.io | runtimeclasses",
    ),
    "system:node-problem-detector": ("get | core | nodes", "patch | core | nodes/status", EVENTS),
    "system:node-bootstrapper": ("create get list watch | certificates.k8s.io | certificatesigningrequests",),
    "system:node-proxier": (
        "list watch | core | endpoints services",
        "get list watch | core | nodes",
        EVENTS,
        "list watch | discovery.k8s.io | endpointslices",
    ),
    "system:kubelet-api-admin": (
        f"{READ} | core | nodes",
        "proxy | core | nodes",
        "* | core | nodes/log nodes/metrics nodes/proxy nodes/stats",
    ),
    "system:auth-delegator": (
        "create | authentication.k8s.io | tokenreviews",
        "create | authorization.k8s.io | subjectaccessreviews",
    ),
    "system:kube-aggregator": (f"{READ} | core | endpoints services",),
    "system:kube-controller-manager": (
        EVENTS,
        "create | coordination.k8s.io | leases",
        "get update | coordination.k8s.io | leases | kube-controller-manager",
        "create | core | secrets serviceaccounts",
        "delete | core | secrets",
        "get | core | configmaps namespaces secrets serviceaccounts",
        "update | core | secrets serviceaccounts",
        "create | authentication.k8s.io | tokenreviews",
        "create | authorization.k8s.io | subjectaccessreviews",
        "list watch | * | *",
        "create | core | serviceaccounts/token",
    ),
    "system:kube-scheduler": (
        EVENTS,
        "create | coordination.k8s.io | leases",
        f"{READ} update | coordination.k8s.io | leases | kube-scheduler",
        f"{ALL} | coordination.k8s.io | leasecandidates",
        f"{READ} | core | nodes",
        f"delete {READ} | core | pods",
        "create | core | bindings pods/binding",
        "patch update | core | pods/status",
        f"{READ} | core | replicationcontrollers services",
        f"{READ} | apps extensions | replicasets",
        f"{READ} | apps | statefulsets",
        f"{READ} | policy | poddisruptionbudgets",
        f"{READ} | core | persistentvolumeclaims persistentvolumes",
        "create | authentication.k8s.io | tokenreviews",
        "create | authorization.k8s.io | subjectaccessreviews",
        f"{READ} | storage.k8s.io | csinodes",
        f"{READ} | core | namespaces",
        f"{READ} | storage.k8s.io | csidrivers",
        f"{READ} | storage.k8s.io | csistoragecapacities",
    ),
    "system:kube-dns": ("list watch | core | endpoints services",),
    "system:persistent-volume-provisioner": (
        "create delete get list watch | core | persistentvolumes",
        "get list update watch | core | persistentvolumeclaims",
        f"{READ} | storage.k8s.io | storageclasses",
        "watch | core | events",
        EVENTS,
    ),
    "system:volume-scheduler": (
        "get list patch update watch | core | persistentvolumes",
        f"{READ} | storage.k8s.io | storageclasses",
        "get list patch update watch | core | persistentvolumeclaims",
    ),
    "system:service-account-issuer-discovery": (
        "get | /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/",
    ),
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": (
        "create | certificates.k8s.io | certificatesigningrequests/nodeclient",
    ),
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": (
        "create | certificates.k8s.io | certificatesigningrequests/selfnodeclient",
    ),
    **{
        f"system:certificates.k8s.io:{name}-approver": (
            f"approve | certificates.k8s.io | signers | kubernetes.io/{name}",
        )
        for name in ("kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving", "legacy-unknown")
    },
    # Fairlead's own: the dispatcher reads what nodes must know and judges which of them are gone.
    "system:fairlead-dispatcher": (
        f"{READ} | core | pods nodes configmaps secrets services",
        f"{READ} | discovery.k8s.io | endpointslices",
        f"{READ} | networking.k8s.io | networkpolicies",
        f"{READ} create update patch | coordination.k8s.io | leases",
        "update patch | core | nodes/status",
    ),
    # A peer relays requests that it has itself authorised, to the process that holds a node's session.
    "system:fairlead-control": (
        f"{READ} | core | pods nodes",
        "get | core | pods/log",
        "create get | core | pods/exec pods/attach pods/portforward",
        "get list | metrics.k8s.io | nodes pods",
    ),
}

# Roles whose rules are gathered from others, and the role that gathers them in turn.
AGGREGATED: Mapping[str, str] = {"admin": "", "edit": "admin", "view": "edit"}

CLUSTER_BINDINGS: Mapping[str, Sequence[str]] = {
    "cluster-admin": ("cluster-admin", "Group system:masters"),
    "system:basic-user": ("system:basic-user", "Group system:authenticated"),
    "system:discovery": ("system:discovery", "Group system:authenticated"),
    "system:fairlead-control": ("system:fairlead-control", "Group system:fairlead-control"),
    "system:fairlead-dispatcher": ("system:fairlead-dispatcher", "User system:fairlead-dispatcher"),
    "system:kube-controller-manager": ("system:kube-controller-manager", "User system:kube-controller-manager"),
    "system:kube-dns": ("system:kube-dns", "ServiceAccount kube-system/kube-dns"),
    "system:kube-scheduler": ("system:kube-scheduler", "User system:kube-scheduler"),
    "system:monitoring": ("system:monitoring", "Group system:monitoring"),
    "system:node": ("system:node",),
    "system:node-proxier": ("system:node-proxier", "User system:kube-proxy"),
    "system:public-info-viewer": (
        "system:public-info-viewer",
        "Group system:authenticated",
        "Group system:unauthenticated",
    ),
    "system:service-account-issuer-discovery": (
        "system:service-account-issuer-discovery",
        "Group system:serviceaccounts",
    ),
    "system:volume-scheduler": ("system:volume-scheduler", "User system:kube-scheduler"),
}

_AUTHENTICATION = "extension-apiserver-authentication-reader"
_CONTROLLERS_LOCK = "system::leader-locking-kube-controller-manager"
_SCHEDULERS_LOCK = "system::leader-locking-kube-scheduler"

ROLES: Mapping[tuple[str, str], Sequence[str]] = {
    ("kube-public", "system:controller:bootstrap-signer"): (
        f"{READ} | core | configmaps",
        "update | core | configmaps | cluster-info",
        EVENTS,
    ),
    ("kube-system", _AUTHENTICATION): (f"{READ} | core | configmaps | {_AUTHENTICATION.removesuffix('-reader')}",),
    ("kube-system", _CONTROLLERS_LOCK): (
        "watch | core | configmaps",
        "get update | core | configmaps | kube-controller-manager",
    ),
    ("kube-system", _SCHEDULERS_LOCK): (
        "watch | core | configmaps",
        "get update | core | configmaps | kube-scheduler",
    ),
    ("kube-system", "system:controller:bootstrap-signer"): (f"{READ} | core | secrets",),
    ("kube-system", "system:controller:cloud-provider"): ("create get list watch | core | configmaps",),
    ("kube-system", "system:controller:token-cleaner"): ("delete get list watch | core | secrets", EVENTS),
}

BINDINGS: Mapping[tuple[str, str], Sequence[str]] = {
    ("kube-public", "system:controller:bootstrap-signer"): (
        "system:controller:bootstrap-signer",
        "ServiceAccount kube-system/bootstrap-signer",
    ),
    ("kube-system", f"system::{_AUTHENTICATION}"): (
        _AUTHENTICATION,
        "User system:kube-controller-manager",
        "User system:kube-scheduler",
    ),
    ("kube-system", _CONTROLLERS_LOCK): (
        _CONTROLLERS_LOCK,
        "User system:kube-controller-manager",
        "ServiceAccount kube-system/kube-controller-manager",
    ),
    ("kube-system", _SCHEDULERS_LOCK): (
        _SCHEDULERS_LOCK,
        "User system:kube-scheduler",
        "ServiceAccount kube-system/kube-scheduler",
    ),
    ("kube-system", "system:controller:bootstrap-signer"): (
        "system:controller:bootstrap-signer",
        "ServiceAccount kube-system/bootstrap-signer",
    ),
    ("kube-system", "system:controller:cloud-provider"): (
        "system:controller:cloud-provider",
        "ServiceAccount kube-system/cloud-provider",
    ),
    ("kube-system", "system:controller:token-cleaner"): (
        "system:controller:token-cleaner",
        "ServiceAccount kube-system/token-cleaner",
    ),
}
