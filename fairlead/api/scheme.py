"""The scheme: one row for each kind that the API serves.

Adding a kind means a message, a row here, a strategy in control/apiserver and, if it acts, a controller.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.message import Message

from fairlead.api import errors
from fairlead.api.pb import admissionregistration_v1_pb2 as admissionregistrationv1
from fairlead.api.pb import apiextensions_v1_pb2 as apiextensionsv1
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import authorization_v1_pb2 as authorizationv1
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import autoscaling_v2_pb2 as autoscalingv2
from fairlead.api.pb import autoscaling_v2beta2_pb2 as autoscalingv2beta2
from fairlead.api.pb import batch_v1_pb2 as batchv1
from fairlead.api.pb import batch_v1beta1_pb2 as batchv1beta1
from fairlead.api.pb import certificates_v1_pb2 as certificatesv1
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.api.pb import discovery_v1beta1_pb2 as discoveryv1beta1
from fairlead.api.pb import events_v1_pb2 as eventsv1
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1
from fairlead.api.pb import networking_v1_pb2 as networkingv1
from fairlead.api.pb import node_v1_pb2 as nodev1
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.api.pb import policy_v1beta1_pb2 as policyv1beta1
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from fairlead.api.pb import scheduling_v1_pb2 as schedulingv1
from fairlead.api.pb import storage_v1_pb2 as storagev1

QUESTION = ("create",)
ANSWER = ("get", "list")
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
ONE_BY_ONE = tuple(verb for verb in VERBS if verb != "deletecollection")


@dataclass(frozen=True, slots=True)
class PrinterColumn:
    """A column that a definition of custom resources gives to their tables; `path` is a JSON path."""

    name: str
    type: str
    path: str
    priority: int = 0
    format: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind as it is served: its names, its message and where it lies in etcd.

    `prefix` is the path under /registry/, without slashes at its ends; objects lie at
    /registry/<prefix>/[<namespace>/]<name>. `hub` is the apiVersion that objects are stored in and judged as, empty
    for that version itself; `compat` the release of Kubernetes for whose clients alone the row is served. `verbs` are
    what the resource itself offers, its subresources excepted. A custom resource has no message:
    objects.class_of gives its carrier.
    """

    group: str
    version: str
    kind: str
    resource: str
    namespaced: bool
    message: type[Message] | None
    prefix: str
    singular: str
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    hub: str = ""
    compat: str = ""
    verbs: tuple[str, ...] = VERBS
    stored_as_json: bool = False
    list_kind: str = ""
    columns: tuple[PrinterColumn, ...] = ()

    @property
    def stored(self) -> bool:
        """Whether there are objects of the kind: neither questions, answered at once, nor what is made when read."""
        return "watch" in self.verbs

    @property
    def api_version(self) -> str:
        """Return `v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """Return `pods` or `deployments.apps`."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def key(self, namespace: str, name: str) -> str:
        """Return the etcd key of an object."""
        return f"{self.key_prefix(namespace)}{name}"

    def key_prefix(self, namespace: str = "") -> str:
        """Return the etcd prefix of the collection, of one namespace if given; it ends in a slash."""
        return f"/registry/{self.prefix}/{namespace}/" if namespace else f"/registry/{self.prefix}/"


def _row(
    message: type[Message],
    resource: str,
    *short_names: str,
    group: str = "",
    version: str = "v1",
    namespaced: bool = True,
    prefix: str = "",
    subresources: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
    hub: str = "",
    compat: str = "",
    verbs: tuple[str, ...] = VERBS,
    stored_as_json: bool = False,
) -> Kind:
    kind = message.DESCRIPTOR.name
    return Kind(
        group=group,
        version=version,
        kind=kind,
        resource=resource,
        namespaced=namespaced,
        message=message,
        prefix=prefix or resource,
        singular=kind.lower(),
        short_names=short_names,
        subresources=subresources,
        categories=categories,
        hub=hub,
        compat=compat,
        verbs=verbs,
        stored_as_json=stored_as_json,
        list_kind=f"{kind}List",
    )


STATUS = ("status",)
SCALED = ("status", "scale")
POD_PARTS = ("status", "binding", "ephemeralcontainers", "eviction")
POD_SUBRESOURCES = (*POD_PARTS, "log", "exec", "attach", "portforward", "proxy")
ALL = ("all",)
EXTENSIONS = ("api-extensions",)
AUTHORIZATION = "authorization.k8s.io"
AUTHENTICATION = "authentication.k8s.io"
ADMISSION = "admissionregistration.k8s.io"
APIREGISTRATION = "apiregistration.k8s.io"
DISCOVERY = "discovery.k8s.io"
FLOW = "flowcontrol.apiserver.k8s.io"
NETWORKING = "networking.k8s.io"
STORAGE = "storage.k8s.io"
RBAC = "rbac.authorization.k8s.io"


def _question(message: type[Message], group: str, *, namespaced: bool = False) -> Kind:
    return _row(message, f"{message.DESCRIPTOR.name.lower()}s", group=group, namespaced=namespaced, verbs=QUESTION)


KINDS: tuple[Kind, ...] = (
    _row(
        corev1.Namespace, "namespaces", "ns", namespaced=False, subresources=("status", "finalize"), verbs=ONE_BY_ONE
    ),
    _row(corev1.Node, "nodes", "no", namespaced=False, prefix="minions", subresources=(*STATUS, "proxy")),
    _row(corev1.Pod, "pods", "po", subresources=POD_SUBRESOURCES, categories=ALL),
    _row(corev1.ConfigMap, "configmaps", "cm"),
    _row(corev1.Secret, "secrets"),
    _row(corev1.Service, "services", "svc", prefix="services/specs", subresources=(*STATUS, "proxy"), categories=ALL),
    _row(corev1.ServiceAccount, "serviceaccounts", "sa", subresources=("token",)),
    _row(corev1.Event, "events", "ev"),
    _row(corev1.Binding, "bindings", verbs=QUESTION),
    _row(
        corev1.ReplicationController,
        "replicationcontrollers",
        "rc",
        prefix="controllers",
        subresources=SCALED,
        categories=ALL,
    ),
    _row(corev1.PodTemplate, "podtemplates"),
    _row(corev1.Endpoints, "endpoints", "ep", prefix="services/endpoints"),
    _row(corev1.LimitRange, "limitranges", "limits"),
    _row(corev1.ResourceQuota, "resourcequotas", "quota", subresources=STATUS),
    _row(corev1.PersistentVolume, "persistentvolumes", "pv", namespaced=False, subresources=STATUS),
    _row(corev1.PersistentVolumeClaim, "persistentvolumeclaims", "pvc", subresources=STATUS),
    _row(corev1.ComponentStatus, "componentstatuses", "cs", namespaced=False, verbs=ANSWER),
    _row(appsv1.Deployment, "deployments", "deploy", group="apps", subresources=SCALED, categories=ALL),
    _row(appsv1.ReplicaSet, "replicasets", "rs", group="apps", subresources=SCALED, categories=ALL),
    _row(appsv1.StatefulSet, "statefulsets", "sts", group="apps", subresources=SCALED, categories=ALL),
    _row(appsv1.DaemonSet, "daemonsets", "ds", group="apps", subresources=STATUS, categories=ALL),
    _row(appsv1.ControllerRevision, "controllerrevisions", group="apps"),
    _row(batchv1.Job, "jobs", group="batch", subresources=STATUS, categories=ALL),
    _row(batchv1.CronJob, "cronjobs", "cj", group="batch", subresources=STATUS, categories=ALL),
    _row(
        autoscalingv2.HorizontalPodAutoscaler,
        "horizontalpodautoscalers",
        "hpa",
        group="autoscaling",
        version="v2",
        subresources=STATUS,
        categories=ALL,
    ),
    _row(policyv1.PodDisruptionBudget, "poddisruptionbudgets", "pdb", group="policy", subresources=STATUS),
    _row(discoveryv1.EndpointSlice, "endpointslices", group=DISCOVERY),
    _row(coordinationv1.Lease, "leases", group="coordination.k8s.io"),
    _row(rbacv1.Role, "roles", group=RBAC),
    _row(rbacv1.RoleBinding, "rolebindings", group=RBAC),
    _row(rbacv1.ClusterRole, "clusterroles", group=RBAC, namespaced=False),
    _row(rbacv1.ClusterRoleBinding, "clusterrolebindings", group=RBAC, namespaced=False),
    _question(authorizationv1.SubjectAccessReview, AUTHORIZATION),
    _question(authorizationv1.LocalSubjectAccessReview, AUTHORIZATION, namespaced=True),
    _question(authorizationv1.SelfSubjectAccessReview, AUTHORIZATION),
    _question(authorizationv1.SelfSubjectRulesReview, AUTHORIZATION),
    _question(authenticationv1.TokenReview, AUTHENTICATION),
    _question(authenticationv1.SelfSubjectReview, AUTHENTICATION),
    _row(networkingv1.Ingress, "ingresses", "ing", group=NETWORKING, prefix="ingress", subresources=STATUS),
    _row(networkingv1.IngressClass, "ingressclasses", group=NETWORKING, namespaced=False),
    _row(networkingv1.NetworkPolicy, "networkpolicies", "netpol", group=NETWORKING),
    _row(storagev1.StorageClass, "storageclasses", "sc", group=STORAGE, namespaced=False),
    _row(storagev1.VolumeAttachment, "volumeattachments", group=STORAGE, namespaced=False, subresources=STATUS),
    _row(storagev1.CSIDriver, "csidrivers", group=STORAGE, namespaced=False),
    _row(storagev1.CSINode, "csinodes", group=STORAGE, namespaced=False),
    _row(storagev1.CSIStorageCapacity, "csistoragecapacities", group=STORAGE),
    _row(schedulingv1.PriorityClass, "priorityclasses", "pc", group="scheduling.k8s.io", namespaced=False),
    _row(nodev1.RuntimeClass, "runtimeclasses", group="node.k8s.io", namespaced=False),
    _row(
        certificatesv1.CertificateSigningRequest,
        "certificatesigningrequests",
        "csr",
        group="certificates.k8s.io",
        namespaced=False,
        subresources=("status", "approval"),
    ),
    _row(
        apiextensionsv1.CustomResourceDefinition,
        "customresourcedefinitions",
        "crd",
        "crds",
        group="apiextensions.k8s.io",
        namespaced=False,
        prefix="apiextensions.k8s.io/customresourcedefinitions",
        subresources=STATUS,
        categories=EXTENSIONS,
        stored_as_json=True,
    ),
    _row(
        admissionregistrationv1.MutatingWebhookConfiguration,
        "mutatingwebhookconfigurations",
        group=ADMISSION,
        namespaced=False,
        categories=EXTENSIONS,
    ),
    _row(
        admissionregistrationv1.ValidatingWebhookConfiguration,
        "validatingwebhookconfigurations",
        group=ADMISSION,
        namespaced=False,
        categories=EXTENSIONS,
    ),
    _row(
        admissionregistrationv1.ValidatingAdmissionPolicy,
        "validatingadmissionpolicies",
        group=ADMISSION,
        namespaced=False,
        categories=EXTENSIONS,
        subresources=STATUS,
    ),
    _row(
        admissionregistrationv1.ValidatingAdmissionPolicyBinding,
        "validatingadmissionpolicybindings",
        group=ADMISSION,
        namespaced=False,
        categories=EXTENSIONS,
    ),
    _row(flowcontrolv1.FlowSchema, "flowschemas", group=FLOW, namespaced=False, subresources=STATUS),
    _row(
        flowcontrolv1.PriorityLevelConfiguration,
        "prioritylevelconfigurations",
        group=FLOW,
        namespaced=False,
        subresources=STATUS,
    ),
    _row(
        apiregistrationv1.APIService,
        "apiservices",
        group=APIREGISTRATION,
        namespaced=False,
        prefix=f"{APIREGISTRATION}/apiservices",
        subresources=STATUS,
        categories=EXTENSIONS,
        stored_as_json=True,
    ),
)

COMPAT_1_20 = "1.20"
_HPA = ("horizontalpodautoscalers", "hpa")

# Other versions of kinds above: the same objects, converted by fairlead.api.conversion.
VERSIONS: tuple[Kind, ...] = (
    _row(eventsv1.Event, "events", "ev", group="events.k8s.io", hub="v1"),
    _row(
        autoscalingv1.HorizontalPodAutoscaler,
        *_HPA,
        group="autoscaling",
        subresources=STATUS,
        categories=ALL,
        hub="autoscaling/v2",
    ),
    _row(
        autoscalingv2beta2.HorizontalPodAutoscaler,
        *_HPA,
        group="autoscaling",
        version="v2beta2",
        subresources=STATUS,
        categories=ALL,
        hub="autoscaling/v2",
        compat=COMPAT_1_20,
    ),
    _row(
        batchv1beta1.CronJob,
        "cronjobs",
        "cj",
        group="batch",
        version="v1beta1",
        subresources=STATUS,
        categories=ALL,
        hub="batch/v1",
        compat=COMPAT_1_20,
    ),
    _row(
        policyv1beta1.PodDisruptionBudget,
        "poddisruptionbudgets",
        "pdb",
        group="policy",
        version="v1beta1",
        subresources=STATUS,
        hub="policy/v1",
        compat=COMPAT_1_20,
    ),
    _row(
        discoveryv1beta1.EndpointSlice,
        "endpointslices",
        group=DISCOVERY,
        version="v1beta1",
        hub=f"{DISCOVERY}/v1",
        compat=COMPAT_1_20,
    ),
)


class UnknownKind(LookupError):
    """A kind or resource that the scheme does not have."""


class Scheme:
    """An index over kinds; built once from KINDS and VERSIONS, extended where custom resources are defined.

    Iterating gives each collection once: the rows that are stored and hubs. `versions` gives all rows.
    """

    def __init__(self, kinds: tuple[Kind, ...] = (*KINDS, *VERSIONS)) -> None:
        self._by_message: dict[str, Kind] = {}
        self._by_gvk: dict[tuple[str, str, str], Kind] = {}
        self._by_gvr: dict[tuple[str, str, str], Kind] = {}
        for kind in kinds:
            self.add(kind)

    def add(self, kind: Kind) -> None:
        """Add a row, replacing one of the same group, version and kind."""
        if kind.message is not None:
            self._by_message[kind.message.DESCRIPTOR.full_name] = kind
        self._by_gvk[kind.group, kind.version, kind.kind] = kind
        self._by_gvr[kind.group, kind.version, kind.resource] = kind

    def remove(self, kind: Kind) -> None:
        """Take away the row of a group, version and kind; custom resources come and go."""
        self._by_gvk.pop((kind.group, kind.version, kind.kind), None)
        self._by_gvr.pop((kind.group, kind.version, kind.resource), None)

    def copy(self) -> Scheme:
        """Return a scheme of the same rows that grows and shrinks by itself: each API server's own."""
        return Scheme(tuple(self._by_gvk.values()))

    def of(self, message: Message | type[Message]) -> Kind:
        """Return the kind of a message or message class; UnknownKind where it is no API object."""
        name = message.DESCRIPTOR.full_name
        if name not in self._by_message:
            raise UnknownKind(f"{name} is not a kind of this API")
        return self._by_message[name]

    def by_kind(self, api_version: str, kind: str) -> Kind:
        """Return the row of `apps/v1`, `Deployment`; UnknownKind with kubectl's words where there is none."""
        found = self._by_gvk.get(_key(api_version, kind))
        if found is None:
            raise UnknownKind(f'no matches for kind "{kind}" in version "{api_version}"')
        return found

    def by_resource(self, group: str, version: str, resource: str) -> Kind:
        """Return the row of a REST path's group, version and plural."""
        found = self._by_gvr.get((group, version, resource))
        if found is None:
            raise UnknownKind(errors.NO_RESOURCE)
        return found

    def find(self, word: str) -> Kind:
        """Return the row that a user names: plural, singular, short name, kind, or plural.group; any case."""
        wanted = word.lower()
        for kind in sorted(self.versions(), key=lambda row: bool(row.hub)):
            names = {kind.resource, kind.singular, *kind.short_names, kind.group_resource}
            if wanted in names:
                return kind
        raise UnknownKind(f'the server doesn\'t have a resource type "{word}"')

    def hub(self, kind: Kind) -> Kind:
        """Return the row that a kind's objects are stored as; UnknownKind where there is none."""
        return self.by_kind(kind.hub, kind.kind) if kind.hub else kind

    def versions(self) -> Iterator[Kind]:
        """Iterate over all rows, every version of every kind whose hub is there."""
        rows = dict(self._by_gvk)
        return (row for row in rows.values() if not row.hub or _key(row.hub, row.kind) in rows)

    def __iter__(self) -> Iterator[Kind]:
        return iter([row for row in self._by_gvk.values() if row.stored and not row.hub])


def _key(api_version: str, kind: str) -> tuple[str, str, str]:
    group, _, version = api_version.rpartition("/")
    return group, version, kind


DEFAULT = Scheme()
