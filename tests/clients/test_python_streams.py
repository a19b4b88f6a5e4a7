"""The official Python client's `stream` module on exec, attach and port-forward."""

from __future__ import annotations

import asyncio
import gc
import pathlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import kubernetes
import kubernetes.stream
import pytest

from fairlead.testing import rest as testing
from tests.support import processes, streaming

SECONDS = 60.0

# The client leaves sockets, its own and so the server's ends, to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
async def made(tmp_path: pathlib.Path) -> AsyncIterator[tuple[streaming.Cluster, Any]]:
    """A cluster with the running pod `web`, and the client's core API; afterwards nothing is left of any stream."""
    runtime = processes.LocalRuntime(images=(streaming.IMAGE,))
    async with (
        streaming.cluster(containers=runtime) as cluster,
        testing.serve(cluster.control.api, cluster.control.relay) as server,
    ):
        (tmp_path / "config").write_text(server.kubeconfig("admin", "system:masters"))
        # beside the loop: the node's session must not be held up
        api = await asyncio.to_thread(core_api, tmp_path / "config")
        yield cluster, api
        api.api_client.close()
        await cluster.until_quiet()
        assert not runtime.running
    gc.collect()


def core_api(config: pathlib.Path) -> Any:
    """Return the client's core API."""
    client = kubernetes.config.new_client_from_config(str(config))
    client.configuration.proxy = None
    return kubernetes.client.CoreV1Api(client)


async def beside(work: Callable[[], Any]) -> Any:
    """Run the client, which blocks, in a thread."""
    async with asyncio.timeout(SECONDS):
        return await asyncio.to_thread(work)


async def test_exec_returns_output(made: tuple[streaming.Cluster, Any]) -> None:
    """In one call."""
    _, api = made

    got = await beside(
        lambda: kubernetes.stream.stream(
            api.connect_get_namespaced_pod_exec,
            "web",
            "default",
            command=["sh", "-c", "echo one; echo two >&2"],
            stdin=False,
            stdout=True,
            stderr=True,
            tty=False,
        )
    )

    assert sorted(got.split()) == ["one", "two"]


async def test_a_conversation_has_input_and_an_exit_code(made: tuple[streaming.Cluster, Any]) -> None:
    """With `_preload_content=False`: channels, and the code out of the Status."""
    _, api = made

    def converse() -> tuple[str, str, int]:
        opened = kubernetes.stream.stream(
            api.connect_get_namespaced_pod_exec,
            "web",
            "default",
            command=["sh", "-c", "read x; echo got $x; echo bad >&2; exit 9"],
            stdin=True,
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
        )
        opened.write_stdin("typed\n")
        opened.run_forever(timeout=SECONDS)
        found = opened.read_stdout(), opened.read_stderr(), opened.returncode
        opened.close()
        return found

    assert await beside(converse) == ("got typed\n", "bad\n", 9)


async def test_attach_joins_the_main_process(made: tuple[streaming.Cluster, Any]) -> None:
    """Which gives back what it is sent."""
    _, api = made

    def converse() -> str:
        opened = kubernetes.stream.stream(
            api.connect_get_namespaced_pod_attach,
            "web",
            "default",
            stdin=True,
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
        )
        opened.write_stdin("typed\n")
        found: str = opened.readline_stdout(timeout=SECONDS)
        opened.close()
        return found

    assert await beside(converse) == "typed"


async def test_port_forward_gives_a_socket(made: tuple[streaming.Cluster, Any]) -> None:
    """Bytes there and back."""
    cluster, api = made

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.close()

    def ask() -> bytes:
        forward = kubernetes.stream.portforward(
            api.connect_get_namespaced_pod_portforward, "web", "default", ports="80"
        )
        socket = forward.socket(80)
        socket.settimeout(SECONDS)
        socket.sendall(b"hello\n")
        got: bytes = socket.recv(100)
        socket.close()
        return got

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        cluster.network.port = listening.sockets[0].getsockname()[1]
        assert await beside(ask) == b"HELLO\n"


async def test_an_error_is_the_clients_exception(made: tuple[streaming.Cluster, Any]) -> None:
    """With the status of the refused handshake."""
    _, api = made

    def refused() -> None:
        kubernetes.stream.stream(
            api.connect_get_namespaced_pod_exec, "gone", "default", command=["true"], stdout=True
        )

    with pytest.raises(kubernetes.client.ApiException) as failed:
        await beside(refused)

    assert "404" in str(failed.value.reason)
