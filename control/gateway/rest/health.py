"""Health checks as Kubernetes answers them: /healthz, /livez and /readyz, as a whole or check by check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from aiohttp import web

from control.apiserver import server
from control.gateway.rest import answers
from fairlead.api import errors

CHECK_SECONDS = 2.0
# What is made before the ports open, under the names of those who make it in Kubernetes.
MADE_BEFORE = (
    "poststarthook/start-system-namespaces-controller",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/priority-and-fairness-config-producer",
)

Check = Callable[[], Awaitable[None]]


async def _ping() -> None:
    """Succeed: that this answers is the check. What writes the log would hold this up, too."""


class Health:
    """The checks of one process. A check raises an API error or TimeoutError where something is not well."""

    def __init__(self, api: server.ApiServer) -> None:
        self._api = api
        first = {"ping": _ping, "log": _ping, "etcd": self._etcd}
        ready = {"etcd-readiness": self._etcd, "informer-sync": self._filled}
        hooks = {"poststarthook/crd-informer-synced": self._filled, **dict.fromkeys(MADE_BEFORE, _ping)}
        alive: dict[str, Check] = {**first, **hooks}
        self._checks: dict[str, dict[str, Check]] = {
            "healthz": alive,
            "livez": alive,
            "readyz": {**first, **ready, **hooks},
        }

    async def _etcd(self) -> None:
        await self._api.store.revision()

    async def _filled(self) -> None:
        await self._api.cache.ready()

    def paths(self) -> Iterable[str]:
        """Return the path of every check."""
        for name, checks in self._checks.items():
            yield f"/{name}"
            yield from (f"/{name}/{check}" for check in checks)

    async def answer(self, request: web.BaseRequest, name: str, check: str) -> web.Response | None:
        """Answer /NAME or /NAME/CHECK; None where there is no such check.

        Only who may ask for the check itself learns why it fails.
        """
        checks = self._checks[name]
        if not check:
            return await self._all(request, name)
        if check not in checks:
            return None
        why = await _fault(checks[check])
        return answers.text(f"internal server error: {why}\n", 500) if why else answers.text("ok")

    async def _all(self, request: web.BaseRequest, name: str) -> web.Response:
        excluded = set(request.query.getall("exclude", ()))
        lines, failed = [], False
        for title, probe in self._checks[name].items():
            if title in excluded:
                lines.append(f"[+]{title} excluded: ok")
                continue
            why = await _fault(probe)
            failed = failed or bool(why)
            lines.append(f"[-]{title} failed: reason withheld" if why else f"[+]{title} ok")
        if unknown := sorted(excluded - self._checks[name].keys()):
            lines.append(f"warn: some health checks cannot be excluded: no matches for {_quoted(unknown)}")
        if failed:
            return answers.text("\n".join([*lines, f"{name} check failed", ""]), 500)
        if "verbose" in request.query:
            return answers.text("\n".join([*lines, f"{name} check passed", ""]))
        return answers.text("ok")


def _quoted(names: Sequence[str]) -> str:
    return ",".join(f'"{name}"' for name in names)


async def _fault(probe: Check) -> str:
    """Return why a check fails; "" where all is well."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await probe()
    except errors.ApiError as error:
        return error.message
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} seconds"
    return ""
