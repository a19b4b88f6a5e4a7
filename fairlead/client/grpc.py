"""The `Client` over gRPC: what programs and the command line use.

async with fairlead.connect() as client:
    pods = await client.list(corev1.Pod, "default")
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from typing import Any, TypeVar, cast

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message

from fairlead.api import codec, objects
from fairlead.api.pb import cluster_pb2, cluster_pb2_grpc
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client import channel, kubeconfig, rpcerrors
from fairlead.client.interface import (
    EVERYTHING,
    EventType,
    M,
    ObjectList,
    Patch,
    PatchType,
    R,
    Selection,
    WatchEvent,
)

CALL_SECONDS = 30.0
PAGE_SIZE = 500
T = TypeVar("T")

_PATCH_TYPES = {
    PatchType.JSON: cluster_pb2.PatchRequest.JSON,
    PatchType.MERGE: cluster_pb2.PatchRequest.MERGE,
    PatchType.STRATEGIC: cluster_pb2.PatchRequest.STRATEGIC,
    PatchType.APPLY: cluster_pb2.PatchRequest.APPLY,
}


class GrpcClient:
    """`fairlead.client.interface.Client`, and what only a client over the network has: logs, exec, top."""

    def __init__(self, connection: kubeconfig.Connection) -> None:
        self._connection = connection
        self._channel = channel.connect(
            connection.endpoints, connection.authority, connection.certificate, connection.key
        )
        self._stub: Any = cluster_pb2_grpc.ClusterStub(self._channel)
        self._metadata = (("authorization", f"Bearer {connection.token}"),) if connection.token else ()

    @property
    def endpoints(self) -> Sequence[str]:
        """Return host:port of the control processes that the client may use."""
        return self._connection.endpoints

    @property
    def authority(self) -> bytes:
        """Return the cluster's authority as PEM."""
        return self._connection.authority

    @property
    def namespace(self) -> str:
        """Return the namespace that the kubeconfig's context names, or nothing."""
        return self._connection.namespace

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close(None)

    async def __aenter__(self) -> GrpcClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(self, kind: type[M], name: str, namespace: str = "", *, resource_version: str = "") -> M:
        """Read an object."""
        request = cluster_pb2.GetRequest(
            resource=_resource(kind), namespace=namespace, name=name, resource_version=resource_version
        )
        return _unpack(await self._call(self._stub.Get, request), kind)

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
        """Read a collection; without a limit all of its pages, at one revision."""
        items: list[M] = []
        token = continue_
        while True:
            request = cluster_pb2.ListRequest(
                resource=_resource(kind),
                namespace=namespace,
                label_selector=select.labels,
                field_selector=select.fields,
                limit=limit or PAGE_SIZE,
                resource_version=resource_version if not token else "",
            )
            setattr(request, "continue", token)
            page = await self._call(self._stub.List, request)
            items += [_unpack(item, kind) for item in page.items]
            token = getattr(page, "continue")
            if limit or not token:
                return ObjectList(items, page.resource_version, token, page.remaining_item_count)

    async def watch(
        self,
        kind: type[M],
        namespace: str = "",
        *,
        select: Selection = EVERYTHING,
        resource_version: str = "",
    ) -> AsyncGenerator[Sequence[WatchEvent[M]]]:
        """Iterate over batches of changes."""
        request = cluster_pb2.WatchRequest(
            resource=_resource(kind),
            namespace=namespace,
            label_selector=select.labels,
            field_selector=select.fields,
            resource_version=resource_version,
            allow_watch_bookmarks=True,
        )
        async for answer in self._stream(self._stub.Watch(request, metadata=self._metadata)):
            yield [WatchEvent(cast(EventType, event.type), _unpack(event.object, kind)) for event in answer.events]

    async def create(self, obj: M, *, namespace: str = "", dry_run: bool = False, field_manager: str = "") -> M:
        """Create an object and return it as stored."""
        request = cluster_pb2.CreateRequest(
            resource=_resource(type(obj)),
            namespace=namespace or _meta(obj).namespace,
            object=_pack(obj),
            dry_run=dry_run,
            field_manager=field_manager,
        )
        return _unpack(await self._call(self._stub.Create, request), type(obj))

    async def update(self, obj: M, *, subresource: str = "", dry_run: bool = False, field_manager: str = "") -> M:
        """Replace an object, or its `status`."""
        request = cluster_pb2.UpdateRequest(
            resource=_resource(type(obj)),
            namespace=_meta(obj).namespace,
            name=_meta(obj).name,
            subresource=subresource,
            object=_pack(obj),
            dry_run=dry_run,
            field_manager=field_manager,
        )
        return _unpack(await self._call(self._stub.Update, request), type(obj))

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
        request = cluster_pb2.PatchRequest(
            resource=_resource(kind),
            namespace=namespace,
            name=name,
            subresource=subresource,
            type=_PATCH_TYPES[patch.type],
            body=patch.body,
            dry_run=dry_run,
            field_manager=field_manager,
            force=patch.force,
        )
        answer = await self._call(self._stub.Patch, request)
        # a `scale` is answered as a Scale
        return cast(M, codec.message_from_any(answer)) if subresource else _unpack(answer, kind)

    async def delete(
        self, kind: type[M], name: str, namespace: str = "", *, options: metav1.DeleteOptions | None = None
    ) -> M:
        """Delete an object; returns its last state."""
        request = cluster_pb2.DeleteRequest(resource=_resource(kind), namespace=namespace, name=name, options=options)
        return _unpack(await self._call(self._stub.Delete, request), kind)

    async def delete_collection(
        self,
        kind: type[M],
        namespace: str = "",
        *,
        select: Selection = EVERYTHING,
        options: metav1.DeleteOptions | None = None,
    ) -> int:
        """Delete what is selected; returns the number of objects."""
        request = cluster_pb2.DeleteCollectionRequest(
            resource=_resource(kind),
            namespace=namespace,
            label_selector=select.labels,
            field_selector=select.fields,
            options=options,
        )
        answer = await self._call(self._stub.DeleteCollection, request)
        return int(answer.deleted)

    async def post(
        self, kind: type[Message], name: str, namespace: str, subresource: str, body: R, *, dry_run: bool = False
    ) -> R:
        """Create a subresource."""
        request = cluster_pb2.CreateRequest(
            resource=_resource(kind),
            namespace=namespace,
            name=name,
            subresource=subresource,
            object=_pack(body),
            dry_run=dry_run,
        )
        return _unpack(await self._call(self._stub.Create, request), type(body))

    async def logs(self, namespace: str, pod: str, options: corev1.PodLogOptions) -> AsyncGenerator[bytes]:
        """Iterate over a container's log."""
        request = cluster_pb2.LogsRequest(namespace=namespace, pod=pod, options=options)
        async for answer in self._stream(self._stub.Logs(request, metadata=self._metadata)):
            yield answer.data

    def exec(
        self, start: cluster_pb2.StreamStart, frames: AsyncIterator[cluster_pb2.ClientFrame]
    ) -> AsyncGenerator[cluster_pb2.ServerFrame]:
        """Run a command in a container; the last frame carries its Status."""
        return self._frames(self._stub.Exec, start, frames)

    def attach(
        self, start: cluster_pb2.StreamStart, frames: AsyncIterator[cluster_pb2.ClientFrame]
    ) -> AsyncGenerator[cluster_pb2.ServerFrame]:
        """Join the streams of a container's main process; the last frame carries its Status."""
        return self._frames(self._stub.Attach, start, frames)

    def port_forward(
        self, start: cluster_pb2.StreamStart, frames: AsyncIterator[cluster_pb2.ClientFrame]
    ) -> AsyncGenerator[cluster_pb2.ServerFrame]:
        """Carry one connection to a pod's port."""
        return self._frames(self._stub.PortForward, start, frames)

    async def top(self, *, pods: bool = False, namespace: str = "") -> cluster_pb2.TopResponse:
        """Read the newest metrics of all nodes, and of pods if asked."""
        request = cluster_pb2.TopRequest(pods=pods, namespace=namespace)
        return cast(cluster_pb2.TopResponse, await self._call(self._stub.Top, request))

    async def _frames(
        self, method: Any, start: cluster_pb2.StreamStart, frames: AsyncIterator[cluster_pb2.ClientFrame]
    ) -> AsyncGenerator[cluster_pb2.ServerFrame]:
        async def sent() -> AsyncGenerator[cluster_pb2.ClientFrame]:
            yield cluster_pb2.ClientFrame(start=start)
            async for frame in frames:
                yield frame

        async for answer in self._stream(method(sent(), metadata=self._metadata)):
            yield answer

    async def _call(self, method: Any, request: Message) -> Any:
        call: Awaitable[Any] = method(request, timeout=CALL_SECONDS, metadata=self._metadata)
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise rpcerrors.from_error(error) from None

    async def _stream(self, call: Any) -> AsyncGenerator[Any]:
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise rpcerrors.from_error(error) from None
        finally:
            call.cancel()


def connect(path: str | None = None, *, context: str = "") -> GrpcClient:
    """Return a client for a kubeconfig (KUBECONFIG or ~/.kube/config by default); use it as a context manager."""
    return GrpcClient(kubeconfig.load(path, context))


def _resource(kind: type[Message]) -> cluster_pb2.Resource:
    row = objects.kind_of(kind)
    return cluster_pb2.Resource(group=row.group, version=row.version, resource=row.resource)


def _pack(obj: Message) -> any_pb2.Any:
    return codec.to_any(obj)


def _unpack(packed: any_pb2.Any, kind: type[M]) -> M:
    if issubclass(kind, objects.Unstructured):
        return cast(M, codec.custom_from_any(packed, kind.KIND))
    message = kind()
    if not packed.Unpack(message):
        raise TypeError(f"the server answered {packed.TypeName()} where {kind.DESCRIPTOR.full_name} was expected")
    return message


def _meta(obj: Message) -> metav1.ObjectMeta:
    return cast(metav1.ObjectMeta, obj.metadata)  # type: ignore[attr-defined]
