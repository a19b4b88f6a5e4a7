"""The streams of one SPDY connection: what the frames mean, without I/O.

An adapter feeds `receive` and writes what `outgoing` returns. Kubernetes' clients (moby/spdystream) neither honour
windows nor send WINDOW_UPDATE, so that by default data is sent without one and none is enforced; room is announced
all the same. With `flow_control` both sides keep to the windows of section 2.6.8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from control.gateway.streams.spdy import frames
from control.gateway.streams.spdy.headers import ProtocolError

WINDOW_BYTES = 64 << 10
WINDOW_LIMIT = (1 << 31) - 1
STREAMS = 1000  # open at once


@dataclass(frozen=True, slots=True)
class Opened:
    """The other side began a stream."""

    stream: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Replied:
    """The other side took a stream of ours."""

    stream: int


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes came; `Connection.consumed` makes room for more."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The other side sends nothing more on a stream."""

    stream: int


@dataclass(frozen=True, slots=True)
class Reset:
    """A stream is over."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Ponged:
    """The other side answered a ping."""

    number: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The other side takes no more streams."""

    last: int


Event = Opened | Replied | Received | Ended | Reset | Ponged | GoneAway


@dataclass(slots=True)
class _Stream:
    sending: int
    local_ended: bool = False
    remote_ended: bool = False
    pending: int = 0  # received and not consumed
    taken: int = 0  # consumed and not announced


@dataclass(slots=True)
class Connection:
    """One side of a connection."""

    server: bool
    flow_control: bool = False
    _streams: dict[int, _Stream] = field(default_factory=dict)
    _encoder: frames.Encoder = field(default_factory=frames.Encoder)
    _decoder: frames.Decoder = field(default_factory=frames.Decoder)
    _outgoing: bytearray = field(default_factory=bytearray)
    _next: int = 0
    _pings: int = 0
    _last: int = 0  # the newest stream of the other side
    _window: int = WINDOW_BYTES  # what a new stream may send
    _going: bool = False

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes; ProtocolError where the connection cannot go on, and `outgoing` then has the farewell."""
        events: list[Event] = []
        try:
            for frame in self._decoder.feed(data):
                events += self._take(frame)
        except ProtocolError:
            self._send(frames.GoAway(self._last, 1))
            raise
        return events

    def outgoing(self) -> bytes:
        """Return the bytes to write, once."""
        found = bytes(self._outgoing)
        self._outgoing.clear()
        return found

    def open(self, headers: Mapping[str, str], *, fin: bool = False) -> int:
        """Begin a stream and return its number."""
        stream = 2 * self._next + (2 if self.server else 1)
        self._next += 1
        self._streams[stream] = _Stream(self._window, local_ended=fin)
        self._send(frames.SynStream(stream, headers, fin))
        return stream

    def reply(self, stream: int) -> None:
        """Take a stream that the other side began."""
        if stream in self._streams:
            self._send(frames.SynReply(stream, {}))

    def sendable(self, stream: int) -> int:
        """Return how many bytes a stream may send now; 0 too for one that is over."""
        known = self._streams.get(stream)
        if known is None or known.local_ended:
            return 0
        return max(0, known.sending) if self.flow_control else frames.DATA_BYTES

    def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        """Send bytes, at most `sendable`; on a stream that is over they are dropped."""
        known = self._streams.get(stream)
        if known is None or known.local_ended:
            return
        if self.flow_control and len(data) > known.sending:
            raise ValueError(f"{len(data)} bytes for a window of {known.sending}")
        known.sending -= len(data)
        known.local_ended = fin
        for start in range(0, max(len(data), 1), frames.DATA_BYTES):
            piece = data[start : start + frames.DATA_BYTES]
            self._send(frames.Data(stream, piece, fin and start + frames.DATA_BYTES >= len(data)))
        self._forget(stream, known)

    def consumed(self, stream: int, size: int) -> None:
        """Announce room once half a window was consumed."""
        known = self._streams.get(stream)
        if known is None or known.remote_ended:
            return
        known.pending -= size
        known.taken += size
        if known.taken >= WINDOW_BYTES // 2:
            self._send(frames.WindowUpdate(stream, known.taken))
            known.taken = 0

    def reset(self, stream: int, status: int = frames.Rst.CANCEL) -> None:
        """End a stream at once."""
        if self._streams.pop(stream, None) is not None:
            self._send(frames.RstStream(stream, status))

    def ping(self) -> int:
        """Ask whether the other side is there; returns the question's number."""
        number = (2 * self._pings + (2 if self.server else 1)) & 0xFFFFFFFF
        self._pings += 1
        self._send(frames.Ping(number))
        return number

    def go_away(self) -> None:
        """Take no more streams."""
        self._going = True
        self._send(frames.GoAway(self._last))

    def _send(self, frame: frames.Frame) -> None:
        self._outgoing += self._encoder.encode(frame)

    def _take(self, frame: frames.Frame) -> list[Event]:
        match frame:
            case frames.Data():
                return self._data(frame)
            case frames.SynStream():
                return self._opened(frame)
            case frames.SynReply(stream, _, fin):
                return [Replied(stream), *self._ended(stream, fin)] if stream in self._streams else []
            case frames.Headers(stream, _, fin):
                return self._ended(stream, fin)
            case frames.RstStream(stream, status):
                return [Reset(stream, status)] if self._streams.pop(stream, None) else []
            case frames.Ping(number):
                if number % 2 == self.server % 2:
                    self._send(frame)
                    return []
                return [Ponged(number)]
            case frames.GoAway(last):
                return [GoneAway(last)]
            case frames.Settings(values):
                self._settle(values)
            case frames.WindowUpdate(stream, delta):
                return self._widened(stream, delta)
        return []

    def _opened(self, frame: frames.SynStream) -> list[Event]:
        stream = frame.stream
        if stream in self._streams:
            self.reset(stream, frames.Rst.PROTOCOL_ERROR)
            return [Reset(stream, frames.Rst.PROTOCOL_ERROR)]
        if stream % 2 != self.server % 2 or stream <= self._last:
            raise ProtocolError(f"stream {stream} after {self._last}")
        self._last = stream
        if self._going or len(self._streams) >= STREAMS:
            self._send(frames.RstStream(stream, frames.Rst.REFUSED_STREAM))
            return []
        self._streams[stream] = _Stream(self._window, local_ended=frame.unidirectional)
        return [Opened(stream, frame.headers), *self._ended(stream, frame.fin)]

    def _data(self, frame: frames.Data) -> list[Event]:
        known = self._streams.get(frame.stream)
        if known is None:
            # What was under way when a stream was reset needs no answer; a stream that never was does.
            ours = frame.stream and frame.stream % 2 != self.server % 2
            if frame.stream > (2 * self._next if ours else self._last) or not frame.stream:
                self._send(frames.RstStream(frame.stream, frames.Rst.INVALID_STREAM))
            return []
        if known.remote_ended:
            self.reset(frame.stream, frames.Rst.STREAM_ALREADY_CLOSED)
            return [Reset(frame.stream, frames.Rst.STREAM_ALREADY_CLOSED)]
        known.pending += len(frame.data)
        if self.flow_control and known.pending + known.taken > WINDOW_BYTES:
            self.reset(frame.stream, frames.Rst.FLOW_CONTROL_ERROR)
            return [Reset(frame.stream, frames.Rst.FLOW_CONTROL_ERROR)]
        received: list[Event] = [Received(frame.stream, frame.data)] if frame.data else []
        return received + self._ended(frame.stream, frame.fin)

    def _ended(self, stream: int, fin: bool) -> list[Event]:
        known = self._streams.get(stream)
        if not fin or known is None or known.remote_ended:
            return []
        known.remote_ended = True
        self._forget(stream, known)
        return [Ended(stream)]

    def _forget(self, stream: int, known: _Stream) -> None:
        if known.local_ended and known.remote_ended:
            self._streams.pop(stream, None)

    def _settle(self, values: Mapping[int, int]) -> None:
        wanted = values.get(frames.INITIAL_WINDOW)
        if wanted is None:
            return
        if wanted > WINDOW_LIMIT:
            raise ProtocolError(f"initial window of {wanted}")
        for known in self._streams.values():
            known.sending += wanted - self._window
        self._window = wanted

    def _widened(self, stream: int, delta: int) -> list[Event]:
        known = self._streams.get(stream)
        if known is None:
            return []
        known.sending += delta
        if known.sending > WINDOW_LIMIT:
            self.reset(stream, frames.Rst.FLOW_CONTROL_ERROR)
            return [Reset(stream, frames.Rst.FLOW_CONTROL_ERROR)]
        return []
