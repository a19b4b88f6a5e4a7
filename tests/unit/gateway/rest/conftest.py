"""A gateway on the loopback over an API in memory, and a client that speaks plain HTTP semantics to it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest

from control.apiserver.server import ApiServer
from fairlead.testing import control
from fairlead.testing import rest as testing
from tests.support import extension

NOW = 1_700_000_000.0
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def configmap(name: str, **data: str) -> dict[str, Any]:
    """Return a ConfigMap as a user writes it."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@dataclass(frozen=True)
class Answer:
    """What a request was answered."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return orjson.loads(self.body)


class Caller:
    """A user of the gateway, on connections of its own."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def __call__(
        self, method: str, path: str, body: Any = None, accept: str = "application/json", **headers: str
    ) -> Answer:
        """Send a request; a body that is no bytes is sent as JSON. Header names have `_` for `-`."""
        named = {"Accept": accept} | {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = orjson.dumps(body)
            named.setdefault("Content-Type", "application/json")
        data = io.BytesIO(body) if body is not None else None
        async with self.session.request(method, self.url + path, data=data, headers=named) as response:
            return Answer(response.status, response.headers, await response.read())


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server whose clock stands still."""
    async with control.memory_api(now=lambda: NOW) as made:
        yield made


@pytest.fixture
async def server(api: ApiServer) -> AsyncIterator[testing.Server]:
    """Its gateway."""
    async with testing.serve(api) as made:
        yield made


@pytest.fixture
async def call(server: testing.Server) -> AsyncIterator[Caller]:
    """An administrator."""
    tls = aiohttp.TCPConnector(ssl=server.tls(*_admin()))
    async with aiohttp.ClientSession(connector=tls, auto_decompress=False) as session:
        yield Caller(session, server.url)


def _admin() -> tuple[str, str]:
    name, groups = control.ADMIN
    return name, groups[0]


@pytest.fixture
async def backend() -> AsyncIterator[extension.Backend]:
    """Another API server, for APIServices."""
    async with extension.serving() as made:
        yield made
