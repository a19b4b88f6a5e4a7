"""HTTPS to webhooks: a URL, or a Service in the cluster, to which a Dialer connects.

One session a set of authorities is kept, with its connections, until `close`.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from typing import Any

import aiohttp
import orjson

from control.apiserver import dialing, field
from fairlead.api import errors
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1

MOST_SESSIONS = 64
MAX_ANSWER_BYTES = 16 * 1024 * 1024
IDLE_SECONDS = 30.0
REFUSALS = {
    401: "the server has asked for the client to provide credentials",
    404: errors.NO_RESOURCE,
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    413: "the server reported an error with the request entity being too large",
    415: "the body of the request was in an unknown format",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}


class Failure(Exception):
    """A call that brought no answer; worded as Kubernetes words it."""


class Caller:
    """Posts JSON to webhooks."""

    def __init__(self, dialer: dialing.Dialer) -> None:
        self._dialer = dialer
        self._sessions: dict[bytes, aiohttp.ClientSession] = {}

    async def post(self, config: registrationv1.WebhookClientConfig, body: Any, timeout_seconds: int) -> Any:
        """Return the JSON that a webhook answers; Failure where it gives none in time."""
        url = self._url(config)
        shown = f"{url}?timeout={timeout_seconds}s"
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._posted(config, shown, orjson.dumps(body))
        except TimeoutError:
            raise Failure(f'Post "{shown}": context deadline exceeded') from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Failure(f'Post "{shown}": {_told(error)}') from None

    async def _posted(self, config: registrationv1.WebhookClientConfig, url: str, body: bytes) -> Any:
        session = await self._session(bytes(config.caBundle))
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            told = await content(response)
            if response.status != 200:
                text = told[:256] if response.content_type.startswith("text/") else b""
                raise Failure(_refusal(response.status, text.decode(errors="replace").strip()))
        try:
            return orjson.loads(told)
        except orjson.JSONDecodeError as error:
            raise Failure(f"couldn't get version/kind; json parse error: {error}") from None

    def _url(self, config: registrationv1.WebhookClientConfig) -> str:
        if not config.HasField("service"):
            return config.url
        wanted = config.service
        port = wanted.port if wanted.HasField("port") else dialing.DEFAULT_PORT
        service = self._dialer.service(wanted.name, wanted.namespace)
        if service is None:
            raise Failure(f'service "{wanted.name}" not found')
        if service.spec.type != "ExternalName" and all(one.port != port for one in service.spec.ports):
            raise Failure(f'no service port {port} found for service "{wanted.name}"')
        return f"https://{wanted.name}.{wanted.namespace}{dialing.SUFFIX}:{port}/{wanted.path.lstrip('/')}"

    async def _session(self, authorities: bytes) -> aiohttp.ClientSession:
        found = self._sessions.get(authorities)
        if found is None:
            if len(self._sessions) >= MOST_SESSIONS:
                await self.close()
            context = ssl.create_default_context(cadata=authorities.decode() or None)
            connector = self._dialer.connector(context, idle_seconds=IDLE_SECONDS)
            found = self._sessions[authorities] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        return found

    async def close(self) -> None:
        """Close every connection."""
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()


async def content(response: aiohttp.ClientResponse) -> bytes:
    """Return an answer's body; Failure where it is longer than anybody needs."""
    found = bytearray()
    async for part in response.content.iter_any():
        found += part
        if len(found) > MAX_ANSWER_BYTES:
            raise Failure(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
    return bytes(found)


def _refusal(status: int, text: str) -> str:
    """Return how Kubernetes' client tells of an HTTP status that is not 200, with a body that is text."""
    if status in REFUSALS:
        return REFUSALS[status]
    if status >= 500:
        return f"an error on the server ({field.quoted(text or 'unknown')}) has prevented the request from succeeding"
    return "the server rejected our request for an unknown reason"


def _told(error: Exception) -> str:
    """Return what went wrong with a connection, in Go's words for the usual causes."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        if error.os_error.errno == errno.ECONNREFUSED:
            return f"dial tcp {error.host}:{error.port}: connect: connection refused"
        return f"dial tcp {error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: {error}"
    return str(error) or type(error).__name__
