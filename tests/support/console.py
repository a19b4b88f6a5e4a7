"""kubectl as people use it on a cluster: run to its end, beside the test, and on a terminal.

console = consoles.Console(kubectl.newest(), kubeconfig, folder, namespace="team")
console("apply", "-f", "-", stdin=manifest)
with console.beside("logs", "-f", "web") as running:
    running.until("started")
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import termios
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import orjson

from tests.support import kubectl

READ_BYTES = 1 << 16
NAMESPACE = "kubectl"
IMAGE = "registry.fairlead.lab:5000/web:1"
# A pod of one container that runs a script of the shell; more of the container's fields may follow.
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  restartPolicy: {restart}
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: {image}
    command: [sh, -c, '{script}']
"""


def fetch(url: str) -> str:
    """Return the body of an answer, whatever proxy the environment names."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=20.0) as answer:
        body: bytes = answer.read()
    return body.decode()


class Running:
    """A kubectl that runs beside the test; what it prints is read from here."""

    def __init__(self, process: subprocess.Popen[bytes], output: int, keyboard: int | None) -> None:
        self._process = process
        self._output = output
        self._keyboard = keyboard
        self._unseen = b""

    def until(self, text: str, seconds: float = kubectl.CALL_SECONDS) -> str:
        """Read until a text has come; returns what came since the last call, up to the text."""
        wanted, deadline = text.encode(), time.monotonic() + seconds
        while wanted not in self._unseen:
            assert self._read(deadline), f"ended without {text!r}: {self._unseen!r}"
        before, _, self._unseen = self._unseen.partition(wanted)
        return (before + wanted).decode()

    def type(self, text: str) -> None:
        """Write to its terminal or its standard input."""
        assert self._keyboard is not None
        os.write(self._keyboard, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Give its terminal another size, of which the kernel tells it."""
        fcntl.ioctl(self._output, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self, seconds: float = kubectl.CALL_SECONDS) -> tuple[int, str]:
        """Read to the end; returns its exit code and what came since the last call."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        return self._process.wait(seconds), self._unseen.decode()

    def kill(self) -> None:
        """End it however it is, and let go of what it printed."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        for held in {self._output, self._keyboard} - {None}:
            os.close(held)  # type: ignore[arg-type]  # mypy does not see that None was taken out

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._output], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"silent after {self._unseen!r}"
        try:
            piece = os.read(self._output, READ_BYTES)
        except OSError:  # the other end of a terminal is closed
            piece = b""
        self._unseen += piece
        return bool(piece)


@dataclasses.dataclass(frozen=True)
class Console:
    """A kubectl, the cluster it speaks to, and the namespace it works in."""

    program: kubectl.Kubectl
    kubeconfig: pathlib.Path
    cache: pathlib.Path
    namespace: str = "default"
    server: str = ""

    @property
    def minor(self) -> int:
        """The minor version: 20 of v1.20.2."""
        return self.program.minor

    def through(self, server: str) -> Console:
        """Return the same kubectl that speaks to one server."""
        return dataclasses.replace(self, server=server)

    def run(self, *words: str, stdin: bytes | str = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command line to its end."""
        return subprocess.run(
            self._command(*words),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=2 * kubectl.CALL_SECONDS,
            check=False,
            env=kubectl.environment(),
        )

    def __call__(self, *words: str, stdin: bytes | str = b"") -> str:
        """Run a command line that must succeed and return what it prints."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout.decode()}{done.stderr.decode()}"
        return done.stdout.decode()

    def fails(self, *words: str, stdin: bytes | str = b"") -> str:
        """Run a command line that must fail and return its error."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode != 0, f"kubectl {' '.join(words)} succeeded: {done.stdout.decode()}"
        return done.stderr.decode()

    def json(self, *words: str) -> Any:
        """Run a command line that prints JSON and return it parsed."""
        return orjson.loads(self(*words, "-o", "json"))

    @contextlib.contextmanager
    def beside(self, *words: str) -> Iterator[Running]:
        """Run a command line beside the test, what it prints and its errors together, and kill it."""
        pipe = subprocess.PIPE
        child = subprocess.Popen(
            self._command(*words), stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, env=kubectl.environment()
        )
        assert child.stdin is not None
        assert child.stdout is not None
        running = Running(child, os.dup(child.stdout.fileno()), os.dup(child.stdin.fileno()))
        child.stdin.close()
        child.stdout.close()
        try:
            yield running
        finally:
            running.kill()

    @contextlib.contextmanager
    def on_terminal(self, *words: str, rows: int = 33, columns: int = 101) -> Iterator[Running]:
        """Run a command line on a terminal of its own, and kill it."""
        near, far = pty.openpty()
        fcntl.ioctl(near, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        # a terminal tells only the session that it controls of a new size
        command = ["setsid", "--ctty", *self._command(*words)]
        child = subprocess.Popen(command, stdin=far, stdout=far, stderr=far, env=kubectl.environment())
        os.close(far)
        running = Running(child, near, near)
        try:
            yield running
        finally:
            running.kill()

    def _command(self, *words: str) -> list[str]:
        where = [f"--namespace={self.namespace}", *([f"--server={self.server}"] if self.server else [])]
        # what follows `--` is the container's: ours comes first
        return [*self.program.command(self.kubeconfig, self.cache), *where, *words]
