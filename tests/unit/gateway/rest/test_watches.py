"""Watches over REST: what is there, what changes, and how they end."""

from __future__ import annotations

import aiohttp
import orjson

from control.apiserver.server import ApiServer
from fairlead.testing import control
from fairlead.testing import rest as testing
from tests.support import pods
from tests.unit.gateway.rest.conftest import CONFIGMAPS, Caller, configmap


async def test_a_watch_tells_what_is_there_and_what_changes(call: Caller) -> None:
    """One line an event; the selection decides what comes."""
    made = (await call("POST", CONFIGMAPS, configmap("a", x="1"))).json
    async with call.session.get(f"{call.url}{CONFIGMAPS}?watch=true") as response:
        first = orjson.loads(await response.content.readline())
        changed = (await call("PUT", f"{CONFIGMAPS}/a", {**made, "data": {"x": "2"}})).json
        second = orjson.loads(await response.content.readline())
        await call("DELETE", f"{CONFIGMAPS}/a")
        third = orjson.loads(await response.content.readline())
    assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
    assert [first, second] == [{"type": "ADDED", "object": made}, {"type": "MODIFIED", "object": changed}]
    assert (third["type"], third["object"]["data"]) == ("DELETED", {"x": "2"})
    assert int(third["object"]["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])


async def test_a_watch_ends_after_its_timeout(call: Caller) -> None:
    """timeoutSeconds ends the stream without an error."""
    answer = await call("GET", f"{CONFIGMAPS}?watch=1&timeoutSeconds=1")
    assert (answer.status, answer.body) == (200, b"")


async def test_initial_events_end_with_a_bookmark_that_says_so(call: Caller) -> None:
    """sendInitialEvents: the objects, then the mark with the annotation that informers look for."""
    made = (await call("POST", CONFIGMAPS, configmap("a"))).json
    query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    async with call.session.get(f"{call.url}{CONFIGMAPS}?{query}") as response:
        lines = [orjson.loads(await response.content.readline()) for _ in range(2)]
    assert lines == [
        {"type": "ADDED", "object": made},
        {
            "type": "BOOKMARK",
            "object": {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "annotations": {"k8s.io/initial-events-end": "true"},
                    "creationTimestamp": None,
                    "resourceVersion": made["metadata"]["resourceVersion"],
                },
            },
        },
    ]


async def test_the_old_form_of_a_watch_names_one_object(call: Caller) -> None:
    """/watch/ before the resource."""
    for name in ("a", "b"):
        await call("POST", CONFIGMAPS, configmap(name))
    async with call.session.get(f"{call.url}/api/v1/watch/namespaces/default/configmaps/b") as response:
        line = orjson.loads(await response.content.readline())
    assert line["object"]["metadata"]["name"] == "b"


async def test_a_watch_whose_caller_hangs_up_is_released(call: Caller) -> None:
    """The gateway notices and closes what the watch held."""
    async with call.session.get(f"{call.url}{CONFIGMAPS}?watch=true") as response:
        assert response.status == 200
        assert "apiserver_longrunning_requests 1.0" in (await call("GET", "/metrics")).body.decode()

    async def released() -> str:
        figures = (await call("GET", "/metrics")).body.decode()
        return "" if "apiserver_longrunning_requests 0.0" in figures else "the watch is still counted"

    await pods.wait_until_async(released)


async def test_a_watch_of_forgotten_history_ends_with_an_error_event(api: ApiServer, call: Caller) -> None:
    """As Kubernetes: 200, then an event of type ERROR with the Status 410."""
    await call("POST", CONFIGMAPS, configmap("a"))
    await api.store.compact(await api.store.revision())
    async with control.memory_api(api.store) as younger, testing.serve(younger) as server:
        tls = aiohttp.TCPConnector(ssl=server.tls("admin", "system:masters"))
        async with aiohttp.ClientSession(connector=tls) as session:
            answer = await Caller(session, server.url)("GET", f"{CONFIGMAPS}?watch=1&resourceVersion=1")
    event = orjson.loads(answer.body)
    assert (answer.status, event["type"]) == (200, "ERROR")
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
