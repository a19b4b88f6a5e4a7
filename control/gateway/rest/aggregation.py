"""Aggregated APIs: requests for groups that a Service of the cluster serves, passed on to it.

An APIService with a `service` names the group and version. The request is authorised here and goes on with the
caller's name in headers, which the other server believes because of the client certificate that comes with it.
Source: Kubernetes' documentation, "Configure the Aggregation Layer".
"""

from __future__ import annotations

import asyncio
import ssl
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import multidict
import orjson
import yarl
from aiohttp import web

from control.apiserver import authn, authz, dialing, server
from control.apiserver.admission import lookup
from control.apiserver.webhooks import caller
from control.gateway.rest import discovery, paths, queries, users
from control.gateway.rest.handlers import Call, Handler
from fairlead.api import conditions, errors
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1

UNAVAILABLE = "the server is currently unable to handle the request"
UPGRADES = "streams of aggregated APIs are not passed on"
CONNECT_SECONDS = 10.0
DISCOVERY_SECONDS = 5.0
REMEMBERED_SECONDS = 30.0
GROUP_VERSION_SLASHES = 3  # of /apis/GROUP/VERSION, a path that is no resource's and is passed on
# What belongs to a connection, or to us, and is not passed on.
HOP = frozenset(
    (
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade", "host", "content-length",
    )
)  # fmt: skip
IDENTITY = ("x-remote-", "impersonate-")

APIService = apiregistrationv1.APIService


class Aggregation:
    """Finds the APIService of a path, and passes requests on; `certificate` and `key` are files of the client's."""

    def __init__(self, api: server.ApiServer, certificate: str = "", key: str = "") -> None:
        self._api = api
        self._files = (certificate, key)
        self._services = lookup.Lookup(api.cache, APIService)
        self._sessions: dict[tuple[bytes, bool], aiohttp.ClientSession] = {}
        self._known: dict[str, tuple[float, str, Sequence[discovery.Resource]]] = {}

    def handler(self, raw: str) -> Handler | None:
        """Return the handler of a path below /apis/GROUP/VERSION that a Service serves."""
        parts = raw.split("/")
        if len(parts) < 4 or parts[1] != "apis":
            return None
        found = self._services.get(f"{parts[3]}.{parts[2]}")
        if found is None or not found.spec.HasField("service") or self._is_ours(parts[2], parts[3]):
            return None

        async def handle(call: Call) -> web.StreamResponse:
            return await self._carry_out(call, raw, found)

        return handle

    def _is_ours(self, group: str, version: str) -> bool:
        """Say whether this server serves a group's version itself: no APIService takes that away."""
        return any((kind.group, kind.version) == (group, version) for kind in self._api.kinds.served())

    async def groups(self) -> Mapping[tuple[str, str], list[discovery.Resource]]:
        """Return what is served elsewhere, as those servers tell it; of those that do not answer, no resources."""
        found = [each for each in self._services.all() if each.spec.HasField("service")]
        told = await asyncio.gather(*(self._resources(each) for each in found))
        return {(each.spec.group, each.spec.version): list(some) for each, some in zip(found, told, strict=True)}

    async def close(self) -> None:
        """Close every connection."""
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()

    async def _carry_out(self, call: Call, raw: str, found: APIService) -> web.StreamResponse:
        path = paths.parse(raw)
        if path is None and raw.rstrip("/").count("/") > GROUP_VERSION_SLASHES:
            raise errors.no_resource()
        self._api.authorize(_attributes(call, raw, path))
        if not is_available(found):
            raise errors.ServiceUnavailable(UNAVAILABLE)
        if "upgrade" in call.request.headers.get("Connection", "").lower():
            raise errors.NotImplementedByServer(UPGRADES)
        request = call.request
        url = yarl.URL(f"{base_url(found)}{request.raw_path}", encoded=True)
        sent = headers(request.headers, call.user, request.remote or "")
        if "Content-Length" in request.headers:
            sent["Content-Length"] = request.headers["Content-Length"]
        try:
            async with self._session(found).request(
                request.method,
                url,
                headers=sent,
                data=request.content if request.can_read_body else None,
                allow_redirects=False,
            ) as answer:
                return await _passed_on(request, answer)
        except (aiohttp.ClientError, OSError) as error:
            raise errors.ServiceUnavailable(f"error trying to reach service: {error}") from None

    def _session(self, found: APIService) -> aiohttp.ClientSession:
        spec = found.spec
        key = bytes(spec.caBundle), spec.insecureSkipTLSVerify
        session = self._sessions.get(key)
        if session is None:
            tls = ssl.create_default_context(cadata=spec.caBundle.decode() or None)
            if spec.insecureSkipTLSVerify:
                tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
            if all(self._files):
                tls.load_cert_chain(*self._files)
            connector = self._api.dialer.connector(tls)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
            # callers share it: what one is given to keep (cookies) is never another's
            session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout, auto_decompress=False
            )
            self._sessions[key] = session
        return session

    async def _resources(self, found: APIService) -> Sequence[discovery.Resource]:
        """Return the resources of a group's version, remembered for a while and as long as nothing answers."""
        if not is_available(found):
            return ()
        name, now = found.metadata.name, time.monotonic()
        known = self._known.get(name)
        if known is not None and known[1] == found.metadata.resourceVersion and now - known[0] < REMEMBERED_SECONDS:
            return known[2]
        user = authn.User("system:kube-aggregator", (authn.MASTERS,))
        named = headers({"Accept": "application/json", "Accept-Encoding": "identity"}, user, "")
        url = f"{base_url(found)}/apis/{found.spec.group}/{found.spec.version}"
        try:
            async with (
                asyncio.timeout(DISCOVERY_SECONDS),
                self._session(found).get(url, headers=named, allow_redirects=False) as answer,
            ):
                told = orjson.loads(await caller.content(answer)) if answer.status == 200 else {}
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, caller.Failure):
            return known[2] if known is not None else ()
        resources = _read(told, found)
        self._known[name] = now, found.metadata.resourceVersion, resources
        return resources


def is_available(found: APIService) -> bool:
    """Say whether the condition holds that the availability controller keeps."""
    return conditions.is_true(found.status.conditions, "Available")


def base_url(found: APIService) -> str:
    """Return where an APIService's Service listens, by its name in the cluster."""
    service = found.spec.service
    port = service.port if service.HasField("port") else dialing.DEFAULT_PORT
    return f"https://{service.name}.{service.namespace}{dialing.SUFFIX}:{port}"


def headers(given: Mapping[str, str], user: authn.User, remote: str) -> multidict.CIMultiDict[str]:
    """Return what is sent on: the caller's headers but for those that say who somebody is, and who the caller is."""
    sent: multidict.CIMultiDict[str] = multidict.CIMultiDict()
    for name, value in given.items():
        lower = name.lower().replace("_", "-")  # which servers behind WSGI take for the same
        if lower not in HOP and lower != "authorization" and not lower.startswith(IDENTITY):
            sent.add(name, value)
    users.without_tokens(sent)
    sent.add("X-Remote-User", user.name)
    for group in user.groups:
        sent.add("X-Remote-Group", group)
    for key, values in user.extra:
        for value in values:
            sent.add(f"X-Remote-Extra-{urllib.parse.quote(key, safe='')}", value)
    if remote:
        sent.add("X-Forwarded-For", remote)
    return sent


def _attributes(call: Call, raw: str, path: paths.Path | None) -> authz.Attributes:
    """Return what a caller must be allowed: a verb on a resource, or on the path of a group's version."""
    if path is None:
        return authz.Attributes(call.user, call.request.method.lower(), path=raw)
    verb = paths.verb(call.request.method, path, queries.flag(call.request.query, "watch"))
    return authz.Attributes(call.user, verb, path.group, path.resource, path.subresource, path.namespace, path.name)


async def _passed_on(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Send an answer on as it comes, so that watches flow."""
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in answer.headers.items():
        if name.lower() not in HOP:
            response.headers.add(name, value)
    await response.prepare(request)
    async for part in answer.content.iter_any():
        await response.write(part)
    await response.write_eof()
    return response


def _read(told: Any, found: APIService) -> Sequence[discovery.Resource]:
    """Return the resources of an APIResourceList, whatever else stands in it."""
    rows = told.get("resources") if isinstance(told, dict) else None
    group, version = found.spec.group, found.spec.version
    made = []
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict) or not isinstance(row.get("name"), str) or not isinstance(row.get("kind"), str):
            continue
        listed = [row.get(name) for name in ("verbs", "shortNames", "categories")]
        verbs, short, categories = ([str(one) for one in each] if isinstance(each, list) else [] for each in listed)
        made.append(
            discovery.Resource(
                name=row["name"],
                group=str(row.get("group") or group),
                version=str(row.get("version") or version),
                kind=row["kind"],
                namespaced=bool(row.get("namespaced")),
                verbs=verbs,
                singular=str(row.get("singularName") or ""),
                short_names=short,
                categories=categories,
            )
        )
    return made
