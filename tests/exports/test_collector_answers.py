"""Integration: collectors that answer in hostile ways, or not all spans, and the way to them."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from pathlib import Path

import certifi
import pytest
from exports.calls_to_export import state_of
from support.answering import (
    Answer,
    answering,
    dripping,
    dripping_body,
    endless_body,
    endless_head,
    endless_hints,
)
from support.calls import voice_call
from support.otel_collector import Collector, collecting
from support.tunnel import tls_answering, tunnelling

from eventstore.errors import EventStoreError, InvalidInputError
from eventstore.exports.otel import outbox
from eventstore.exports.otel.otlp_http import Endpoint
from eventstore.exports.otel.outbox import Outbox
from eventstore.exports.otel.session_spans import session_spans
from eventstore.exports.otel.spans import Span

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setattr(outbox, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(outbox, "MOST_PAUSE", 0.002)


def some_spans(count: int = 20, text: int = 0) -> list[Span]:
    (span, *_) = session_spans(state_of(voice_call().frames))
    found = []
    for number in range(count):
        attributes = {**span.attributes, "eventstore.text": "x" * text}
        id_ = number.to_bytes(8) + span.trace_id[:8]
        found.append(Span("a", "client", id_, id_[:8], None, 1, 2, attributes))
    return found


def bomb(connection: socket.socket) -> None:
    packed = gzip.compress(b"\0" * 10_000_000, 1)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-type: application/x-protobuf\r\n"
    connection.sendall(head + b"content-length: %d\r\n\r\n" % len(packed) + packed)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (dripping, "away"),
        (endless_head, "away"),
        (endless_hints, "away"),
        (dripping_body, "taken"),
        (endless_body, "taken"),
        (bomb, "taken"),
        (lambda connection: connection.sendall(b"HTTP/1.1 204 x\r\n"), "taken"),
        (lambda connection: connection.sendall(b"SSH-2.0-x\r\n"), "away"),
        (lambda connection: None, "away"),
    ],
)
def test_no_answer_holds_the_sender_or_fills_its_memory(answer: Answer, kind: str) -> None:
    with answering(answer) as server:
        endpoint = Endpoint(server.url)
        began = time.monotonic()
        assert endpoint.offer(some_spans()).kind == kind
        assert time.monotonic() - began < 4
        answered = endpoint._asked.answer
        assert answered is None or len(answered.body) <= 65_536
        endpoint.close()


def test_a_stop_ends_what_is_sent_at_this_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "30")
    with answering(dripping) as server:
        endpoint = Endpoint(server.url)
        threading.Timer(0.3, endpoint.close).start()
        began = time.monotonic()
        assert endpoint.offer(some_spans()).kind == "away"
        assert time.monotonic() - began < 10


def test_a_connection_is_used_again_until_the_collector_ends_it() -> None:
    def twice(connection: socket.socket) -> None:
        connection.sendall(OK)
        connection.recv(65536)
        connection.sendall(OK)

    with answering(twice) as server:
        endpoint = Endpoint(server.url)
        assert [endpoint.offer(some_spans(1)).kind for _ in range(4)] == ["taken"] * 4
        assert server.accepted == 2


def test_by_tls_and_a_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tls_answering(tmp_path, OK) as (url, authority), tunnelling() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//ada:ksecret@"))
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
        endpoint = Endpoint(url)
        outcome = endpoint.offer(some_spans(1))
        assert (outcome.kind, outcome.suspect) == ("away", False)
        assert "certificate is not trusted" in outcome.reason
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(authority))
        endpoint = Endpoint(url)
        assert endpoint.offer(some_spans(1)) == ("taken", "", 0, False, 0.0)
        endpoint.close()
        assert "Proxy-Authorization: Basic YWRhOmtzZWNyZXQ=" in proxy.heads[-1]
        monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
        assert "proxies" in Endpoint(url).offer(some_spans(1)).reason


def test_reasons_have_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "ksecret8d7f6a8d7f6a8d7f6a8df7"
    for url in (f"http://ada:{key}@127.0.0.1:9/x", f"http://127.0.0.1:9/{key}/x?a={key}#{key}"):
        endpoint = Endpoint(url)
        with pytest.raises(EventStoreError) as raised:
            endpoint.send(some_spans(1))
        assert "refused" in str(raised.value) and key not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("HEADERS", "x=a%0Aksecret"),
        ("HEADERS", "a=1,Bearer ksecret"),
        ("HEADERS", "a b=ksecret"),
        ("HEADERS", "x=ksecret\N{SNOWMAN}"),
        ("TIMEOUT", "nan"),
        ("TIMEOUT", "0"),
        ("TIMEOUT", "soon"),
        ("COMPRESSION", "zstd"),
        ("CERTIFICATE", "/nowhere"),
    ],
)
def test_a_variable_that_cannot_be_used_is_told_without_its_keys(
    kind: str, value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (f"OTEL_EXPORTER_OTLP_{kind}", f"OTEL_EXPORTER_OTLP_TRACES_{kind}"):
        monkeypatch.setenv(name, value)
        with pytest.raises(InvalidInputError, match=name) as raised:
            Endpoint("http://localhost:4318")
        monkeypatch.delenv(name)
        assert "ksecret" not in str(raised.value) and not caplog.text


# How many are offered at once


def emptied(collector: Collector, spans: list[Span], most: int = 500) -> Outbox:
    """Offer spans until all are taken or left out, in so many requests at most."""
    box = Outbox(Endpoint(collector.url), once=False)
    box.add("s", spans)
    while box and collector.asked < most:
        time.sleep(max(0.0, box.next_at - time.monotonic()))
        box.offer(lambda: None)
    assert not box
    return box


def test_a_span_that_the_collector_fails_at_stops_no_other() -> None:
    spans = some_spans()
    with collecting() as collector:
        collector.fails_at = [spans[0].trace_id, spans[7].trace_id]
        box = emptied(collector, spans)
    taken = {span.span_id for span in collector.spans()}
    assert taken == {span.span_id for span in spans} - {spans[0].span_id, spans[7].span_id}
    assert (box.sent, box.refused) == (18, 2)


def test_a_collector_that_fails_at_all_spans_loses_none() -> None:
    spans = some_spans(3)
    with collecting() as collector:
        collector.fails_at = [span.trace_id for span in spans]
        box = Outbox(Endpoint(collector.url), once=False)
        box.add("s", spans)
        for _ in range(40):
            box.next_at = 0.0
            box.offer(lambda: None)
        assert (len(box), box.refused) == (3, 0)
        # Nor once it is known that it takes some.
        collector.fails_at = [span.trace_id for span in spans[1:]]
        while not box.sent:
            box.offer(lambda: None)
        collector.status = 500
        for _ in range(40):
            box.offer(lambda: None)
        assert (len(box), box.sent, box.refused) == (2, 1, 0)


def test_spans_that_are_too_large_together_are_sent_in_pieces() -> None:
    spans = some_spans(30, text=100_000)
    with collecting() as collector:
        collector.most = 1_000_000
        box = emptied(collector, [*spans, *some_spans(1, text=2_000_000)])
        Endpoint(collector.url).send(spans)
    assert (box.sent, box.refused) == (29, 1)
    assert len(collector.spans()) == 59


def test_a_collector_says_how_long_to_wait() -> None:
    with collecting(429) as collector:
        box = Outbox(Endpoint(collector.url), once=False)
        box.add("s", some_spans())
        for told, least, most in (("90", 80, 90), ("86400", 290, 300), ("-1", -9, 1), ("x", -9, 1)):
            collector.wait = told
            box.offer(lambda: None)
            assert least < box.next_at - time.monotonic() < most + 1
    assert len(box) == 20


def test_a_span_that_changed_while_it_waits_is_sent_once() -> None:
    first, second = some_spans(2)
    changed = some_spans(1, text=5)[0]
    with collecting() as collector:
        box = emptied(collector, [first, second, changed])
    assert box.sent == 2 and "xxxxx" in str(collector.spans()[1])
