"""A fault of one call, of its upstream, or of the relay itself ends nothing else."""

from __future__ import annotations

import random
import threading
import zlib
from contextlib import ExitStack
from typing import Any

import h11
import pytest
from support.cassettes import websocket_server
from support.relaying import (
    asking,
    bare_client,
    bare_server,
    eventually,
    notes,
    read_all,
    recorded,
    relaying,
    switching,
)
from websockets.asyncio.server import ServerConnection
from websockets.sync.client import connect

from eventstore import EventStore
from eventstore.capture.messages import unpacking_thread
from eventstore.capture.messages.message_unpacking import (
    UNPACKED_PIECE,
    Payload,
    Unpacker,
    UnpackingJob,
)
from eventstore.capture.relay.relay_request import AnswerReader
from eventstore.common import unforeseen
from eventstore.realtime.frames import CLIENT
from eventstore.realtime.unfinished_messages import UnfinishedMessages

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 900 + b"\r\n\r\n"
LARGE = "x" * (2 * UNPACKED_PIECE)


async def count(connection: ServerConnection) -> None:
    """Answers each message with its length."""
    async for message in connection:
        await connection.send(str(len(message)))


def exchange(call: Any, *texts: str) -> None:
    for text in texts:
        call.send(text)
        assert call.recv() == str(len(text))


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Something for each part of an answer that is looked at."""
    parts: list[None] = []
    next_event = h11.Connection.next_event

    def counted(connection: h11.Connection) -> Any:
        parts.append(None)
        return next_event(connection)

    monkeypatch.setattr(h11.Connection, "next_event", counted)
    return parts


def feed(reader: AnswerReader, data: bytes) -> None:
    """Feed it half a megabyte."""
    for _ in range(500_000 // len(data)):
        reader.feed(data)


@pytest.mark.parametrize("hint", [INTERIM, HINT])
def test_interim_answers_without_end_are_no_answer(looked_at: list[None], hint: bytes) -> None:
    reader = AnswerReader()
    with pytest.raises(ValueError, match="too"):
        feed(reader, hint * 100)
    assert len(looked_at) < 1500


def test_a_body_of_many_chunks_is_not_looked_at_to_its_end(looked_at: list[None]) -> None:
    reader = AnswerReader()
    reader.feed(b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        reader.feed(b"1\r\nx\r\n" * 1000)
    assert (reader.status, reader.ended) == (401, False)
    assert len(looked_at) < 1500


@on_sqlite
def test_some_interim_answers_pass(store: EventStore) -> None:
    def talk(connection: Any, head: bytes) -> None:
        connection.sendall(INTERIM * 3 + switching(head))

    with (
        bare_server(talk) as upstream,
        relaying(store, upstream.url) as relayed,
        bare_client(relayed.port, asking()) as client,
    ):
        assert read_all(client).startswith(INTERIM * 3 + b"HTTP/1.1 101")


def test_a_message_of_tiny_parts_is_unpacked_in_steps() -> None:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    noise = random.Random(1).randbytes(50_000)
    data = (compressor.compress(noise) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
    parts = [data[place : place + 1] for place in range(len(data))]
    unpacking = Unpacker().begin(Payload(parts, len(data), False, True))
    assert unpacking is not None
    assert not unpacking.step(64 * 1024)
    assert unpacking.made <= 1100
    while not unpacking.step(64 * 1024):
        pass
    assert unpacking.result == noise


@on_sqlite
@pytest.mark.parametrize("error", [ValueError("a secret"), MemoryError()])
def test_a_message_that_cannot_be_unpacked_is_a_gap(
    store: EventStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    step, failing = UnpackingJob.step, [error]

    def fail_once(unpacking: UnpackingJob, most: int) -> bool:
        if failing and threading.current_thread().name == "eventstore-unpacking":
            raise failing.pop()
        return step(unpacking, most)

    monkeypatch.setattr(UnpackingJob, "step", fail_once)
    before = unforeseen.fault_count()
    with websocket_server(count, max_size=None) as url, relaying(store, url) as relayed:
        with connect(f"{relayed.url}/realtime") as call:
            exchange(call, LARGE, "a", LARGE)
        with connect(f"{relayed.url}/realtime", compression=None) as call:
            exchange(call, "b", LARGE)
        relayed.ended(2)
        eventually(lambda: not relayed.relay._shared.calls)
    texts = recorded(store, CLIENT)
    assert texts[1] == ["b", LARGE]
    assert "a secret" not in caplog.text
    assert unforeseen.fault_count() - before == isinstance(error, ValueError)


@on_sqlite
def test_what_waits_to_be_unpacked_is_bounded_in_all(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, go_on = UnpackingJob.step, threading.Event()
    first = "x" * (UNPACKED_PIECE + 1)  # is being unpacked

    def late(unpacking: UnpackingJob, most: int) -> bool:
        if threading.current_thread().name == "eventstore-unpacking":
            assert go_on.wait(30)
        return step(unpacking, most)

    monkeypatch.setattr(UnpackingJob, "step", late)
    with (
        websocket_server(count, max_size=None) as url,
        relaying(store, url) as relayed,
        ExitStack() as stack,
    ):
        shared = relayed.relay._shared
        shared.unfinished = bound = UnfinishedMessages(1_000_000)
        calls = [
            stack.enter_context(connect(f"{relayed.url}/realtime", compression=None))
            for _ in range(4)
        ]
        for call in calls:
            exchange(call, first, "y" * 400_000)
            assert bound.total <= 1_000_000
        assert bound.total >= 400_000
        go_on.set()
        for call in calls:
            exchange(call, "behind")
        stack.close()
        relayed.ended(4)
        assert bound.total == 0
    texts = recorded(store, CLIENT)
    assert [(one[0], one[-1]) for one in texts] == [(first, "behind")] * 4
    assert 1 <= sum(len(one) == 3 for one in texts) <= 2


@on_sqlite
def test_where_no_thread_can_begin_large_messages_are_gaps(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoThread(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(unpacking_thread, "Thread", NoThread)
    with websocket_server(count, max_size=None) as url, relaying(store, url) as relayed:
        with connect(f"{relayed.url}/realtime", compression=None) as call:
            exchange(call, LARGE, "a", LARGE)
        relayed.ended()
    assert recorded(store, CLIENT) == [["a"]]
    gaps = [note for note in notes(store) if note["type"] == "eventstore.session.gap"]
    assert [(gap["reason"], gap["bytes"]) for gap in gaps] == [("overflow", len(LARGE))] * 2


@on_sqlite
def test_a_listener_that_fails_keeps_no_call_open(store: EventStore) -> None:
    def fail(number: int, words: str) -> None:
        if "ends:" in words:
            raise ValueError("who is told fails")

    with websocket_server(count) as url, relaying(store, url) as relayed, ExitStack() as stack:
        shared = relayed.relay._shared
        shared.on_event = fail
        call = stack.enter_context(connect(f"{relayed.url}/realtime"))
        exchange(call, "a")
        stack.close()
        eventually(shared.idle.is_set, 5)
    assert recorded(store, CLIENT) == [["a"]]
