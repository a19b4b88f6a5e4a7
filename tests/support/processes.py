"""A runtime whose containers pretend and whose execs are processes of this machine: for clients that need a real one.

`kubectl exec -it`, `kubectl cp` and exit codes meet shells, `tar` and terminals; nothing is isolated.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import struct
import termios

from node.runtime import interface
from node.runtime import memory as runtimes

CHUNK_BYTES = 64 << 10


class LocalRuntime(runtimes.MemoryRuntime):
    """Containers that pretend, execs that do not."""

    def __init__(self, *, images: tuple[str, ...]) -> None:
        super().__init__(images=images)
        self.running: set[Process] = set()

    async def exec(self, container: str, options: interface.ExecOptions) -> interface.Stream:
        """Start a process."""
        known = self._find(container)
        if known.record.state != "running":
            raise interface.Refused(f"container {container} is not running")
        try:
            process = await (_with_terminal if options.tty else _with_pipes)(options)
        except OSError as error:
            raise interface.Refused(f"exec failed: {error.strerror}: {options.command[0]}") from error
        self.running.add(process)
        process.left = lambda: self.running.discard(process)
        return process


class Process:
    """A process' streams."""

    def __init__(self, child: asyncio.subprocess.Process, sources: dict[bool, asyncio.StreamReader]) -> None:
        self.left = lambda: None
        self._child = child
        self._queue: asyncio.Queue[interface.Chunk | None] = asyncio.Queue(4)
        self._pumps = [asyncio.create_task(self._pump(sources), name="process output")]
        self.terminal: int | None = None
        self.output: asyncio.ReadTransport | None = None
        self.input: asyncio.StreamWriter | None = child.stdin

    async def _pump(self, sources: dict[bool, asyncio.StreamReader]) -> None:
        async def one(stderr: bool, source: asyncio.StreamReader) -> None:
            with contextlib.suppress(OSError):  # a terminal ends so
                while data := await source.read(CHUNK_BYTES):
                    await self._queue.put(interface.Chunk(data, stderr=stderr))

        await asyncio.gather(*(one(stderr, source) for stderr, source in sources.items()))
        await self._queue.put(None)

    async def read(self) -> interface.Chunk | None:
        """Return what came next."""
        return await self._queue.get()

    async def write(self, data: bytes) -> None:
        """Write to the standard input."""
        if self.input is not None:
            with contextlib.suppress(ConnectionError):
                self.input.write(data)
                await self.input.drain()

    async def close_input(self) -> None:
        """End the standard input."""
        if self.input is not None and self.terminal is None:
            self.input.close()

    async def resize(self, width: int, height: int) -> None:
        """Tell the terminal its size."""
        if self.terminal is not None:
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    async def exit_code(self) -> int:
        """Return the exit status."""
        return await self._child.wait()

    async def close(self) -> None:
        """Leave; what still runs is ended, so that tests leave nothing behind."""
        for pump in self._pumps:
            pump.cancel()
        if self._child.returncode is None:
            self._child.kill()
        await self._child.wait()
        if self.input is not None:
            self.input.close()
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None
        if self.output is not None:
            self.output.close()
        self.left()


async def _with_pipes(options: interface.ExecOptions) -> Process:
    pipe = asyncio.subprocess.PIPE
    stdin = pipe if options.stdin else asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(*options.command, stdin=stdin, stdout=pipe, stderr=pipe)
    assert child.stdout is not None
    assert child.stderr is not None
    return Process(child, {False: child.stdout, True: child.stderr})


async def _with_terminal(options: interface.ExecOptions) -> Process:
    near, far = pty.openpty()
    try:
        child = await asyncio.create_subprocess_exec(
            *options.command, stdin=far, stdout=far, stderr=far, start_new_session=True
        )
    finally:
        os.close(far)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    output, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(near), "rb", 0)
    )
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop=loop), os.fdopen(os.dup(near), "wb", 0)
    )
    process = Process(child, {False: reader})
    process.terminal, process.output = near, output
    process.input = asyncio.StreamWriter(transport, protocol, None, loop)
    return process
