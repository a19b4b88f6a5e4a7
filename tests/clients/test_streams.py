"""Real kubectl on streams: exec, attach, cp, port-forward, logs and proxy, over WebSocket and SPDY.

The node's agent, its session and pod machinery are real; an exec is a process of this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import os
import pathlib
import pty
import struct
import termios
from collections.abc import AsyncIterator

import pytest

from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from fairlead.testing import rest as testing
from tests.integration.dispatcher import harness
from tests.support import hooks, kubectl, processes, streaming
from tests.unit.apiserver.admission import test_webhooks

SECONDS = 60.0
SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}


@dataclasses.dataclass(frozen=True)
class Client:
    """A kubectl, and whether it is to speak SPDY although it knows better."""

    program: kubectl.Kubectl
    spdy: bool

    def __str__(self) -> str:
        return f"{self.program}{'-spdy' if self.spdy else ''}"


def clients() -> list[Client]:
    """Return every kubectl; the newest over both protocols."""
    return [Client(one, False) for one in kubectl.every()] + [Client(kubectl.newest(), True)]


@dataclasses.dataclass
class Console:
    """A kubectl on a cluster."""

    client: Client
    made: streaming.Cluster
    runtime: processes.LocalRuntime
    folder: pathlib.Path

    async def start(self, *words: str, **options: int) -> asyncio.subprocess.Process:
        """Start a command line."""
        line = self.client.program.command(self.folder / "config", self.folder / "cache", *words)
        env = kubectl.environment() | (SPDY if self.client.spdy else {})
        return await asyncio.create_subprocess_exec(*line, env=env, **options)

    async def run(self, *words: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        """Run a command line to its end; returns exit code, output and errors."""
        pipe = asyncio.subprocess.PIPE
        child = await self.start(*words, stdin=pipe, stdout=pipe, stderr=pipe)
        async with asyncio.timeout(SECONDS):
            out, err = await child.communicate(stdin)
        assert child.returncode is not None
        return child.returncode, out, err

    @contextlib.asynccontextmanager
    async def background(self, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a command line beside the test, and kill it."""
        pipe = asyncio.subprocess.PIPE
        child = await self.start(*words, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        try:
            yield child
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.communicate()


@pytest.fixture(params=clients(), ids=str)
async def console(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> AsyncIterator[Console]:
    """A kubectl on a cluster with the running pod `web`; afterwards nothing is left of any stream."""
    runtime = processes.LocalRuntime(images=(streaming.IMAGE,))
    async with (
        streaming.cluster(containers=runtime) as made,
        testing.serve(made.control.api, made.control.relay) as server,
    ):
        (tmp_path / "config").write_text(server.kubeconfig("admin", "system:masters"))
        yield Console(request.param, made, runtime, tmp_path)
        await made.until_quiet()
        assert not runtime.running


def local_port(said: bytes) -> int:
    """Return the port of `Forwarding from 127.0.0.1:40000 -> 80`."""
    return int(said.split()[2].rsplit(b":", 1)[1])


async def test_exec_gives_output_errors_and_the_exit_code(console: Console) -> None:
    """Each stream is its own, and kubectl leaves with the command's code."""
    got = await console.run("exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7")

    assert got[:2] == (7, b"out\n")
    assert got[2].splitlines() == [b"err", b"command terminated with exit code 7"]


async def test_exec_takes_megabytes_and_the_end_of_input(console: Console) -> None:
    """Four megabytes in and out: held back where they must be, complete, and ended."""
    body = os.urandom(4 << 20)

    code, out, err = await console.run("exec", "-i", "web", "--", "cat", stdin=body)

    assert (code, err) == (0, b"")
    assert out == body


async def test_exec_on_a_terminal_knows_its_size(console: Console) -> None:
    """`exec -it`: what is typed arrives, the size is the local terminal's, the code comes back."""
    near, far = pty.openpty()
    fcntl.ioctl(near, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    script = "until stty size | grep -q '33 101'; do sleep 0.05; done; stty size; read x; echo got $x; exit 5"
    child = await console.start("exec", "-it", "web", "--", "sh", "-c", script, stdin=far, stdout=far, stderr=far)
    os.close(far)
    seen = b""
    try:
        async with asyncio.timeout(SECONDS):
            while b"33 101" not in seen:
                seen += await asyncio.to_thread(os.read, near, 1000)
            os.write(near, b"typed\n")
            while b"got typed" not in seen:
                seen += await asyncio.to_thread(os.read, near, 1000)
            code = await child.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        os.close(near)

    assert code == 5


async def test_attach_joins_the_main_process(console: Console) -> None:
    """The pretended main process gives back what it is sent."""
    code, out, _ = await console.run("attach", "-i", "web", stdin=b"typed\n")

    assert (code, out) == (0, b"typed\n")


async def test_cp_there_and_back(console: Console) -> None:
    """A file goes into the pod and comes out again as it was."""
    (console.folder / "file").write_bytes(os.urandom(1 << 20))
    (console.folder / "pod").mkdir()
    there = f"default/web:{console.folder}/pod/file"

    into = await console.run("cp", f"{console.folder}/file", there)
    back = await console.run("cp", there, f"{console.folder}/back")

    assert (into[0], back[0]) == (0, 0), (into, back)
    assert (console.folder / "back").read_bytes() == (console.folder / "file").read_bytes()


async def test_port_forward_carries_connections_at_once(console: Console) -> None:
    """Twenty connections that are all open before any is answered."""
    arrived = asyncio.Semaphore(0)
    all_there = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        arrived.release()
        await all_there.wait()
        writer.write(line.upper())
        writer.close()

    async def ask(port: int, number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"line {number}\n".encode())
        got = await reader.read()
        writer.close()
        return got

    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as listening,
        console.background("port-forward", "--address=127.0.0.1", "web", ":80") as child,
        asyncio.timeout(SECONDS),
    ):
        console.made.network.port = listening.sockets[0].getsockname()[1]
        assert child.stdout is not None
        port = local_port(await child.stdout.readline())
        asking = [asyncio.create_task(ask(port, number)) for number in range(20)]
        for _ in asking:
            await arrived.acquire()
        all_there.set()

        got = await asyncio.gather(*asking)

    assert got == [f"LINE {number}\n".encode() for number in range(20)]


async def test_port_forward_says_what_refused(console: Console) -> None:
    """The local connection ends, and kubectl prints what the node said."""
    async with (
        console.background("port-forward", "--address=127.0.0.1", "web", ":9") as child,
        asyncio.timeout(SECONDS),
    ):
        assert child.stdout is not None
        assert child.stderr is not None
        port = local_port(await child.stdout.readline())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        got = await reader.read()
        writer.close()
        said = await child.stderr.readline()

    assert got == b""
    assert b"error forwarding port 9 to pod web, uid " in said
    assert b"connection refused" in said


async def test_logs_follow(console: Console) -> None:
    """Lines come as they are written; `--tail` and `--limit-bytes` count."""
    async with console.background("logs", "-f", "web") as child, asyncio.timeout(SECONDS):
        assert child.stdout is not None
        first = await child.stdout.readline()
        for known in console.runtime._containers.values():
            console.runtime._write(known, "later\n")
        second = await child.stdout.readline()
    tail = await console.run("logs", "web", "--tail=1", "--limit-bytes=3")

    assert (first, second) == (b"started\n", b"later\n")
    assert tail == (0, b"lat", b"")


async def test_errors_read_as_they_do_elsewhere(console: Console) -> None:
    """kubectl's own words around ours."""
    container = await console.run("exec", "web", "-c", "no", "--", "true")
    program = await console.run("exec", "web", "--", "/no/such/program")
    previous = await console.run("logs", "-p", "web")

    assert container[0] == 1
    assert b"container no is not valid for pod web" in container[2] or b"container not found" in container[2]
    assert program[0] != 0
    assert b"/no/such/program" in program[2]
    assert b'previous terminated container "main" in pod "web" not found' in previous[2]


async def test_a_killed_kubectl_leaves_nothing(console: Console) -> None:
    """Its command on the node ends with it."""
    async with console.background("exec", "web", "--", "sh", "-c", "echo begun; exec sleep 600") as child:
        assert child.stdout is not None
        async with asyncio.timeout(SECONDS):
            assert await child.stdout.readline() == b"begun\n"

    async def probe() -> str:
        return f"still running: {console.runtime.running}" if console.runtime.running else ""

    await harness.wait_until(probe)


async def test_get_raw_goes_through_the_proxy(console: Console) -> None:
    """`kubectl get --raw` of a pod's proxy path."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = head.split(b" ")[1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        console.made.network.port = listening.sockets[0].getsockname()[1]

        got = await console.run("get", "--raw", f"{streaming.PODS}/web:80/proxy/hello?x=1")

    assert got == (0, b"/hello?x=1", b"")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("exec", "web", "--", "true"), "PodExecOptions"),
        (("attach", "web"), "PodAttachOptions"),
        (("port-forward", "web", ":80"), "PodPortForwardOptions"),
        (("get", "--raw", "/api/v1/namespaces/default/pods/web/proxy/"), "PodProxyOptions"),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else "",
)
async def test_a_webhook_shuts_the_door(console: Console, words: tuple[str, ...], kind: str) -> None:
    """In Kubernetes' words, in every protocol, and nothing runs on the node."""
    connects = "{operations: [CONNECT], apiGroups: [''], apiVersions: [v1], resources: ['pods/*']}"
    async with hooks.serving(hooks.deny(message="not in here")) as hook:
        validating = registrationv1.ValidatingWebhookConfiguration
        await test_webhooks.configure(console.made.control.api, validating, hook, rules=connects)
        code, out, err = await console.run(*words)

    said = b'admission webhook "policy.example.com" denied the request: not in here'
    assert (code, said in err) == (1, True), (out, err)
    assert {one["object"]["kind"] for one in hook.asked} == {kind}
