"""The resources of aggregated APIs, as their servers tell them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from control.apiserver import authn
from control.gateway.aggregation import memory
from control.gateway.aggregation import services as servicing
from control.gateway.rest import discovery

MOST = 5_000  # whoever discovers has all of them sent
ASKING = authn.User("system:kube-aggregator", (authn.MASTERS,))


class Discovery:
    """Asks for them."""

    def __init__(self, services: servicing.Services) -> None:
        self._services = services
        self._memory = memory.Memory(services, self._ask)

    async def groups(self) -> Mapping[tuple[str, str], list[discovery.Resource]]:
        """Return what is served elsewhere; of those that are not available or never answered, no resources."""
        return {
            (each.spec.group, each.spec.version): list(told) if told and servicing.is_available(each) else []
            for each, told in await self._memory.all()
        }

    async def _ask(
        self, found: servicing.APIService, _: Sequence[discovery.Resource] | None
    ) -> Sequence[discovery.Resource]:
        told = await self._services.ask(found, f"/apis/{found.spec.group}/{found.spec.version}", ASKING)
        return await asyncio.to_thread(resources, told.body, found) if told.status == 200 else ()


def resources(body: bytes, found: servicing.APIService) -> Sequence[discovery.Resource]:
    """Return the resources of an APIResourceList, whatever else stands in it; ValueError for what is no JSON."""
    told: Any = orjson.loads(body)
    rows = told.get("resources") if isinstance(told, dict) else None
    group, version = found.spec.group, found.spec.version
    made = []
    for row in rows[:MOST] if isinstance(rows, list) else ():
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
