"""The HTTPS port: TLS that asks for a client certificate without requiring one, and aiohttp's server on it."""

from __future__ import annotations

import asyncio
import logging
import pathlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import http_exceptions, web

BODY_BYTES = 3 * 1024 * 1024  # Kubernetes' limit
HEADER_BYTES = 64 * 1024  # selectors in paths and tokens in headers are long
KEEPALIVE_SECONDS = 180.0
SHUTDOWN_SECONDS = 1.0

log = logging.getLogger(__name__)

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def credentials(certificate: pathlib.Path, key: pathlib.Path, authority: str) -> ssl.SSLContext:
    """Return the server's TLS: a caller may show a certificate, which then must be the authority's (PEM)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cadata=authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    # nobody resumes a session: making tickets, each with the client's certificate, takes a third of a handshake
    context.num_tickets = 0
    return context


class _Faults(logging.Filter):
    """Lets through what is a fault of ours: nobody who sends what is no HTTP fills the log, let alone with traces."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop a record about a request that cannot be read."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, http_exceptions.HttpProcessingError)


log.addFilter(_Faults())


@dataclass(frozen=True, slots=True)
class Listening:
    """A server that runs, and its port."""

    runner: web.ServerRunner
    port: int

    async def stop(self) -> None:
        """Take no more requests, and end those that last longer than a moment."""
        await self.runner.cleanup()


async def serve(host: str, port: int, answer: Answer, tls: ssl.SSLContext | None = None) -> Listening:
    """Listen on an address (port 0: any) and return once requests are taken; without TLS only in tests.

    OSError where the address cannot be had. A request whose caller hangs up is cancelled: watches end so.
    """
    loop = asyncio.get_running_loop()

    def request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES)

    server = web.Server(
        answer,
        request_factory=request,
        handler_cancellation=True,
        access_log=None,
        logger=log,
        auto_decompress=False,  # as in Kubernetes: a packed body is a proxy's to pass on, and none of ours
        keepalive_timeout=KEEPALIVE_SECONDS,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
    )
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
    except OSError:
        await runner.cleanup()
        raise
    return Listening(runner, runner.addresses[0][1])
