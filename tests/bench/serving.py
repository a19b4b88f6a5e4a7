"""The API over REST and gRPC at once, for benchmarks of both."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from control import pki
from control.apiserver import relay, server
from control.gateway import cluster, identity, listening
from control.store.interface import Store
from fairlead.client import kubeconfig
from fairlead.testing import control
from fairlead.testing import rest as testing
from tests.bench import rest


@contextlib.asynccontextmanager
async def both(store: Store | None = None) -> AsyncIterator[tuple[server.ApiServer, rest.Job, kubeconfig.Connection]]:
    """Serve the API on a store, in memory unless given; gives it, and an administrator's way to it by each."""
    authority = pki.create_authority("bench")
    certificate, key = authority.issue(pki.Subject("control", hosts=("kubernetes", "127.0.0.1"), server=True))
    pair = authority.issue(pki.Subject("admin", ("system:masters",), client=True))
    async with control.memory_api(store, detect_mutations=False) as api, testing.serve(api) as served:
        service = cluster.ClusterService(api, relay.NoRelay(), identity.Identifier())
        tls = listening.credentials(certificate, key, authority.pem, require_client=True)
        port = await listening.serve("127.0.0.1:0", [listening.cluster(service)], tls)
        job = rest.Job(served.url, served.authority.pem.decode(), served.issue("admin", "system:masters"), "/")
        yield api, job, kubeconfig.Connection([f"127.0.0.1:{port.port}"], authority.pem, *pair)
        await port.stop(0)
