"""A control plane's API on gRPC for clients under test: memory store, mutual TLS, a kubeconfig on disk.

`with served.control_plane(folder) as plane:` runs it in a thread of its own, so that a command that brings its own
event loop can be called in the test. The clock of the server is behind by AGE, so that ages can be compared whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click.testing

from control import config as configs
from control import init, pki
from control.gateway import cluster, identity, listening
from fairlead.cli import __main__ as program
from fairlead.client import interface
from fairlead.testing import control
from tests.support import containers

AGE_SECONDS = 52.5 * 3600
AGE = "2d4h"
CALL_SECONDS = 30.0
T = TypeVar("T")


@dataclass
class Running:
    """A command that runs."""

    process: subprocess.Popen[str]

    def line(self) -> str:
        """Wait for the next line of its output; empty once it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def end(self, stdin: str | None = None) -> tuple[int, str, str]:
        """Wait for its end; returns the exit code, what it still printed, and its errors."""
        try:
            out, errors = self.process.communicate(stdin, timeout=CALL_SECONDS)
        finally:
            self.process.kill()
        return self.process.returncode, out, errors

    def kill(self) -> None:
        """End it, if it still runs."""
        self.process.kill()
        self.process.communicate()

    def interrupt(self) -> tuple[int, str, str]:
        """Press Ctrl-C and wait for the end."""
        self.process.send_signal(signal.SIGINT)
        return self.end()


@dataclass
class Plane:
    """A control plane that runs: an administrator's client on its loop, its port, its kubeconfig."""

    kubeconfig: pathlib.Path
    relay: containers.MemoryRelay
    api: Any
    client: interface.Client
    port: int
    loop: asyncio.AbstractEventLoop
    listener: listening.Listening
    listen: Callable[[int], Awaitable[listening.Listening]]
    commands: list[Running] = field(default_factory=list)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the server's loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(CALL_SECONDS)

    def cli(self, *words: str, stdin: str | None = None) -> click.testing.Result:
        """Run a command line against the control plane."""
        runner = click.testing.CliRunner()
        arguments = ["--kubeconfig", str(self.kubeconfig), *words]
        return runner.invoke(program.main, arguments, input=stdin, catch_exceptions=False)

    def out(self, *words: str, stdin: str | None = None) -> str:
        """Run a command line that must succeed and return what it prints."""
        result = self.cli(*words, stdin=stdin)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout

    def start(self, *words: str) -> Running:
        """Start a command line as a process of its own, for those that go on until something happens."""
        arguments = [sys.executable, "-m", "fairlead.cli", "--kubeconfig", str(self.kubeconfig), *words]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        running = Running(subprocess.Popen(arguments, text=True, **pipes))  # type: ignore[call-overload]
        self.commands.append(running)
        return running

    def restart(self) -> None:
        """Close every connection and the port, and open it again."""

        async def again() -> None:
            await self.listener.stop(0)
            self.listener = await self.listen(self.port)

        self.call(again())

    def revision(self) -> str:
        """Return the store's revision: it grows by every write."""
        _, revision = self.call(self.api.store.get("/nothing"))
        return str(revision)


def make_pki(folder: pathlib.Path) -> configs.Config:
    """Make keys and certificates as `fairlead-control init` does."""
    config = configs.Config(
        name="control-1",
        advertiseAddress="127.0.0.1",
        controlPlaneAddresses=["127.0.0.1"],
        etcdEndpoints=["https://127.0.0.1:2379"],
        pkiDir=str(folder / "pki"),
    )
    init.initialise(config, init.Paths(folder / "control.yaml", folder / "admin.conf"))
    return config


@contextlib.contextmanager
def control_plane(config: configs.Config, *, now: Callable[[], float] | None = None) -> Iterator[Plane]:
    """Serve for the time of the block, with the certificates that a configuration names."""
    relay = containers.MemoryRelay()
    started: list[Plane] = []
    ready, stop = threading.Event(), threading.Event()
    failure: list[BaseException] = []

    async def serve() -> None:
        async with control.memory_api(now=now or (lambda: time.time() - AGE_SECONDS)) as api:
            service = cluster.ClusterService(api, relay, identity.Identifier())

            async def listen(port: int) -> listening.Listening:
                return await listening.serve(f"127.0.0.1:{port}", [listening.cluster(service)], _credentials(config))

            listener = await listen(0)
            path = config.pki / f"kubeconfig-{listener.port}"
            path.write_text(_kubeconfig(config, listener.port))
            client, loop = api.as_user(*control.ADMIN), asyncio.get_running_loop()
            started.append(Plane(path, relay, api, client, listener.port, loop, listener, listen))
            ready.set()
            await asyncio.to_thread(stop.wait)
            await started[0].listener.stop(0.1)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failure.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="control plane")
    thread.start()
    try:
        ready.wait(CALL_SECONDS)
        if started:
            yield started[0]
    finally:
        for command in started[0].commands if started else ():
            command.kill()
        stop.set()
        thread.join(CALL_SECONDS)
    if failure:
        raise failure[0]


@contextlib.contextmanager
def silent_host() -> Iterator[int]:
    """Take connections on a port and say nothing, as a frozen process does; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def _credentials(config: configs.Config) -> Any:
    pems = [(config.pki / name).read_bytes() for name in ("server.crt", "server.key", "ca.crt")]
    return listening.credentials(*pems, require_client=True)


def _kubeconfig(config: configs.Config, port: int) -> str:
    authority = pki.load_authority(config.pki / "ca.crt", config.pki / "ca.key")
    admin = (config.pki / "admin.crt", config.pki / "admin.key")
    return init.kubeconfig(dataclasses.replace(config, grpcPort=port), authority, admin)
