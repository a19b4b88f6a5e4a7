"""Requests to what runs on a node, over the session of its agent: the `Relay` of the API server.

The node's Lease says which control process holds its session. Here: the agent is asked for a stream. Elsewhere:
the request goes to that process by `Cluster`'s own calls, and nowhere further, because it reads the same Lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

import grpc

from control.dispatcher import leases, service, tenure
from fairlead.api import errors, pods
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import metrics_pb2 as metrics

if TYPE_CHECKING:
    from fairlead.client import interface

log = logging.getLogger(__name__)

PEER_SECONDS = 2.0
EXIT_CODE = "NonZeroExitCode"


class Peers(Protocol):
    """The other control processes, by host:port."""

    def stub(self, endpoint: str) -> Any:
        """Return a stub of `Cluster` on a connection that is kept."""
        ...

    def error(self, error: grpc.aio.AioRpcError) -> errors.ApiError:
        """Return the API's error that a call failed with."""
        ...


class Relay:
    """Streams to containers and metrics of nodes, wherever their sessions are held."""

    def __init__(self, dispatcher: service.Dispatcher, client: interface.Client, peers: Peers) -> None:
        self._dispatcher = dispatcher
        self._client = client
        self._peers = peers

    async def logs(self, namespace: str, pod: str, options: corev1.PodLogOptions) -> AsyncIterator[bytes]:
        """Iterate over a container's log in chunks; a pod that no node has got has none, which is no error."""
        stored = await self._client.get(corev1.Pod, pod, namespace)
        wanted = corev1.PodLogOptions()
        wanted.CopyFrom(options)
        wanted.container = pods.container_of(stored, options.container)
        if not stored.spec.nodeName:
            return
        endpoint = await self._elsewhere(stored.spec.nodeName)
        if endpoint:
            request = cluster.LogsRequest(namespace=namespace, pod=pod, options=wanted)
            async for answer in self._remote(self._peers.stub(endpoint).Logs(request)):
                yield answer.data
            return
        start = cluster.StreamStart(namespace=namespace, pod=pod, container=wanted.container)
        request_ = agent.OpenStream(type=agent.OpenStream.LOGS, start=start, log_options=wanted)
        async for frame in self._local(stored, request_, None):
            yield frame.data

    def exec(
        self, start: cluster.StreamStart, frames: AsyncIterator[cluster.ClientFrame]
    ) -> AsyncIterator[cluster.ServerFrame]:
        """Run a command in a container."""
        return self._stream(agent.OpenStream.EXEC, "Exec", start, frames)

    def attach(
        self, start: cluster.StreamStart, frames: AsyncIterator[cluster.ClientFrame]
    ) -> AsyncIterator[cluster.ServerFrame]:
        """Join the streams of a container's main process."""
        return self._stream(agent.OpenStream.ATTACH, "Attach", start, frames)

    def port_forward(
        self, start: cluster.StreamStart, frames: AsyncIterator[cluster.ClientFrame]
    ) -> AsyncIterator[cluster.ServerFrame]:
        """Carry one TCP connection to a pod's port."""
        return self._stream(agent.OpenStream.PORT_FORWARD, "PortForward", start, frames)

    async def top(self, request: cluster.TopRequest) -> cluster.TopResponse:
        """Return the newest metrics of every node; a peer that does not answer is left out."""
        reports = list(self._dispatcher.metrics())
        if not request.local:
            endpoints = sorted({leases.endpoint(lease) for lease in self._dispatcher.feed.node_leases()})
            ours = self._dispatcher.settings.holder.endpoint
            answers = await asyncio.gather(
                *(self._peer_top(endpoint, request) for endpoint in endpoints if endpoint not in ("", ours))
            )
            for answer in answers:
                reports.extend(answer.nodes)
        return cluster.TopResponse(nodes=[_wanted(report, request) for report in newest(reports)])

    async def _peer_top(self, endpoint: str, request: cluster.TopRequest) -> cluster.TopResponse:
        local = cluster.TopRequest(pods=request.pods, namespace=request.namespace, local=True)
        try:
            answer: cluster.TopResponse = await self._peers.stub(endpoint).Top(local, timeout=PEER_SECONDS)
        except grpc.aio.AioRpcError as error:
            log.warning("peer gives no metrics", extra={"endpoint": endpoint, "error": error.details()})
            return cluster.TopResponse()
        return answer

    async def _stream(
        self,
        type_: agent.OpenStream.Type,
        method: str,
        start: cluster.StreamStart,
        frames: AsyncIterator[cluster.ClientFrame],
    ) -> AsyncIterator[cluster.ServerFrame]:
        stored = await self._pod(start.namespace, start.pod)
        begun = cluster.StreamStart()
        begun.CopyFrom(start)
        if type_ != agent.OpenStream.PORT_FORWARD:
            begun.container = pods.container_of(stored, start.container)
        endpoint = await self._elsewhere(stored.spec.nodeName)
        if endpoint:
            call = getattr(self._peers.stub(endpoint), method)(_after(cluster.ClientFrame(start=begun), frames))
            async for answer in self._remote(call):
                yield answer
            return
        async for frame in self._local(stored, agent.OpenStream(type=type_, start=begun), frames):
            yield _server_frame(frame)

    async def _local(
        self, pod: corev1.Pod, request: agent.OpenStream, frames: AsyncIterator[cluster.ClientFrame] | None
    ) -> AsyncIterator[agent.AgentFrame]:
        """Ask the agent for a stream and iterate over its frames; a failure that is no exit code is raised."""
        session = self._dispatcher.session_of(pod.spec.nodeName)
        if session is None:
            raise errors.ServiceUnavailable(f"node {pod.spec.nodeName} has no session")
        exchange = self._dispatcher.exchanges.open(pod.spec.nodeName)
        request.id, request.pod_uid = exchange.id, pod.metadata.uid
        pump = (
            None if frames is None else asyncio.create_task(_pump(frames, exchange.to_agent.put), name="relay input")
        )
        over = False
        try:
            session.open_stream(request)
            async for frame in exchange.frames():
                over = frame.WhichOneof("frame") == "status"
                if frame.WhichOneof("frame") == "status" and _raised(frame.status, request.type):
                    raise errors.from_status(frame.status)
                if frame.WhichOneof("frame") != "status" or request.type in WITH_STATUS:
                    yield frame
        finally:
            self._dispatcher.exchanges.close(exchange)
            if not over:
                session.close_stream(exchange.id)
            if pump is not None:
                pump.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await pump

    async def _remote(self, call: Any) -> AsyncIterator[Any]:
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise self._peers.error(error) from error
        finally:
            call.cancel()

    async def _pod(self, namespace: str, name: str) -> corev1.Pod:
        stored = await self._client.get(corev1.Pod, name, namespace)
        if not stored.spec.nodeName:
            raise errors.BadRequest(f"pod {name} does not have a host assigned")
        return stored

    async def _elsewhere(self, node: str) -> str:
        """Return the endpoint of the process that holds the node's session; empty where it is this one."""
        if self._dispatcher.session_of(node) is not None:
            return ""
        lease = await tenure.read(self._client, node)
        holder = self._dispatcher.settings.holder
        if lease is None or lease.spec.holderIdentity == holder.identity or not leases.endpoint(lease):
            raise errors.ServiceUnavailable(f"node {node} has no session")
        return leases.endpoint(lease)


WITH_STATUS = (agent.OpenStream.EXEC, agent.OpenStream.ATTACH)


def newest(reports: Iterable[metrics.NodeMetrics]) -> list[metrics.NodeMetrics]:
    """Return the newest report of each node, in the order of their names."""
    found: dict[str, metrics.NodeMetrics] = {}
    for report in reports:
        known = found.get(report.node)
        if known is None or _time(report) > _time(known):
            found[report.node] = report
    return [found[name] for name in sorted(found)]


def _time(report: metrics.NodeMetrics) -> tuple[int, int]:
    return report.timestamp.seconds, report.timestamp.nanos


def _wanted(report: metrics.NodeMetrics, request: cluster.TopRequest) -> metrics.NodeMetrics:
    """Return a report with the pods that are asked for."""
    if not report.pods or (request.pods and not request.namespace):
        return report
    fresh = metrics.NodeMetrics()
    fresh.CopyFrom(report)
    del fresh.pods[:]
    if request.pods:
        fresh.pods.extend(pod for pod in report.pods if pod.namespace == request.namespace)
    return fresh


def _raised(status: metav1.Status, type_: agent.OpenStream.Type) -> bool:
    if status.status == "Success":
        return False
    return type_ not in WITH_STATUS or status.reason != EXIT_CODE


def _server_frame(frame: agent.AgentFrame) -> cluster.ServerFrame:
    which = frame.WhichOneof("frame")
    if which == "status":
        return cluster.ServerFrame(status=frame.status)
    if which == "stderr":
        return cluster.ServerFrame(stderr=frame.stderr)
    if which == "end":
        return cluster.ServerFrame(end=True)
    return cluster.ServerFrame(data=frame.data)


async def _after(
    start: cluster.ClientFrame, frames: AsyncIterator[cluster.ClientFrame]
) -> AsyncIterator[cluster.ClientFrame]:
    yield start
    async for frame in frames:
        yield frame


async def _pump(frames: AsyncIterator[cluster.ClientFrame], put: Callable[[cluster.ClientFrame], Any]) -> None:
    """Pass a caller's frames on; its end is a half-close."""
    async for frame in frames:
        await put(frame)
    await put(cluster.ClientFrame(end=True))
