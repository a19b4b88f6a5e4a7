"""Frames of SPDY/3.1 and their bytes.

A decoder keeps at most one control frame, whose size is bounded; the payload of a data frame is passed on as it
comes, in as many `Data` as it takes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from control.gateway.streams.spdy import headers
from control.gateway.streams.spdy.headers import ProtocolError

VERSION = 3
CONTROL_BYTES = 64 << 10  # a control frame's payload
DATA_BYTES = 32 << 10  # what one data frame of ours carries

FIN, UNIDIRECTIONAL = 0x01, 0x02
INITIAL_WINDOW = 7  # the one setting that matters here

_HEAD = struct.Struct(">II")
_ONE = struct.Struct(">I")
_TWO = struct.Struct(">II")
_OPENING = struct.Struct(">IIBx")
_ID = 0x7FFFFFFF


class Type:
    """A control frame's type (section 2.6)."""

    SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS = 1, 2, 3, 4
    PING, GOAWAY, HEADERS, WINDOW_UPDATE = 6, 7, 8, 9


class Rst:
    """Why a stream was reset (section 2.6.3)."""

    PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM = 1, 2, 3
    CANCEL, INTERNAL_ERROR, FLOW_CONTROL_ERROR, STREAM_IN_USE, STREAM_ALREADY_CLOSED = 5, 6, 7, 8, 9


@dataclass(frozen=True, slots=True)
class SynStream:
    """A stream begins."""

    stream: int
    headers: Mapping[str, str]
    fin: bool = False
    unidirectional: bool = False
    associated: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class SynReply:
    """The other side takes a stream."""

    stream: int
    headers: Mapping[str, str]
    fin: bool = False


@dataclass(frozen=True, slots=True)
class RstStream:
    """A stream is over at once."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings by number."""

    values: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Ping:
    """A question, or its answer."""

    number: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """No new streams after `last`."""

    last: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class Headers:
    """More headers of a stream."""

    stream: int
    headers: Mapping[str, str]
    fin: bool = False


@dataclass(frozen=True, slots=True)
class WindowUpdate:
    """Room for more data; stream 0 is the connection."""

    stream: int
    delta: int


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream."""

    stream: int
    data: bytes
    fin: bool = False


Frame = SynStream | SynReply | RstStream | Settings | Ping | GoAway | Headers | WindowUpdate | Data


class Encoder:
    """Turns frames into bytes, in the order in which they are sent."""

    def __init__(self) -> None:
        self._packer = headers.Packer()

    def encode(self, frame: Frame) -> bytes:
        """Return a frame's bytes."""
        match frame:
            case Data(stream, data, fin):
                return _HEAD.pack(stream, fin << 24 | len(data)) + data
            case SynStream():
                flags = frame.fin * FIN | frame.unidirectional * UNIDIRECTIONAL
                opening = _OPENING.pack(frame.stream, frame.associated, frame.priority << 5)
                return _control(Type.SYN_STREAM, opening + self._packer.pack(frame.headers), flags)
            case SynReply(stream, values, fin):
                return _control(Type.SYN_REPLY, _ONE.pack(stream) + self._packer.pack(values), fin)
            case Headers(stream, values, fin):
                return _control(Type.HEADERS, _ONE.pack(stream) + self._packer.pack(values), fin)
            case RstStream(stream, status):
                return _control(Type.RST_STREAM, _TWO.pack(stream, status))
            case Settings(numbers):
                pairs = b"".join(_TWO.pack(number, value) for number, value in numbers.items())
                return _control(Type.SETTINGS, _ONE.pack(len(numbers)) + pairs)
            case Ping(number):
                return _control(Type.PING, _ONE.pack(number))
            case GoAway(last, status):
                return _control(Type.GOAWAY, _TWO.pack(last, status))
            case WindowUpdate(stream, delta):
                return _control(Type.WINDOW_UPDATE, _TWO.pack(stream, delta))


def _control(type_: int, payload: bytes, flags: int = 0) -> bytes:
    return _HEAD.pack(1 << 31 | VERSION << 16 | type_, flags << 24 | len(payload)) + payload


class Decoder:
    """Turns bytes into frames, however they are cut."""

    def __init__(self) -> None:
        self._unpacker = headers.Unpacker()
        self._buffer = bytearray()
        self._stream = 0
        self._left = 0  # bytes that the data frame being read still has
        self._fin = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Iterate over the frames that are complete now; ProtocolError where the bytes are not SPDY/3.1."""
        self._buffer += data
        while self._buffer:
            if self._left:
                yield self._data()
                continue
            if len(self._buffer) < _HEAD.size:
                return
            first, second = _HEAD.unpack_from(self._buffer)
            flags, length = second >> 24, second & 0xFFFFFF
            if not first >> 31:
                del self._buffer[: _HEAD.size]
                self._stream, self._left, self._fin = first, length, bool(flags & FIN)
                if not length:
                    yield Data(first, b"", self._fin)
                continue
            if first >> 16 & 0x7FFF != VERSION:
                raise ProtocolError(f"version {first >> 16 & 0x7FFF} of SPDY")
            if length > CONTROL_BYTES:
                raise ProtocolError(f"control frame of {length} bytes")
            if len(self._buffer) < _HEAD.size + length:
                return
            payload = bytes(self._buffer[_HEAD.size : _HEAD.size + length])
            del self._buffer[: _HEAD.size + length]
            frame = self._frame(first & 0xFFFF, flags, payload)
            if frame is not None:
                yield frame

    def _data(self) -> Data:
        piece = bytes(self._buffer[: self._left])
        del self._buffer[: self._left]
        self._left -= len(piece)
        return Data(self._stream, piece, self._fin and not self._left)

    def _frame(self, type_: int, flags: int, payload: bytes) -> Frame | None:
        fin = bool(flags & FIN)
        try:
            match type_:
                case Type.SYN_STREAM:
                    stream, associated, priority = _OPENING.unpack_from(payload)
                    values = self._unpacker.unpack(payload[_OPENING.size :])
                    one_way = bool(flags & UNIDIRECTIONAL)
                    return SynStream(stream & _ID, values, fin, one_way, associated & _ID, priority >> 5)
                case Type.SYN_REPLY:
                    return SynReply(_stream(payload), self._unpacker.unpack(payload[_ONE.size :]), fin)
                case Type.HEADERS:
                    return Headers(_stream(payload), self._unpacker.unpack(payload[_ONE.size :]), fin)
                case Type.RST_STREAM:
                    return RstStream(_stream(payload), _TWO.unpack(payload)[1])
                case Type.SETTINGS:
                    return _settings(payload)
                case Type.PING:
                    return Ping(*_ONE.unpack(payload))
                case Type.GOAWAY:
                    return GoAway(_stream(payload), _TWO.unpack(payload)[1])
                case Type.WINDOW_UPDATE:
                    return WindowUpdate(_stream(payload), _TWO.unpack(payload)[1] & _ID)
        except struct.error:
            raise ProtocolError(f"control frame of type {type_} with {len(payload)} bytes") from None
        return None  # section 2.2.1: types that are not known are passed over


def _stream(payload: bytes) -> int:
    return int(_ONE.unpack_from(payload)[0]) & _ID


def _settings(payload: bytes) -> Settings:
    (count,) = _ONE.unpack_from(payload)
    if len(payload) != _ONE.size + count * _TWO.size:
        raise ProtocolError("settings of another length than they say")
    pairs = (_TWO.unpack_from(payload, _ONE.size + index * _TWO.size) for index in range(count))
    return Settings({number & 0xFFFFFF: value for number, value in pairs})
