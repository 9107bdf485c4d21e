"""The frame scanner, against the frames and extensions of the `websockets` package."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from eventstore.capture.messages.frame_scanner import CloseFrame, FrameScanner, ScannedMessage
from eventstore.capture.messages.message_unpacking import (
    UNPACKED_PIECE,
    MessageGap,
    Payload,
    Unpacker,
    joined,
)
from eventstore.realtime.unfinished_messages import UnfinishedMessages

CONTROL = (Opcode.PING, Opcode.PONG)
MESSAGES = st.lists(st.one_of(st.text(max_size=400), st.binary(max_size=400)), max_size=6)
HELLO = Frame(Opcode.TEXT, b"hello").serialize(mask=False)
BEHIND = "compressed messages of this direction are not read from here on"
#: In place of a compressed message that refers to one that is lost.
GONE = object()
CUTS = st.lists(st.integers(1, 300), max_size=8)


def frames_of(message: str | bytes, cuts: Sequence[int]) -> list[Frame]:
    """A message as one frame, or as fragments that are cut after so many bytes."""
    opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
    data = message.encode() if isinstance(message, str) else message
    pieces = []
    for cut in cuts:
        pieces.append(data[:cut])
        data = data[cut:]
    pieces.append(data)
    return [
        Frame(opcode if i == 0 else Opcode.CONT, piece, fin=i == len(pieces) - 1)
        for i, piece in enumerate(pieces)
    ]


def chunks(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Bytes cut into pieces of these sizes, again and again; whole where there are none."""
    pieces, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)] if sizes else len(data)
        pieces.append(data[at : at + size])
        at, turn = at + size, turn + 1
    return pieces


def scan(
    scanner: FrameScanner,
    pieces: Sequence[bytes],
    unpacker: Unpacker | None = None,
    most: int | None = None,
    step: int = 1 << 30,
) -> list[Any]:
    """What is found in pieces, with what is compressed or large unpacked."""
    unpacker = unpacker or Unpacker()
    found: list[Any] = []
    for piece in pieces:
        came = scanner.feed(piece, most)
        while scanner.behind:
            came += scanner.feed(b"", most)
        found += [one for one in (whole(one, unpacker, step) for one in came) if one != GONE]
    return found


def whole(found: ScannedMessage, unpacker: Unpacker, step: int = 1 << 30) -> Any:
    if isinstance(found, MessageGap):
        return unpacker.lose(found) if found.compressed else found
    if not isinstance(found, Payload):
        return found
    unpacking = unpacker.begin(found)
    if unpacking is None:
        return GONE
    while not unpacking.step(step):
        pass
    result = unpacking.result
    return result if isinstance(result, MessageGap) else joined(result)


@given(
    st.lists(st.tuples(st.one_of(st.text(max_size=400), st.binary(max_size=400)), CUTS)),
    st.lists(st.tuples(st.sampled_from(CONTROL), st.binary(max_size=125))),
    st.booleans(),
    st.sampled_from([None, (False, False), (True, True)]),
    CUTS,
    st.sampled_from([None, 1, 3]),
    st.sampled_from([1, 1 << 30]),
)
def test_messages_are_found_however_they_are_framed_and_cut(
    messages: list[tuple[str | bytes, list[int]]],
    controls: list[tuple[Opcode, bytes]],
    masked: bool,
    deflate: tuple[bool, bool] | None,
    sizes: list[int],
    most: int | None,
    step: int,
) -> None:
    extensions: list[Extension] = []
    if deflate is not None:
        extensions = [PerMessageDeflate(*deflate, 15, 12)]
    left = list(controls)
    wire = b""
    for message, cuts in messages:
        for frame in frames_of(message, cuts):
            wire += frame.serialize(mask=masked, extensions=extensions)
            if left:
                opcode, payload = left.pop()
                wire += Frame(opcode, payload).serialize(mask=masked, extensions=extensions)
    scanner = FrameScanner(masked, deflate is not None)
    unpacker = Unpacker(takeover=deflate != (True, True))
    found = scan(scanner, chunks(wire, sizes), unpacker, most, step)
    assert found == [message for message, _ in messages]
    assert (scanner.failed, scanner.pending, scanner.close) == (False, 0, None)


@given(MESSAGES, CUTS, st.booleans(), st.sampled_from([1000, 1011, 4000]), st.text(max_size=30))
def test_what_a_protocol_sends_is_read(
    messages: list[str | bytes], sizes: list[int], masked: bool, code: int, reason: str
) -> None:
    side: ClientProtocol | ServerProtocol = ServerProtocol(state=State.OPEN)
    if masked:
        side = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN)
    for message in messages:
        if isinstance(message, str):
            side.send_text(message.encode())
        else:
            side.send_binary(message)
    side.send_close(code, reason)
    scanner = FrameScanner(masked)
    assert scan(scanner, chunks(b"".join(side.data_to_send()), sizes)) == messages
    assert scanner.close == CloseFrame(code, reason)


@given(st.lists(st.binary(max_size=200)), st.booleans(), st.booleans(), st.integers(0, 300))
@example([b"\xc1\x02ab"], False, True, 300)
@example([b"\x81\xff" + b"\xff" * 12], True, True, 300)
def test_garbage_never_raises(pieces: list[bytes], masked: bool, deflate: bool, limit: int) -> None:
    scanner = FrameScanner(masked, deflate, limit)
    found = scan(scanner, pieces)
    problems = [
        gap for gap in found if isinstance(gap, MessageGap) and gap.reason == "protocol_error"
    ]
    assert sum(not gap.compressed for gap in problems) == scanner.failed
    assert all(isinstance(gap.facts["detail"], str) for gap in problems)


@given(st.binary(max_size=80), CUTS)
def test_a_border_is_where_a_frame_ends(tail: bytes, sizes: list[int]) -> None:
    whole = Frame(Opcode.TEXT, b"hello").serialize(mask=True)
    begun = Frame(Opcode.TEXT, tail + b"x").serialize(mask=True)[:-1]
    scanner = FrameScanner(masked=True)
    scan(scanner, chunks(whole + begun, sizes))
    assert scanner.pending == len(begun)


@pytest.mark.parametrize(
    ("wire", "detail"),
    [
        (b"\x83\x00", "opcode 3"),
        (b"\x8b\x00", "opcode 11"),
        (b"\x81\x80\0\0\0\0", "a frame with a mask"),
        (b"\xc1\x00", "reserved bits are set"),
        (b"\xa1\x00", "reserved bits are set"),
        (b"\x80\x00", "a continuation of nothing"),
        (b"\x01\x00\x81\x00", "a message within another"),
        (b"\x09\x00", "a control frame that is long or in fragments"),
        (b"\x89\x7e", "a control frame that is long or in fragments"),
        (b"\x81\x7f" + b"\xff" * 8, "a length of more than 63 bits"),
        (b"HTTP/1.1 200 OK\r\n", "reserved bits are set"),
    ],
)
def test_what_is_no_frame_is_told_once(wire: bytes, detail: str) -> None:
    scanner = FrameScanner(masked=False)
    good = Frame(Opcode.TEXT, b"hi").serialize(mask=False)
    assert scanner.feed(good + wire) == ["hi", MessageGap("protocol_error", {"detail": detail})]
    assert scanner.failed
    assert scanner.feed(good) == []


def test_a_client_must_mask() -> None:
    (gap,) = FrameScanner(masked=True).feed(b"\x81\x00")
    assert gap == MessageGap("protocol_error", {"detail": "a frame without a mask"})


def test_what_is_no_deflate_is_no_frame() -> None:
    wire = Frame(Opcode.TEXT, b"\xff\xff\xff", rsv1=True)
    wire_bytes = bytes([0xC1, len(wire.data)]) + wire.data
    (gap, after) = scan(FrameScanner(masked=False, deflate=True), [wire_bytes, wire_bytes, HELLO])
    detail = f"compressed data that cannot be inflated; {BEHIND}"
    assert gap == MessageGap("protocol_error", {"detail": detail}, True)
    assert after == "hello"


def test_text_that_is_no_utf8_is_bytes() -> None:
    wire = Frame(Opcode.TEXT, b"\xffa").serialize(mask=False)
    assert FrameScanner(masked=False).feed(wire) == [b"\xffa"]


@pytest.mark.parametrize("takeover", [None, False, True])
@pytest.mark.parametrize("cuts", [[], [10], [90], [60, 60]])
def test_a_message_over_the_limit_is_passed_over(takeover: bool | None, cuts: list[int]) -> None:
    wire = b""
    extensions = [] if takeover is None else [PerMessageDeflate(False, not takeover, 15, 15)]
    # The last one may refer to what the one before it brought into the window.
    for message in ("before", "0123456789" * 15, "0123456789" * 9):
        for frame in frames_of(message, cuts):
            wire += frame.serialize(mask=True, extensions=extensions)
    wire += Frame(Opcode.TEXT, b"plain").serialize(mask=True)
    before, gap, *rest = scan(
        FrameScanner(masked=True, deflate=takeover is not None, limit=100),
        chunks(wire, [7]),
        Unpacker(bool(takeover), limit=100),
    )
    assert before == "before"
    assert (gap.reason, gap.compressed) == ("message_too_large", takeover is not None)
    assert gap.facts["bytes"] > 100
    assert gap.facts.get("detail") == (BEHIND if takeover else None)
    # Behind a gap, what refers to the lost message is not read, and what does not is.
    assert rest == (["plain"] if takeover else ["0123456789" * 9, "plain"])


def test_what_is_passed_over_is_not_held() -> None:
    unfinished = UnfinishedMessages()
    scanner = FrameScanner(masked=False, limit=1000, unfinished=unfinished)
    scanner.feed(b"\x82\x7f" + (2**40).to_bytes(8, "big"))
    for _ in range(100):
        assert scanner.feed(bytes(100_000)) == []
    assert (scanner._parts, unfinished.total) == ([], 0)


def test_the_largest_unfinished_message_is_given_up() -> None:
    unfinished = UnfinishedMessages(limit=10_000)
    small, large = (FrameScanner(masked=False, unfinished=unfinished) for _ in range(2))
    begun = b"\x02\x7f" + (2**20).to_bytes(8, "big")
    assert small.feed(begun + bytes(3000)) == large.feed(begun + bytes(6000)) == []
    assert unfinished.total > 9000
    small.feed(bytes(2000))
    assert unfinished.total == small.held < 6000
    assert (large.held, large._parts) == (0, [])
    # The rest of what is given up passes, and what comes behind it is read.
    (gap,) = large.feed(bytes(2**20 - 6000) + b"\x80\x00")
    assert gap == MessageGap("overflow", {"bytes": 2**20})
    assert large.feed(HELLO) == ["hello"]
    small.forget()
    assert unfinished.total == 0


def test_tiny_fragments_count_for_what_they_take() -> None:
    unfinished = UnfinishedMessages(limit=1_000_000)
    scanner = FrameScanner(masked=False, unfinished=unfinished)
    scanner.feed(b"\x02\x02ab" + b"\x00\x02ab" * 100_000)
    assert scanner._parts == []
    assert unfinished.total == 0
    assert scanner.feed(b"\x80\x00") == [MessageGap("overflow", {"bytes": 200_002})]


def test_a_turn_looks_at_so_many_frames_and_no_more() -> None:
    scanner = FrameScanner(masked=False)
    flood = b"\x89\x00" * 1000 + HELLO * 1000 + b"\x81"
    assert scanner.feed(flood, 500) == []
    assert scanner.behind
    assert scanner.pending == len(flood) - 1000
    turns = 0
    found: list[ScannedMessage] = []
    while scanner.behind:
        found += scanner.feed(b"", 500)
        turns += 1
    assert found == ["hello"] * 1000
    assert turns == 4
    assert scanner.pending == 1
    assert scanner.feed(b"\x00") == [""]


def test_a_small_frame_may_inflate_to_a_large_message() -> None:
    wire = b"".join(
        frame.serialize(mask=False, extensions=[PerMessageDeflate(False, False, 15, 15)])
        for frame in frames_of("a" * 5_000_000, [])
    )
    assert len(wire) < 10_000
    assert scan(FrameScanner(False, True), [wire]) == ["a" * 5_000_000]
    (gap,) = scan(FrameScanner(False, True), [wire], Unpacker(limit=1_000_000))
    assert gap.reason == "message_too_large"
    # It is inflated no further than that it is too large.
    assert 1_000_000 < gap.facts["bytes"] <= 1_000_000 + UNPACKED_PIECE


@pytest.mark.parametrize("size", [UNPACKED_PIECE + 1, 3 * UNPACKED_PIECE])
@pytest.mark.parametrize("deflate", [False, True])
def test_large_messages_are_text_or_bytes_as_small_ones(size: int, deflate: bool) -> None:
    text = ("é€𐍈x" * size)[:size]
    odd = text.encode() + b"\xf0\x9f"
    extensions = [PerMessageDeflate(False, False, 15, 15)] if deflate else []
    wire = b"".join(
        Frame(opcode, data).serialize(mask=True, extensions=extensions)
        for opcode, data in (
            (Opcode.TEXT, text.encode()),
            (Opcode.TEXT, odd),
            (Opcode.TEXT, odd + text.encode()),
            (Opcode.BINARY, text.encode()),
        )
    )
    found = scan(FrameScanner(True, deflate), chunks(wire, [99_999]), step=1)
    assert found == [text, odd, odd + text.encode(), text.encode()]


def test_what_makes_nothing_is_work_too() -> None:
    """Empty blocks inflate to nothing, and take their time all the same."""
    empty = b"\x00\x00\x00\xff\xff" * 1_000_000
    unpacking = Unpacker().begin(Payload([empty] * 3, 3 * len(empty), False, True))
    assert unpacking is not None
    assert [unpacking.step(1) for _ in range(3)] == [False, False, False]
    assert unpacking.step(100)
    assert unpacking.result == b""


def test_a_compressor_may_end_its_blocks() -> None:
    """RFC 7692, 7.2.3.4: a block with BFINAL set."""
    packer = zlib.compressobj(wbits=-15)
    data = packer.compress(b"hello") + packer.flush() + b"\0"
    wire = bytes([0xC1, len(data)]) + data
    assert scan(FrameScanner(masked=False, deflate=True), [wire * 2]) == ["hello", "hello"]


@pytest.mark.parametrize(
    ("payload", "close"),
    [
        (b"", CloseFrame(1005, "")),
        (b"\x03", CloseFrame(1005, "")),
        (Close(1000, "bye").serialize(), CloseFrame(1000, "bye")),
        (b"\x03\xe8\xff", CloseFrame(1000, "�")),
        (b"\x00\x07x", CloseFrame(7, "x")),
    ],
)
def test_close_frames(payload: bytes, close: CloseFrame) -> None:
    scanner = FrameScanner(masked=False)
    assert scanner.feed(bytes([0x88, len(payload)]) + payload) == []
    assert scanner.close == close
    scanner.feed(Frame(Opcode.CLOSE, Close(1011, "later").serialize()).serialize(mask=False))
    assert scanner.close == close
