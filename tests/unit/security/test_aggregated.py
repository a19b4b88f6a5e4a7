"""A compromised aggregated API server: it reaches neither other callers nor other servers through this one."""

from __future__ import annotations

import base64
import ssl

import aiohttp
import pytest

from control.apiserver.server import ApiServer
from control.controllers import apiservices
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1
from tests.support.extension import FLUNDERS, Backend, aggregate
from tests.unit.controllers import cluster as clusters
from tests.unit.security.conftest import Attack

APIService = apiregistrationv1.APIService
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


async def test_a_token_among_protocols_stays_here(attack: Attack, backend: Backend) -> None:
    """It proves the caller to this server alone, whether it was asked for or not."""
    await aggregate(attack.api, backend)
    admin = await attack.as_user("admin", "system:masters")

    await admin("GET", FLUNDERS, Sec_WebSocket_Protocol=f"v4.channel.k8s.io, {TOKEN}")
    await admin("GET", FLUNDERS, Sec_WebSocket_Protocol=TOKEN)

    offered = [asked.headers.get("Sec-WebSocket-Protocol") for asked in backend.asked]
    assert offered == ["v4.channel.k8s.io", None]


@pytest.mark.parametrize(
    "told",
    [
        b'{"resources":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"resources":[{"name":"\\ud800","kind":"X"}]}',
        b'{"resources":[{"name":"x","kind":"\\udfff\\ud800","verbs":["\\ud800"]}]}',
        b'{"resources":"' + b"x" * (17 << 20) + b'"}',
        b"[" * 50,
        b"\xff\xfe",
        b"",
    ],
    ids=["deep", "half a character", "halves", "huge", "cut", "no text", "nothing"],
)
async def test_nonsense_for_discovery_hides_no_other_group(attack: Attack, backend: Backend, told: bytes) -> None:
    """Neither the list of groups nor aggregated discovery breaks because of what one server says of itself."""
    await aggregate(attack.api, backend)
    backend.resources = told
    somebody = await attack.as_user("joe")

    answers = [
        await somebody("GET", "/apis"),
        await somebody("GET", "/apis", accept="application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"),
        await somebody("GET", "/apis/apps/v1"),
    ]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert "apps" in [group["name"] for group in answers[0].json["groups"]]


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
