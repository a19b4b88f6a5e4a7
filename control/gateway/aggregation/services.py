"""The APIServices that name a Service of the cluster, and connections to the API servers behind them.

Such a server believes who a caller is by the client certificate that comes with our requests.
"""

from __future__ import annotations

import asyncio
import ssl
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import multidict

from control.apiserver import authn, dialing, server
from control.apiserver.admission import lookup
from control.apiserver.webhooks import caller
from control.gateway.rest import handlers
from control.gateway.streams import passing
from fairlead.api import conditions
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1

CONNECT_SECONDS = 10.0
ASK_SECONDS = 5.0  # for what a server tells of itself
FAILURES = (aiohttp.ClientError, OSError, TimeoutError, ValueError, caller.Failure)

APIService = apiregistrationv1.APIService


@dataclass(frozen=True, slots=True)
class Told:
    """What a server told of itself: the status, the body and, where it has one, the body's ETag."""

    status: int
    body: bytes
    tag: str = ""


class Services:
    """Finds APIServices and connects to them.

    `table` has what this server answers itself; `certificate` and `key` are files of the client's.
    """

    def __init__(self, api: server.ApiServer, table: handlers.Handlers, certificate: str = "", key: str = "") -> None:
        self._api = api
        self._table = table
        self._files = (certificate, key)
        self._services = lookup.Lookup(api.cache, APIService)
        self._sessions: dict[tuple[bytes, bool], aiohttp.ClientSession] = {}

    def get(self, group: str, version: str) -> APIService | None:
        """Return the APIService of a group and version that a Service serves: never one that this server has."""
        found = self._services.get(f"{version}.{group}")
        return found if found is not None and self._is_elsewhere(found) else None

    def all(self) -> Sequence[APIService]:
        """Return every APIService that a Service serves."""
        return [each for each in self._services.all() if self._is_elsewhere(each)]

    def _is_elsewhere(self, found: APIService) -> bool:
        named = (found.spec.group, found.spec.version)
        return (
            found.spec.HasField("service")
            and all((kind.group, kind.version) != named for kind in self._api.kinds.served())
            and self._table.of_path("/apis/{}/{}/".format(*named)) is None
        )

    def session(self, found: APIService) -> aiohttp.ClientSession:
        """Return the connections to an APIService's server; errors of FAILURES where its bundle is none."""
        spec = found.spec
        key = bytes(spec.caBundle), spec.insecureSkipTLSVerify
        session = self._sessions.get(key)
        if session is None:
            tls = ssl.create_default_context(cadata=spec.caBundle.decode() or None)
            if spec.insecureSkipTLSVerify:
                tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
            if all(self._files):
                tls.load_cert_chain(*self._files)
            session = aiohttp.ClientSession(
                connector=self._api.dialer.connector(tls),
                # callers share it: what one is given to keep (cookies) is never another's
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                auto_decompress=False,
                skip_auto_headers=passing.UNASKED,
            )
            self._sessions[key] = session
        return session

    async def ask(self, found: APIService, path: str, user: authn.User, tag: str = "") -> Told:
        """Return what a server answers to a question of our own, in JSON; one of FAILURES.

        With an ETag the answer may be 304. A redirect is not followed: it would carry the user's rights elsewhere.
        """
        asked = multidict.CIMultiDict({"Accept": "application/json", "Accept-Encoding": "identity"})
        if tag:
            asked["If-None-Match"] = tag
        introduce(asked, user)
        url = base_url(found) + path
        async with (
            asyncio.timeout(ASK_SECONDS),
            self.session(found).get(url, headers=asked, allow_redirects=False) as answer,
        ):
            return Told(answer.status, await caller.content(answer), answer.headers.get("ETag", ""))

    async def close(self) -> None:
        """Close every connection."""
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()


def is_available(found: APIService) -> bool:
    """Say whether the condition holds that the availability controller keeps."""
    return conditions.is_true(found.status.conditions, "Available")


def base_url(found: APIService) -> str:
    """Return where an APIService's Service listens, by its name in the cluster."""
    service = found.spec.service
    port = service.port if service.HasField("port") else dialing.DEFAULT_PORT
    return f"https://{service.name}.{service.namespace}{dialing.SUFFIX}:{port}"


def introduce(headers: multidict.MutableMultiMapping[str], user: authn.User) -> None:
    """Add to headers who the caller is."""
    headers.add("X-Remote-User", user.name)
    for group in user.groups:
        headers.add("X-Remote-Group", group)
    for key, values in user.extra:
        for value in values:
            headers.add(f"X-Remote-Extra-{urllib.parse.quote(key, safe='')}", value)
