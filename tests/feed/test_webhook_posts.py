"""Integration: a webhook's post, to apps that answer in hostile ways, and to odd addresses."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import nullcontext

import pytest
from support.answering import (
    Answer,
    answering,
    dripping,
    endless_body,
    endless_head,
    endless_hints,
    endless_line,
)

from eventstore.feed.webhooks import post as posting
from eventstore.feed.webhooks.destination import parse_destination
from eventstore.feed.webhooks.post import PostError, is_public, post


def send(url: str) -> None:
    post(parse_destination(url, allow_private=True), {"x": "y"}, b"{}")


def test_a_body_without_end_is_not_read() -> None:
    began = time.monotonic()
    with answering(endless_body) as server:
        send(server.url)
        assert time.monotonic() - began < posting.TIMEOUT / 2


@pytest.mark.parametrize("said", [b"HTTP/1.1 204", b"HTTP/1.0 200 OK", b"HTTP/1.1 299 \xff\x00"])
def test_what_comes_before_the_answer_is_skipped(said: bytes) -> None:
    before = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    with answering(lambda connection: connection.sendall(before + said + b"\r\n")) as server:
        send(server.url)


@pytest.mark.parametrize("answer", [dripping, endless_hints], ids=["drip", "hints"])
def test_an_app_that_answers_slowly_without_end_is_given_up_in_time(
    answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "TIMEOUT", 0.5)
    began = time.monotonic()
    with answering(answer) as server, pytest.raises(PostError, match="timeout"):
        send(server.url)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (endless_head, "no HTTP"),
        (endless_line, "no HTTP"),
        (lambda connection: connection.sendall(b"SSH-2.0-x\r\n"), "no HTTP"),
        (lambda connection: connection.sendall(b"HTTP/1.1 999 x\r\n"), "no HTTP"),
        (lambda connection: connection.sendall("HTTP/1.1 ٢٠٠ x\r\n".encode()), "no HTTP"),
        (lambda connection: connection.sendall(b"HTTP/1.1 200"), "no answer"),
        (lambda connection: None, "no answer|no connection"),
        (lambda connection: connection.sendall(b"HTTP/1.1 302 x\r\nlocation: /\r\n"), "status 302"),
    ],
)
def test_what_is_no_answer_is_none(answer: Answer, told: str) -> None:
    with answering(answer) as server, pytest.raises(PostError, match=told):
        send(server.url)


@pytest.mark.parametrize(("status", "told"), [(413, "status 413"), (204, None)])
def test_an_app_may_answer_before_it_has_read_a_long_body(status: int, told: str | None) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 {status} x\r\nconnection: close\r\n\r\n".encode())

    with answering(answer) as server:
        to = parse_destination(server.url, allow_private=True)
        with pytest.raises(PostError, match=told) if told else nullcontext():
            post(to, {"x": "y"}, bytes(20_000_000))


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    with answering(lambda connection: connection.sendall(b"HTTP/1.1 204 x\r\n")) as server:
        send(f"{server.url}/tür?a=ü")


def test_a_name_that_leads_elsewhere_later_is_looked_up_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []

    def lookup(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        address = "93.184.215.14" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    connected: list[object] = []

    def connect(address: tuple[str, int], seconds: float) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(socket, "create_connection", connect)
    to = parse_destination("https://rebinding.example/", allow_private=False)
    with pytest.raises(PostError, match="no connection"):
        post(to, {}, b"{}")
    assert connected == [("93.184.215.14", 443)]
    with pytest.raises(PostError, match="private address"):
        post(to, {}, b"{}")


def test_a_name_server_that_does_not_answer_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stand-in: a process cannot choose its name server."""
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(30))
    monkeypatch.setattr(posting, "TIMEOUT", 0.2)
    with pytest.raises(PostError, match="timeout"):
        post(parse_destination("https://slow.example/", allow_private=False), {}, b"{}")
    answered.set()


def test_a_second_address_is_tried_if_the_first_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = socket.getaddrinfo
    with answering(lambda connection: connection.sendall(b"HTTP/1.1 204 x\r\n")) as server:
        port = int(server.url.rpartition(":")[2].partition("/")[0])
        found = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 1, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *a, **k: found if host == "app" else real(host, *a)
        )
        send(f"http://app:{port}/")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *((one, True) for one in ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")),
        *((one, True) for one in ("64:ff9b::5db8:d70e", "::ffff:93.184.215.14")),
        *((one, False) for one in ("127.0.0.1", "10.0.0.1", "100.64.0.1", "169.254.169.254")),
        *((one, False) for one in ("0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.1")),
        *((one, False) for one in ("::", "::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff0e::1")),
        *((one, False) for one in ("::ffff:127.0.0.1", "::10.0.0.1", "::ffff:0:a00:1")),
        *((one, False) for one in ("64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::1")),
        *((one, False) for one in ("2001:0:53aa:64c::1", "2001:db8::1", "100::1")),
    ],
)
def test_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://app.example/hooks?token=abc", "https://app.example/hooks"),
        ("https://app.example:8443", "https://app.example:8443/"),
        (
            "https://hooks.example/services/T0AB1CD2E/B0AB1CD2EF3/aB3dE5fG7hI9jK1lM3nO5pQ7",
            "https://hooks.example/services/T0AB1CD2E/B0AB1CD2EF3/[removed]",
        ),
        ("https://[2606:2800::1]/" + "a" * 400, "https://[2606:2800::1]/" + "a" * 177 + "…"),
    ],
)
def test_a_destination_is_shown_without_secrets(url: str, shown: str) -> None:
    assert parse_destination(url, allow_private=False).shown() == shown
