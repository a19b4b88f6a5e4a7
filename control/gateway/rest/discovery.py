"""What is served, as Kubernetes' discovery documents say it: group by group, or all at once (aggregated). Pure.

Made from the scheme's rows whose kind has a registry; whoever serves further groups adds their resources to `Extra`.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fairlead.api import custom, scheme, subresources
from fairlead.api.pb import apidiscovery_v2_pb2 as apidiscoveryv2
from fairlead.api.pb import meta_v1_pb2 as metav1


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource or subresource (`pods/status`) as discovery names it; group and version are those of its kind.

    `storage_hash` stands for the group, version and kind that its objects are stored as, empty where none are: a
    client that migrates stored objects sees by it that the version has changed.
    """

    name: str
    group: str
    version: str
    kind: str
    namespaced: bool
    verbs: Sequence[str]
    singular: str = ""
    short_names: Sequence[str] = ()
    categories: Sequence[str] = ()
    storage_hash: str = ""


Groups = Mapping[tuple[str, str], Sequence[Resource]]


def groups(
    kinds: Iterable[scheme.Kind], stored_as: Callable[[scheme.Kind], str], extra: Groups
) -> dict[tuple[str, str], list[Resource]]:
    """Return the resources of each (group, version), sorted by name; groups in the order of their first kind.

    `stored_as` tells the apiVersion that a kind's objects are stored as, empty where none are.
    """
    found: dict[tuple[str, str], list[Resource]] = {}
    for kind in kinds:
        found.setdefault((kind.group, kind.version), []).extend(_resources(kind, stored_as(kind)))
    for key, resources in extra.items():
        found.setdefault(key, []).extend(resources)
    return {key: sorted(resources, key=lambda one: one.name) for key, resources in found.items()}


def _resources(kind: scheme.Kind, stored_as: str) -> Iterable[Resource]:
    yield Resource(
        kind.resource,
        kind.group,
        kind.version,
        kind.kind,
        kind.namespaced,
        kind.verbs,
        kind.singular,
        kind.short_names,
        kind.categories,
        storage_hash(stored_as, kind.kind) if stored_as else "",
    )
    for subresource in kind.subresources:
        api_version, named = subresources.carried(kind, subresource)
        group, _, version = api_version.rpartition("/")
        allowed = verbs(kind, subresource)
        yield Resource(f"{kind.resource}/{subresource}", group, version, named, kind.namespaced, allowed)


def verbs(kind: scheme.Kind, subresource: str = "") -> Sequence[str]:
    """Return what a kind, or a subresource of it, offers."""
    return subresources.verbs(subresource) if subresource else kind.verbs


@functools.lru_cache(1024)
def storage_hash(api_version: str, kind: str) -> str:
    """Return what Kubernetes calls storageVersionHash: the first bytes of a digest over group, version and kind."""
    group, _, version = api_version.rpartition("/")
    return base64.b64encode(hashlib.sha256(f"{group}/{version}/{kind}".encode()).digest()[:8]).decode()


def _versions(served: Groups, group: str) -> list[str]:
    return sorted((version for name, version in served if name == group), key=custom.newest_first)


def core(address: str) -> metav1.APIVersions:
    """Return /api; `address` is where the caller found this server."""
    answer = metav1.APIVersions(versions=["v1"])
    answer.serverAddressByClientCIDRs.add(clientCIDR="0.0.0.0/0", serverAddress=address)
    return answer


def group_list(served: Groups) -> metav1.APIGroupList:
    """Return /apis."""
    names = dict.fromkeys(name for name, _ in served if name)
    return metav1.APIGroupList(groups=[group(served, name) for name in names])


def group(served: Groups, name: str) -> metav1.APIGroup:
    """Return /apis/GROUP."""
    found = metav1.APIGroup(name=name)
    for version in _versions(served, name):
        found.versions.add(groupVersion=f"{name}/{version}", version=version)
    found.preferredVersion.CopyFrom(found.versions[0])
    return found


def resource_list(served: Groups, group: str, version: str) -> metav1.APIResourceList:
    """Return /api/v1 or /apis/GROUP/VERSION."""
    found = metav1.APIResourceList(groupVersion=f"{group}/{version}" if group else version)
    for one in served[group, version]:
        row = found.resources.add(
            name=one.name,
            singularName=one.singular,
            namespaced=one.namespaced,
            kind=one.kind,
            shortNames=one.short_names,
            categories=one.categories,
            storageVersionHash=one.storage_hash,
        )
        if (one.group, one.version) != (group, version):
            row.group, row.version = one.group, one.version
        row.verbs.items.extend(one.verbs)
    return found


def paths(served: Groups) -> Iterable[str]:
    """Return the path of every document of discovery."""
    yield from ("/api", "/apis", "/apis/")
    for group, version in served:
        yield from (f"/apis/{group}", f"/apis/{group}/{version}") if group else (f"/api/{version}",)


def aggregated(served: Groups, *, core: bool) -> apidiscoveryv2.APIGroupDiscoveryList:
    """Return every group with all of its resources; `core`: only the core group, which /api answers."""
    answer = apidiscoveryv2.APIGroupDiscoveryList()
    for name in dict.fromkeys(name for name, _ in served if bool(name) != core):
        one = answer.items.add()
        one.metadata.name = name
        for version in _versions(served, name):
            _add_version(one, served[name, version], version)
    return answer


def _add_version(group: apidiscoveryv2.APIGroupDiscovery, resources: Sequence[Resource], version: str) -> None:
    # only an aggregated API that does not answer has none; clients then say that they do not know them
    found = group.versions.add(version=version, freshness="Current" if resources else "Stale")
    rows: dict[str, apidiscoveryv2.APIResourceDiscovery] = {}
    for one in resources:
        name, _, subresource = one.name.partition("/")
        kind = metav1.GroupVersionKind(group=one.group, version=one.version, kind=one.kind)
        if subresource and name in rows:
            rows[name].subresources.add(subresource=subresource, responseKind=kind, verbs=one.verbs)
        elif not subresource:
            rows[name] = found.resources.add(
                resource=name,
                responseKind=kind,
                scope="Namespaced" if one.namespaced else "Cluster",
                singularResource=one.singular,
                verbs=one.verbs,
                shortNames=one.short_names,
                categories=one.categories,
            )
