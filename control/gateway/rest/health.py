"""Health checks as Kubernetes answers them: /healthz, /livez and /readyz, as a whole or check by check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from control.apiserver import server
from control.gateway.rest import answers
from fairlead.api import errors

CHECK_SECONDS = 2.0

Check = Callable[[], Awaitable[None]]


async def _ping() -> None:
    """Succeed: that this answers is the check."""


class Health:
    """The checks of one process. A check raises an API error or TimeoutError where something is not well."""

    def __init__(self, api: server.ApiServer) -> None:
        self._api = api
        self._checks: Mapping[str, Sequence[tuple[str, Check]]] = {
            "healthz": (("ping", _ping), ("etcd", self._etcd)),
            "livez": (("ping", _ping),),
            "readyz": (("ping", _ping), ("etcd", self._etcd), ("informer-sync", self._filled)),
        }

    async def _etcd(self) -> None:
        await self._api.store.revision()

    async def _filled(self) -> None:
        await self._api.cache.ready()

    async def answer(self, request: web.BaseRequest, name: str, check: str) -> web.Response | None:
        """Answer /NAME or /NAME/CHECK; None where there is no such check."""
        checks = self._checks[name]
        if check:
            checks = [one for one in checks if one[0] == check]
            if not checks:
                return None
        excluded = request.query.getall("exclude", [])
        lines, failed = [], False
        for title, probe in checks:
            if title in excluded:
                lines.append(f"[+]{title} excluded: ok")
                continue
            well = await _well(probe)
            failed = failed or not well
            lines.append(f"[+]{title} ok" if well else f"[-]{title} failed: reason withheld")
        if failed:
            return answers.text("\n".join([*lines, f"{name} check failed", ""]), 500)
        if "verbose" in request.query:
            return answers.text("\n".join([*lines, f"{name} check passed", ""]))
        return answers.text("ok")


async def _well(probe: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await probe()
    except (errors.ApiError, TimeoutError):
        return False
    return True
