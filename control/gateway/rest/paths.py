"""Kubernetes' resource paths taken apart, and the verb that a method means on them. Pure."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass

from fairlead.api import errors

# What follows a namespace's name without being a resource in it.
NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})

_ON_OBJECTS = {"GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_ON_COLLECTIONS = {"GET": "list", "HEAD": "list", "POST": "create", "DELETE": "deletecollection"}


@dataclass(frozen=True, slots=True)
class Path:
    """A path below /api/VERSION or /apis/GROUP/VERSION; `rest` is what follows the subresource, as a proxy needs it.

    `watching` marks the old form with /watch/ before the resource.
    """

    group: str
    version: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    watching: bool = False


def parse(raw: str) -> Path | None:
    """Return a resource path by its parts; None for every other path (discovery, health, nonsense).

    Nonsense is also what somebody behind us could read as another path than the one that was authorised: a part that
    is `.` or `..`, or that hides a slash or a percent sign in its encoding.
    """
    parts = raw.split("/")
    if len(parts) < 4 or parts[0]:
        return None
    if "%" in raw:
        parts = [urllib.parse.unquote(part) for part in parts]
    if parts[1] == "api":
        group, version, parts = "", parts[2], parts[3:]
    elif parts[1] == "apis" and len(parts) > 4:
        group, version, parts = parts[2], parts[3], parts[4:]
    else:
        return None
    watching = parts[0] == "watch" and len(parts) > 1
    if watching:
        parts = parts[1:]
    if len(parts) <= 3 and parts[-1] == "":
        parts = parts[:-1]  # a slash at the end means nothing, but to a proxy
    if not parts:
        return None
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in NAMESPACE_SUBRESOURCES:
        namespace, parts = parts[1], parts[2:]
        if not namespace:
            return None
    resource, name, subresource = (*parts[:3], "", "")[:3]
    if not resource or (len(parts) > 1 and not name) or (len(parts) > 2 and not subresource):
        return None
    if any(map(_misleads, (group, version, namespace, resource, name, subresource))):
        return None
    return Path(group, version, resource, namespace, name, subresource, "/".join(parts[3:]), watching)


def _misleads(part: str) -> bool:
    return part in (".", "..") or "/" in part or "%" in part


def verb(method: str, path: Path, watch: bool) -> str:
    """Return the verb of a request; errors.MethodNotAllowed where the path has none for the method.

    `watch` says that the query asks for a watch, which only collections listen to.
    """
    if method == "OPTIONS" and path.subresource == "proxy":
        return ""  # as in Kubernetes no verb's: it is for those who may do everything
    if path.watching:
        found = "watch" if method == "GET" else ""
    elif path.subresource:
        found = "create" if method == "POST" else _ON_OBJECTS.get(method, "")
    elif path.name:
        found = _ON_OBJECTS.get(method, "")
    else:
        found = _ON_COLLECTIONS.get(method, "")
        if found == "list" and watch:
            found = "watch"
    if not found:
        raise errors.no_method()
    return found
