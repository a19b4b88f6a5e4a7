"""The operations that the paths of kinds offer, as documents of either version of OpenAPI put them down. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fairlead.api import scheme, subresources
from fairlead.api.openapi import naming


@dataclass(frozen=True, slots=True)
class Parameter:
    """An option in a query, or a name in a path."""

    name: str
    type: str
    description: str
    in_path: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `body` and `answer` name schemas; empty for none."""

    path: str
    method: str
    id: str
    action: str
    description: str
    kind: scheme.Kind
    parameters: Sequence[Parameter]
    body: str = ""
    answer: str = ""
    consumes: Sequence[str] = ()


PRETTY = Parameter("pretty", "string", "Whether the answer is indented.")
_DRY_RUN = Parameter("dryRun", "string", "All: do everything but the write.")
_MANAGER = Parameter("fieldManager", "string", "Who writes, as metadata.managedFields names him.")
_VALIDATION = Parameter("fieldValidation", "string", "Ignore, Warn or Strict: what unknown fields lead to.")
_FORCE = Parameter("force", "boolean", "Take over fields that another manager owns; for apply patches only.")
_VERSION = Parameter("resourceVersion", "string", "Which revision may be read: empty is the newest, 0 any.")
_LISTING = (
    Parameter("allowWatchBookmarks", "boolean", "Tell a watch now and then how far it is."),
    Parameter("continue", "string", "The token of the page before."),
    Parameter("fieldSelector", "string", "Only objects with these field values."),
    Parameter("labelSelector", "string", "Only objects with these labels."),
    Parameter("limit", "integer", "The most objects in an answer."),
    _VERSION,
    Parameter("resourceVersionMatch", "string", "Exact or NotOlderThan: how resourceVersion is meant."),
    Parameter("sendInitialEvents", "boolean", "Begin a watch with what exists, closed by a bookmark."),
    Parameter("timeoutSeconds", "integer", "When the server ends the call."),
    Parameter("watch", "boolean", "Follow the changes instead of listing."),
)
_DELETING = (
    _DRY_RUN,
    Parameter("gracePeriodSeconds", "integer", "How long the object has to end; 0: none."),
    Parameter("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    Parameter("propagationPolicy", "string", "Orphan, Background or Foreground: what becomes of dependents."),
)
_WRITING = (_DRY_RUN, _MANAGER, _VALIDATION)
_NAMESPACE = Parameter("namespace", "string", "The namespace.", in_path=True)
_NAME = Parameter("name", "string", "The object's name.", in_path=True)
PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
CUSTOM_PATCHES = tuple(one for one in PATCHES if "strategic" not in one)
ANY = ("*/*",)
DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
STATUS = "io.k8s.apimachinery.pkg.apis.meta.v1.Status"
# What a deletion answers with its last state; of all else it says a Status.
RETURNED = frozenset(
    {
        "csidrivers", "csinodes", "persistentvolumeclaims", "persistentvolumes", "pods", "podtemplates",
        "resourcequotas", "serviceaccounts", "services", "storageclasses", "volumeattachments",
    }
)  # fmt: skip
# Subresources that are streams: their documents say only that they are there.
STREAMS = frozenset({"exec", "attach", "portforward", "proxy", "log"})


@dataclass(frozen=True, slots=True)
class Names:
    """The schemas of a kind's objects and lists."""

    one: str
    many: str


def of_kind(kind: scheme.Kind, names: Names) -> Iterator[Operation]:
    """Yield every operation on a kind's collection, objects and subresources."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    scoped = "Namespaced" if kind.namespaced else ""
    base = f"{root}/namespaces/{{namespace}}/{kind.resource}" if kind.namespaced else f"{root}/{kind.resource}"
    at: tuple[Parameter, ...] = (_NAMESPACE,) if kind.namespaced else ()
    yield from _collection(kind, names, base, at, scoped)
    if kind.namespaced and "list" in kind.verbs:
        everywhere = f"{kind.kind}ForAllNamespaces"
        yield _operation(kind, f"{root}/{kind.resource}", "get", "list", everywhere, _LISTING, answer=names.many)
    yield from _object(kind, names, f"{base}/{{name}}", (*at, _NAME), scoped)
    for subresource in kind.subresources:
        if subresource not in STREAMS:
            yield from _subresource(kind, names, f"{base}/{{name}}/{subresource}", (*at, _NAME), subresource)


def _collection(
    kind: scheme.Kind, names: Names, path: str, at: Sequence[Parameter], scoped: str
) -> Iterator[Operation]:
    what = f"{scoped}{kind.kind}"
    if "list" in kind.verbs:
        yield _operation(kind, path, "get", "list", what, (*at, *_LISTING), answer=names.many)
    if "create" in kind.verbs:
        yield _operation(kind, path, "post", "create", what, (*at, *_WRITING), body=names.one, answer=names.one)
    if "deletecollection" in kind.verbs:
        given = (*at, *_LISTING, *_DELETING)
        yield _operation(
            kind, path, "delete", "deletecollection", what, given, body=DELETE_OPTIONS, answer=STATUS, verb="delete"
        )


def _object(
    kind: scheme.Kind, names: Names, path: str, at: Sequence[Parameter], scoped: str, subresource: str = ""
) -> Iterator[Operation]:
    what = f"{scoped}{kind.kind}{subresource.capitalize()}"
    if "get" in kind.verbs:
        yield _operation(kind, path, "get", "get", what, at, answer=names.one, verb="read")
    if "update" in kind.verbs:
        given = (*at, *_WRITING)
        yield _operation(kind, path, "put", "put", what, given, body=names.one, answer=names.one, verb="replace")
    if "patch" in kind.verbs:
        given = (*at, *_WRITING, _FORCE)
        body = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch"
        consumes = PATCHES if kind.message is not None else CUSTOM_PATCHES
        yield _operation(kind, path, "patch", "patch", what, given, body=body, answer=names.one, consumes=consumes)
    if "delete" in kind.verbs and not subresource:
        said = names.one if kind.resource in RETURNED else STATUS
        yield _operation(kind, path, "delete", "delete", what, (*at, *_DELETING), body=DELETE_OPTIONS, answer=said)


def _subresource(
    kind: scheme.Kind, names: Names, path: str, at: Sequence[Parameter], subresource: str
) -> Iterator[Operation]:
    scoped = "Namespaced" if kind.namespaced else ""
    if subresource in subresources.POSTED:
        body = naming.definition(subresources.message(subresource))
        what = f"{scoped}{kind.kind}{subresource.capitalize()}"
        yield _operation(kind, path, "post", "create", what, (*at, *_WRITING), body=body, answer=body)
        return
    own = Names(naming.definition(subresources.message("scale")), "") if subresource == "scale" else names
    yield from _object(kind, own, path, at, scoped, subresource)


def _operation(
    kind: scheme.Kind,
    path: str,
    method: str,
    action: str,
    what: str,
    parameters: Iterable[Parameter],
    *,
    verb: str = "",
    body: str = "",
    answer: str = "",
    consumes: Sequence[str] = ANY,
) -> Operation:
    identifier = naming.operation(verb or action, kind, f"Collection{what}" if action == "deletecollection" else what)
    return Operation(
        path=path,
        method=method,
        id=identifier,
        action="post" if action == "create" else action,
        description=f"{_SAID[action]} {kind.kind} objects." if action in _MANY else f"{_SAID[action]} a {kind.kind}.",
        kind=kind,
        parameters=(*parameters, PRETTY),
        body=body,
        answer=answer,
        consumes=consumes,
    )


_MANY = ("list", "deletecollection")
_SAID = {
    "list": "List or watch",
    "create": "Create",
    "get": "Read",
    "put": "Replace",
    "patch": "Change",
    "delete": "Delete",
    "deletecollection": "Delete several",
}
