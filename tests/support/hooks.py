"""A webhook of a test: HTTPS on loopback with a certificate of its own, answering as a function says."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from control import pki

Answer = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class Hook:
    """A running webhook: where it is, who vouches for it, and what it was asked."""

    url: str
    port: int
    authority: bytes
    asked: list[dict[str, Any]] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)


def encoded(authority: bytes) -> str:
    """Return a certificate as a clientConfig's caBundle has it in JSON."""
    return base64.b64encode(authority).decode()


def allow(**response: Any) -> Answer:
    """Return an answer that allows everything."""
    return lambda request: {"uid": request["uid"], "allowed": True, **response}


def deny(**status: Any) -> Answer:
    """Return an answer that allows nothing."""
    return lambda request: {"uid": request["uid"], "allowed": False, **({"status": status} if status else {})}


def patch(*operations: dict[str, Any]) -> Answer:
    """Return an answer that changes the object."""
    text = base64.b64encode(orjson.dumps(operations)).decode()
    return allow(patch=text, patchType="JSONPatch")


@contextlib.asynccontextmanager
async def serving(answer: Answer, *, hold: asyncio.Event | None = None, status: int = 200) -> AsyncIterator[Hook]:
    """Serve a webhook; with `hold` it answers once that is set."""
    authority = pki.create_authority("hooks")
    hosts = ("hook.default.svc", "localhost", "127.0.0.1")
    certificate, key = authority.issue(pki.Subject("hook", hosts=hosts, server=True))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + key)
        file.flush()
        context.load_cert_chain(file.name)
    hook = Hook("", 0, authority.pem)

    async def handle(request: web.Request) -> web.Response:
        if hold is not None:
            await hold.wait()
        body = await request.json()
        hook.asked.append(body["request"])
        hook.queries.append(request.query_string)
        review = {"apiVersion": body["apiVersion"], "kind": body["kind"], "response": answer(body["request"])}
        return web.json_response(review, status=status)

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    hook.port = runner.addresses[0][1]
    hook.url = f"https://127.0.0.1:{hook.port}/hook"
    try:
        yield hook
    finally:
        await runner.cleanup()
