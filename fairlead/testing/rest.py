"""Kubernetes' REST API of a control plane in a test: HTTPS on a free port of the loopback, for any user.

    async with control.memory_api() as api, rest.serve(api) as server:
        kubeconfig.write_text(server.kubeconfig("alice", "system:masters"))

The program is imported inside the functions, as in `control`.
"""

from __future__ import annotations

import base64
import contextlib
import pathlib
import ssl
import tempfile
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from control import pki
    from control.apiserver.relay import Relay
    from control.apiserver.server import ApiServer
    from control.gateway.fairness.gate import Gate
    from control.gateway.rest.gateway import Gateway

HOST = "127.0.0.1"


class Server:
    """A gateway that listens; its authority signs the certificates of whoever calls."""

    def __init__(self, gateway: Gateway, port: int, authority: pki.Authority, folder: pathlib.Path) -> None:
        self.gateway = gateway
        self.port = port
        self.authority = authority
        self.folder = folder

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"https://{HOST}:{self.port}"

    def tls(self, user: str = "", *groups: str) -> ssl.SSLContext:
        """Return a client's TLS, with a certificate for a user if one is named."""
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        if user:
            context.load_cert_chain(*_write(self.folder, "client", *self.issue(user, *groups)))
        return context

    def kubeconfig(self, user: str, *groups: str) -> str:
        """Return a kubeconfig for a user of some groups."""
        certificate, key = self.issue(user, *groups)
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": self.url, "certificate-authority-data": _text(self.authority.pem)},
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {"client-certificate-data": _text(certificate), "client-key-data": _text(key)},
                }
            ],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }
        return yaml.safe_dump(document, sort_keys=False)

    def issue(self, user: str, *groups: str) -> tuple[bytes, bytes]:
        """Return a client's certificate and key for a user of some groups, as PEM."""
        from control import pki

        return self.authority.issue(pki.Subject(user, groups, client=True))


@contextlib.asynccontextmanager
async def serve(api: ApiServer, streams: Relay | None = None, *, gate: Gate | None = None) -> AsyncIterator[Server]:
    """Serve an API server's objects until the end of the context; `streams` reaches what runs on nodes."""
    from control import pki
    from control.apiserver import relay
    from control.gateway.rest import listening, users, wiring

    authority = pki.create_authority("test")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        pair = authority.issue(pki.Subject("control", hosts=(HOST,), server=True))
        tls = listening.credentials(*_write(folder, "server", *pair), authority.pem.decode())
        identify = users.Identifier(api.tokens, api.authorizer)
        made = wiring.gateway_of(api, streams or relay.NoRelay(), identify, url=f"https://{HOST}", gate=gate)
        listener = await listening.serve(HOST, 0, made, tls)
        try:
            yield Server(made, listener.port, authority, folder)
        finally:
            await listener.stop()
            await made.close()


def _write(folder: pathlib.Path, name: str, certificate: bytes, key: bytes) -> tuple[pathlib.Path, pathlib.Path]:
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    for path, data in zip(paths, (certificate, key), strict=True):
        path.write_bytes(data)
    return paths


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
