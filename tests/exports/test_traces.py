"""Acceptance: spans reach a collector while calls go on, whatever becomes of the collector."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from support.calls import voice_call
from support.gpt_live import client_call
from support.otel_collector import Collector, collecting, parsed, protos
from support.postgres import free_port
from support.relaying import asking, bare_client, bare_server, eventually, relaying, switching
from support.terminal import COMMAND, environment
from websockets.sync.client import connect

from eventstore import EventStore, EventStoreError, InvalidInputError, Recorder, read_spans
from eventstore.exports.otel import outbox
from eventstore.exports.otel.otlp_json import otlp_lines
from eventstore.exports.otel.traces import Traces

FRAMES = voice_call().frames
WIRE = [frame for frame in FRAMES if frame.direction != "store"]
BEGUN = FRAMES[0].at
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
LINK = "https://calls.example"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(outbox, "MOST_PAUSE", 0.2)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")


@contextmanager
def tracing(store: EventStore, url: str, **options: Any) -> Iterator[Traces]:
    """Traces that are sent from a thread, and stopped with the block."""
    made = store.traces(url, **options)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            made.run()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield made
    finally:
        made.stop()
        thread.join(20)
        assert not thread.is_alive() and not failed, failed


def written(store: EventStore, *session_ids: str, **options: Any) -> dict[bytes, Any]:
    """The spans that an export writes of sessions."""
    spans = [one for id_ in session_ids for one in read_spans(store, id_, **options)]
    return {span.span_id: span for span in protos(parsed(otlp_lines(spans)))}


def kept(collector: Collector) -> dict[bytes, Any]:
    """The spans that a collector has, the last one of each id, without what JSON leaves out."""
    found = {span.span_id: span for span in collector.spans()}
    for span in found.values():
        span.flags = 0
    return found


def put(store: EventStore, session_id: str, metadata: dict[str, str]) -> None:
    store.append(session_id, FRAMES)
    store.set_metadata(session_id, metadata)
    store.append(session_id, [], close=True)


def names(collector: Collector) -> list[str]:
    return [span.name for span in collector.spans()]


def test_each_response_is_sent_while_its_call_goes_on(store: EventStore) -> None:
    with collecting() as collector, tracing(store, collector.url, link=LINK):
        with Recorder(store) as recorder:
            session = recorder.session(session_id="sess_1", at=BEGUN)
            for frame in WIRE:
                session.record(frame.direction, frame.text, frame.at)
                if '"response.done"' in str(frame.text):
                    done = str(json.loads(str(frame.text))["response"]["id"])
                    began = time.monotonic()
                    eventually(lambda one=done: one in str(collector.spans()))
                    print(f"{time.monotonic() - began:.3f} s")
            assert "invoke_agent" not in names(collector)
            session.close("client", 1000, "")
        wanted = written(store, "sess_1", link=LINK)
        eventually(lambda: kept(collector) == wanted)
    assert f"{LINK}/sessions/sess_1" in str(collector.spans()[0])
    assert Counter(names(collector)).most_common(1) == [("chat gpt-realtime", 2)]
    assert "saddle" not in str(collector.spans()) and "What is" not in str(collector.spans())


def test_a_live_session(store: EventStore) -> None:
    with collecting() as collector, tracing(store, collector.url, content=True):
        for frame in client_call().frames:
            store.append("live_1", [frame])
        eventually(lambda: any(name.startswith("chat") for name in names(collector)))
        assert "invoke_agent" not in names(collector)
        store.append("live_1", [], close=True)
        wanted = written(store, "live_1", content=True)
        eventually(lambda: kept(collector) == wanted)


# The app's own trace


def test_the_trace_of_a_handshake(store: EventStore) -> None:
    def talk(connection: Any, head: bytes) -> None:
        connection.sendall(switching(head))
        connection.recv(100)

    headers = f"traceparent: {PARENT}\r\ntracestate: a=1,b=2\r\n".encode()
    with (
        collecting() as collector,
        bare_server(talk) as upstream,
        relaying(store, upstream.url) as relay,
    ):
        with bare_client(relay.port, asking(more=headers)) as client:
            assert client.recv(65536).startswith(b"HTTP/1.1 101")
        relay.ended()
        eventually(
            lambda: store.sessions().data and store.sessions().data[0]["eventstore"]["closed"]
        )
        (head,) = upstream.heads
        assert f"traceparent: {PARENT}".encode() in head.lower()
        store.traces(collector.url, from_="start", once=True).run()
    (root,) = collector.spans()
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, SPAN)
    assert root.trace_state == "a=1,b=2"
    (id_,) = store.session_ids()
    assert written(store, id_).keys() == {root.span_id}
    assert store.session(id_)["eventstore"]["opened"]["traceparent"] == PARENT


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": PARENT.upper()},
        {"traceparent": f"00-{'0' * 32}-{SPAN}-01"},
        {"traceparent": "00-" + "a" * 100_000},
        {"traceparent": f"{PARENT},{PARENT}"},
        [("traceparent", PARENT), ("Traceparent", PARENT)],
    ],
    ids=["upper", "zero", "long", "joined", "two"],
)
def test_a_wrong_traceparent_is_ignored(store: EventStore, headers: Any) -> None:
    def talk(connection: Any, head: bytes) -> None:
        connection.sendall(switching(head))
        connection.recv(100)

    with bare_server(talk) as upstream, relaying(store, upstream.url) as relay:
        url = f"{relay.url}/realtime"
        with suppress(Exception), connect(url, additional_headers=headers, proxy=None):
            pass
        relay.drain()
    for id_ in store.session_ids():
        assert "traceparent" not in store.session(id_)["eventstore"]["opened"]
        assert read_spans(store, id_)[0].parent_id is None


def test_the_trace_of_an_argument_and_of_metadata(store: EventStore) -> None:
    with Recorder(store) as recorder:
        one = recorder.session(session_id="one", at=BEGUN, traceparent=PARENT)
        two = recorder.session({"traceparent": PARENT}, "two", at=BEGUN)
        three = recorder.session(session_id="three", at=BEGUN, traceparent="nonsense")
        for session in (one, two, three):
            for frame in WIRE:
                session.record(frame.direction, frame.text, frame.at)
            session.close()
    for id_ in ("one", "two"):
        spans = read_spans(store, id_)
        assert {span.trace_id.hex() for span in spans} == {TRACE}
        assert spans[0].parent_id is not None and spans[0].parent_id.hex() == SPAN
        assert {span.parent_id for span in spans[1:]} == {spans[0].span_id}
    assert read_spans(store, "three")[0].parent_id is None
    assert read_spans(store, "one")[0].span_id != read_spans(store, "two")[0].span_id


def test_what_the_app_does_not_trace_is_not_sent(store: EventStore) -> None:
    for id_, flags in (("sess_1", "00"), ("sess_2", "03")):
        put(store, id_, {"traceparent": f"{PARENT[:-2]}{flags}"})
    with collecting() as collector:
        store.traces(collector.url, from_="start", once=True).run()
    assert kept(collector) == written(store, "sess_2")
    assert read_spans(store, "sess_1")


# A collector that is away, slow, or answers nonsense


def away(collector: Collector) -> None:
    collector.status = 503


def forbids(collector: Collector) -> None:
    collector.status = 401


def fails(collector: Collector) -> None:
    collector.status = 500


def speaks_nonsense(collector: Collector) -> None:
    collector.raw = b"\0\xff garbage\r\n\r\n" * 100


def is_another_server(collector: Collector) -> None:
    collector.kind, collector.answer = "text/html", b"<html>Welcome</html>"


def redirects(collector: Collector) -> None:
    collector.status = 302


def is_slow(collector: Collector) -> None:
    collector.seconds = 0.3


TROUBLES = [away, forbids, fails, speaks_nonsense, is_another_server, redirects, is_slow]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_collector_in_trouble_gets_all_spans_afterwards(
    store: EventStore, trouble: Callable[[Collector], None]
) -> None:
    with collecting() as collector:
        healthy = dict(vars(collector))
        trouble(collector)
        with tracing(store, collector.url) as made, Recorder(store) as recorder:
            for number in range(2):
                session = recorder.session(session_id=f"sess_{number}", at=BEGUN)
                for frame in WIRE:
                    session.record(frame.direction, frame.text, frame.at)
                session.committed().result(20)
                session.close()
            eventually(lambda: collector.asked >= 2 or trouble is is_slow)
            assert made.sent == 0 or trouble is is_slow
            for name in ("status", "seconds", "raw", "kind", "answer"):
                setattr(collector, name, healthy[name])
            eventually(lambda: names(collector).count("invoke_agent") >= 2)
            wanted = written(store, "sess_0", "sess_1")
            eventually(lambda: kept(collector) == wanted)
        assert recorder.counters().missed == 0
    assert made.refused == 0


def test_a_collector_that_is_not_there_yet(store: EventStore) -> None:
    port = free_port()
    with tracing(store, f"http://127.0.0.1:{port}") as made:
        store.append("sess_1", FRAMES, close=True)
        eventually(lambda: made.failed)
        with collecting(port=port) as collector:
            wanted = written(store, "sess_1")
            eventually(lambda: kept(collector) == wanted)


def test_nothing_of_a_session_that_was_erased_while_it_waited_is_sent(store: EventStore) -> None:
    with collecting(503) as collector:
        with tracing(store, collector.url, from_="start", content=True) as made:
            for id_ in ("erased", "kept"):
                store.append(id_, FRAMES, close=True)
            eventually(lambda: made.failed)
            store.erase("erased")
            collector.status = 200
            eventually(lambda: made.sent)
            time.sleep(0.1)
        assert kept(collector) == written(store, "kept", content=True)


def test_what_was_not_taken_is_sent_by_the_next_one(store: EventStore) -> None:
    with collecting(500) as collector:
        with tracing(store, collector.url) as made:
            store.append("sess_1", FRAMES, close=True)
            eventually(lambda: made.failed)
        with pytest.raises(EventStoreError, match="500"):
            store.traces(collector.url, once=True).run()
        assert not collector.spans()
        collector.status = 200
        store.traces(collector.url, once=True).run()
        assert kept(collector) == written(store, "sess_1")
        asked = collector.asked
        store.traces(collector.url, once=True).run()
        assert collector.asked == asked


def test_what_a_collector_leaves_out_is_counted(store: EventStore) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    store.append("sess_1", FRAMES, close=True)
    with collecting() as collector:
        answer = ExportTraceServiceResponse()
        answer.partial_success.rejected_spans = 3
        answer.partial_success.error_message = "too\nmany"
        collector.answer = answer.SerializeToString()
        made = store.traces(collector.url, from_="start", once=True)
        made.run()
    assert (made.sent, made.refused) == (1, 3)


# Scores, several senders, and what is killed


def test_scores_that_come_later(store: EventStore) -> None:
    with collecting() as collector:
        store.append("sess_1", FRAMES, close=True)
        store.traces(collector.url, from_="start", once=True).run()
        store.score("sess_1", "solved", True)
        store.traces(collector.url, once=True).run()
    assert kept(collector) == written(store, "sess_1")
    assert "gen_ai.evaluation.result" in str(kept(collector))


def test_only_sessions_with_metadata(store: EventStore) -> None:
    put(store, "a", {"tenant": "a"})
    store.append("b", FRAMES, close=True)
    with collecting() as collector:
        store.traces(collector.url, from_="start", once=True, metadata={"tenant": "a"}).run()
    assert kept(collector) == written(store, "a")


def command(url: str, database_url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, "traces", "--to", url, "--db", database_url],
        # The lease of its sessions is three times as long.
        env={**environment(), "OTEL_EXPORTER_OTLP_TIMEOUT": "1.5"},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def test_senders_that_are_killed_miss_nothing_and_share(
    store: EventStore, database_url: str
) -> None:
    store.traces("http://127.0.0.1:9").stop()  # the subscription begins here
    ids = [f"sess_{number}" for number in range(6)]
    with collecting() as collector:
        collector.seconds = 0.05
        senders = [command(collector.url, database_url) for _ in range(2)]
        try:
            for frame in FRAMES:
                for id_ in ids:
                    store.append(id_, [frame])
                if '"response.done"' in str(frame.text):
                    eventually(lambda: collector.asked)
                    killed = senders.pop(0)
                    killed.send_signal(signal.SIGKILL)
                    killed.wait()
                    senders.append(command(collector.url, database_url))
            for id_ in ids:
                store.append(id_, [], close=True)
            # The sessions of those that were killed are free when their leases end.
            wanted = written(store, *ids)
            eventually(lambda: kept(collector) == wanted, 120)
        finally:
            for sender in senders:
                sender.terminate()
                # One that has only just been started has no handler yet.
                assert sender.wait(20) in (0, -signal.SIGTERM)


# Where they go


def test_the_address_of_the_environment(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidInputError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        store.traces()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318/base/")
    assert store.traces().to == "http://localhost:4318/base/v1/traces"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://a.example/spans")
    assert store.traces().to == "https://a.example/spans"
    with pytest.raises(InvalidInputError, match="link"):
        store.traces(link="calls.example")
