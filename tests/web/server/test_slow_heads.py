"""Connections that ask for nothing, or slowly, are cut off; requests too many are refused."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import httpx
import pytest
from support.api_serving import Serve
from support.relaying import bare_client, eventually, read_all, read_head

from eventstore import EventStore, Frame
from eventstore.web import running as server
from eventstore.web.in_thread import serving
from eventstore.web.server import connections

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


#: A request of whose body only some comes; nobody has a key yet where one is asked for.
EVENTS = b"POST /v1/realtime/sessions/a/events HTTP/1.1\r\n"
HALF = EVENTS + b"Host: localhost\r\nContent-Length: 9\r\n\r\nab"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.1\r\nHo",
        HALF,
        HALF.replace(EVENTS, b"POST /sign-in HTTP/1.1\r\n"),
    ],
)
def test_who_asks_for_nothing_is_cut_off(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connections, "_HEAD_TIMEOUT", 0.2)
    with bare_client(port_of(serve()), said) as client:
        assert read_all(client) == b""


def test_a_second_request_that_comes_slowly_is_cut_off(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_HEAD_TIMEOUT", 0.2)
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with bare_client(port_of(serve()), whole + whole[:20]) as client:
        assert read_all(client).startswith(b"HTTP/1.1 200")


def test_a_stream_goes_on(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way is not cut off, however long it takes."""
    monkeypatch.setattr(connections, "_HEAD_TIMEOUT", 0.05)
    port = port_of(serve())
    asked = b"GET /v1/realtime/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with bare_client(port, asked) as stream:
        assert read_head(stream).startswith(b"HTTP/1.1 200")
        for _ in range(3):  # each as long as the stream has time to be cut off
            with bare_client(port) as idle:
                assert read_all(idle) == b""
        stream.settimeout(0.05)
        with pytest.raises(TimeoutError):
            stream.recv(100)


def test_idle_connections_keep_nobody_out_and_requests_too_many_are_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    url = serve()
    asked = b"GET /v1/realtime/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with bare_client(port_of(url)) as first, bare_client(port_of(url)) as second:
        eventually(lambda: httpx.get(f"{url}/healthz").status_code == 200)
        read_all(first) if _is_cut_off(first) else read_all(second)
    with bare_client(port_of(url), asked) as first, bare_client(port_of(url), asked) as second:
        for stream in (first, second):
            assert read_head(stream).startswith(b"HTTP/1.1 200")
        assert httpx.get(f"{url}/healthz").status_code == 503
    eventually(lambda: httpx.get(f"{url}/healthz").status_code == 200)


def test_requests_that_are_half_sent_keep_nobody_out(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    url = serve()
    with bare_client(port_of(url), HALF), bare_client(port_of(url), HALF):
        eventually(lambda: httpx.get(f"{url}/healthz").status_code == 200)


def test_answers_that_nobody_reads_keep_nobody_out(
    serve: Serve, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    store.append("long", [Frame("client", "x" * 500_000, None)] * 30)
    url = serve()
    asked = (
        b"GET /v1/realtime/sessions/long/events?format=jsonl HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    with bare_client(port_of(url), asked) as first, bare_client(port_of(url), asked) as second:
        for unread in (first, second):
            assert read_head(unread).startswith(b"HTTP/1.1 200")
        eventually(lambda: httpx.get(f"{url}/healthz").status_code == 200)


def test_a_request_that_is_half_sent_does_not_hold_up_the_end(
    store: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as later, serving(store) as url:
        later.enter_context(bare_client(port_of(url), HALF))
        assert httpx.get(f"{url}/healthz").status_code == 200
    assert not [line for line in caplog.messages if "Exception in ASGI" in line]


def _is_cut_off(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(20)
