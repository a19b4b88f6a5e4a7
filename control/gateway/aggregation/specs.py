"""The OpenAPI documents of aggregated APIs, as far as they concern the group and version that is served there.

Of version 3 only the hash is asked for: the document itself is the server's to give (`forwarding.py`). Where a server
has none, it is made of version 2, which is kept to be merged with ours. What a server told stays as long as it tells
nothing better; one that never did is left out.
"""

from __future__ import annotations

import asyncio
import hashlib
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from control.apiserver import authn
from control.apiserver.webhooks import caller
from control.gateway.aggregation import memory
from control.gateway.aggregation import services as servicing
from fairlead.api import jsontext
from fairlead.api.openapi import foreign

V2, V3 = "/openapi/v2", "/openapi/v3"
ASKING = authn.User("system:aggregator", (authn.AUTHENTICATED,))
MOST_HASH = 256
AT_ONCE = 4  # servers that are asked, because an answer may have megabytes


@dataclass(frozen=True, slots=True)
class Swagger:
    """A part of a document of version 2, as JSON text; with the ETag and the digest of what it was taken from."""

    data: bytes
    tag: str
    source: bytes

    def part(self) -> dict[str, Any]:
        """Return it parsed."""
        return dict(orjson.loads(self.data))


@dataclass(frozen=True, slots=True)
class Index:
    """What a server's index says of its document of version 3: its hash, if it has one; or that there is no index."""

    hash: str = ""
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Modern:
    """A group's version in version 3: a document that its server gives, by its hash, or that is made of version 2."""

    found: servicing.APIService
    hash: str = ""
    swagger: Swagger | None = None


class Specs:
    """Asks for them."""

    def __init__(self, services: servicing.Services) -> None:
        self._services = services
        self._swaggers = memory.Memory(services, self._ask_swagger)
        self._indexes = memory.Memory(services, self._ask_index)
        self._asking = asyncio.Semaphore(AT_ONCE)
        self._reading = asyncio.Lock()

    async def swaggers(self) -> Sequence[Swagger]:
        """Return what is known in version 2, the most important group first."""
        known = await self._swaggers.all()
        priorities: dict[str, int] = {}
        for each, _ in known:
            group = each.spec.group
            priorities[group] = max(priorities.get(group, 0), each.spec.groupPriorityMinimum)

        def rank(one: tuple[servicing.APIService, Swagger | None]) -> tuple[int, str, int, str]:
            spec = one[0].spec
            return -priorities[spec.group], spec.group, -spec.versionPriority, one[0].metadata.name

        return [swagger for _, swagger in sorted(known, key=rank) if swagger is not None]

    async def moderns(self) -> Mapping[str, Modern]:
        """Return what is known in version 3 by the path of its group and version, `apis/apps/v1`."""
        told = await asyncio.gather(*(self._modern(each, index) for each, index in await self._indexes.all()))
        return {f"apis/{one.found.spec.group}/{one.found.spec.version}": one for one in told if one is not None}

    async def modern(self, path: str) -> Modern | None:
        """Return a group's version in version 3 by that path, if it is known."""
        match path.split("/"):
            case ["apis", group, version] if (found := self._services.get(group, version)) is not None:
                return await self._modern(found, await self._indexes.get(found))
        return None

    async def _modern(self, found: servicing.APIService, index: Index | None) -> Modern | None:
        if index is None:
            return None
        if not index.missing:
            return Modern(found, index.hash)
        swagger = await self._swaggers.get(found)
        return Modern(found, swagger=swagger) if swagger is not None else None

    async def _ask_index(self, found: servicing.APIService, _: Index | None) -> Index:
        """Return what a server's index says; 404 is one that has only version 2."""
        async with self._asking:
            told = await self._services.ask(found, V3, ASKING)
        if told.status == 404:
            return Index(missing=True)
        if told.status != 200:
            raise caller.Failure(f"its index was answered with {told.status}")
        path = f"apis/{found.spec.group}/{found.spec.version}"
        async with self._reading:
            return Index(await asyncio.to_thread(_hash, told.body, path))

    async def _ask_swagger(self, found: servicing.APIService, before: Swagger | None) -> Swagger:
        async with self._asking:
            told = await self._services.ask(found, V2, ASKING, before.tag if before is not None else "")
            source = hashlib.sha256(told.body).digest()
            if before is not None and (told.status == 304 or (told.status, source) == (200, before.source)):
                return before
            if told.status != 200:
                raise caller.Failure(f"its document was answered with {told.status}")
            async with self._reading:
                data = await asyncio.to_thread(_read, told.body, found.spec.group, found.spec.version)
        return Swagger(data, told.tag, source)


def _read(body: bytes, group: str, version: str) -> bytes:
    if len(body) > foreign.MOST_BYTES:
        raise ValueError("its document is too large")
    return jsontext.dumps(foreign.part(orjson.loads(body), group, version))


def _hash(body: bytes, group_version: str) -> str:
    """Return the hash that an index names for a group's version, if any; ValueError where it has no such row."""
    told = orjson.loads(body)
    paths = told.get("paths") if isinstance(told, dict) else None
    row = paths.get(group_version) if isinstance(paths, dict) else None
    address = row.get("serverRelativeURL") if isinstance(row, dict) else None
    if not isinstance(address, str):
        raise ValueError(f"its index has no {group_version}")
    found = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query).get("hash", [""])[0]
    return found[:MOST_HASH]
