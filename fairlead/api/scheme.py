"""The scheme: one row for each kind that the API serves.

Adding a kind means a message, a row here, a strategy in control/apiserver and, if it acts, a controller.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.message import Message

from fairlead.api.pb import (
    apps_v1_pb2,
    coordination_v1_pb2,
    core_v1_pb2,
    discovery_v1_pb2,
    rbac_v1_pb2,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind as it is served: its names, its message and where it lies in etcd.

    `prefix` is the path under /registry/, without slashes at its ends; objects lie at
    /registry/<prefix>/[<namespace>/]<name>.
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
    )


STATUS = ("status",)
SCALED = ("status", "scale")
POD_SUBRESOURCES = ("status", "binding", "eviction", "log", "exec", "attach", "portforward")
ALL = ("all",)
RBAC = "rbac.authorization.k8s.io"

KINDS: tuple[Kind, ...] = (
    _row(core_v1_pb2.Namespace, "namespaces", "ns", namespaced=False, subresources=("status", "finalize")),
    _row(core_v1_pb2.Node, "nodes", "no", namespaced=False, prefix="minions", subresources=STATUS),
    _row(core_v1_pb2.Pod, "pods", "po", subresources=POD_SUBRESOURCES, categories=ALL),
    _row(core_v1_pb2.ConfigMap, "configmaps", "cm"),
    _row(core_v1_pb2.Secret, "secrets"),
    _row(core_v1_pb2.Service, "services", "svc", prefix="services/specs", subresources=STATUS, categories=ALL),
    _row(core_v1_pb2.ServiceAccount, "serviceaccounts", "sa", subresources=("token",)),
    _row(core_v1_pb2.Event, "events", "ev"),
    _row(
        apps_v1_pb2.Deployment,
        "deployments",
        "deploy",
        group="apps",
        subresources=SCALED,
        categories=ALL,
    ),
    _row(apps_v1_pb2.ReplicaSet, "replicasets", "rs", group="apps", subresources=SCALED, categories=ALL),
    _row(discovery_v1_pb2.EndpointSlice, "endpointslices", group="discovery.k8s.io"),
    _row(coordination_v1_pb2.Lease, "leases", group="coordination.k8s.io"),
    _row(rbac_v1_pb2.Role, "roles", group=RBAC),
    _row(rbac_v1_pb2.RoleBinding, "rolebindings", group=RBAC),
    _row(rbac_v1_pb2.ClusterRole, "clusterroles", group=RBAC, namespaced=False),
    _row(rbac_v1_pb2.ClusterRoleBinding, "clusterrolebindings", group=RBAC, namespaced=False),
)


class UnknownKind(LookupError):
    """A kind or resource that the scheme does not have."""


class Scheme:
    """An index over kinds; built once from KINDS, extended where custom resources are defined."""

    def __init__(self, kinds: tuple[Kind, ...] = KINDS) -> None:
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

    def of(self, message: Message | type[Message]) -> Kind:
        """Return the kind of a message or message class; UnknownKind where it is no API object."""
        name = message.DESCRIPTOR.full_name
        if name not in self._by_message:
            raise UnknownKind(f"{name} is not a kind of this API")
        return self._by_message[name]

    def by_kind(self, api_version: str, kind: str) -> Kind:
        """Return the row of `apps/v1`, `Deployment`; UnknownKind with kubectl's words where there is none."""
        group, _, version = api_version.rpartition("/")
        found = self._by_gvk.get((group, version, kind))
        if found is None:
            raise UnknownKind(f'no matches for kind "{kind}" in version "{api_version}"')
        return found

    def by_resource(self, group: str, version: str, resource: str) -> Kind:
        """Return the row of a REST path's group, version and plural."""
        found = self._by_gvr.get((group, version, resource))
        if found is None:
            raise UnknownKind("the server could not find the requested resource")
        return found

    def find(self, word: str) -> Kind:
        """Return the row that a user names: plural, singular, short name, kind, or plural.group; any case."""
        wanted = word.lower()
        for kind in self:
            names = {kind.resource, kind.singular, *kind.short_names, kind.group_resource}
            if wanted in names:
                return kind
        raise UnknownKind(f'the server doesn\'t have a resource type "{word}"')

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._by_gvk.values())


DEFAULT = Scheme()
