"""`fairlead.v1.Bootstrap`: a bootstrap token and a certificate request become a node's certificate.

Served where callers have no certificate yet. The token is Kubernetes' own: a Secret of kube-system.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from control.apiserver import authn
from control.gateway import calls
from fairlead.api import errors
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import cluster_pb2_grpc


class Signer(Protocol):
    """The cluster's authority, as far as joining nodes need it; control/pki.Authority is one."""

    @property
    def pem(self) -> bytes:
        """Return the authority's certificate."""
        ...

    def sign_node(self, node_name: str, csr: bytes) -> bytes:
        """Return a node's certificate as PEM; raises an exception whose text says why a request is refused."""
        ...


class BootstrapService(cluster_pb2_grpc.BootstrapServicer):
    """The service; `refusal` is the exception by which the signer refuses."""

    def __init__(
        self,
        tokens: authn.TokenAuthenticator,
        signer: Signer,
        endpoints: Callable[[], Sequence[str]],
        refusal: type[Exception] = ValueError,
    ) -> None:
        self._tokens = tokens
        self._signer = signer
        self._endpoints = endpoints
        self._refusal = refusal

    @calls.unary
    async def Join(self, request: cluster.JoinRequest, context: Any) -> cluster.JoinResponse:
        """Sign a node's request for whoever shows a good token."""
        user = await self._tokens.authenticate(request.token)
        if authn.BOOTSTRAPPERS not in user.groups:
            raise errors.Unauthorized("Unauthorized")
        try:
            certificate = self._signer.sign_node(request.node_name, request.csr)
        except self._refusal as error:
            raise errors.BadRequest(str(error)) from None
        return cluster.JoinResponse(certificate=certificate, ca=self._signer.pem, endpoints=self._endpoints())
