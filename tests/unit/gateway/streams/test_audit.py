"""The stages of streams in the audit log, and callers whom nobody knows."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import orjson
import pytest

from control.apiserver import authn, authz
from control.apiserver.audit import policy, recording
from control.gateway.streams import portforward
from fairlead.api import errors
from fairlead.testing import control
from fairlead.testing import rest as testing
from tests.integration.dispatcher import harness
from tests.support import streaming

ROOT = authn.user(*control.ADMIN)
EVERYTHING = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}


class Lines:
    """The log, of everything."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.auditor = recording.Recorder(policy.parse(orjson.dumps(EVERYTHING).decode()), self.raw.append)

    def of(self, subresource: str) -> list[tuple[str, int]]:
        """Return the stages of requests for a subresource, with their codes."""
        events = [orjson.loads(line) for line in self.raw]
        return [
            (event["stage"], event.get("responseStatus", {}).get("code", 0))
            for event in events
            if event.get("objectRef", {}).get("subresource") == subresource
        ]


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", portforward.TUNNEL])
async def test_a_stream_has_three_stages(protocol: str) -> None:
    """It is received, answered with 101, and over when it is over."""
    lines = Lines()
    verb = "exec" if protocol.startswith("v5") else "portforward"
    path = f"{streaming.PODS}/web/{verb}?stdin=true&stdout=true&command=cat"

    def after(stages: int) -> Callable[[], Awaitable[str]]:
        async def probe() -> str:
            return "" if len(lines.of(verb)) >= stages else f"only {lines.of(verb)}"

        return probe

    async with streaming.cluster() as made:
        made.control.api.auditor = lines.auditor
        async with made.http.ws_connect(made.url + path, protocols=[protocol]) as socket:
            await harness.wait_until(after(2))
            during = lines.of(verb)
            await socket.close()
        await harness.wait_until(after(3))
        await made.until_quiet()

    assert during == [("RequestReceived", 0), ("ResponseStarted", 101)]
    assert lines.of(verb) == [*during, ("ResponseComplete", 101)]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_stream_over_grpc_has_them_too(fails: bool) -> None:
    """From its first frame to its end, or to the error that ends it."""
    lines = Lines()
    asked = authz.Attributes(ROOT, "create", "", "pods", "exec", "default", "web")

    async def frames() -> AsyncIterator[int]:
        yield 1
        yield 2
        if fails:
            raise errors.ServiceUnavailable("the node has gone")

    with lines.auditor.unended(asked, "v1") as event:
        pass
    got: list[int] = []
    with contextlib.suppress(errors.ServiceUnavailable):
        got.extend([one async for one in recording.carried(frames(), event, 101)])
    with pytest.raises(errors.Forbidden), lines.auditor.unended(asked, "v1"):
        raise errors.Forbidden("no")

    end = ("ResponseComplete", 503 if fails else 101)
    refused = [("RequestReceived", 0), ("ResponseComplete", 403)]
    assert lines.of("exec") == [("RequestReceived", 0), ("ResponseStarted", 101), end, *refused]
    assert got == ([] if fails else [1, 2])


async def test_a_stream_that_fails_never_started() -> None:
    """Its last stage has the error's code."""
    lines = Lines()
    async with streaming.cluster() as made:
        made.control.api.auditor = lines.auditor
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await made.http.ws_connect(f"{made.url}{streaming.PODS}/gone/exec?stdout=1&command=x")

    assert lines.of("exec") == [("RequestReceived", 0), ("ResponseComplete", 404)]


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, "Authentication failed, no credentials provided"),
        ({"Authorization": "Bearer nonsense"}, "Authentication failed, attempted: bearer"),
        ({"Authorization": "Basic YTpi"}, "Authentication failed, attempted: basic"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PROPFIND"])
async def test_a_stranger_is_noted(headers: dict[str, str], told: str, method: str) -> None:
    """As Kubernetes notes one: one stage, no user, and how it tried."""
    lines = Lines()
    async with control.memory_api(auditor=lines.auditor) as api, testing.serve(api) as server:
        connector = aiohttp.TCPConnector(ssl=server.tls(""))
        async with aiohttp.ClientSession(connector=connector) as session:
            url = f"{server.url}/api/v1/namespaces/default/secrets/x"
            async with session.request(method, url, headers=headers) as answer:
                assert answer.status == 401
    (event,) = [one for one in map(orjson.loads, lines.raw) if one["requestURI"].endswith("secrets/x")]
    assert event["stage"] == "ResponseStarted"
    assert (event["user"], event["verb"]) == ({}, method.lower())
    assert event["responseStatus"] == {"metadata": {}, "status": "Failure", "message": told, "code": 401}
    assert event.get("objectRef", {}).get("name", "") == ("x" if method == "GET" else "")
    assert b"nonsense" not in b"".join(lines.raw)


async def test_what_breaks_here_is_a_panic() -> None:
    """A fault of ours ends a request with Kubernetes' stage for it, and tells nothing of the object."""
    lines = Lines()
    async with control.memory_api(auditor=lines.auditor) as api:
        with pytest.raises(ZeroDivisionError), api.noted(authz.Attributes(ROOT, "get", "", "pods")):
            raise ZeroDivisionError("secret")
    received, panic = (orjson.loads(line) for line in lines.raw[-2:])
    assert (received["stage"], panic["stage"]) == ("RequestReceived", "Panic")
    assert panic["responseStatus"] == {
        "metadata": {},
        "status": "Failure",
        "reason": "InternalError",
        "message": "APIServer panic'd: ZeroDivisionError",
        "code": 500,
    }
