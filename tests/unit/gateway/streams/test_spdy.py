"""SPDY/3.1: frames, streams, and whatever else comes over a wire."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import hypothesis
import pytest
from hypothesis import strategies as st

from control.gateway.streams.spdy import connection, frames, headers

names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
header_blocks = st.dictionaries(names, st.text(st.characters(codec="utf-8"), max_size=40), max_size=6)
ids = st.integers(1, (1 << 31) - 1)
words = st.integers(0, (1 << 32) - 1)
any_frame = st.one_of(
    st.builds(frames.SynStream, ids, header_blocks, st.booleans(), st.booleans(), ids, st.integers(0, 7)),
    st.builds(frames.SynReply, ids, header_blocks, st.booleans()),
    st.builds(frames.Headers, ids, header_blocks, st.booleans()),
    st.builds(frames.RstStream, ids, words),
    st.builds(frames.Settings, st.dictionaries(st.integers(0, (1 << 24) - 1), words, max_size=5)),
    st.builds(frames.Ping, words),
    st.builds(frames.GoAway, ids, words),
    st.builds(frames.WindowUpdate, ids, st.integers(0, (1 << 31) - 1)),
    st.builds(frames.Data, ids, st.binary(max_size=300), st.booleans()),
)


def joined(found: list[frames.Frame]) -> list[frames.Frame]:
    """Return frames with the pieces of each data frame put together."""
    whole: list[frames.Frame] = []
    for frame in found:
        before = whole[-1] if whole else None
        if isinstance(frame, frames.Data) and isinstance(before, frames.Data) and before.stream == frame.stream:
            whole[-1] = frames.Data(frame.stream, before.data + frame.data, frame.fin)
        else:
            whole.append(frame)
    return whole


def talk(one: connection.Connection, other: connection.Connection) -> tuple[list, list]:
    """Carry bytes both ways until there are none; returns what each side heard."""
    heard: tuple[list, list] = ([], [])
    while True:
        there, back = one.outgoing(), other.outgoing()
        if not there and not back:
            return heard
        heard[1].extend(other.receive(there))
        heard[0].extend(one.receive(back))


def pair(*, flow_control: bool = False) -> tuple[connection.Connection, connection.Connection]:
    """Return a client and a server."""
    return (
        connection.Connection(server=False, flow_control=flow_control),
        connection.Connection(server=True, flow_control=flow_control),
    )


def test_the_dictionary_is_the_drafts() -> None:
    """Its checksum is what every SPDY/3 stream begins with."""
    packed = headers.Packer().pack({"streamtype": "stdin"})

    assert len(headers.DICTIONARY) == 1423
    assert zlib.adler32(headers.DICTIONARY) == 0xE3C6A7C2
    assert packed[2:6] == bytes.fromhex("e3c6a7c2")


def test_bytes_of_frames_are_the_drafts() -> None:
    """Version 3, type, flags and length stand where the draft puts them."""
    encoder = frames.Encoder()

    got = [
        encoder.encode(frame).hex()
        for frame in (
            frames.Ping(1),
            frames.RstStream(1, frames.Rst.CANCEL),
            frames.Settings({frames.INITIAL_WINDOW: 65536}),
            frames.GoAway(3),
            frames.WindowUpdate(1, 255),
            frames.Data(5, b"hi", fin=True),
        )
    ]

    assert got == [
        "800300060000000400000001",
        "80030003000000080000000100000005",
        "800300040000000c000000010000000700010000",
        "80030007000000080000000300000000",
        "800300090000000800000001000000ff",
        "00000005010000026869",
    ]


@hypothesis.given(st.lists(any_frame, max_size=8), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_frames_survive_every_cut(sent: list[frames.Frame], cuts: list[int]) -> None:
    """However the bytes are cut, the frames are those that were sent."""
    encoder, decoder = frames.Encoder(), frames.Decoder()
    got: list[frames.Frame] = []

    for frame in sent:
        wire, turn = encoder.encode(frame), 0
        pieces: list[frames.Frame] = []
        while wire:
            size = cuts[turn % len(cuts)]
            pieces += decoder.feed(wire[:size])
            wire, turn = wire[size:], turn + 1
        got += joined(pieces)

    assert got == sent


@hypothesis.given(st.lists(st.binary(max_size=60), max_size=10))
def test_noise_ends_in_an_error_or_in_nothing(noise: list[bytes]) -> None:
    """Bytes that are not SPDY raise ProtocolError, never anything else."""
    server = connection.Connection(server=True)
    try:
        for piece in noise:
            server.receive(piece)
    except headers.ProtocolError:
        assert server.outgoing().endswith(bytes.fromhex("00000001"))


@hypothesis.given(st.lists(any_frame, max_size=12), st.data())
def test_frames_in_any_order_break_nothing(sent: list[frames.Frame], data: st.DataObject) -> None:
    """A peer that sends good frames in a senseless order, with a flipped byte, gets at most a ProtocolError."""
    encoder, server = frames.Encoder(), connection.Connection(server=True, flow_control=data.draw(st.booleans()))
    wire = bytearray(b"".join(encoder.encode(frame) for frame in sent))
    if wire and data.draw(st.booleans()):
        wire[data.draw(st.integers(0, len(wire) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        server.receive(bytes(wire))
    except headers.ProtocolError:
        assert server.outgoing()


def test_a_block_that_unpacks_to_much_is_refused() -> None:
    """A few bytes that stand for a hundred megabytes cost no memory."""
    packer = zlib.compressobj(zdict=headers.DICTIONARY)
    bomb = packer.compress(bytes(50 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)
    tracemalloc.start()

    with pytest.raises(headers.ProtocolError, match="more than 8192 bytes"):
        headers.Unpacker().unpack(bomb)

    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (struct.pack(">II", 1 << 31 | 3 << 16 | 1, 0xFFFFFF), "control frame of 16777215 bytes"),
        (struct.pack(">II", 1 << 31 | 2 << 16 | 1, 0), "version 2"),
        (struct.pack(">III", 1 << 31 | 3 << 16 | 4, 4, 9), "settings of another length"),
        (struct.pack(">II", 1 << 31 | 3 << 16 | 6, 0), "type 6 with 0 bytes"),
        (struct.pack(">IIIIH", 1 << 31 | 3 << 16 | 1, 10, 1, 0, 0), "header block: cut off"),
        (struct.pack(">IIII", 1 << 31 | 3 << 16 | 2, 8, 1, 0xABCDEF), "header block: Error -3"),
    ],
)
def test_malformed_frames_are_named(wire: bytes, why: str) -> None:
    """The error says what was wrong, and the peer is told to go."""
    server = connection.Connection(server=True)

    with pytest.raises(headers.ProtocolError, match=why):
        server.receive(wire)

    assert server.outgoing()[:4] == bytes.fromhex("80030007")


def test_a_huge_data_frame_is_passed_on_as_it_comes() -> None:
    """Nothing of its sixteen megabytes is kept."""
    decoder = frames.Decoder()
    list(decoder.feed(struct.pack(">II", 1, 0xFFFFFF)))

    got = [frame for _ in range(3) for frame in decoder.feed(bytes(1000))]

    assert [(frame.stream, len(frame.data), frame.fin) for frame in got if isinstance(frame, frames.Data)] == [
        (1, 1000, False)
    ] * 3


def test_a_stream_lives_until_both_have_ended_it() -> None:
    """FIN closes one direction; the other goes on."""
    client, server = pair()
    stream = client.open({"streamType": "stdin"})
    _, opened = talk(client, server)
    server.reply(stream)
    client.send(stream, b"question", fin=True)
    first = talk(client, server)
    server.send(stream, b"answer", fin=True)

    second = talk(client, server)

    assert opened == [connection.Opened(1, {"streamtype": "stdin"})]
    assert first == ([connection.Replied(1)], [connection.Received(1, b"question"), connection.Ended(1)])
    assert second == ([connection.Received(1, b"answer"), connection.Ended(1)], [])
    assert server.sendable(stream) == 0


def test_data_after_the_end_resets_the_stream() -> None:
    """A peer that goes on after FIN is told STREAM_ALREADY_CLOSED."""
    server, encoder = connection.Connection(server=True), frames.Encoder()
    server.receive(encoder.encode(frames.SynStream(1, {}, fin=True)))

    got = server.receive(encoder.encode(frames.Data(1, b"more")))

    assert got == [connection.Reset(1, frames.Rst.STREAM_ALREADY_CLOSED)]


def test_data_for_nothing_resets_only_what_never_was() -> None:
    """Late data of a stream that is over is dropped in silence."""
    server, encoder = connection.Connection(server=True), frames.Encoder()
    server.receive(encoder.encode(frames.SynStream(3, {})) + encoder.encode(frames.RstStream(3, 5)))
    server.outgoing()

    server.receive(encoder.encode(frames.Data(3, b"late")))
    late = server.outgoing()
    server.receive(encoder.encode(frames.Data(9, b"never")))

    assert late == b""
    assert server.outgoing() == encoder.encode(frames.RstStream(9, frames.Rst.INVALID_STREAM))


def test_streams_are_bounded() -> None:
    """One more than allowed is refused, and the others go on."""
    client, server = pair()
    for _ in range(connection.STREAMS + 1):
        last = client.open({})

    heard, _ = talk(client, server)

    assert heard == [connection.Reset(last, frames.Rst.REFUSED_STREAM)]


def test_a_number_that_goes_back_ends_the_connection() -> None:
    """Streams are numbered upwards, odd from clients."""
    for wrong in (1, 4):
        server, encoder = connection.Connection(server=True), frames.Encoder()
        server.receive(encoder.encode(frames.SynStream(3, {}, fin=True)))
        server.receive(encoder.encode(frames.RstStream(3, 5)))

        with pytest.raises(headers.ProtocolError, match=f"stream {wrong} after 3"):
            server.receive(encoder.encode(frames.SynStream(wrong, {})))


def test_a_ping_is_answered_once() -> None:
    """Each side answers the other's, and hears its own come back."""
    client, server = pair()
    number = server.ping()
    client.ping()

    assert talk(client, server) == ([connection.Ponged(1)], [connection.Ponged(number)])


def test_windows_hold_data_back_until_it_is_consumed() -> None:
    """With flow control a sender has 64 KiB, and as much again as the reader consumed."""
    client, server = pair(flow_control=True)
    stream = client.open({})
    client.send(stream, bytes(connection.WINDOW_BYTES))
    talk(client, server)
    full = client.sendable(stream)

    server.consumed(stream, 40_000)
    talk(client, server)

    assert (full, client.sendable(stream)) == (0, 40_000)
    with pytest.raises(ValueError, match="40001 bytes for a window of 40000"):
        client.send(stream, bytes(40_001))


def test_a_sender_that_ignores_the_window_is_reset() -> None:
    """With flow control a peer cannot fill our memory."""
    server, encoder = connection.Connection(server=True, flow_control=True), frames.Encoder()
    server.receive(encoder.encode(frames.SynStream(1, {})))

    got = server.receive(encoder.encode(frames.Data(1, bytes(connection.WINDOW_BYTES + 1))))

    assert got[-1] == connection.Reset(1, frames.Rst.FLOW_CONTROL_ERROR)


def test_settings_change_the_windows_of_open_streams() -> None:
    """A smaller initial window takes from what a stream may send."""
    client, server = pair(flow_control=True)
    stream = client.open({})
    encoder = frames.Encoder()

    client.receive(encoder.encode(frames.Settings({frames.INITIAL_WINDOW: 1000})))

    assert client.sendable(stream) == 1000
    assert server.outgoing() == b""
