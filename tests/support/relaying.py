"""Run the relay on loopback, in a thread; servers and clients of bare sockets to put around it."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.utils import accept_key

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.relay.relay import Relay, relay
from eventstore.capture.relay.relay_forwarding import DRAIN_TIMEOUT
from eventstore.realtime.frames import CLIENT, SERVER, STORE, parse
from eventstore.replay.cassette.loop_thread import LoopThread

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
PATIENCE = 20.0


@dataclass
class Relayed:
    """A running relay, and what it told."""

    thread: LoopThread[Relay]
    relay: Relay
    told: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.relay.port

    @property
    def url(self) -> str:
        """The base that an OpenAI client takes as `websocket_base_url`."""
        return f"ws://127.0.0.1:{self.port}/v1"

    def ended(self, number: int = 1) -> list[str]:
        """Wait until so many sessions have ended; what was told of their ends."""
        # Less than what the relay waits for a side that lingers.
        eventually(lambda: len(self._ends()) >= number, 0.9 * DRAIN_TIMEOUT)
        return self._ends()

    def _ends(self) -> list[str]:
        return [line for line in self.told if "ends:" in line]

    def drain(self, grace: float = 0.0) -> None:
        self.thread.run(self.relay.drain(grace))


@contextmanager
def relaying(store: EventStore | Recorder, upstream: str, **options: Any) -> Iterator[Relayed]:
    """A relay on a free port, drained with the block; what it recorded is committed then."""
    told: list[str] = []
    recorder = store if isinstance(store, Recorder) else Recorder(store)

    @asynccontextmanager
    async def running() -> AsyncIterator[Relay]:
        async with relay(
            recorder,
            upstream,
            "127.0.0.1",
            0,
            on_event=lambda number, words: told.append(f"{number}: {words}"),
            **options,
        ) as server:
            yield server

    thread = LoopThread(running)
    server = thread.start()
    try:
        yield Relayed(thread, server, told)
    finally:
        thread.stop()
        recorder.close()


def eventually(holds: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "it never came to hold"
        time.sleep(0.005)


def recorded(store: EventStore, direction: str) -> list[list[str | bytes]]:
    """What one side of each session sent, the oldest session first."""
    listed = store.sessions(order="asc", limit=100).data
    return [
        [event.text for event in store.events(session["id"]) if event.direction == direction]
        for session in listed
    ]


def both_sides(store: EventStore) -> tuple[list[str | bytes], list[str | bytes]]:
    """What the client and the server of the only session sent."""
    (client,), (server,) = recorded(store, CLIENT), recorded(store, SERVER)
    return client, server


def notes(store: EventStore) -> list[dict[str, Any]]:
    """What the recorder noted of the only session."""
    (texts,) = recorded(store, STORE)
    return [parse(str(text)) or {} for text in texts]


def closing(store: EventStore) -> tuple[Any, Any, Any]:
    """How the only session was closed: by whom, code and reason."""
    (note,) = (n for n in notes(store) if n["type"] == "eventstore.session.closed")
    return note["by"], note["code"], note["reason"]


Talk = Callable[[socket.socket, bytes], None]


@dataclass
class BareServer:
    """A server of bare sockets; `heads` are the requests' heads that it got."""

    port: int
    heads: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


@contextmanager
def bare_server(talk: Talk, tls: ssl.SSLContext | None = None) -> Iterator[BareServer]:
    """Has `talk` with each client, told its socket and the head of its request."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = BareServer(listening.getsockname()[1])

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=converse, args=(connection,), daemon=True).start()

    def converse(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.settimeout(PATIENCE)
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection:
                head = read_head(connection)
                server.heads.append(head)
                talk(connection, head)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def read_head(connection: socket.socket) -> bytes:
    """A head of HTTP, and nothing of what is behind it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return head
        head += byte
    return head


def read_all(connection: socket.socket) -> bytes:
    """All that comes until the other side ends."""
    data = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            data += piece
    return data


def switching(head: bytes, more: bytes = b"") -> bytes:
    """The answer that accepts a handshake."""
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
    accept = accept_key(key[1].decode()) if key else ""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n" + more + b"\r\n"
    )


def asking(target: str = "/v1/realtime", more: bytes = b"") -> bytes:
    """The head of a handshake."""
    return (
        b"GET " + target.encode() + b" HTTP/1.1\r\nHost: localhost:1\r\nUpgrade: websocket\r\n"
        b"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: " + KEY + b"\r\n" + more + b"\r\n"
    )


@contextmanager
def bare_client(port: int, data: bytes = b"") -> Iterator[socket.socket]:
    """A connected socket that has sent this."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(data)
        yield connection
