"""Nodes of a cluster in a test: real agents with certificates of their own, whose containers only pretend."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fairlead.api.pb import core_v1_pb2 as corev1

if TYPE_CHECKING:
    import grpc

    from control.config import Config
    from control.pki import Authority
    from fairlead.testing.cluster import Cluster
    from node.agent import link


class Link:
    """Dials as one node."""

    def __init__(self, authority: Authority, node: str) -> None:
        import grpc

        from control import pki

        subject = pki.Subject(user=f"system:node:{node}", groups=("system:nodes",), client=True)
        certificate, key = authority.issue(subject)
        self._credentials = grpc.ssl_channel_credentials(authority.pem, key, certificate)

    def channel(self, endpoint: str, options: link.Options) -> grpc.aio.Channel:
        """Return a new channel."""
        import grpc

        return grpc.aio.secure_channel(endpoint, self._credentials, options=options)


def start(config: Config, names: Sequence[str]) -> list[asyncio.Task[Any]]:
    """Start the agents of hollow nodes; cancel the tasks to end them."""
    from control import pki
    from node.agent import hollow

    authority = pki.load_authority(config.pki / "ca.crt", config.pki / "ca.key")
    made = [hollow.make(name, Link(authority, name), config.grpc_endpoints) for name in names]
    return [asyncio.create_task(agent.run(), name=name) for agent, name in zip(made, names, strict=True)]


async def wait_ready(cluster: Cluster, names: Sequence[str]) -> None:
    """Return once every node is Ready and takes pods."""
    client = cluster.client()
    for name in names:
        selected = client.watch(corev1.Node)
        async for batch in selected:
            if any(event.object.metadata.name == name and _is_open(event.object) for event in batch):
                break
        await selected.aclose()  # type: ignore[attr-defined]


def _is_open(node: corev1.Node) -> bool:
    ready = any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)
    return ready and not node.spec.taints
