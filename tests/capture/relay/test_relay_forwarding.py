"""Passing bytes on, apart from sockets: whatever the chunks are, and whenever the relay goes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from eventstore.capture.messages.frame_scanner import FrameScanner
from eventstore.capture.messages.message_unpacking import Compression
from eventstore.capture.messages.unpacking_thread import UnpackingThread
from eventstore.capture.recorder.arrival_clock import ArrivalClock
from eventstore.capture.recorder.recorder import SessionRecorder
from eventstore.capture.relay.relay_forwarding import DuplexForwarder
from eventstore.capture.relay.relay_metrics import RelayCounts
from eventstore.capture.relay.relay_pipe import Deadline, PipeSide
from eventstore.capture.relay.relay_tee import Tee
from eventstore.realtime.frames import CLIENT, SERVER


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Kept:
    """A session that keeps what it is told, and commits when it is told to."""

    session_id = "sess_1"

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.commits: list[Future[None]] = []
        self.clock = ArrivalClock()

    def record(self, direction: str, text: str | bytes, at: int) -> None:
        self.messages.append(text)

    def gap(self, reason: str, **facts: Any) -> None:
        raise AssertionError(reason)

    def is_pressed(self) -> bool:
        return False

    def committed(self) -> Future[None]:
        self.commits.append(Future())
        return self.commits[-1]


def passing(durable: bool = False) -> tuple[DuplexForwarder, PipeSide, Wire, Kept]:
    """Passes the client's bytes on; that side, the wire to the server, and what is recorded."""
    owner = cast(Any, None)
    client, server, kept, wire = PipeSide(CLIENT, owner), PipeSide(SERVER, owner), Kept(), Wire()
    client.transport = cast(asyncio.Transport, Wire())
    server.transport = cast(asyncio.Transport, wire)
    tee = Tee(
        cast(SessionRecorder, kept),
        Compression(),
        RelayCounts(),
        UnpackingThread(asyncio.get_running_loop()),
    )
    return DuplexForwarder(client, server, tee, durable, Deadline()), client, wire, kept


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    borders = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(borders)]


MESSAGES = st.lists(st.binary(max_size=300), max_size=8)
PLACES = st.lists(st.integers(0, 3000), max_size=12)


@given(MESSAGES, PLACES, st.integers(0, 12), st.booleans())
def test_the_relay_goes_at_a_border_and_what_has_passed_is_recorded(
    messages: list[bytes], places: list[int], gone: int, durable: bool
) -> None:
    wire_bytes = b"".join(Frame(Opcode.BINARY, m).serialize(mask=True) for m in messages)
    pieces = cut(wire_bytes, places)

    async def run() -> tuple[Wire, Kept]:
        passes, client, wire, kept = passing(durable)
        take = passes.reader(client)
        for turn, piece in enumerate(pieces):
            if turn == gone:
                take = passes.closing_reader(client)
                passes.go_away()
            take(piece)
        for commit in kept.commits:
            commit.set_result(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return wire, kept

    wire, kept = asyncio.run(run())
    server = ServerProtocol(state=State.OPEN)
    server.receive_data(wire.written)
    frames = cast(list[Frame], server.events_received())
    got = [bytes(frame.data) for frame in frames if frame.opcode is Opcode.BINARY]
    assert got == kept.messages == messages[: len(got)]
    if gone >= len(pieces):
        assert wire.written == wire_bytes
    else:
        assert server.close_rcvd == Close(1001, "the relay is going away")


@given(MESSAGES, PLACES, st.lists(st.integers(0, 20), max_size=20))
def test_durable_bytes_pass_in_order_behind_their_commits(
    messages: list[bytes], places: list[int], order: list[int]
) -> None:
    wire_bytes = b"".join(Frame(Opcode.BINARY, m).serialize(mask=True) for m in messages)

    async def run() -> None:
        passes, client, wire, kept = passing(durable=True)
        take = passes.reader(client)
        for piece in cut(wire_bytes, places):
            take(piece)
        waiting = list(kept.commits)
        while waiting:
            commit = waiting.pop(order.pop() % len(waiting) if order else 0)
            commit.set_exception(OSError()) if len(waiting) % 2 else commit.set_result(None)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            done = [earlier.done() for earlier in kept.commits]
            whole = done.index(False) if False in done else len(done)
            scanner = FrameScanner(masked=True)
            assert wire_bytes.startswith(wire.written)
            # A chunk may complete several messages, and each commit is for one chunk.
            assert whole == 0 or len(scanner.feed(wire.written)) >= whole
            assert False not in done or wire.written != wire_bytes
        assert wire.written == wire_bytes

    asyncio.run(run())
