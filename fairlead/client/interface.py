"""The `Client` protocol: the API as a program sees it.

Two carry it out: the in-process client of the control plane (control/apiserver) and the gRPC client
(fairlead/client/grpc). Controllers, scheduler and dispatcher use nothing else, so that they run against either.
Objects are the messages of their kinds. **What a read returns is shared and must not be changed**:
`objects.copy` first. Every method raises the errors of `fairlead.api.errors`.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from google.protobuf.message import Message

from fairlead.api.pb import meta_v1_pb2 as metav1

M = TypeVar("M", bound=Message)
R = TypeVar("R", bound=Message)

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


@dataclass(frozen=True, slots=True)
class ObjectList(Generic[M]):
    """One page of a collection, read at `resource_version`; `continue_` is empty on the last page."""

    items: Sequence[M]
    resource_version: str
    continue_: str = ""
    remaining: int = 0


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[M]):
    """One change. A BOOKMARK's object carries only `metadata.resourceVersion`."""

    type: EventType
    object: M


class PatchType(enum.Enum):
    """The patch formats, by their media types."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch document; `body` is JSON, or YAML if it is applied. `force` is server-side apply's.

    `validation` says what unknown and double fields lead to: Strict to a refusal, Warn to warnings.
    """

    type: PatchType
    body: bytes
    force: bool = False
    validation: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a collection is wanted, in Kubernetes' selector syntax; empty selects all."""

    labels: str = ""
    fields: str = ""


EVERYTHING = Selection()


class Client(Protocol):
    """The verbs of the API for one user.

    `namespace` is empty for cluster-scoped kinds and, in `list` and `watch`, for all namespaces.
    """

    async def get(self, kind: type[M], name: str, namespace: str = "", *, resource_version: str = "") -> M:
        """Read an object: linearizable, or with resource_version "0" whatever the server has at hand."""
        ...

    async def list(
        self,
        kind: type[M],
        namespace: str = "",
        *,
        select: Selection = EVERYTHING,
        limit: int = 0,
        continue_: str = "",
        resource_version: str = "",
    ) -> ObjectList[M]:
        """Read a collection at one revision; a page of at most `limit` items where it is given."""
        ...

    def watch(
        self,
        kind: type[M],
        namespace: str = "",
        *,
        select: Selection = EVERYTHING,
        resource_version: str = "",
    ) -> AsyncIterator[Sequence[WatchEvent[M]]]:
        """Iterate over batches of changes after `resource_version`, bookmarks included.

        With "" or "0" the collection comes first as ADDED events. Errors: Expired where the revision is
        compacted or the reader fell behind; ServiceUnavailable where the connection is lost. Close the
        iterator (`aclosing`) to end the watch.
        """
        ...

    async def create(self, obj: M, *, namespace: str = "", dry_run: bool = False, field_manager: str = "") -> M:
        """Create an object and return it as stored. The namespace is the object's own unless given."""
        ...

    async def update(self, obj: M, *, subresource: str = "", dry_run: bool = False, field_manager: str = "") -> M:
        """Replace an object, or its `status`; Conflict where its resourceVersion is stale."""
        ...

    async def patch(
        self,
        kind: type[M],
        name: str,
        namespace: str,
        patch: Patch,
        *,
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
    ) -> M:
        """Change an object by a patch document."""
        ...

    async def delete(
        self,
        kind: type[M],
        name: str,
        namespace: str = "",
        *,
        options: metav1.DeleteOptions | None = None,
    ) -> M:
        """Delete an object; returns its last state, which still exists if grace or finalizers hold it."""
        ...

    async def delete_collection(
        self,
        kind: type[M],
        namespace: str = "",
        *,
        select: Selection = EVERYTHING,
        options: metav1.DeleteOptions | None = None,
    ) -> int:
        """Delete what is selected; returns the number of objects."""
        ...

    async def post(
        self,
        kind: type[Message],
        name: str,
        namespace: str,
        subresource: str,
        body: R,
        *,
        dry_run: bool = False,
    ) -> R:
        """Create a subresource: `binding` (core Binding), `eviction` (policy Eviction), `token` (TokenRequest)."""
        ...


class ClientFactory(Protocol):
    """Whoever may act for others: the dispatcher takes the client of each node from one."""

    def as_user(self, name: str, groups: Sequence[str] = ()) -> Client:
        """Return a client that acts, and is authorised, as this user."""
        ...
