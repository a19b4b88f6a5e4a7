"""Exec, attach, logs and port-forward, served to the control process that asks for them by OpenStream.

Each is a task of its own and a call of its own; they end with the session, but have a connection of their own: what
holds them up holds up no heartbeat.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from fairlead import supervise
from fairlead.api import errors
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import meta_v1_pb2 as metav1
from node.agent import interface, link
from node.runtime import interface as runtime

log = logging.getLogger(__name__)

CHUNK_BYTES = 64 << 10
QUEUED_FRAMES = 16
EXIT_CODE = "NonZeroExitCode"
# What a call raises that the other side has ended, or the connection's end.
BROKEN = (grpc.aio.AioRpcError, asyncio.InvalidStateError)


class Streams:
    """The streams of one session; `async with` it, and leaving ends them."""

    def __init__(self, connect: Callable[[], grpc.aio.Channel], pods: Callable[[], interface.Pods]) -> None:
        self._connect = connect
        self._channel: grpc.aio.Channel | None = None
        self._pods = pods
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Streams:
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._channel is not None:
            await self._channel.close(None)

    def open(self, request: agent.OpenStream) -> None:
        """Serve a stream beside everything else."""
        task = asyncio.create_task(self._serve(request), name=f"stream {request.id}")
        self._tasks[request.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(request.id, None))

    def close(self, id_: str) -> None:
        """End a stream whose caller has gone; one that has ended is no error."""
        task = self._tasks.get(id_)
        if task is not None:
            task.cancel()

    async def _serve(self, request: agent.OpenStream) -> None:
        if self._channel is None:
            self._channel = self._connect()
        call: Any = link.Stub(self._channel).stream(wait_for_ready=True)
        frames = Frames(call)
        # grpc.aio ends a call whose read is cancelled: whoever reads does so to the end.
        reading = asyncio.create_task(frames.run(), name=f"stream {request.id} input")
        try:
            await call.write(agent.AgentFrame(id=request.id))
            try:
                status = await self._carry(request, call, frames)
            except errors.ApiError as error:
                status = error.status()
            except (runtime.RuntimeFault, OSError) as error:
                status = errors.InternalError(str(error) or type(error).__name__).status()
            except BROKEN:
                raise
            except Exception:
                log.exception("a stream failed", extra={"id": request.id})
                status = errors.InternalError("the stream failed: the node's log says why").status()
            await call.write(agent.AgentFrame(status=status))
            await call.done_writing()
            await call.code()
        except BROKEN as error:
            log.info("stream broke", extra={"id": request.id, "error": str(error)})
        finally:
            call.cancel()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _carry(self, request: agent.OpenStream, call: Any, frames: Frames) -> metav1.Status:
        start, uid, pods = request.start, request.pod_uid, self._pods()
        match request.type:
            case agent.OpenStream.LOGS:
                logs = pods.logs(uid, request.log_options)
                return await supervise.first_of(_send_all(logs, call), frames.ended())
            case agent.OpenStream.PORT_FORWARD:
                opened = await pods.port_forward(uid, start.port, to_address=start.to_address)
                return await _forward(opened, call, frames)
            case agent.OpenStream.EXEC:
                options = runtime.ExecOptions(
                    command=tuple(start.command),
                    stdin=start.stdin,
                    stdout=start.stdout,
                    stderr=start.stderr,
                    tty=start.tty,
                )
                process = await pods.exec(uid, start.container, options)
            case _:
                process = await pods.attach(uid, start.container, stdin=start.stdin, tty=start.tty)
        try:
            await call.write(OPENED)
            status = await _process(process, call, frames)
        finally:
            await process.close()
        # Whoever attached is told that the streams have ended; how the container did stands in the pod's status.
        return SUCCESS if request.type == agent.OpenStream.ATTACH else status


SUCCESS = metav1.Status(status="Success")


class Frames:
    """What the caller sends, read by one task and taken by another through a short queue."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._queue: asyncio.Queue[cluster.ClientFrame] = asyncio.Queue(QUEUED_FRAMES)
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Read until the caller has gone."""
        try:
            while (frame := await self._call.read()) is not link.EOF:
                await self._queue.put(frame)
        finally:
            self._over.set()

    async def get(self) -> cluster.ClientFrame:
        """Return the next frame; never, once the caller has gone."""
        return await self._queue.get()

    async def ended(self) -> metav1.Status:
        """Wait until the caller has gone."""
        await self._over.wait()
        return SUCCESS


async def _send_all(chunks: AsyncIterator[bytes], call: Any) -> metav1.Status:
    async for chunk in chunks:
        await call.write(agent.AgentFrame(data=chunk))
    return SUCCESS


# The first frame of every stream that could be opened: until it the caller waits for an error that is an answer.
OPENED = agent.AgentFrame(data=b"")


async def _process(process: runtime.Stream, call: Any, frames: Frames) -> metav1.Status:
    """Connect a process' streams with the caller's until the process ends or the caller has gone."""

    async def output() -> metav1.Status:
        while (chunk := await process.read()) is not None:
            frame = agent.AgentFrame(stderr=chunk.data) if chunk.stderr else agent.AgentFrame(data=chunk.data)
            await call.write(frame)
        return exit_status(await process.exit_code())

    async def feed() -> metav1.Status:
        while True:
            frame = await frames.get()
            match frame.WhichOneof("frame"):
                case "data":
                    await process.write(frame.data)
                case "resize":
                    with contextlib.suppress(runtime.RuntimeFault):  # a terminal of another size is still one
                        await process.resize(frame.resize.width, frame.resize.height)
                case "end":
                    await process.close_input()

    return await supervise.first_of(output(), feed(), frames.ended())


async def _forward(
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], call: Any, frames: Frames
) -> metav1.Status:
    """Carry a TCP connection in both directions until the pod's side ends or the caller has gone."""
    reader, writer = connection

    async def output() -> metav1.Status:
        with contextlib.suppress(ConnectionError):  # a reset is an end: the pod did not want to hear more
            while data := await reader.read(CHUNK_BYTES):
                await call.write(agent.AgentFrame(data=data))
        await call.write(agent.AgentFrame(end=True))
        return SUCCESS

    async def feed() -> metav1.Status:
        with contextlib.suppress(ConnectionError):
            while True:
                frame = await frames.get()
                if frame.WhichOneof("frame") == "data":
                    writer.write(frame.data)
                    await writer.drain()
                elif frame.WhichOneof("frame") == "end":
                    writer.write_eof()
        return await frames.ended()

    try:
        await call.write(OPENED)
        return await supervise.first_of(output(), feed(), frames.ended())
    except OSError as error:
        raise errors.InternalError(f"the connection to the pod broke: {error}") from error
    finally:
        writer.close()


def exit_status(code: int) -> metav1.Status:
    """Return the last frame of an exec, as kubelet words it."""
    if code == 0:
        return SUCCESS
    message = f"command terminated with non-zero exit code: {code}"
    status = metav1.Status(status="Failure", reason=EXIT_CODE, message=message)
    status.details.causes.add(reason="ExitCode", message=str(code))
    return status
