"""OpenAPI with the documents of aggregated APIs: listed, passed on or made of older ones, merged and remembered."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from control.apiserver.server import ApiServer
from control.gateway.aggregation import memory
from control.gateway.rest import metrics, openapi, swagger
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1
from fairlead.api.pb import openapi_v2_pb2
from tests.support.extension import GROUP, INDEX, META, SWAGGER, V2, V3, V3_OWN, VERSION, Backend, aggregate
from tests.unit.gateway.rest.conftest import Caller

NAME = f"apis/{GROUP}/{VERSION}"
DOCUMENT = b'{"openapi":"3.0.0","info":{"title":"theirs","version":"1"},"paths":{}}'


def documents(swagger: Any = SWAGGER) -> dict[str, bytes]:
    """Return what a server tells that has both versions."""
    return {V2: orjson.dumps(swagger), V3: orjson.dumps(INDEX), V3_OWN: DOCUMENT}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remember nothing longer than it takes to ask."""
    monkeypatch.setattr(memory, "REMEMBERED_SECONDS", 0.0)
    monkeypatch.setattr(memory, "AGAIN_SECONDS", 0.0)


async def flunder(call: Caller) -> Any:
    """Return the schema of Flunders in version 2, if there is one."""
    return (await call("GET", V2, Accept_Encoding="identity")).json["definitions"].get("wardle.Flunder")


async def test_version_3_is_listed_and_its_servers_to_give(api: ApiServer, call: Caller, backend: Backend) -> None:
    """The index has the server's hash; the document is asked for in the caller's name and comes as it is."""
    await aggregate(api, backend)
    backend.documents = documents()

    listed = (await call("GET", V3)).json["paths"]
    found = await call("GET", listed[NAME]["serverRelativeURL"])
    unchanged = await call("GET", V3_OWN, If_None_Match=found.headers["ETag"])

    asked = [(one.path_qs, one.headers["X-Remote-User"]) for one in backend.asked]
    assert listed[NAME] == {"serverRelativeURL": f"{V3_OWN}?hash=A1"}
    assert "apis/apps/v1" in listed
    assert (found.status, found.body) == (200, DOCUMENT)
    assert unchanged.status == 304
    assert asked == [(V3, "system:aggregator"), (f"{V3_OWN}?hash=A1", "admin"), (V3_OWN, "admin")]


async def test_version_2_has_the_definitions_of_all(api: ApiServer, call: Caller, backend: Backend) -> None:
    """As JSON and as messages; what is ours stays, another meaning of a name has another name."""
    alone = (await call("GET", V2, Accept_Encoding="identity")).json
    await aggregate(api, backend)
    backend.documents = documents()

    merged = (await call("GET", V2, Accept_Encoding="identity")).json
    packed = await call("GET", V2, accept=openapi.V2_PROTOBUF[0], Accept_Encoding="identity")

    added = merged["definitions"].keys() - alone["definitions"].keys()
    assert added == {"wardle.Flunder", "wardle.FlunderSpec", f"{META}.ObjectMeta_v2"}
    assert {name: merged["definitions"][name] for name in alone["definitions"]} == alone["definitions"]
    assert len(merged["paths"].keys() - alone["paths"].keys()) == 1
    assert openapi_v2_pb2.Document.FromString(packed.body) == swagger.message(merged)


async def test_a_server_with_version_2_alone_has_version_3_made_of_it(
    api: ApiServer, call: Caller, backend: Backend
) -> None:
    """By an address with the hash of what was made."""
    await aggregate(api, backend)
    backend.documents = {V2: orjson.dumps(SWAGGER)}

    address = (await call("GET", V3)).json["paths"][NAME]["serverRelativeURL"]
    found = await call("GET", address)

    assert address.startswith(f"{V3_OWN}?hash=")
    assert (found.status, found.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    assert found.json["components"]["schemas"].keys() == {
        "wardle.Flunder",
        "wardle.FlunderSpec",
        f"{META}.ObjectMeta",
    }


@pytest.mark.usefixtures("impatient")
async def test_what_a_server_told_stays_when_it_tells_nothing_more(
    api: ApiServer, call: Caller, backend: Backend
) -> None:
    """Whether it has nothing any more, nonsense or half an answer; only its own document cannot be had then."""
    await aggregate(api, backend)
    backend.documents = documents()
    first = await flunder(call), (await call("GET", V3)).json

    after = []
    for told, cut in (({V3: b"-"}, False), ({V2: b"nonsense", V3: b"[]"}, False), (documents(), True)):
        backend.documents, backend.cut = told, cut
        after.append((await flunder(call), (await call("GET", V3)).json))
    backend.documents, backend.cut = {V3: orjson.dumps(INDEX)}, False
    gone = await call("GET", V3_OWN)

    assert first[0] is not None
    assert after == [first, first, first]
    assert gone.status == 404


@pytest.mark.usefixtures("impatient")
async def test_a_change_is_seen(api: ApiServer, call: Caller, backend: Backend) -> None:
    """A document that has not changed is not sent again, one that has is taken."""
    await aggregate(api, backend)
    backend.documents = documents()
    await flunder(call)
    await flunder(call)
    tags = [one.headers.get("If-None-Match") for one in backend.asked if one.path == V2]
    changed = orjson.loads(orjson.dumps(SWAGGER).replace(b"fish of the flat kind", b"flatfish"))
    backend.documents = documents(changed)

    found = await flunder(call)

    assert (tags[0], bool(tags[1])) == (None, True)
    assert found["description"] == "A flatfish."


async def test_a_server_is_asked_once_in_a_while(api: ApiServer, call: Caller, backend: Backend) -> None:
    """Not by each who asks here, and no more often where it has nothing to tell."""
    await aggregate(api, backend)

    for path in (V2, V3, V2, V3, V3_OWN):
        await call("GET", path)

    assert sorted(one.path for one in backend.asked) == [V2, V3]


async def test_what_never_answered_is_left_out(api: ApiServer, call: Caller, backend: Backend) -> None:
    """Nothing else suffers from it."""
    await aggregate(api, backend, status="False")

    listed = (await call("GET", V3)).json["paths"]
    own = await call("GET", V3_OWN)

    assert NAME not in listed
    assert "apis/apps/v1" in listed
    assert await flunder(call) is None
    assert (own.status, own.json["reason"]) == (404, "NotFound")
    assert backend.asked == []


async def test_an_apiservice_that_is_gone_takes_its_documents_along(
    api: ApiServer, call: Caller, backend: Backend
) -> None:
    """At once."""
    await aggregate(api, backend)
    backend.documents = documents()
    before = await flunder(call)
    await call("GET", V3)

    await api.as_user("admin", ["system:masters"]).delete(apiregistrationv1.APIService, f"{VERSION}.{GROUP}")
    await api.cache.fresh()

    assert before is not None
    assert await flunder(call) is None
    assert NAME not in (await call("GET", V3)).json["paths"]


async def test_a_group_that_is_answered_here_is_nobody_elses(api: ApiServer, call: Caller, backend: Backend) -> None:
    """metrics.k8s.io has no kinds in the registry, and is ours all the same."""
    client = api.as_user("admin", ["system:masters"])
    await aggregate(api, backend)
    ours = apiregistrationv1.APIService()
    ours.CopyFrom(await client.get(apiregistrationv1.APIService, f"{VERSION}.{GROUP}"))
    ours.metadata.Clear()
    ours.metadata.name = f"{metrics.VERSION}.{metrics.GROUP}"
    ours.spec.group, ours.spec.version = metrics.GROUP, metrics.VERSION
    await client.create(ours)
    await api.cache.fresh()
    backend.documents = documents()

    listed = (await call("GET", V3)).json["paths"]
    await call("GET", f"{metrics.PREFIX}nodes")

    assert f"apis/{metrics.GROUP}/{metrics.VERSION}" not in listed
    assert {one.path for one in backend.asked} == {V3}
