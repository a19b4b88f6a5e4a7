"""`kubectl debug` before 1.22: an object of its own where the API has had a Pod since."""

from __future__ import annotations

from typing import Any

import aiohttp

from control.apiserver.settings import Settings
from fairlead.testing import control
from fairlead.testing import rest as testing
from tests.unit.gateway.rest.conftest import Answer, Caller

PODS = "/api/v1/namespaces/default/pods"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "main", "image": "web"}]},
}
OLD, NEW = "kubectl/v1.20.2 (linux/amd64) kubernetes/faecb19", "kubectl/v1.32.4 (linux/amd64) kubernetes/59526cd"
DEBUGGER = {"name": "look", "image": "busybox", "targetContainerName": "main"}


async def debugged(compat: str) -> tuple[Answer, Answer, Answer, Any]:
    """Do what an old kubectl does to the pod `web`; return what it read and got, a new one's view, the pod."""
    settings = Settings(disabled_plugins=control.WITHOUT_CONTROLLERS, api_compat=compat)
    async with control.memory_api(settings=settings) as api, testing.serve(api) as server:
        tls = aiohttp.TCPConnector(ssl=server.tls("admin", "system:masters"))
        async with aiohttp.ClientSession(connector=tls) as session:
            call = Caller(session, server.url)
            await call("POST", PODS, POD)
            read = await call("GET", f"{PODS}/web/ephemeralcontainers", User_Agent=OLD)
            body = {
                "kind": "EphemeralContainers",
                "apiVersion": "v1",
                "metadata": read.json["metadata"],
                "ephemeralContainers": [DEBUGGER],
            }
            put = await call("PUT", f"{PODS}/web/ephemeralcontainers", body, User_Agent=OLD)
            new = await call("GET", f"{PODS}/web/ephemeralcontainers", User_Agent=NEW)
            return read, put, new, (await call("GET", f"{PODS}/web")).json


async def test_an_old_kubectl_adds_a_debugging_container() -> None:
    """It reads and puts EphemeralContainers; the pod has the container, and others see a Pod."""
    read, put, new, pod = await debugged("1.20")

    assert (read.json["kind"], read.json["ephemeralContainers"]) == ("EphemeralContainers", [])
    assert put.json["kind"] == "EphemeralContainers"
    assert put.json["metadata"] == {**read.json["metadata"], "resourceVersion": pod["metadata"]["resourceVersion"]}
    assert [one["name"] for one in put.json["ephemeralContainers"]] == ["look"]
    assert new.json["kind"] == "Pod"
    assert [one["image"] for one in pod["spec"]["ephemeralContainers"]] == ["busybox"]


async def test_without_api_compat_there_is_no_such_object() -> None:
    """As Kubernetes since 1.22 says."""
    read, put, _, pod = await debugged("")

    assert read.json["kind"] == "Pod"
    assert (put.status, put.json["message"]) == (
        400,
        'EphemeralContainers in version "v1" cannot be handled as a Pod: no kind "EphemeralContainers" is registered '
        'for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"',
    )
    assert "ephemeralContainers" not in pod["spec"]
