"""The `Relay` protocol: how a request reaches what runs on a node.

The gateway calls it once the caller is authorised; the dispatcher carries it out over the agents' sessions,
through a peer where another control process holds the session. A frame's shape is cluster.proto's. Every method
raises the errors of `fairlead.api.errors`: NotFound for a pod or container that is not there, BadRequest for a
container that cannot be meant, ServiceUnavailable for a node that cannot be reached.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from fairlead.api import errors
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import core_v1_pb2 as corev1


class Relay(Protocol):
    """Streams to containers and metrics of nodes. Closing an iterator ends what it stands for on the node.

    The first item of an iterator is empty and says that the stream is open: what fails before raises from it.
    """

    def logs(self, namespace: str, pod: str, options: corev1.PodLogOptions) -> AsyncIterator[bytes]:
        """Iterate over a container's log in chunks, ending at its end unless `options.follow`.

        Where there is a log, the first chunk comes at once and may be empty; none comes where there is none yet.
        """
        ...

    def exec(
        self, start: cluster.StreamStart, frames: AsyncIterator[cluster.ClientFrame]
    ) -> AsyncIterator[cluster.ServerFrame]:
        """Run a command in a container; `frames` are those after `start`. The last frame is a `status`."""
        ...

    def attach(
        self, start: cluster.StreamStart, frames: AsyncIterator[cluster.ClientFrame]
    ) -> AsyncIterator[cluster.ServerFrame]:
        """Join the streams of a container's main process; frames as in `exec`."""
        ...

    def port_forward(
        self, start: cluster.StreamStart, frames: AsyncIterator[cluster.ClientFrame]
    ) -> AsyncIterator[cluster.ServerFrame]:
        """Carry one TCP connection to a pod's port."""
        ...

    async def top(self, request: cluster.TopRequest) -> cluster.TopResponse:
        """Return the newest metrics of every node, asking peers unless `request.local`."""
        ...


class NoRelay:
    """The relay of an API server without a dispatcher: every request is refused with ServiceUnavailable."""

    async def _refused(self) -> AsyncIterator[cluster.ServerFrame]:
        raise errors.ServiceUnavailable("this control process holds no agent sessions")
        yield cluster.ServerFrame()  # makes this an iterator that fails when it is first read

    async def logs(self, namespace: str, pod: str, options: corev1.PodLogOptions) -> AsyncIterator[bytes]:
        """Refuse."""
        async for _ in self._refused():
            yield b""

    def exec(
        self, start: cluster.StreamStart, frames: AsyncIterator[cluster.ClientFrame]
    ) -> AsyncIterator[cluster.ServerFrame]:
        """Refuse."""
        return self._refused()

    attach = exec
    port_forward = exec

    async def top(self, request: cluster.TopRequest) -> cluster.TopResponse:
        """Refuse."""
        raise errors.ServiceUnavailable("this control process holds no agent sessions")
