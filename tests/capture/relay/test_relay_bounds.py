"""Whatever one connection of the relay does, it stops and slows no other; memory is bounded."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import threading
import urllib.request
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.cassettes import websocket_server
from support.relaying import (
    asking,
    bare_client,
    bare_server,
    both_sides,
    eventually,
    notes,
    read_all,
    read_head,
    recorded,
    relaying,
    switching,
)
from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from eventstore import EventStore
from eventstore.capture.messages.message_unpacking import INFLATED_LIMIT, UnpackingJob
from eventstore.capture.recorder.process import recorder_process
from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.capture.relay import relay_connection
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.realtime.unfinished_messages import UnfinishedMessages
from eventstore.times import now

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MB = 1024 * 1024


async def count(connection: ServerConnection) -> None:
    """Answers each message with its length."""
    async for message in connection:
        await connection.send(str(len(message)))


@contextmanager
def upstream(**options: Any) -> Iterator[str]:
    with websocket_server(count, max_size=None, **options) as url:
        yield url


@contextmanager
def joined(port: int) -> Iterator[socket.socket]:
    """A bare client whose handshake was accepted."""
    with bare_client(port, asking()) as client:
        assert read_head(client).startswith(b"HTTP/1.1 101")
        yield client


def talk(url: str, text: str) -> None:
    """A neighbour's call, whole."""
    with connect(f"{url}/realtime", compression=None) as call:
        call.send(text)
        assert call.recv() == str(len(text))


def gaps(store: EventStore) -> list[dict[str, Any]]:
    return [note for note in notes(store) if note["type"] == "eventstore.session.gap"]


@on_sqlite
def test_unfinished_messages_of_all_are_bounded(store: EventStore) -> None:
    begun = b"\x82\xff" + (MB).to_bytes(8, "big") + bytes(4)
    with upstream() as url, relaying(store, url) as relayed, ExitStack() as stack:
        shared = relayed.relay._shared
        shared.unfinished = bound = UnfinishedMessages(MB)
        hostile = [stack.enter_context(joined(relayed.port)) for _ in range(6)]
        for client in hostile:
            client.sendall(begun + bytes(400_000))
            talk(relayed.url, "hello")
        passed = shared.counts.bytes
        eventually(lambda: passed[CLIENT] > 6 * 400_000)
        assert bound.total <= MB
        held = [connection.tee.scanners[CLIENT].held for connection in shared.live]
        # Most have lost theirs, and the calls go on all the same.
        assert sum(held) == bound.total
        for client in hostile:
            client.sendall(bytes(MB - 400_000) + Frame(Opcode.TEXT, b"on").serialize(mask=True))
            for answer in (b"%d" % MB, b"2"):
                assert client.recv(2) == bytes([0x81, len(answer)])
                assert client.recv(len(answer)) == answer
        stack.close()
        relayed.ended(12)
        assert bound.total == 0
    texts = [texts for texts in recorded(store, CLIENT) if texts != ["hello"]]
    assert [one[-1] for one in texts] == ["on"] * 6
    assert 1 <= sum(len(one) == 1 for one in texts) <= 5  # some of the six are given up


@on_sqlite
def test_memory_of_ended_calls_waits_for_no_garbage_collection(store: EventStore) -> None:
    begun = b"\x82\xff" + (MB).to_bytes(8, "big") + bytes(4)
    with upstream() as url, relaying(store, url) as relayed:
        gc.collect()
        gc.disable()
        try:
            with joined(relayed.port) as client, bare_client(relayed.port, b"GET /x HTTP") as idle:
                client.sendall(begun + bytes(100_000))
                eventually(lambda: relayed.relay._shared.unfinished.total > 100_000)
                eventually(lambda: len(relayed.relay._shared.live) == 2)
                alive = [weakref.ref(one) for one in relayed.relay._shared.live]
                alive += [weakref.ref(one().tee) for one in alive if one().tee]
                assert len(alive) == 3
                idle.close()
            relayed.ended()
            eventually(lambda: not relayed.relay._shared.live)
            talk(relayed.url, "hello")  # no frame of the event loop's is left that has them
            assert [one() for one in alive] == [None] * 3
        finally:
            gc.enable()


@on_sqlite
def test_what_inflates_past_the_bound_is_given_up_with_a_gap(store: EventStore) -> None:
    with (
        upstream(compression="deflate") as url,
        relaying(store, url) as relayed,
        connect(f"{relayed.url}/realtime", compression="deflate") as call,
    ):
        for text in ("before", "a" * (INFLATED_LIMIT + MB), "behind"):
            call.send(text)
            assert call.recv() == str(len(text))
        call.close()
        relayed.ended()
    client, server = both_sides(store)
    assert client == ["before"]
    assert server == ["6", str(INFLATED_LIMIT + MB), "6"]
    (gap,) = gaps(store)
    assert (gap["reason"], gap["direction"]) == ("message_too_large", "client")
    assert gap["bytes"] > INFLATED_LIMIT > 100 * gap["compressed"]
    assert "not read from here on" in gap["detail"]


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Large messages are unpacked once this is set."""
    go_on = threading.Event()
    step = UnpackingJob.step

    def late(unpacking: UnpackingJob, most: int) -> bool:
        if threading.current_thread().name == "eventstore-unpacking":
            assert go_on.wait(30)
        return step(unpacking, most)

    monkeypatch.setattr(UnpackingJob, "step", late)
    yield go_on
    go_on.set()


@on_sqlite
@pytest.mark.parametrize("compression", ["deflate", None])
def test_calls_go_on_while_anothers_message_is_unpacked(
    store: EventStore, blocked: threading.Event, compression: Any
) -> None:
    sent = ["first", "é" * MB, "third", "x" * 3 * MB, "fifth"]
    with (
        upstream(compression=compression) as url,
        relaying(store, url) as relayed,
        connect(f"{relayed.url}/realtime", compression=compression) as call,
    ):
        for text in sent[:3]:
            call.send(text)
            assert call.recv() == str(len(text))
        talk(relayed.url, "hello")
        relayed.ended()
        blocked.set()
        for text in sent[3:]:
            call.send(text)
            assert call.recv() == str(len(text))
        call.close()
        relayed.ended(2)
    # What came behind a message that took long stands behind it, in both directions.
    assert recorded(store, CLIENT) == [sent, ["hello"]]
    assert recorded(store, SERVER) == [[str(len(text)) for text in sent], ["5"]]
    (call_of,) = [one["id"] for one in store.sessions().data if one["eventstore"]["events"] > 8]
    directions = [event.direction for event in store.events(call_of, type="*")]
    assert [one for one in directions if one != "store"] == [CLIENT, SERVER] * 5


@on_sqlite
def test_durable_waits_for_what_is_unpacked(store: EventStore, blocked: threading.Event) -> None:
    with (
        upstream(compression="deflate") as url,
        relaying(store, url, durable=True) as relayed,
        connect(f"{relayed.url}/realtime", compression="deflate") as call,
    ):
        call.send("x" * MB)
        (tee,) = [one.tee for one in relayed.relay._shared.live]
        eventually(lambda: tee._working)
        talk(relayed.url, "hello")
        with pytest.raises(TimeoutError):
            call.recv(timeout=0.1)
        blocked.set()
        assert call.recv() == str(MB)
        assert recorded(store, CLIENT)[0] == ["x" * MB]


@on_sqlite
@pytest.mark.parametrize("durable", [False, True])
def test_a_flood_of_tiny_frames_is_read_in_turns(
    store: EventStore, durable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[int] = []
    feed = relay_connection.Tee.take

    def take(tee: Any, direction: str, data: bytes, most: int | None = None) -> int:
        assert most is not None
        found = feed(tee, direction, data, most)
        turns.append(found)
        return found

    monkeypatch.setattr(relay_connection.Tee, "take", take)
    flood = {
        mask: Frame(Opcode.PING, b"").serialize(mask=mask) * 3000
        + Frame(Opcode.TEXT, b"").serialize(mask=mask) * 3000
        + Frame(Opcode.CLOSE, b"").serialize(mask=mask)
        for mask in (False, True)
    }

    def answer(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + flood[False])
        assert read_all(connection) == flood[True]

    with bare_server(answer) as server, relaying(store, server.url, durable=durable) as relayed:
        with joined(relayed.port) as client:
            client.sendall(flood[True])
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == flood[False]
        relayed.ended()
    assert max(turns) <= 100
    assert both_sides(store) == ([""] * 3000, [""] * 3000)


@on_sqlite
def test_a_connection_too_many_is_refused(store: EventStore) -> None:
    with upstream() as url, relaying(store, url, max_calls=2) as relayed:
        with joined(relayed.port), joined(relayed.port) as second:
            with bare_client(relayed.port, asking()) as third:
                head, _, body = read_all(third).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 Service Unavailable")
            message = json.loads(body)["error"]["message"]
            assert message == "the relay has 2 connections, and takes no more at once"
            assert any(line.endswith(f"503: {message}") for line in relayed.told)
            # How it is can be asked for all the same.
            health = f"http://127.0.0.1:{relayed.port}/healthz"
            with urllib.request.urlopen(health) as answered:
                assert json.load(answered)["sessions_live"] == 2
            second.close()
            relayed.ended()
            talk(relayed.url, "hello")
        relayed.ended(3)
        assert relayed.relay.counts.refused == {503: 1}


@on_sqlite
def test_who_asks_for_nothing_keeps_nobody_out(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_connection, "_MOST_WAITING", 4)
    with upstream() as url, relaying(store, url, max_calls=2) as relayed, ExitStack() as stack:
        slow = [
            stack.enter_context(bare_client(relayed.port, b"GET / HTTP/1.1\r\nHo"))
            for _ in range(4)
        ]
        eventually(lambda: len(relayed.relay._shared.waiting) == 4)
        for _ in range(3):
            talk(relayed.url, "hello")
        assert read_all(slow[0]) == b""  # the oldest made room
        assert len(relayed.relay._shared.waiting) == 3
        assert relayed.relay.counts.refused == {408: 1}


def test_large_frames_go_to_the_recorders_process_in_pieces(
    database_url: str, tmp_path: Path
) -> None:
    recorder = RecorderProcess(database_url, tmp_path / "spool")
    session = recorder.session(None, "sess_a")
    text, data = "é\ud83d€" * MB, bytes(range(256)) * 8000
    session.record(CLIENT, "small", now())
    session.record(CLIENT, text, now())
    session.record_pieces(CLIENT, ["é" * MB, "", "€" * MB], now())
    session.record(SERVER, data, now())
    session.record_pieces(SERVER, [data, b"x"], now())
    session.record_pieces(SERVER, ["short"], now())
    session.close("client", 1000)
    recorder.close()
    assert recorder._held == 0
    assert recorder._held_by == {}
    with EventStore(database_url) as store:
        assert both_sides(store) == (
            ["small", text, "é" * MB + "€" * MB],
            [data, data + b"x", "short"],
        )


@on_sqlite
def test_a_flood_takes_no_room_from_the_others(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_process, "_STUCK_SECONDS", float("inf"))
    recorder = RecorderProcess(database_url, tmp_path / "spool", memory=16 * MB)
    flood, call = recorder.session(None, "sess_flood"), recorder.session(None, "sess_call")
    flood.committed().result(20)
    os.kill(recorder.pid, signal.SIGSTOP)
    try:
        for _ in range(8):
            for _ in range(30):
                flood.record(CLIENT, "x" * 100_000, now())
            call.record(CLIENT, "hello", now())
        assert flood.missed[CLIENT] > 30
        assert call.missed == {}
        # It is the flood's connection that is read no further.
        assert flood.is_pressed()
        assert not call.is_pressed()
    finally:
        os.kill(recorder.pid, signal.SIGCONT)
    call.committed().result(20)
    recorder.close()
    with EventStore(database_url) as store:
        events = store.events("sess_call")
        assert [event.text for event in events if event.direction == CLIENT] == ["hello"] * 8


@on_sqlite
def test_closing_amid_an_unpacking_loses_nothing(
    store: EventStore, blocked: threading.Event
) -> None:
    with upstream() as url, relaying(store, url) as relayed:
        with connect(f"{relayed.url}/realtime", compression=None) as call:
            call.send("x" * MB)
            assert call.recv() == str(MB)
            call.send("last")
            assert call.recv() == "4"
        assert relayed.relay.live == 1  # it is over, but not all of it is recorded
        blocked.set()
        (end,) = relayed.ended()
    assert "4 frames, closed by the client with 1000" in end
    assert both_sides(store) == (["x" * MB, "last"], [str(MB), "4"])


def test_the_loop_is_not_needed_any_more(blocked: threading.Event) -> None:
    """What is unpacked once the relay has ended is nobody's."""
    from eventstore.capture.messages.message_unpacking import Payload, Unpacker
    from eventstore.capture.messages.unpacking_thread import UnpackingThread

    async def begin() -> UnpackingThread:
        thread = UnpackingThread(asyncio.get_running_loop())
        unpacking = Unpacker().begin(Payload([b"x" * MB], MB, True, False))
        assert unpacking is not None
        assert thread.take(unpacking, lambda: None)
        return thread

    thread = asyncio.run(begin())
    blocked.set()
    eventually(lambda: thread._waiting == 0)
    thread.close()


@on_sqlite
def test_a_relay_that_has_ended_leaves_no_thread(store: EventStore) -> None:
    before = threading.enumerate()
    with upstream() as url, relaying(store, url) as relayed:
        with connect(f"{relayed.url}/realtime", compression=None) as call:
            call.send("x" * MB)
            assert call.recv() == str(MB)
        relayed.ended()
        assert any(thread.name == "eventstore-unpacking" for thread in threading.enumerate())
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert left == []


@on_sqlite
@pytest.mark.parametrize("allowed", [(), ("https://app.example",)])
def test_pages_of_other_origins_are_refused(store: EventStore, allowed: tuple[str, ...]) -> None:
    with upstream() as url, relaying(store, url, origins=allowed) as relayed:
        for origin in ("https://evil.example", "https://app.example", "http://localhost:3000"):
            served = origin in allowed or "localhost" in origin
            head = asking(more=f"Origin: {origin}\r\n".encode())
            with bare_client(relayed.port, head) as client:
                answered = read_head(client)
            assert answered.startswith(b"HTTP/1.1 101" if served else b"HTTP/1.1 403")
        # A name that resolves to this machine asks for what is here, by pages of the same origin.
        for path in (b"/metrics", b"/healthz", b"/v1/models"):
            head = b"GET " + path + b" HTTP/1.1\r\nHost: evil.example:8080\r\n\r\n"
            with bare_client(relayed.port, head) as client:
                assert read_all(client).startswith(b"HTTP/1.1 403")
        # What a page loads as an image has no origin.
        head = b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\r\n"
        with bare_client(relayed.port, head) as client:
            assert read_all(client).startswith(b"HTTP/1.1 403")
    assert any("; allow them by --allow-origin" in line for line in relayed.told)
