"""Connections to the other control processes, one an endpoint, made when first needed and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

from fairlead.api import errors
from fairlead.api.pb import cluster_pb2_grpc
from fairlead.client import rpcerrors


class GrpcPeers:
    """The peers of a control process; `connect` makes a channel to host:port with this process' certificate."""

    def __init__(self, connect: Callable[[str], grpc.aio.Channel]) -> None:
        self._connect = connect
        self._channels: dict[str, grpc.aio.Channel] = {}

    def stub(self, endpoint: str) -> Any:
        """Return a stub of `Cluster` on a connection that is kept."""
        if endpoint not in self._channels:
            self._channels[endpoint] = self._connect(endpoint)
        return cluster_pb2_grpc.ClusterStub(self._channels[endpoint])

    def error(self, error: grpc.aio.AioRpcError) -> errors.ApiError:
        """Return the API's error that a call failed with."""
        return rpcerrors.from_error(error)

    async def close(self) -> None:
        """Close every connection."""
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            await channel.close(None)
