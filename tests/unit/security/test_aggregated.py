"""A compromised aggregated API server: it reaches neither other callers nor other servers through this one."""

from __future__ import annotations

import base64
import ssl

import aiohttp
import orjson
import pytest

from control.apiserver.server import ApiServer
from control.controllers import apiservices
from control.gateway.aggregation import discovery
from control.gateway.rest import openapi
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1
from tests.support import extension
from tests.support.extension import FLUNDERS, V2, V3, V3_OWN, Backend, aggregate
from tests.unit.controllers import cluster as clusters
from tests.unit.security.conftest import Attack

APIService = apiregistrationv1.APIService
OWN = f"apis/{extension.GROUP}/{extension.VERSION}"
ALL_AT_ONCE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
NONSENSE = {
    "deep": b'{"resources":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "half a character": b'{"resources":[{"name":"\\ud800","kind":"X"}]}',
    "halves": b'{"resources":[{"name":"x","kind":"\\udfff\\ud800","verbs":["\\ud800"]}]}',
    "huge": b'{"resources":"' + b"x" * (17 << 20) + b'"}',
    "cut": b"[" * 50,
    "no text": b"\xff\xfe",
    "nothing": b"",
}
TOKEN = "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(b"very secret").decode().rstrip("=")


async def test_what_one_caller_is_given_to_keep_is_not_anothers(attack: Attack, backend: Backend) -> None:
    """Cookies are between a caller and the server: connections are shared, their cookies are not."""
    await aggregate(attack.api, backend)
    backend.headers["Set-Cookie"] = "session=of-the-first; Path=/"
    first, second = [await attack.as_user(name, "system:masters") for name in ("first", "second")]

    answer = await first("GET", FLUNDERS)
    await second("GET", FLUNDERS)

    assert answer.headers["Set-Cookie"] == "session=of-the-first; Path=/"
    assert [asked.headers.get("Cookie") for asked in backend.asked] == [None, None]


async def test_who_may_read_answers_is_not_its_to_say(attack: Attack, backend: Backend) -> None:
    """Pages of other origins could read what a browser asks for here. Nor may a caller say where it comes from."""
    await aggregate(attack.api, backend)
    backend.headers |= {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true"}
    admin = await attack.as_user("admin", "system:masters")

    answer = await admin("GET", FLUNDERS, X_Forwarded_For="1.2.3.4", X_Forwarded_Host="evil", X_Forwarded_Proto="x")

    (asked,) = backend.asked
    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert asked.headers.getall("X-Forwarded-For") == ["1.2.3.4, 127.0.0.1"]
    assert asked.headers.getall("X-Forwarded-Host") == [admin.url.removeprefix("https://")]
    assert (asked.headers["X-Forwarded-Proto"], asked.headers["X-Forwarded-Uri"]) == ("https", FLUNDERS)


async def test_a_token_among_protocols_stays_here(attack: Attack, backend: Backend) -> None:
    """It proves the caller to this server alone, whether it was asked for or not."""
    await aggregate(attack.api, backend)
    admin = await attack.as_user("admin", "system:masters")

    await admin("GET", FLUNDERS, Sec_WebSocket_Protocol=f"v4.channel.k8s.io, {TOKEN}")
    await admin("GET", FLUNDERS, Sec_WebSocket_Protocol=TOKEN)

    offered = [asked.headers.get("Sec-WebSocket-Protocol") for asked in backend.asked]
    assert offered == ["v4.channel.k8s.io", None]


@pytest.mark.parametrize("told", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense_for_discovery_hides_no_other_group(attack: Attack, backend: Backend, told: bytes) -> None:
    """Neither the list of groups nor aggregated discovery breaks because of what one server says of itself."""
    await aggregate(attack.api, backend)
    backend.resources = told
    somebody = await attack.as_user("joe")

    answers = [
        await somebody("GET", "/apis"),
        await somebody("GET", "/apis", accept=ALL_AT_ONCE),
        await somebody("GET", "/apis/apps/v1"),
    ]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert "apps" in [group["name"] for group in answers[0].json["groups"]]


@pytest.mark.parametrize("told", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense_for_openapi_hides_no_other_document(attack: Attack, backend: Backend, told: bytes) -> None:
    """Neither version breaks because of what one server says, and what it says of others' kinds is not believed."""
    somebody = await attack.as_user("joe")
    before = [(await somebody("GET", path, Accept_Encoding="identity")).json for path in (V2, V3)]
    await aggregate(attack.api, backend)
    backend.documents = {V2: told, V3: told}

    answers = [await somebody("GET", path, Accept_Encoding="identity") for path in (V2, V3, V3_OWN)]
    packed = await somebody("GET", V2, accept=openapi.V2_PROTOBUF[0])

    assert [answer.status for answer in (*answers, packed)] == [200, 200, 404, 200]
    assert [answer.json for answer in answers[:2]] == before


async def test_a_document_does_not_speak_for_others(attack: Attack, backend: Backend) -> None:
    """A definition of pods, an operation and a path of theirs, an index of more than the server's own."""
    pod = {"group": "", "kind": "Pod", "version": "v1"}
    told = orjson.loads(orjson.dumps(extension.SWAGGER))
    told["definitions"]["wardle.Flunder"]["x-kubernetes-group-version-kind"].append(pod)
    told["definitions"]["io.k8s.api.core.v1.Pod"] = told["definitions"]["wardle.FlunderSpec"]
    told["definitions"]["wardle.Flunder"]["properties"]["pod"] = {"$ref": "#/definitions/io.k8s.api.core.v1.Pod"}
    told["paths"]["/api/v1/pods"] = {"get": {"x-kubernetes-group-version-kind": pod, "responses": {}}}
    somebody = await attack.as_user("joe")
    before = (await somebody("GET", V3)).json["paths"]
    await aggregate(attack.api, backend)
    index = {"paths": {name: {"serverRelativeURL": "https://example.com/?hash=x"} for name in ("api/v1", OWN, "x")}}
    backend.documents = {V2: orjson.dumps(told), V3: orjson.dumps(index)}

    document = (await somebody("GET", V2, Accept_Encoding="identity")).json
    listed = (await somebody("GET", V3)).json["paths"]

    pods = [
        name
        for name, schema in document["definitions"].items()
        if pod in schema.get("x-kubernetes-group-version-kind", [])
    ]
    assert pods == ["io.k8s.api.core.v1.Pod"]
    assert "spec" in document["definitions"]["io.k8s.api.core.v1.Pod"]["properties"]
    assert document["paths"]["/api/v1/pods"]["get"]["operationId"] == "listCoreV1PodForAllNamespaces"
    assert listed == {**before, OWN: {"serverRelativeURL": f"{V3_OWN}?hash=x"}}


async def test_discovery_of_very_many_resources_is_cut_short(attack: Attack, backend: Backend) -> None:
    """They would be sent to everybody who discovers."""
    await aggregate(attack.api, backend)
    rows = [{"name": str(number), "kind": "X"} for number in range(discovery.MOST + 1)]
    backend.resources = orjson.dumps({"resources": rows})
    somebody = await attack.as_user("joe")

    found = (await somebody("GET", "/apis", accept=ALL_AT_ONCE)).json["items"]

    (wardle,) = [group for group in found if group["metadata"]["name"] == extension.GROUP]
    assert len(wardle["versions"][0]["resources"]) == discovery.MOST


async def test_discovery_follows_nobody_elsewhere(attack: Attack, backend: Backend) -> None:
    """It is asked in the name of group system:masters: a redirect would carry that to a server of its choice."""
    await aggregate(attack.api, backend)
    backend.status, backend.headers["Location"] = 302, f"https://wardle.default.svc:{backend.port}/secret/v1alpha1"
    somebody = await attack.as_user("joe")

    answer = await somebody("GET", "/apis")

    assert answer.status == 200
    assert [asked.path for asked in backend.asked] == ["/apis/wardle.example.com/v1alpha1"]


async def test_the_check_of_a_service_follows_nobody_elsewhere(backend: Backend) -> None:
    """Nor does the controller that asks whether it is there: a redirect is a failure."""
    backend.status, backend.headers["Location"] = 302, "/secret/v1alpha1"
    apis: list[ApiServer] = []

    def connector(context: ssl.SSLContext) -> aiohttp.TCPConnector:
        return apis[0].dialer.connector(context)

    access = apiservices.Access("", "", connector)
    async with clusters.cluster(watched=[APIService], aggregated=access) as cluster:
        apis.append(cluster.api)
        await aggregate(cluster.api, backend)

        def why_not_yet() -> str:
            (found,) = [one for one in cluster.all(APIService) if one.spec.HasField("service")]
            (available,) = found.status.conditions
            told = available.message or "not asked yet"
            return "" if told.endswith("/apis/wardle.example.com/v1alpha1: 302") else told

        await clusters.wait_until(why_not_yet)

    assert {asked.path for asked in backend.asked} == {"/apis/wardle.example.com/v1alpha1"}
