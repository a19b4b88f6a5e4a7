"""`fairlead.v1.Cluster`: the API over gRPC, on the API server's request interface.

It has no rules of its own: it finds the caller, reads the request, and sends the cache's stored bytes. Streams to
containers and metrics go to the `Relay` once the caller is authorised.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from google.protobuf import any_pb2

from control.apiserver import authn, authz, reading, relay, selection, server
from control.apiserver.audit import event as audit
from control.apiserver.audit import recording
from control.apiserver.target import Target
from control.gateway import calls, connecting, identity
from control.gateway.fairness import gate as gates
from fairlead import slices
from fairlead.api import codec, errors, objects, scheme
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import cluster_pb2_grpc, runtime_pb2
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client.interface import Patch, PatchType

PAGE_BYTES = 8 * 1024 * 1024
BATCH_BYTES = 1024 * 1024
BOOKMARK_SECONDS = 10.0
METRICS_GROUP = "metrics.k8s.io"
SWITCHED = 101  # the code of a stream over REST, for the audit log

_PATCHES = {
    cluster.PatchRequest.JSON: PatchType.JSON,
    cluster.PatchRequest.MERGE: PatchType.MERGE,
    cluster.PatchRequest.STRATEGIC: PatchType.STRATEGIC,
    cluster.PatchRequest.APPLY: PatchType.APPLY,
}


Frames = AsyncIterator[cluster.ClientFrame]
Answers = AsyncIterator[cluster.ServerFrame]


class ClusterService(cluster_pb2_grpc.ClusterServicer):
    """The service; `identify` finds a call's user, whose requests pass the gate: its own if none is given."""

    def __init__(
        self,
        api: server.ApiServer,
        streams: relay.Relay,
        identify: identity.Identify,
        gate: gates.Gate | None = None,
    ) -> None:
        self._api = api
        self._relay = streams
        self._identify = identify if api.auditor is None else _noting(identify)
        self._gate = gate or gates.Gate(api.cache)

    @calls.unary
    async def Get(self, request: cluster.GetRequest, context: Any) -> any_pb2.Any:
        """Read an object."""
        async with self._admitted(context, "get", request) as user:
            entry = await self._api.get(user, await self._target(request), request.resource_version)
            return entry.any()

    @calls.unary
    async def List(self, request: cluster.ListRequest, context: Any) -> cluster.ListResponse:
        """Read a collection, in pages that fit into a message."""
        query = reading.ListQuery(
            request.namespace,
            request.label_selector,
            request.field_selector,
            request.limit,
            getattr(request, "continue"),
            request.resource_version,
            request.resource_version_match,
        )
        async with self._admitted(context, "list", request) as user:
            kind = await self._kind(request.resource)
            listing = await self._api.list(user, kind, query)
            return await _page(kind, request.namespace, listing)

    @calls.streaming
    async def Watch(self, request: cluster.WatchRequest, context: Any) -> AsyncIterator[cluster.WatchResponse]:
        """Stream the changes of a collection."""
        query = reading.WatchQuery(
            request.namespace,
            request.label_selector,
            request.field_selector,
            request.resource_version,
            BOOKMARK_SECONDS if request.allow_watch_bookmarks else 0.0,
            request.send_initial_events or None,  # what is not asked for is not refused
        )
        limit = request.timeout_seconds or None
        ticket, user = await self._enter(context, "watch", request)
        try:
            kind = await self._kind(request.resource)
            events = self._api.watch(user, kind, query)
            if not query.begins_with_state:
                ticket.leave()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit), contextlib.aclosing(events):
                    shared = not query.begins_with_state  # changes go to others, too; what is there is read once
                    async for some in events:
                        ticket.leave()
                        async for response in _responses(kind, some, keep=shared):
                            yield response
                        shared = True
        finally:
            ticket.leave()

    @calls.unary
    async def Create(self, request: cluster.CreateRequest, context: Any) -> any_pb2.Any:
        """Create an object, or post to a subresource."""
        async with self._admitted(context, "create", request) as user:
            target = await self._target(request)
            entry = await self._api.create(user, target, self._object(request), **_writing(request))
            return entry.any()

    @calls.unary
    async def Update(self, request: cluster.UpdateRequest, context: Any) -> any_pb2.Any:
        """Replace an object or a subresource."""
        async with self._admitted(context, "update", request) as user:
            target = await self._target(request)
            entry = await self._api.update(user, target, self._object(request), **_writing(request))
            return entry.any()

    @calls.unary
    async def Patch(self, request: cluster.PatchRequest, context: Any) -> any_pb2.Any:
        """Change an object by a patch."""
        async with self._admitted(context, "patch", request) as user:
            if request.type not in _PATCHES:
                raise errors.UnsupportedMediaType("the patch has no type")
            patch = Patch(_PATCHES[request.type], request.body, request.force)
            entry = await self._api.patch(user, await self._target(request), patch, **_writing(request))
            return entry.any()

    @calls.unary
    async def Delete(self, request: cluster.DeleteRequest, context: Any) -> any_pb2.Any:
        """Delete an object."""
        async with self._admitted(context, "delete", request) as user:
            target = Target(await self._kind(request.resource), request.namespace, request.name)
            entry, _ = await self._api.delete(user, target, _options(request))
            return entry.any()

    @calls.unary
    async def DeleteCollection(
        self, request: cluster.DeleteCollectionRequest, context: Any
    ) -> cluster.DeleteCollectionResponse:
        """Delete everything that is selected."""
        query = reading.ListQuery(request.namespace, request.label_selector, request.field_selector)
        async with self._admitted(context, "deletecollection", request) as user:
            kind = await self._kind(request.resource)
            deleted = await self._api.delete_collection(user, kind, query, _options(request))
            return cluster.DeleteCollectionResponse(deleted=len(deleted))

    @calls.streaming
    async def Logs(self, request: cluster.LogsRequest, context: Any) -> AsyncIterator[cluster.LogsResponse]:
        """Read a container's log."""
        user = await self._identify(context)
        asked = authz.Attributes(user, "get", "", "pods", "log", request.namespace, request.pod)
        with self._unended(asked) as event:
            self._api.authorize(asked)
        chunks = recording.carried(self._relay.logs(request.namespace, request.pod, request.options), event, 200)
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                yield cluster.LogsResponse(data=chunk)

    @calls.streaming
    def Exec(self, request: Frames, context: Any) -> Answers:
        """Run a command in a container."""
        return self._stream(request, context, "exec", self._relay.exec)

    @calls.streaming
    def Attach(self, request: Frames, context: Any) -> Answers:
        """Join the streams of a container's main process."""
        return self._stream(request, context, "attach", self._relay.attach)

    @calls.streaming
    def PortForward(self, request: Frames, context: Any) -> Answers:
        """Carry a connection to a pod's port."""
        return self._stream(request, context, "portforward", self._relay.port_forward)

    @calls.unary
    async def Top(self, request: cluster.TopRequest, context: Any) -> cluster.TopResponse:
        """Read the newest metrics."""
        user = await self._identify(context)
        self._api.authorize(authz.Attributes(user, "list", METRICS_GROUP, "nodes"))
        if request.pods:
            self._api.authorize(authz.Attributes(user, "list", METRICS_GROUP, "pods", "", request.namespace))
        return await self._relay.top(request)

    @contextlib.asynccontextmanager
    async def _admitted(self, context: Any, verb: str, request: Any) -> AsyncIterator[authn.User]:
        """Give a call's user for as long as the call has a seat."""
        ticket, user = await self._enter(context, verb, request)
        try:
            yield user
        finally:
            ticket.leave()

    async def _enter(self, context: Any, verb: str, request: Any) -> tuple[gates.Ticket, authn.User]:
        """Return a call's seat and its user; errors.TooManyRequests."""
        user = await self._identify(context)
        resource = request.resource
        subresource = getattr(request, "subresource", "")
        asked = authz.Attributes(user, verb, resource.group, resource.resource, subresource, request.namespace)
        return await self._gate.enter(asked), user

    async def _kind(self, resource: cluster.Resource) -> scheme.Kind:
        return await self._api.kinds.resolve(resource.group, resource.version or "v1", resource.resource)

    async def _target(self, request: Any) -> Target:
        kind = await self._kind(request.resource)
        return Target(kind, request.namespace, request.name, request.subresource)

    def _object(self, request: Any) -> Any:
        """Return what a request carries: an object, or the body of a subresource."""
        message = codec.message_from_any(request.object)
        if not isinstance(message, runtime_pb2.Unknown):
            if not request.subresource and not hasattr(message, "metadata"):
                raise errors.BadRequest(f"{message.DESCRIPTOR.full_name} is not an API object")
            return message
        try:
            return codec.from_any(request.object, scheme=self._api.kinds.scheme)
        except scheme.UnknownKind as error:
            raise errors.BadRequest(str(error)) from None

    async def _stream(
        self, request: Frames, context: Any, subresource: str, carry: Callable[[cluster.StreamStart, Frames], Answers]
    ) -> Answers:
        """Carry a stream to a container, once its sender may have it."""
        start, event = await self._start(request, context, subresource)
        async with contextlib.aclosing(recording.carried(carry(start, request), event, SWITCHED)) as frames:
            async for frame in frames:
                yield frame

    async def _start(
        self, frames: Frames, context: Any, subresource: str
    ) -> tuple[cluster.StreamStart, audit.Event | None]:
        """Return the first frame, once its sender may have what it asks, and what the audit log notes of it."""
        try:
            first = await anext(frames)
        except StopAsyncIteration:
            raise errors.BadRequest("the stream ended before its first frame") from None
        if first.WhichOneof("frame") != "start":
            raise errors.BadRequest("the first frame must carry `start`")
        start, user = first.start, await self._identify(context)
        target = Target(scheme.DEFAULT.of(corev1.Pod), start.namespace, start.pod, subresource)
        options = connecting.options(start, subresource)
        with self._unended(recording.attributes(user, "create", target)) as event:
            await self._api.connect(user, "create", target, options)
        connecting.settle(start, options)
        return start, event

    def _unended(self, asked: authz.Attributes) -> contextlib.AbstractContextManager[audit.Event | None]:
        auditor = self._api.auditor
        return auditor.unended(asked, "v1") if auditor is not None else contextlib.nullcontext()


def _noting(identify: identity.Identify) -> identity.Identify:
    """Return an identifier that lets the audit log know where a call comes from."""

    async def identified(context: Any) -> authn.User:
        user = await identify(context)
        agent = dict(context.invocation_metadata() or ()).get("user-agent", "")
        audit.arrive(audit.Source("", (context.peer(),), str(agent)))
        return user

    return identified


def _writing(request: Any) -> dict[str, Any]:
    """Return how a write is meant, as keyword arguments."""
    return {"dry_run": request.dry_run, "manager": request.field_manager}


def _options(request: Any) -> metav1.DeleteOptions | None:
    return request.options if request.HasField("options") else None


async def _page(kind: scheme.Kind, namespace: str, listing: reading.Listing) -> cluster.ListResponse:
    """Return a page that fits into a message, with the token for what does not."""
    response = cluster.ListResponse(resource_version=str(listing.revision), remaining_item_count=listing.remaining)
    more = listing.continue_
    size = 0
    last = ""
    async for entry in slices.sliced(listing.entries):
        item = entry.any(keep=False)
        size += len(item.value)
        if size > PAGE_BYTES and last:
            more = reading.continue_token(kind, namespace, last + "\0", listing.revision)
            response.remaining_item_count += len(listing.entries) - len(response.items)
            break
        response.items.append(item)
        last = entry.key
    setattr(response, "continue", more)
    return response


async def _responses(
    kind: scheme.Kind, events: Sequence[selection.Event], *, keep: bool
) -> AsyncIterator[cluster.WatchResponse]:
    """Iterate over events as messages of a bounded size; `keep` says whether the objects' bytes are wanted again."""
    response = cluster.WatchResponse()
    size = 0
    async for event in slices.sliced(events):
        carried = event.entry.any(keep=keep) if event.entry is not None else _bookmark(kind, event)
        size += len(carried.value)
        if size > BATCH_BYTES and response.events:
            yield response
            response = cluster.WatchResponse()
            size = len(carried.value)
        response.events.add(type=event.type, object=carried)
    if response.events:
        yield response


def _bookmark(kind: scheme.Kind, event: selection.Event) -> any_pb2.Any:
    return codec.to_any(selection.bookmark(objects.class_of(kind), event))
