"""The two clients that the suite holds equal, each against an API server on a store in memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from control import pki
from control.apiserver import authn, relay
from control.apiserver.server import ApiServer
from control.gateway import cluster, identity, listening
from fairlead.client import grpc as clients
from fairlead.client import kubeconfig
from fairlead.testing import control

ClientFor = Callable[..., Any]


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server with the built-in objects."""
    async with control.memory_api() as made:
        yield made


@pytest.fixture(scope="session")
def authority() -> pki.Authority:
    """The cluster's authority."""
    return pki.create_authority("test")


@pytest.fixture(params=["in-process", "gRPC"])
async def client_for(
    request: pytest.FixtureRequest, api: ApiServer, authority: pki.Authority
) -> AsyncIterator[ClientFor]:
    """A function from a user's name and groups to its client."""
    if request.param == "in-process":
        yield lambda name, *groups: api.client(authn.User(name, (*groups, authn.AUTHENTICATED)))
        return
    server = pki.Subject("control", hosts=("kubernetes", "127.0.0.1"), server=True)
    certificate, key = authority.issue(server)
    tls = listening.credentials(certificate, key, authority.pem, require_client=True)
    service = cluster.ClusterService(api, relay.NoRelay(), identity.Identifier())
    running = await listening.serve("127.0.0.1:0", [listening.cluster(service)], tls)
    async with contextlib.AsyncExitStack() as stack:

        def connect(name: str, *groups: str) -> clients.GrpcClient:
            pem, private = authority.issue(pki.Subject(name, groups, client=True))
            access = kubeconfig.Connection([f"127.0.0.1:{running.port}"], authority.pem, pem, private)
            made = clients.GrpcClient(access)
            stack.push_async_callback(made.close)
            return made

        yield connect
    await running.stop(0)


@pytest.fixture
def client(client_for: ClientFor) -> Any:
    """A client of system:masters."""
    return client_for("admin", authn.MASTERS)
