"""`exec`: a command in a container, with the terminal passed through."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import termios
import tty as terminals
from collections.abc import AsyncIterator, Iterator, Sequence

import click

from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.cli import choosing, session

CHUNK_BYTES = 32 * 1024


@click.command("exec")
@click.argument("target", metavar="POD")
@click.argument("words", nargs=-1, required=True, metavar="-- COMMAND...")
@click.option("-c", "--container", default="", help="By default the pod's only or annotated one.")
@click.option("-i", "--stdin", is_flag=True, help="Pass standard input.")
@click.option("-t", "--tty", is_flag=True, help="Standard input is a terminal.")
@session.command
async def execute(
    cli: session.Session, target: str, words: Sequence[str], container: str, stdin: bool, tty: bool
) -> None:
    """Run a command in a container: `exec -it web-1 -- sh`."""
    pod = await choosing.pod_of(cli, target)
    tty = tty and sys.stdin.isatty()
    start = cluster.StreamStart(
        namespace=cli.namespace,
        pod=pod,
        container=container,
        command=words,
        stdin=stdin,
        stdout=True,
        stderr=not tty,
        tty=tty,
    )
    with _raw(tty):
        code = await _run(cli, start)
    if code:
        raise SystemExit(code)


async def _run(cli: session.Session, start: cluster.StreamStart) -> int:
    """Pass frames both ways until the command ends; returns its exit code."""
    answers = cli.client.exec(start, _sent(start))
    async with contextlib.aclosing(answers):
        async for frame in answers:
            match frame.WhichOneof("frame"):
                case "data":
                    _write(sys.stdout, frame.data)
                case "stderr":
                    _write(sys.stderr, frame.stderr)
                case "status":
                    return exit_code(frame.status)
    return 1


def exit_code(status: metav1.Status) -> int:
    """Return the exit code that an exec's last frame tells; Failure where the command did not run."""
    if status.status == "Success":
        return 0
    for cause in status.details.causes:
        if cause.reason == "ExitCode" and cause.message.isdigit():
            return int(cause.message)
    raise session.Failure(f"error: {status.message}")


def _write(stream: object, data: bytes) -> None:
    buffer = stream.buffer  # type: ignore[attr-defined]
    buffer.write(data)
    buffer.flush()


async def _sent(start: cluster.StreamStart) -> AsyncIterator[cluster.ClientFrame]:
    """Iterate over what this side has to say: the terminal's size when it changes, and standard input."""
    if not start.stdin:
        yield cluster.ClientFrame(end=True)
        return
    loop = asyncio.get_running_loop()
    frames: asyncio.Queue[cluster.ClientFrame] = asyncio.Queue(64)
    if start.tty:
        frames.put_nowait(_size())
        loop.add_signal_handler(signal.SIGWINCH, lambda: frames.put_nowait(_size()))
    reader = asyncio.create_task(_read(frames), name="standard input")
    try:
        while True:
            frame = await frames.get()
            yield frame
            if frame.end:
                return
    finally:
        reader.cancel()
        if start.tty:
            loop.remove_signal_handler(signal.SIGWINCH)


async def _read(frames: asyncio.Queue[cluster.ClientFrame]) -> None:
    """Put what comes in on standard input into a queue, its end included."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()
    while True:
        readable = loop.create_future()
        try:
            loop.add_reader(descriptor, readable.set_result, None)
        except (PermissionError, OSError):
            data = os.read(descriptor, CHUNK_BYTES)  # a file: always ready, and nothing to wait for
        else:
            try:
                await readable
            finally:
                loop.remove_reader(descriptor)
            data = os.read(descriptor, CHUNK_BYTES)
        await frames.put(cluster.ClientFrame(data=data) if data else cluster.ClientFrame(end=True))
        if not data:
            return


def _size() -> cluster.ClientFrame:
    size = shutil.get_terminal_size()
    return cluster.ClientFrame(resize=cluster.TerminalSize(width=size.columns, height=size.lines))


@contextlib.contextmanager
def _raw(tty: bool) -> Iterator[None]:
    """Let the terminal pass every key on to the container, and restore it."""
    if not tty:
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    terminals.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
