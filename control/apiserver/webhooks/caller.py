"""HTTPS to webhooks: a URL, or a Service in the cluster, which is found by its name at its cluster address.

One session a set of authorities is kept, with its connections, until `close`.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import Any

import aiohttp
import orjson
from aiohttp import abc

from control.apiserver.admission import lookup
from control.store import cache as caches
from fairlead.api import errors
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from fairlead.api.pb import core_v1_pb2 as corev1

DEFAULT_PORT = 443
MOST_SESSIONS = 64
MAX_ANSWER_BYTES = 16 * 1024 * 1024
IDLE_SECONDS = 30.0
SUFFIX = ".svc"


class Failure(Exception):
    """A call that brought no answer; worded as Kubernetes words it."""


class ServiceResolver(abc.AbstractResolver):
    """Finds `name.namespace.svc` at the Service's cluster address, and other hosts as the system does."""

    def __init__(self, services: lookup.Lookup[corev1.Service]) -> None:
        self._services = services
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[abc.ResolveResult]:
        """Return where a host is."""
        parts = host.split(".")
        if len(parts) != 3 or not host.endswith(SUFFIX):
            return await self._system.resolve(host, port, family)
        service = self._services.get(parts[0], parts[1])
        if service is None:
            raise OSError(errno.EHOSTUNREACH, f'service "{parts[0]}" not found')
        if service.spec.type == "ExternalName":
            return await self._system.resolve(service.spec.externalName, port, family)
        address = service.spec.clusterIP
        found = abc.ResolveResult(
            hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
        )
        return [found]

    async def close(self) -> None:
        """Let go of what the system's resolver holds."""
        await self._system.close()


class Caller:
    """Posts JSON to webhooks."""

    def __init__(self, cache: caches.Cache) -> None:
        self._services = lookup.Lookup(cache, corev1.Service)
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
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            content = await _content(response)
            if response.status != 200:
                raise Failure(_refusal(response.status, content))
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise Failure(f"couldn't get version/kind; json parse error: {error}") from None

    def _url(self, config: registrationv1.WebhookClientConfig) -> str:
        if not config.HasField("service"):
            return config.url
        wanted = config.service
        port = wanted.port if wanted.HasField("port") else DEFAULT_PORT
        service = self._services.get(wanted.name, wanted.namespace)
        if service is None:
            raise Failure(f'service "{wanted.name}" not found')
        if service.spec.type != "ExternalName" and all(one.port != port for one in service.spec.ports):
            raise Failure(f'no service port {port} found for service "{wanted.name}"')
        return f"https://{wanted.name}.{wanted.namespace}{SUFFIX}:{port}/{wanted.path.lstrip('/')}"

    async def _session(self, authorities: bytes) -> aiohttp.ClientSession:
        found = self._sessions.get(authorities)
        if found is None:
            if len(self._sessions) >= MOST_SESSIONS:
                await self.close()
            context = ssl.create_default_context(cadata=authorities.decode() or None)
            connector = aiohttp.TCPConnector(
                ssl=context, resolver=ServiceResolver(self._services), keepalive_timeout=IDLE_SECONDS
            )
            found = self._sessions[authorities] = aiohttp.ClientSession(connector=connector)
        return found

    async def close(self) -> None:
        """Close every connection."""
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()


async def _content(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) > MAX_ANSWER_BYTES:
            raise Failure(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
    return bytes(content)


def _refusal(status: int, content: bytes) -> str:
    """Return how Kubernetes' client tells of an HTTP status that is not 200."""
    match status:
        case 404:
            return errors.NO_RESOURCE
        case 503:
            return "the server is currently unable to handle the request"
        case _ if status >= 500:
            text = content[:256].decode(errors="replace").strip()
            return f'an error on the server ("{text}") has prevented the request from succeeding'
    return "the server rejected our request for an unknown reason"


def _told(error: Exception) -> str:
    """Return what went wrong with a connection, in Go's words for the usual causes."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        if error.os_error.errno == errno.ECONNREFUSED:
            return f"dial tcp {error.host}:{error.port}: connect: connection refused"
        return f"dial tcp {error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
    return str(error) or type(error).__name__
