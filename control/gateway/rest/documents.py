"""The documents that are no resources: health, version, discovery, metrics, and at the root a list of all.

The gateway calls this for paths that are neither a resource's nor a handler's.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping

import orjson
from aiohttp import web

from control.apiserver import authz, server
from control.gateway.aggregation import aggregation
from control.gateway.rest import answers, counting, discovery, health, media, users
from control.gateway.rest import handlers as handling
from fairlead import version as release
from fairlead.api import codec, errors
from fairlead.api.pb import apidiscovery_v2_pb2 as apidiscoveryv2

KUBERNETES = ("1", "32")


class Documents:
    """Answers them. `extra` is for those who serve more than the registries have: resources by group and version."""

    def __init__(
        self,
        api: server.ApiServer,
        elsewhere: aggregation.Aggregation,
        handlers: handling.Handlers,
        counts: counting.Counting,
    ) -> None:
        self._api = api
        self._aggregation = elsewhere
        self._handlers = handlers
        self._counting = counts
        self._health = health.Health(api)
        self.extra: dict[tuple[str, str], list[discovery.Resource]] = {}

    def groups(self) -> Mapping[tuple[str, str], list[discovery.Resource]]:
        """Return the resources that this server itself has, by group and version."""
        return discovery.groups(self._api.kinds.served(), self._api.kinds.stored_as, self.extra)

    async def answer(self, request: web.BaseRequest, asked: authz.Attributes, audit_id: str) -> web.StreamResponse:
        """Answer a path."""
        parts = [part for part in asked.path.split("/") if part]
        first = parts[0] if parts else ""
        if asked.path not in users.PUBLIC:  # which must answer, too, where roles cannot be read
            self._api.authorize(asked)
        if request.method not in ("GET", "HEAD"):
            raise errors.no_method()
        if first in ("version", "healthz", "livez", "readyz"):
            found = await self._public(request, parts, audit_id)
            return found or answers.no_page()
        if first in ("api", "apis"):
            return await self._discover(request, parts, audit_id)
        if asked.path == "/":
            return await answers.Answer(request, media.PLAIN, audit_id).whole(await self._index())
        if parts == ["metrics"]:
            response = web.Response(text=self._counting.text())
            response.headers["Content-Type"] = counting.CONTENT_TYPE
            return response
        return answers.no_page()

    async def _everything(self) -> discovery.Groups:
        """Return the resources that are served here and by aggregated APIs."""
        return {**await self._aggregation.discovery.groups(), **self.groups()}

    async def _index(self) -> bytes:
        """Return the paths that are no objects', as Kubernetes lists them at its root."""
        known = {"/", "/metrics", "/version", *self._health.paths()}
        known.update(path.rstrip("/") for path in self._handlers.paths())
        known.update(discovery.paths(await self._everything()))
        return orjson.dumps({"paths": sorted(known)}, option=orjson.OPT_INDENT_2)

    async def _public(self, request: web.BaseRequest, parts: list[str], audit_id: str) -> web.StreamResponse | None:
        if parts[0] != "version":
            return await self._health.answer(request, parts[0], "/".join(parts[1:]))
        if len(parts) > 1:
            return None
        answer = answers.Answer(request, media.PLAIN, audit_id)
        return await answer.whole(orjson.dumps(version(), option=orjson.OPT_INDENT_2))

    async def _discover(self, request: web.BaseRequest, parts: list[str], audit_id: str) -> web.StreamResponse:
        served = await self._everything()
        accept = request.headers.get("Accept", "")
        if len(parts) == 1:
            form = media.accepted(accept, media.DISCOVERY_GROUP)
            if form.kind:
                return await self._aggregated(request, form, discovery.aggregated(served, core=parts == ["api"]))
        form = media.accepted(accept)
        answer = answers.Answer(request, media.Form(form.format), audit_id)
        match parts:
            case ["api"]:
                return await answer.message(discovery.core(request.host))
            case ["apis"]:
                return await answer.message(discovery.group_list(served))
            case ["api", version] if ("", version) in served:
                return await answer.message(discovery.resource_list(served, "", version))
            case ["apis", group] if any(group == name for name, _ in served):
                return await answer.message(discovery.group(served, group))
            case ["apis", group, version] if group and (group, version) in served:
                return await answer.message(discovery.resource_list(served, group, version))
        return answers.no_page()

    async def _aggregated(
        self, request: web.BaseRequest, form: media.Form, found: apidiscoveryv2.APIGroupDiscoveryList
    ) -> web.StreamResponse:
        """Answer aggregated discovery, or that the caller has it already (by its ETag)."""
        data = codec.dumps(found).replace(b"apidiscovery.k8s.io/v2", form.api_version.encode(), 1)
        if form.format == "protobuf":
            data = codec.enveloped(form.api_version, media.DISCOVERY_LIST, found.SerializeToString())
        tag = f'"{hashlib.sha256(data).hexdigest().upper()}"'
        content = f"{form.content_type};g={form.group};v={form.version};as={form.kind}"
        named = {"ETag": tag, "Vary": "Accept", "Cache-Control": "public"}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=named)
        return web.Response(body=data, headers={**named, "Content-Type": content})


def version() -> dict[str, str]:
    """Return /version: the Kubernetes whose API this is, and what serves it."""
    major, minor = KUBERNETES
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{major}.{minor}.0+fairlead-{release.VERSION}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{_ARCHITECTURES.get(platform.machine(), platform.machine())}",
    }


_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
