"""Integration: the command `traces` sends spans to a collector, and says what it could not."""

from __future__ import annotations

import signal

import pytest
from support.calls import voice_call
from support.otel_collector import collecting
from support.relaying import eventually
from support.terminal import Terminal

from eventstore import EventStore

FRAMES = voice_call().frames
LINK = "https://calls.example"


def test_traces(terminal: Terminal, store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in terminal("traces", "--once").error(2)
    assert "https://" in terminal("traces", "--to", "http://a", "--link", "b").error(2)
    assert "use a URL" in terminal("traces", "--to", "localhost:4318").error(2)
    store.append("sess_1", FRAMES, close=True)
    with collecting() as collector:
        sending = ("traces", "--to", collector.url, "--from", "start", "--once", "--link", LINK)
        done = terminal(*sending, "--json").json
        assert done == {
            "object": "eventstore.traces",
            "name": "traces",
            "sent": 4,
            "refused": 0,
            "failed": 0,
        }
        assert f"{LINK}/sessions/sess_1" in str(collector.spans()[0])
        assert terminal(*sending).out == "Sent 0 spans.\n"
        collector.status = 400
        refused = terminal(*sending, "--name", "other")
        assert (refused.code, refused.out) == (1, "Sent 0 spans; 4 refused.\n")
        collector.status = 503
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        url = collector.url.replace("//", "//ada:secret@")
        said = terminal("traces", "--to", url, "--name", "away", "--from", "start", "--once")
        assert "did not take the spans" in said.error() and "secret" not in said.err


def test_a_signal_ends_it_though_the_collector_is_away(
    terminal: Terminal, store: EventStore
) -> None:
    with collecting(503) as collector:
        process = terminal.start("traces", "--to", collector.url, "--from", "start")
        assert process.stderr is not None and b"Spans go to http://" in process.stderr.readline()
        store.append("sess_1", FRAMES, close=True)
        eventually(lambda: collector.asked)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, b"Sent 0 spans.\n")
        collector.status = 200
        assert terminal("traces", "--to", collector.url, "--once").out == "Sent 4 spans.\n"
