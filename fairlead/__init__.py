"""What both programs and users share: the API's contract, its clients and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.client.grpc import GrpcClient

__all__ = ["connect"]


def connect(kubeconfig: str | None = None, *, context: str = "") -> GrpcClient:
    """Return a client of the cluster that a kubeconfig names (KUBECONFIG or ~/.kube/config by default).

    async with fairlead.connect() as client: …
    """
    from fairlead.client import grpc

    return grpc.connect(kubeconfig, context=context)
