"""Acceptance: `eventstore export --format …` as people run it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from exports.calls_to_export import put_sample
from support.calls import beta_tool_call, voice_call
from support.events import Call
from support.otel_collector import Collector, collecting, parsed, protos
from support.terminal import Terminal

from eventstore import EventStore


@pytest.fixture
def filled(store: EventStore) -> EventStore:
    store.append("sess_a", voice_call().frames)
    store.append("sess_b", beta_tool_call().frames)
    store.set_metadata("sess_b", {"topic": "weather"})
    return store


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as server:
        yield server


# Which sessions


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ("sess_a", ["sess_a"]),
        ("sess_b sess_a", ["sess_b", "sess_a"]),
        ("--all", ["sess_a", "sess_b"]),
        ("--metadata topic=weather", ["sess_b"]),
        ("--model gpt-realtime", ["sess_a"]),
        ("--since 2001-01-01 --until 2100-01-01", ["sess_a", "sess_b"]),
        ("--metadata topic=none", []),
    ],
)
def test_sessions_are_named_or_chosen(
    terminal: Terminal, filled: EventStore, options: str, ids: list[str]
) -> None:
    wanted = b"".join(line for id_ in ids for line in filled.export(id_)).decode()
    assert terminal("export", *options.split()) == (0, wanted, "")
    chats = terminal("export", *options.split(), "--format", "chat")
    assert [line["metadata"]["session_id"] for line in chats.lines] == ids
    said = terminal("export", *options.split(), "--format", "parquet", "-o", "tables")
    assert said.code == 0 and said.out == ""
    assert set(pq.read_table("tables/responses.parquet")["session_id"].to_pylist()) == set(ids)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "Missing argument: name sessions"),
        ("sess_a --all", "one of these"),
        ("--all --model x", "one of these"),
        ("sess_a --model x", "one of these"),
        ("--all --format html", "one session"),
        ("sess_a sess_b --format html", "one session"),
        ("--all --format parquet", "name it with --output"),
        ("--all --format parquet -o taken", "is a file"),
        ("--all --format otel -o .", "is a directory"),
        ("--all --endpoint http://localhost", "--format otel"),
        ("--all --content", "--format otel"),
        ("--all --format otel --endpoint http://x -o y", "use one of them"),
        ("--all --format otel --endpoint localhost", "use a URL"),
        ("--all --format csv", "is not one of"),
        ("--since never", "is no time"),
    ],
)
def test_what_cannot_be_is_said(
    terminal: Terminal, filled: EventStore, options: str, said: str
) -> None:
    Path("taken").write_text("")
    assert said in terminal("export", *options.split()).error(2)
    assert [path.name for path in Path().iterdir()] == ["taken"]


@pytest.mark.parametrize("format_", ["parquet", "chat", "html", "otel"])
def test_a_session_that_is_not_there(terminal: Terminal, filled: EventStore, format_: str) -> None:
    said = terminal("export", "nowhere", "--format", format_, "-o", "out").error()
    assert "no session nowhere" in said and not list(Path().iterdir())


# Formats


def test_chat(terminal: Terminal, filled: EventStore) -> None:
    told = terminal("export", "--all", "--format", "chat", "-o", "chat.jsonl")
    assert told.out == "" and told.err.splitlines() == [
        "Exported 2 conversations.",
        "Left out: items that say nothing (1).",
    ]
    lines = Path("chat.jsonl").read_text().splitlines()
    assert [len(json.loads(line)["messages"]) for line in lines] == [3, 4]


def test_parquet(terminal: Terminal, filled: EventStore) -> None:
    told = terminal("export", "--all", "--format", "parquet", "-o", "tables")
    assert told.err == ("Exported 4 responses, 9 items, 5 usage rows and 0 scores of 2 sessions.\n")
    assert sorted(path.name for path in Path("tables").iterdir()) == [
        *("items.parquet", "responses.parquet", "scores.parquet"),
        *("sessions.parquet", "usage.parquet"),
    ]


def test_html(terminal: Terminal, filled: EventStore) -> None:
    assert terminal("export", "sess_a", "--format", "html", "-o", "call.html") == (0, "", "")
    assert "And tomorrow" in Path("call.html").read_text()
    assert terminal("export", "sess_a", "--format", "html").out.startswith("<!doctype html>")


def test_otel_to_a_file(terminal: Terminal, filled: EventStore) -> None:
    filled.append("sess_c", Call(timed=False).typed("item_1", "Hi").frames)
    told = terminal("export", "--all", "--format", "otel", "-o", "spans.jsonl")
    assert told.err.splitlines() == [
        "Exported 2 traces with 8 spans.",
        "Left out: 1 session recorded without times, which traces need.",
    ]
    written = Path("spans.jsonl").read_text()
    assert len(protos(parsed(iter(written.splitlines())))) == 8
    assert "sunny in Oslo" not in written
    told = terminal("export", "sess_a", "--format", "otel", "--content")
    assert "sunny in Oslo" in told.out


def test_otel_to_an_endpoint(terminal: Terminal, filled: EventStore, collector: Collector) -> None:
    told = terminal("export", "--all", "--format", "otel", "--endpoint", collector.url)
    assert (told.code, told.out) == (0, "")
    assert told.err == "Sent 2 traces with 8 spans.\n"
    assert [path for path, _, _ in collector.requests] == ["/v1/traces"] * 2
    collector.status = 400
    said = terminal("export", "sess_a", "--format", "otel", "--endpoint", collector.url).error()
    assert "did not take the spans" in said


def test_a_file_is_replaced_when_the_new_one_is_whole(
    terminal: Terminal, filled: EventStore
) -> None:
    Path("out").write_text("before")
    terminal("export", "sess_a", "nowhere", "--format", "chat", "-o", "out").error()
    assert Path("out").read_text() == "before"
    assert terminal("export", "sess_a", "--format", "chat", "-o", "out").code == 0
    assert Path("out").read_text() != "before" and len(list(Path().iterdir())) == 1


@pytest.mark.parametrize("format_", ["chat", "otel"])
def test_whoever_reads_may_stop(terminal: Terminal, store: EventStore, format_: str) -> None:
    put_sample(store)
    told = terminal.shell(f"eventstore export --all --format {format_} | head -c 10")
    assert told.code == 0 and len(told.out) == 10
