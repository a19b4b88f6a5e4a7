"""What probes and hooks ask over HTTP, of a server of the test's."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import hooks
from node.network.interface import Sandbox
from tests.support import pods


@contextlib.asynccontextmanager
async def _server() -> AsyncIterator[tuple[hooks.Hook, int]]:
    """Serve redirects to a place or in a circle, and answers of a code."""

    async def redirect(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": request.query.get("place", "/round")}, text="over there")

    async def code(request: web.Request) -> web.StreamResponse:
        return web.Response(status=int(request.match_info["number"]))

    app = web.Application()
    app.router.add_get("/to", redirect)
    app.router.add_get("/round", redirect)
    app.router.add_get("/code/{number}", code)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pod, parts = pods.pod(), pods.parts()
    sandbox = Sandbox(pods.UID, "s", "", "", "", ("127.0.0.1",))
    try:
        yield hooks.Hook(parts, pod, pod.spec.containers[0], "id", sandbox), runner.addresses[0][1]
    finally:
        await parts.close()
        await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("/code/204", ""),
        ("/to?place=/code/200", ""),
        ("/to?place=code/200", ""),
        ("/to?place=http://elsewhere.test/", "Probe terminated redirects, Response body: over there"),
        ("/code/300", "Probe terminated redirects, Response body: "),
    ],
)
async def test_redirects_are_followed_on_the_same_host(path: str, want: str) -> None:
    """One to another host is where asking ends, and no failure."""
    async with _server() as (hook, port):
        assert await hook.http(_action(path, port), 5.0) == want


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("/code/500", "HTTP probe failed with statuscode: 500"),
        ("/to?place=/code/404", "HTTP probe failed with statuscode: 404"),
        ("/round", "stopped after 10 redirects"),
        ("/to?place=http://[", "Get .*: Invalid"),
    ],
)
async def test_what_fails_says_why(path: str, want: str) -> None:
    """The last answer counts; ten redirects are enough."""
    async with _server() as (hook, port):
        with pytest.raises(hooks.HookFailed, match=want):
            await hook.http(_action(path, port), 5.0)


def _action(path: str, port: int) -> corev1.HTTPGetAction:
    action = corev1.HTTPGetAction(path=path)
    action.port.intVal = port
    return action
