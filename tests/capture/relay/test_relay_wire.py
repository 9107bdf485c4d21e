"""The relay between bare sockets: what passes byte for byte, and what becomes of broken calls."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
import trustme
from support.relaying import (
    asking,
    bare_client,
    bare_server,
    both_sides,
    closing,
    eventually,
    notes,
    read_all,
    read_head,
    recorded,
    relaying,
    switching,
)
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Close, Frame, Opcode

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder, SessionRecorder
from eventstore.capture.relay import relay_connection, relay_forwarding
from eventstore.common.tls import listener_context
from eventstore.realtime.frames import CLIENT, SERVER, STORE

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

HELLO = Frame(Opcode.TEXT, b"hello").serialize(mask=False)
HELLO_MASKED = Frame(Opcode.TEXT, b"hello").serialize(mask=True)
BYE = Frame(Opcode.CLOSE, Close(1000, "bye").serialize()).serialize(mask=False)

BYE_MASKED = Frame(Opcode.CLOSE, Close(1000, "bye").serialize()).serialize(mask=True)


@contextmanager
def call(port: int, target: str = "/v1/realtime") -> Iterator[socket.socket]:
    """A bare client whose handshake was accepted."""
    with bare_client(port, asking(target)) as client:
        assert read_head(client).startswith(b"HTTP/1.1 101")
        yield client


def test_every_byte_passes_as_it_is(store: EventStore) -> None:
    pieces = [
        Frame(Opcode.TEXT, b"a", fin=False).serialize(mask=False),
        Frame(Opcode.PING, b"?").serialize(mask=False),
        Frame(Opcode.CONT, b"b").serialize(mask=False),
        b"\x81\x7e\x00\x01c",  # a length that is written longer than it need be
        BYE,
    ]
    got: list[bytes] = []

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head, b"x-Odd:  value \r\n") + pieces[0][:1])
        for piece in (pieces[0][1:], *pieces[1:]):
            connection.sendall(piece)
        got.append(read_all(connection))

    sent = HELLO_MASKED + Frame(Opcode.PONG, b"!").serialize(mask=True)
    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with bare_client(relayed.port, asking() + sent[:3]) as client:
            answered = read_head(client)
            client.sendall(sent[3:])
            client.shutdown(socket.SHUT_WR)
            came = answered + read_all(client)
        relayed.ended()
        eventually(lambda: got)
    assert came == switching(upstream.heads[0], b"x-Odd:  value \r\n") + b"".join(pieces)
    assert got == [sent]
    assert both_sides(store) == (["hello"], ["ab", "c"])
    assert closing(store) == ("server", 1000, "bye")


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (HELLO[:3], "the server closed the connection in the middle of a frame"),
        (b"", "the server closed the connection without a close frame"),
    ],
)
def test_a_server_that_goes_without_a_word(store: EventStore, last: bytes, told: str) -> None:
    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + HELLO + last)

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with call(relayed.port) as client:
            assert read_all(client) == HELLO + last
        (end,) = relayed.ended()
    assert both_sides(store) == ([], ["hello"])
    assert closing(store) == ("server", 1006, told)
    assert told in end


def test_a_client_that_goes_without_a_word(store: EventStore) -> None:
    gone = threading.Event()

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + HELLO)
        read_all(connection)
        gone.set()

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with call(relayed.port) as client:
            assert client.recv(100) == HELLO
        relayed.ended()
        assert gone.wait(10)
    assert closing(store) == ("client", 1006, "the client was gone")


def test_garbage_behind_the_handshake_passes_and_is_noted(store: EventStore) -> None:
    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + HELLO + b"\xffgarbage")
        connection.sendall(b"and more")

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with call(relayed.port) as client:
            client.sendall(HELLO_MASKED)
            assert read_all(client) == HELLO + b"\xffgarbageand more"
        relayed.ended()
    assert both_sides(store)[1] == ["hello"]
    (gap,) = (note for note in notes(store) if note["type"] == "eventstore.session.gap")
    assert {name: gap[name] for name in ("reason", "direction", "detail")} == {
        "reason": "protocol_error",
        "direction": "server",
        "detail": "reserved bits are set",
    }


def test_a_text_that_is_no_utf8_is_recorded_as_bytes(store: EventStore) -> None:
    def talk(connection: socket.socket, head: bytes) -> None:
        frame = Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=False)
        connection.sendall(switching(head) + frame + BYE)

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with call(relayed.port) as client:
            read_all(client)
        relayed.ended()
    assert both_sides(store) == ([], [b"\xff\xfe"])


@pytest.mark.parametrize("target", ["//h/x?model=m", "//[x", "/a/http://b?c=d://e"])
def test_odd_targets_pass(store: EventStore, target: str) -> None:
    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + BYE)

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with call(relayed.port, target) as client:
            assert read_all(client) == BYE
        relayed.ended()
    assert upstream.heads[0].startswith(f"GET {target} HTTP/1.1\r\n".encode())
    assert notes(store)[0]["url"].startswith(upstream.url + target.partition("?")[0])


def test_a_client_that_never_reads_stops_the_upstream(store: EventStore) -> None:
    frame = Frame(Opcode.BINARY, bytes(100_000)).serialize(mask=False)
    sent: list[int] = []
    stuck = threading.Event()

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head))
        connection.settimeout(2)
        try:
            for _ in range(1000):
                connection.sendall(frame)
                sent.append(len(frame))
        except TimeoutError:
            stuck.set()
        connection.settimeout(20)
        read_all(connection)

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with call(relayed.port):
            assert stuck.wait(20)
            # What the relay and the kernel's buffers on the way take.
            assert sum(sent) < 30_000_000
            passed = relayed.relay.counts.bytes[SERVER]
            assert passed < 15_000_000
            time.sleep(0.2)
            assert relayed.relay.counts.bytes[SERVER] == passed
        (end,) = relayed.ended()
    assert "the client was gone" in end
    assert closing(store)[:2] == ("client", 1006)


def test_what_lingers_is_cut_off(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not go, when the server is gone."""
    monkeypatch.setattr(relay_forwarding, "DRAIN_TIMEOUT", 0.3)

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + HELLO)

    with (
        bare_server(talk) as upstream,
        relaying(store, upstream.url) as relayed,
        call(relayed.port),
    ):
        relayed.ended()
    assert closing(store)[:2] == ("server", 1006)


@pytest.mark.parametrize(
    "said", [b"", HELLO, HELLO[:3]], ids=["silent", "behind a frame", "in a frame"]
)
def test_an_upstream_that_hangs_in_the_call(
    store: EventStore, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """It says no more and does not answer the close; the client waits no longer than it likes."""
    monkeypatch.setattr(relay_forwarding, "DRAIN_TIMEOUT", 0.3)
    over = threading.Event()

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + said)
        over.wait(20)

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with call(relayed.port) as client:
            client.sendall(HELLO_MASKED + BYE_MASKED)
            came = b""
            while len(came) < len(said):
                came += client.recv(100)
            eventually(lambda: recorded(store, CLIENT) == [["hello"]])
        (end,) = relayed.ended()
        over.set()
    assert came == said
    assert both_sides(store) == (["hello"], ["hello"] if said == HELLO else [])
    assert closing(store)[:2] == ("client", 1000)
    assert "closed by the client" in end


def test_a_slow_client_gets_everything(store: EventStore) -> None:
    frame = Frame(Opcode.BINARY, bytes(100_000)).serialize(mask=False)

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + frame * 300 + BYE)

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with call(relayed.port) as client:
            time.sleep(0.5)
            assert len(read_all(client)) == len(frame) * 300 + len(BYE)
        relayed.ended()
    assert both_sides(store) == ([], [bytes(100_000)] * 300)


def error_of(answer: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


def refused(port: int, head: bytes) -> tuple[int, dict[str, Any]]:
    with bare_client(port, head) as client:
        return error_of(read_all(client))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("head", [asking("/r?api-key=sk-secret"), b"GET /x HTTP/1.0\r\n\r\n"])
def test_an_upstream_that_is_not_there(store: EventStore, head: bytes) -> None:
    url = f"ws://u:sk-secret@127.0.0.1:{free_port()}"
    with relaying(store, url) as relayed:
        status, error = refused(relayed.port, head)
        assert relayed.relay.counts.refused == {502: 1}
    assert status == 502
    assert error["message"].startswith("cannot connect to ws://127.0.0.1:")
    assert (error["type"], error["code"]) == ("server_error", None)
    assert "secret" not in error["message"] + "".join(relayed.told)
    assert relayed.told == [f"1: 502: {error['message']}"]


def test_a_host_that_has_no_address(store: EventStore) -> None:
    with relaying(store, "ws://no.such.host.invalid") as relayed:
        assert refused(relayed.port, asking())[0] == 502


def test_an_upstream_that_hangs_in_the_handshake(store: EventStore) -> None:
    closed = threading.Event()

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 101 Swi")
        read_all(connection)
        closed.set()

    with (
        bare_server(talk) as upstream,
        relaying(store, upstream.url, connect_timeout=0.3) as relayed,
    ):
        status, error = refused(relayed.port, asking())
        assert closed.wait(10)
    assert (status, error["message"]) == (504, f"{upstream.url} did not answer in time")
    assert recorded(store, STORE) == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"\x15\x03\x01nonsense\r\n\r\n", "answered with what is no HTTP"),
        (b"HTTP/1.1 101 Switch", "closed the connection unasked"),
        (b"", "closed the connection unasked"),
    ],
)
def test_an_upstream_that_answers_nonsense(store: EventStore, answer: bytes, told: str) -> None:
    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(answer)

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        status, error = refused(relayed.port, asking())
    assert (status, error["message"]) == (502, f"{upstream.url} {told}")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 429 Slow  down\r\nretry-AFTER: 7\r\nContent-Length: 4\r\n\r\nslow",
        b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        b"HTTP/1.0 500 Oh\r\n\r\nuntil the end",
        b"HTTP/1.0 403 No\r\nTransfer-Encoding: chunked\r\n\r\nno chunks",
    ],
)
def test_a_refusal_passes_byte_for_byte(store: EventStore, answer: bytes) -> None:
    keep_open = threading.Event()

    def talk(connection: socket.socket, head: bytes) -> None:
        for byte in answer:
            connection.sendall(bytes([byte]))
        if b"1.0" not in answer:
            keep_open.wait(10)

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with bare_client(relayed.port, asking()) as client:
            assert read_all(client) == answer
        keep_open.set()
        assert relayed.relay.counts.refused == {int(answer.split()[1]): 1}
    assert recorded(store, STORE) == []


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 99_000, 431),
    ],
)
def test_bad_requests(store: EventStore, head: bytes, status: int) -> None:
    with relaying(store, "ws://127.0.0.1:9") as relayed:
        assert refused(relayed.port, head)[0] == status


def test_a_client_that_asks_for_nothing_is_closed(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_connection, "_HEAD_TIMEOUT", 0.2)
    with (
        relaying(store, "ws://127.0.0.1:9") as relayed,
        bare_client(relayed.port, b"GET / HT") as client,
    ):
        assert read_all(client) == b""


def test_a_client_that_gives_up_in_the_handshake(store: EventStore) -> None:
    asked, gone = threading.Event(), threading.Event()

    def talk(connection: socket.socket, head: bytes) -> None:
        asked.set()
        read_all(connection)
        gone.set()

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with bare_client(relayed.port, asking()):
            assert asked.wait(10)
        assert gone.wait(10)
    assert recorded(store, STORE) == []


def test_plain_http_passes(store: EventStore) -> None:
    body = b'{"session": {"type": "realtime"}}' * 20_000
    reply = b"HTTP/1.1 200 Fine\r\nConnection: close\r\nX: y\r\n\r\n" + b"r" * 500_000
    got: list[bytes] = []

    def talk(connection: socket.socket, head: bytes) -> None:
        data = b""
        while len(data) < len(body):
            data += connection.recv(65536)
        got.append(data)
        connection.sendall(reply)

    head = (
        b"POST /v1/realtime/client_secrets?x=1 HTTP/1.1\r\n"
        b"Host: localhost\r\nAuthorization: Bearer k\r\n"
        b"Content-Length: %d\r\nConnection: keep-alive\r\n\r\n" % len(body)
    )
    with (
        bare_server(talk) as upstream,
        relaying(store, f"{upstream.url}/v1") as relayed,
        bare_client(relayed.port, head + body) as client,
    ):
        assert read_all(client) == reply
    assert got == [body]
    (asked,) = upstream.heads
    assert asked.startswith(b"POST /v1/realtime/client_secrets?x=1 HTTP/1.1\r\n")
    assert b"Connection: close\r\n" in asked and b"keep-alive" not in asked
    assert b"Authorization: Bearer k\r\n" in asked
    assert recorded(store, STORE) == []


def test_a_plain_request_may_end_before_its_answer(store: EventStore) -> None:
    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + read_all(connection))

    with (
        bare_server(talk) as upstream,
        relaying(store, upstream.url) as relayed,
        bare_client(relayed.port, b"PUT /x HTTP/1.1\r\nHost: localhost\r\n\r\nbody") as client,
    ):
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"HTTP/1.1 200 OK\r\n\r\nbody"


def get(port: int, path: bytes) -> tuple[bytes, str]:
    with bare_client(port, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n") as client:
        head, _, body = read_all(client).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        return head, body.decode()


def test_health_and_metrics(store: EventStore) -> None:
    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + HELLO + HELLO)
        read_all(connection)

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with call(relayed.port) as client:
            client.recv(len(HELLO) * 2, socket.MSG_WAITALL)
            client.sendall(HELLO_MASKED)
            counts = relayed.relay.counts
            eventually(lambda: counts.frames == {"client": 1, "server": 2})
            _, body = get(relayed.port, b"/healthz")
            assert json.loads(body)["status"] == "ok"
            assert json.loads(body)["sessions_live"] == 1
            head, body = get(relayed.port, b"/metrics?x=1")
            assert b"text/plain" in head
            assert "eventstore_relay_sessions_live 1.0" in body
        relayed.ended()
        refused(relayed.port, b"nonsense\r\n\r\n")
        _, body = get(relayed.port, b"/metrics")
        assert json.loads(get(relayed.port, b"/healthz")[1])["sessions_live"] == 0
    for line in (
        "eventstore_relay_sessions_live 0.0",
        "eventstore_relay_sessions_total 1.0",
        'eventstore_relay_frames_total{direction="client"} 1.0',
        'eventstore_relay_frames_total{direction="server"} 2.0',
        'eventstore_relay_refused_total{status="400"} 1.0',
        f'eventstore_relay_bytes_total{{direction="client"}} {len(HELLO_MASKED)}.0',
    ):
        assert line in body.splitlines()


class Counted(NamedTuple):
    accepted: int
    written: int
    spooled: int
    behind: int
    missing: int


class Counting(Recorder):
    """A recorder that counts."""

    def counters(self) -> Counted:
        return Counted(5, 3, 0, 2, 0)


def test_the_recorders_counts_are_told(store: EventStore) -> None:
    with relaying(Counting(store), "ws://127.0.0.1:9") as relayed:
        _, body = get(relayed.port, b"/healthz")
        _, metrics = get(relayed.port, b"/metrics")
    assert json.loads(body)["recorder"] == Counted(5, 3, 0, 2, 0)._asdict()
    assert "eventstore_recorder_accepted_total 5.0" in metrics.splitlines()
    assert "eventstore_recorder_behind 2.0" in metrics.splitlines()


class Slow(Recorder):
    """A recorder that says when a commit is done; `fail` it, and it never was."""

    def __init__(self, store: EventStore) -> None:
        super().__init__(store)
        self.commits: list[Future[None]] = []

    def session(self, *arguments: Any, **options: Any) -> SessionRecorder:
        session = super().session(*arguments, **options)

        def committed() -> Future[None]:
            self.commits.append(Future())
            return self.commits[-1]

        session.committed = committed  # type: ignore[method-assign]
        return session


@pytest.mark.parametrize("fails", [False, True])
def test_durable_messages_wait_for_their_commit(store: EventStore, fails: bool) -> None:
    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + HELLO[:3])
        time.sleep(0.1)
        connection.sendall(HELLO[3:])
        time.sleep(0.1)
        connection.sendall(BYE)

    recorder = Slow(store)
    with (
        bare_server(talk) as upstream,
        relaying(recorder, upstream.url, durable=True) as relayed,
        call(relayed.port) as client,
    ):
        assert client.recv(100) == HELLO[:3]
        eventually(lambda: recorder.commits)
        client.settimeout(0.4)
        with pytest.raises(TimeoutError):
            client.recv(100)
        client.settimeout(20)
        if fails:
            recorder.commits[0].set_exception(OSError("no disk"))
        else:
            recorder.commits[0].set_result(None)
        assert read_all(client) == HELLO[3:] + BYE
        client.close()
        relayed.ended()
    assert both_sides(store) == ([], ["hello"])


class Broken(Recorder):
    """A recorder whose sessions fail."""

    def session(self, *arguments: Any, **options: Any) -> SessionRecorder:
        session = super().session(*arguments, **options)

        def record(*_: Any) -> None:
            raise OSError("no disk")

        session.record = record  # type: ignore[method-assign]
        return session


def test_a_recorder_that_fails_breaks_no_call(store: EventStore) -> None:
    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + HELLO)
        connection.sendall(connection.recv(100) + BYE)

    with bare_server(talk) as upstream, relaying(Broken(store), upstream.url) as relayed:
        with call(relayed.port) as client:
            client.sendall(HELLO_MASKED)
            assert read_all(client) == HELLO + HELLO_MASKED + BYE
        (end,) = relayed.ended()
    assert end.endswith("recording failed: OSError")


class Refusing(Recorder):
    """A recorder that begins no session."""

    def session(self, *arguments: Any, **options: Any) -> SessionRecorder:
        raise RuntimeError("closed")


def test_a_session_that_cannot_begin_breaks_no_call(store: EventStore) -> None:
    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + HELLO)
        connection.sendall(connection.recv(100) + BYE)

    with (
        bare_server(talk) as upstream,
        relaying(Refusing(store), upstream.url) as relayed,
        call(relayed.port) as client,
    ):
        client.sendall(HELLO_MASKED)
        assert read_all(client) == HELLO + HELLO_MASKED + BYE
        assert relayed.told == [f"1: is not recorded: RuntimeError: {upstream.url}/v1/realtime"]


@pytest.mark.parametrize("later", [0.0, 0.3, None])
def test_the_relay_goes_away_at_the_border_of_a_frame(
    store: EventStore, later: float | None
) -> None:
    """The frame that is under way goes to its end, unless that takes too long."""
    begun, seen = threading.Event(), list[bytes]()

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + HELLO[: 3 if later != 0.0 else 7])
        begun.wait(10)
        if later:
            time.sleep(later)
            connection.sendall(HELLO[3:] + HELLO[:4])
        seen.append(read_all(connection))

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with call(relayed.port) as client:
            assert client.recv(100) in HELLO
            begun.set()
            relayed.drain()
            relayed.drain()
            rest = read_all(client)
        relayed.ended()
        eventually(lambda: seen)
    payload = Close(1001, "the relay is going away").serialize()
    last = Frame(Opcode.CLOSE, payload).serialize(mask=False)
    assert rest == {0.0: last, 0.3: HELLO[3:] + last, None: b""}[later]
    assert len(seen[0]) == len(last) + 4  # the same to the server, with a mask
    assert closing(store) == ("recorder", 1001, "the relay is going away")


def test_a_call_that_is_half_closed_does_not_keep_others_from_their_end(store: EventStore) -> None:
    """Nothing more is written to a side that was told of the end, and that is nobody's error."""
    heard = list[bytes]()

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + HELLO)
        heard.append(read_all(connection))
        time.sleep(0.5)  # its own half stays open

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with call(relayed.port) as half, call(relayed.port) as whole:
            assert half.recv(100) == whole.recv(100) == HELLO
            half.shutdown(socket.SHUT_WR)
            eventually(lambda: heard)
            relayed.drain()
            assert [read_all(half)[2:4], read_all(whole)[2:4]] == [b"\x03\xe9"] * 2
        relayed.ended()
    assert heard[0] == b""


def test_calls_may_end_within_the_grace(store: EventStore) -> None:
    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + HELLO)
        time.sleep(0.5)
        connection.sendall(BYE)

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relayed:
        with call(relayed.port) as client, bare_client(relayed.port) as idle:
            assert client.recv(100) == HELLO
            started = time.monotonic()
            stopping = threading.Thread(target=relayed.drain, args=(15.0,))
            stopping.start()
            assert read_all(idle) == b""  # it has asked for nothing
            assert time.monotonic() - started < 0.4
            assert read_all(client) == BYE
            client.close()
            stopping.join()
        assert time.monotonic() - started < 10
    assert closing(store) == ("server", 1000, "bye")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def serving(authority: trustme.CA) -> ssl.SSLContext:
    context = listener_context()
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_tls_on_both_sides(store: EventStore, authority: trustme.CA) -> None:
    big = Frame(Opcode.BINARY, bytes(3_000_000)).serialize(mask=False)

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + HELLO + big)
        connection.recv(100)
        connection.sendall(BYE)
        connection.recv(100)

    async def client(port: int) -> tuple[Any, Any, int | None]:
        url = f"wss://localhost:{port}/v1/realtime"
        async with connect(url, ssl=trusting(authority), max_size=None) as connection:
            first, second = await connection.recv(), await connection.recv()
            await connection.send("thanks")
            await connection.wait_closed()
            return first, second, connection.close_code

    with (
        bare_server(talk, tls=serving(authority)) as upstream,
        relaying(
            store,
            f"wss://localhost:{upstream.port}",
            listen_tls=serving(authority),
            upstream_tls=trusting(authority),
        ) as relayed,
    ):
        assert asyncio.run(client(relayed.port)) == ("hello", bytes(3_000_000), 1000)
        relayed.ended()
    assert both_sides(store) == (["thanks"], ["hello", bytes(3_000_000)])
    assert upstream.heads[0].count(f"Host: localhost:{upstream.port}".encode()) == 1


@pytest.mark.parametrize("trusted", [False, True])
def test_a_certificate_that_is_not_right(
    store: EventStore, authority: trustme.CA, trusted: bool
) -> None:
    """Of an unknown authority, or of another host."""
    context = serving(authority)
    if trusted:
        context = listener_context()
        authority.issue_cert("elsewhere.example").configure_cert(context)

    async def client(url: str) -> None:
        async with connect(url):
            pass

    options = {"upstream_tls": trusting(authority)} if trusted else {}
    with (
        bare_server(lambda *_: None, tls=context) as upstream,
        relaying(store, f"wss://localhost:{upstream.port}", **options) as relayed,
    ):
        with pytest.raises(InvalidStatus) as raised:
            asyncio.run(client(f"{relayed.url}/realtime"))
        assert "certificate is not trusted" in relayed.told[0]
    assert raised.value.response.status_code == 502
    assert upstream.heads == []
    assert recorded(store, CLIENT) == []
