"""A runtime whose containers only pretend: hollow nodes and tests run on it.

Nothing is random and nothing polls, so that a thousand of them fit in a process. What a container does follows
from its command (or, without one, its args): `exit N` ends at once with that status, `sleep S` ends with 0 after
S seconds of the clock, `fail-start` cannot be started; any other runs until it is stopped, and `stubborn` only
until it is killed. A reference that holds `missing` names no image, one that holds `denied` needs credentials.
An exec of `exit N` has that status, one of `echo WORDS` writes them, `cat` gives back its input; they end with
their container.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
from collections.abc import AsyncIterator, Sequence

from fairlead import clock as clocks
from node.runtime import interface
from node.runtime.interface import Chunk, Container, ContainerSpec, Event, Image

_EVENTS = 4096
_SIGNAL_NUMBERS = {"SIGHUP": 1, "SIGINT": 2, "SIGKILL": 9, "SIGTERM": 15}


class _Pretended:
    """One container: its record, its log, and the timer that ends it."""

    __slots__ = ("changed", "lines", "record", "spec", "streams", "timer")

    def __init__(self, spec: ContainerSpec, record: Container) -> None:
        self.spec = spec
        self.record = record
        self.lines: list[tuple[float, Chunk]] = []
        self.timer: asyncio.Task[None] | None = None
        self.changed: asyncio.Event | None = None
        self.streams: list[_PretendedStream] = []

    @property
    def words(self) -> tuple[str, ...]:
        """Return what decides how the container behaves."""
        return self.spec.command or self.spec.args


class MemoryRuntime:
    """Containers in a dictionary. `unavailable`, where set, is the text that every call fails with."""

    scheme = "memory"

    def __init__(self, clock: clocks.Clock | None = None, *, images: Sequence[str] = ()) -> None:
        self.clock = clock or clocks.SystemClock()
        self.unavailable = ""
        self.pulls: list[str] = []
        self._containers: dict[str, _Pretended] = {}
        self._images = {name: _image(name) for name in images}
        self._watchers: list[asyncio.Queue[Event | None]] = []
        self._created = 0

    async def version(self) -> str:
        """Return a version that says what this is."""
        self._check()
        return "memory"

    async def image(self, reference: str) -> Image | None:
        """Return an image by name or id."""
        self._check()
        by_id = (image for image in self._images.values() if image.id == reference)
        return self._images.get(reference) or next(by_id, None)

    async def images(self) -> Sequence[Image]:
        """Return every image that was pulled."""
        self._check()
        return list(self._images.values())

    async def pull(self, reference: str, credentials: interface.Credentials | None = None) -> Image:
        """Fetch an image: it is there at once."""
        self._check()
        self.pulls.append(reference)
        if "missing" in reference:
            raise interface.NoSuchImage(f"reading manifest in {reference}: manifest unknown")
        if "denied" in reference and credentials is None:
            raise interface.Refused(f"initializing source {reference}: unauthorized: authentication required")
        return self._images.setdefault(reference, _image(reference))

    async def create(self, spec: ContainerSpec) -> str:
        """Create a container."""
        self._check()
        if any(known.record.name == spec.name for known in self._containers.values()):
            raise interface.Refused(f'creating container storage: the container name "{spec.name}" is already in use')
        image = await self.image(spec.image)
        if image is None:
            raise interface.NoSuchImage(f"{spec.image}: image not known")
        self._created += 1
        record = Container(
            id=f"{self._created:064x}",
            name=spec.name,
            image=spec.image,
            image_id=image.id,
            labels=dict(spec.labels),
            state="created",
            created_at=self.clock.now(),
        )
        self._containers[record.id] = _Pretended(spec, record)
        self._tell(Event("changed", record.id))
        return record.id

    async def start(self, container: str) -> None:
        """Start a container; what it was told to do begins."""
        known = self._find(container)
        if known.record.state != "created":
            raise interface.Refused(f"container {container} has been started already")
        words = known.words
        if words[:1] == ("fail-start",):
            error = 'exec: "fail-start": executable file not found in $PATH'
            known.record = dataclasses.replace(known.record, error=error)
            raise interface.Refused(error)
        now = self.clock.now()
        known.record = dataclasses.replace(known.record, state="running", started_at=now, pid=self._created + 1)
        self._write(known, f"started {' '.join(words)}".rstrip() + "\n")
        self._tell(Event("started", container))
        if words[:1] == ("exit",):
            self._end(known, int(words[1]))
        elif words[:1] == ("sleep",) and words[1:] != ("infinity",):
            known.timer = asyncio.create_task(self._sleep(known, float(words[1])), name=f"pretend-{container[-8:]}")

    async def stop(self, container: str, grace_seconds: float) -> None:
        """End a container as its stop signal would."""
        known = self._find(container)
        if known.record.state != "running":
            return
        if known.words[:1] == ("stubborn",):
            await self.clock.sleep(grace_seconds)
            self._end(known, 137)
        else:
            self._end(known, 143)

    async def kill(self, container: str, signal: str = "SIGKILL") -> None:
        """Send a signal: every one but SIGHUP ends the container."""
        known = self._find(container)
        number = _SIGNAL_NUMBERS.get(signal, 9)
        if known.record.state == "running" and number != 1 and (number == 9 or known.words[:1] != ("stubborn",)):
            self._end(known, 128 + number)

    async def remove(self, container: str) -> None:
        """Forget a container."""
        self._check()
        known = self._containers.get(container)
        if known is None:
            return
        if known.record.state == "running":
            self._end(known, 137)
        del self._containers[container]
        self._tell(Event("removed", container))

    async def containers(self) -> Sequence[Container]:
        """Return every container that carries our labels."""
        self._check()
        return [one.record for one in self._containers.values() if interface.UID_LABEL in one.record.labels]

    async def inspect(self, container: str) -> Container | None:
        """Return one container."""
        self._check()
        known = self._containers.get(container)
        return known.record if known else None

    async def events(self) -> AsyncIterator[Event]:
        """Iterate over changes."""
        self._check()
        queue: asyncio.Queue[Event | None] = asyncio.Queue(_EVENTS)
        self._watchers.append(queue)
        try:
            yield Event("subscribed")
            while (event := await queue.get()) is not None:
                yield event
            raise interface.Unavailable("the event stream was cut")
        finally:
            self._watchers.remove(queue)

    async def logs(self, container: str, options: interface.LogOptions) -> AsyncIterator[Chunk]:
        """Iterate over what the container wrote."""
        known = self._find(container)
        lines = [line for line in known.lines if line[0] >= options.since]
        sent = max(0, len(lines) - options.tail) if options.tail is not None else 0
        while True:
            for stamp, chunk in lines[sent:]:
                yield _stamped(stamp, chunk) if options.timestamps else chunk
            sent = len(lines)
            if not options.follow or known.record.state != "running":
                return
            known.changed = known.changed or asyncio.Event()
            known.changed.clear()
            await known.changed.wait()
            lines = [line for line in known.lines if line[0] >= options.since]

    async def exec(self, container: str, options: interface.ExecOptions) -> interface.Stream:
        """Run a command: see the module's conventions."""
        known = self._find(container)
        if known.record.state != "running":
            raise interface.Refused(
                f"can only create exec sessions on running containers: {container} is not running"
            )
        verb, words = options.command[0], options.command[1:]
        if verb == "exit":
            return _PretendedStream(b"", int(words[0]))
        if verb == "cat":
            return _PretendedStream(None, 0, known.streams)
        return _PretendedStream((" ".join(words) + "\n").encode() if verb == "echo" else b"", 0)

    async def attach(self, container: str, *, stdin: bool, tty: bool) -> interface.Stream:
        """Connect to a container: it gives back its input."""
        known = self._find(container)
        if known.record.state != "running":
            raise interface.Refused(interface.NOT_ATTACHABLE)
        return _PretendedStream(None, 0, known.streams)

    async def stats(self) -> dict[str, interface.Stats]:
        """Return the same figures for every running container."""
        self._check()
        now = self.clock.now()
        return {
            key: interface.Stats((now - one.record.started_at) * 0.01, 4 << 20)
            for key, one in self._containers.items()
            if one.record.state == "running"
        }

    async def close(self) -> None:
        """End event streams and timers."""
        self.cut_events()
        for known in self._containers.values():
            if known.timer is not None:
                known.timer.cancel()

    def cut_events(self) -> None:
        """End every event stream as a lost connection does; tests cause outages with it."""
        for queue in self._watchers:
            queue.put_nowait(None)

    def end(self, container: str, exit_code: int, *, oom_killed: bool = False) -> None:
        """End a running container from outside, as a crash does."""
        self._end(self._find(container), exit_code, oom_killed=oom_killed)

    def spec_of(self, container: str) -> ContainerSpec:
        """Return what a container was created from."""
        return self._find(container).spec

    def _check(self) -> None:
        if self.unavailable:
            raise interface.Unavailable(self.unavailable)

    def _find(self, container: str) -> _Pretended:
        self._check()
        known = self._containers.get(container)
        if known is None:
            raise interface.NoSuchContainer(f'no container with ID "{container}" found: no such container')
        return known

    async def _sleep(self, known: _Pretended, seconds: float) -> None:
        await self.clock.sleep(seconds)
        self._end(known, 0)

    def _end(self, known: _Pretended, exit_code: int, *, oom_killed: bool = False) -> None:
        if known.timer is not None and known.timer is not _current_task():
            known.timer.cancel()
        known.timer = None
        known.record = dataclasses.replace(
            known.record,
            state="exited",
            finished_at=self.clock.now(),
            exit_code=exit_code,
            oom_killed=oom_killed,
            pid=0,
        )
        for stream in known.streams:
            stream.kill()
        self._wake(known)
        self._tell(Event("exited", known.record.id))

    def _write(self, known: _Pretended, text: str) -> None:
        known.lines.append((self.clock.now(), Chunk(text.encode())))
        self._wake(known)

    @staticmethod
    def _wake(known: _Pretended) -> None:
        if known.changed is not None:
            known.changed.set()

    def _tell(self, event: Event) -> None:
        for queue in self._watchers:
            queue.put_nowait(event)


class _PretendedStream:
    """An exec's streams: given output, or (None) whatever is written to it, among those that end with a container."""

    def __init__(self, output: bytes | None, code: int, among: list[_PretendedStream] | None = None) -> None:
        self._among = among if among is not None else []
        self._among.append(self)
        self._queue: asyncio.Queue[Chunk | None] = asyncio.Queue()
        self._echoes = output is None
        self._code = code
        if output is not None:
            if output:
                self._queue.put_nowait(Chunk(output))
            self._queue.put_nowait(None)

    async def read(self) -> Chunk | None:
        """Return the next output."""
        return await self._queue.get()

    async def write(self, data: bytes) -> None:
        """Take input."""
        if self._echoes:
            self._queue.put_nowait(Chunk(data))

    async def close_input(self) -> None:
        """End the input, and what only echoes with it."""
        if self._echoes:
            self._queue.put_nowait(None)

    async def resize(self, width: int, height: int) -> None:
        """There is no terminal."""

    async def exit_code(self) -> int:
        """Return the status that the command named."""
        return self._code

    def kill(self) -> None:
        """End as a process does whose container ends."""
        self._code = 137
        self._queue.put_nowait(None)

    async def close(self) -> None:
        """Leave."""
        with contextlib.suppress(ValueError):  # a second time
            self._among.remove(self)


def _image(name: str) -> Image:
    digest = f"{abs(_stable_hash(name)):064x}"
    return Image(id=digest, tags=(name,), digests=(f"{name.split('@')[0].rsplit(':', 1)[0]}@sha256:{digest}",))


def _stable_hash(text: str) -> int:
    value = 14695981039346656037
    for byte in text.encode():
        value = (value ^ byte) * 1099511628211 % (1 << 64)
    return value


def _stamped(stamp: float, chunk: Chunk) -> Chunk:
    text = datetime.datetime.fromtimestamp(stamp, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z ")
    return Chunk(text.encode() + chunk.data, chunk.stderr)


def _current_task() -> asyncio.Task[None] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
