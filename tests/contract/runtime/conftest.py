"""The runtimes that one suite holds equal."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from node.runtime import interface, memory
from node.runtime.podman import runtime as podman_runtime
from tests.support import podman

LABELS = {
    interface.NAMESPACE_LABEL: "default",
    interface.NAME_LABEL: "web",
    interface.UID_LABEL: "u1",
    interface.CONTAINER_LABEL: "main",
    interface.RESTARTS_LABEL: "0",
}


@pytest.fixture(scope="module")
def podman_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[podman.Service]:
    """A Podman service of this module's own."""
    if reason := podman.missing():
        pytest.fail(f"the Podman runtime cannot be tested: {reason}")
    root: pathlib.Path = tmp_path_factory.mktemp("podman")
    with podman.service(root) as service:
        yield service


@pytest.fixture(params=["memory", "podman"])
async def runtime(request: pytest.FixtureRequest) -> AsyncIterator[interface.Runtime]:
    """Each runtime in turn, empty, with the test image at hand."""
    made: interface.Runtime
    if request.param == "memory":
        made = memory.MemoryRuntime(images=[podman.IMAGE])
    else:
        service: podman.Service = request.getfixturevalue("podman_service")
        made = podman_runtime.PodmanRuntime(service.socket)
    try:
        yield made
    finally:
        for one in await made.containers():
            await made.remove(one.id)
        await made.close()


@pytest.fixture
def script(request: pytest.FixtureRequest, runtime: interface.Runtime) -> Callable[[str], tuple[str, ...]]:
    """Turn a pretended command (`exit 3`) into one that behaves so in the runtime at hand."""

    def words(text: str) -> tuple[str, ...]:
        if runtime.scheme == "memory":
            return tuple(text.split())
        if text == "stubborn":
            return ("sh", "-c", "trap '' TERM; while :; do sleep 1; done")
        if text == "run":
            return ("sh", "-c", "trap 'exit 143' TERM; echo started run; while :; do sleep 0.05; done")
        if text.startswith("fail-start"):
            return ("/no/such/program",)
        return ("sh", "-c", f"echo started {text}; {text}")

    return words


@contextlib.asynccontextmanager
async def following(runtime: interface.Runtime) -> AsyncIterator[Callable[[str, str], object]]:
    """Subscribe to events; yields a coroutine function that waits for one."""
    stream = runtime.events()
    assert await anext(stream) == interface.Event("subscribed")

    async def until(kind: str, container: str) -> None:
        async for event in stream:
            if (event.kind, event.container) == (kind, container):
                return

    try:
        yield until
    finally:
        await stream.aclose()  # type: ignore[attr-defined]
