"""Integration: each command prints what its verb of `EventStore` gives, as one JSON document."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from support.calls import beta_tool_call, voice_call
from support.events import Call, without
from support.terminal import Terminal

import eventstore
from eventstore import EventStore
from eventstore.cli.main import cli
from eventstore.times import to_iso

CALL = [
    {"type": "session.created", "session": {"id": "sess_1", "model": "gpt-realtime"}},
    {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
    {"type": "response.done", "response": {"id": "resp_1", "status": "completed", "output": []}},
]


def lines(values: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(value)}\n" for value in values)


@pytest.fixture
def recorded(store: EventStore) -> EventStore:
    """A store with two calls."""
    store.append("sess_a", voice_call().frames)
    store.append("sess_b", beta_tool_call().frames)
    store.set_metadata("sess_b", {"customer": "42"})
    return store


def test_init_says_what_it_found_and_made(bare_terminal: Terminal, empty_database_url: str) -> None:
    made = bare_terminal("init", "--db", empty_database_url, "--json").json
    assert made == {"object": "eventstore.schema", "before": None, "schema": made["schema"]}
    again = bare_terminal("init", "--db", empty_database_url, "--json").json
    assert again == {**made, "before": made["schema"]}
    assert "up to date" in bare_terminal("init", "--db", empty_database_url).out


def test_import_says_what_it_did_with_each_session(terminal: Terminal, own_folder: Path) -> None:
    Path("call.jsonl").write_text(lines(CALL))
    entry = {
        "session_id": "sess_1",
        "events": 4,
        "responses": 1,
        "added": 4,
        "status": "imported",
        "skipped_lines": 0,
        "file": "call.jsonl",
        "format": "jsonl",
        "warnings": [],
    }
    imported = ("import", "call.jsonl", "--metadata", "customer=42", "--json")
    assert terminal(*imported).json == {"object": "list", "data": [entry], "errors": []}
    again = {**entry, "added": 0, "status": "exists"}
    assert terminal(*imported).json == {"object": "list", "data": [again], "errors": []}
    assert "was there already; nothing added" in terminal("import", "call.jsonl").out


def test_import_says_if_it_only_set_metadata(terminal: Terminal, own_folder: Path) -> None:
    Path("call.jsonl").write_text(lines(CALL))
    assert " imported\n" in terminal("import", "call.jsonl").out
    tagged = ("import", "call.jsonl", "--metadata")
    assert " was there already; metadata set\n" in terminal(*tagged, "customer=42").out
    (entry,) = terminal(*tagged, "customer=43", "--json").json["data"]
    assert (entry["added"], entry["status"]) == (1, "exists")


def test_import_reads_standard_input(terminal: Terminal, store: EventStore) -> None:
    found = terminal("import", "-", "--json", stdin=lines(CALL).encode()).json
    assert [entry["file"] for entry in found["data"]] == ["-"]
    assert store.last_seq("sess_1") == 3


def test_import_of_many_files_goes_on_after_a_bad_one(terminal: Terminal, own_folder: Path) -> None:
    Path("a.jsonl").write_text(lines(CALL))
    Path("b.jsonl").write_text("{broken\n")
    Path("c.jsonl").write_text(lines(CALL).replace("sess_1", "sess_2"))
    found = terminal("import", "a.jsonl", "b.jsonl", "missing.jsonl", "c.jsonl", "--json")
    assert found.code == 1
    told = json.loads(found.out)
    assert [entry["session_id"] for entry in told["data"]] == ["sess_1", "sess_2"]
    assert [entry["file"] for entry in told["errors"]] == ["b.jsonl", "missing.jsonl"]
    assert "line 1" in told["errors"][0]["error"] and "--keep-going" in told["errors"][0]["error"]
    assert [line for line in found.err.splitlines() if line.startswith("Error: ")] == [
        f"Error: {entry['file']}: {entry['error']}" for entry in told["errors"]
    ]
    words = terminal("import", "a.jsonl", "b.jsonl", "missing.jsonl", "c.jsonl")
    assert words.code == 1
    assert words.out.splitlines()[-1] == "2 of 4 files imported, 2 failed."


def test_import_keeps_going_when_asked_to(terminal: Terminal, own_folder: Path) -> None:
    Path("a.jsonl").write_text(lines(CALL) + "{broken\n")
    terminal("import", "a.jsonl", "--json").error_beside_output()
    (entry,) = terminal("import", "a.jsonl", "--keep-going", "--json").json["data"]
    assert (entry["events"], entry["skipped_lines"]) == (3, 1)
    assert "1 unreadable line" in terminal("import", "a.jsonl", "--keep-going").out


def test_import_under_another_id(terminal: Terminal, store: EventStore, own_folder: Path) -> None:
    Path("a.jsonl").write_text(lines(CALL))
    Path("b.jsonl").write_text(lines(CALL[:2]))
    terminal("import", "a.jsonl")
    refused = terminal("import", "b.jsonl", "--json")
    assert refused.code == 1
    assert "--session-id" in json.loads(refused.out)["errors"][0]["error"]
    (entry,) = terminal("import", "b.jsonl", "--session-id", "mine", "--json").json["data"]
    assert (entry["session_id"], store.last_seq("mine")) == ("mine", 2)


def test_export_writes_what_import_reads(
    terminal: Terminal, recorded: EventStore, own_folder: Path
) -> None:
    written = terminal("export", "sess_a")
    assert written.out.encode() == b"".join(recorded.export("sess_a"))
    assert [line["seq"] for line in written.lines] == list(
        range(1, recorded.last_seq("sess_a") + 1)
    )
    assert terminal("export", "sess_a", "sess_b", "-o", "both.jsonl") == (0, "", "")
    assert Path("both.jsonl").read_text() == written.out + terminal("export", "sess_b").out
    assert [path.name for path in own_folder.iterdir() if "db" not in path.name] == ["both.jsonl"]
    elsewhere = ("--db", "sqlite:///elsewhere.db")
    terminal("export", "sess_a", "-o", "a.jsonl")
    terminal("import", "a.jsonl", "--session-id", "sess_a", *elsewhere)
    assert (
        terminal("state", "sess_a", "--json", *elsewhere).json["responses"]
        == terminal("state", "sess_a", "--json").json["responses"]
    )


SHOWN: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("--at 30", {"at": 30}),
    ("--at +0.2", {"at": "+0.2"}),
    ("--dialect beta", {"dialect": "beta"}),
    ("--dialect ga --at 40", {"dialect": "ga", "at": 40}),
]


@pytest.mark.parametrize(("options", "keywords"), SHOWN)
def test_show(
    terminal: Terminal, recorded: EventStore, options: str, keywords: dict[str, Any]
) -> None:
    shown = terminal("state", "sess_a", *options.split(), "--json").json
    assert set(shown) == {"session", "conversations", "responses", "usage"}
    assert shown == recorded.state("sess_a", **keywords)


SESSIONS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("--order asc --limit 1", {"order": "asc", "limit": 1}),
    ("--after sess_b", {"after": "sess_b"}),
    ("--model gpt-realtime", {"model": "gpt-realtime"}),
    ("--metadata customer=42", {"metadata": ["customer=42"]}),
    ("--metadata user --metadata user^=u", {"metadata": ["user", "user^=u"]}),
    ("--metadata customer!=42", {"metadata": ["customer!=42"]}),
    ("--since 2023-11-14 --until 1700000000", {"since": "2023-11-14", "until": "1700000000"}),
    ("--status live", {"status": "live"}),
    ("--status interrupted --summary", {"status": "interrupted", "summary": True}),
    ("--text sunny --summary", {"text": "sunny", "summary": True}),
    ("--tool weather --sort cost", {"tool": "weather", "sort": "cost"}),
    ("--reason turn_detected", {"reason": "turn_detected"}),
    ("--language de", {"language": "de"}),
    ("--protocol live", {"protocol": "live"}),
    ("--min-duration 0.1 --max-duration 9", {"min_duration": 0.1, "max_duration": 9}),
    ("--min-cost 0.001 --min-latency 0.001", {"min_cost": 0.001, "min_latency": 0.001}),
    ("--min-turns 3 --min-interruptions 1", {"min_turns": 3, "min_interruptions": 1}),
    ("--sort turns --order asc", {"sort": "turns", "order": "asc"}),
]


@pytest.mark.parametrize(("options", "keywords"), SESSIONS)
def test_sessions(
    terminal: Terminal, recorded: EventStore, options: str, keywords: dict[str, Any]
) -> None:
    listed = terminal("sessions", *options.split(), "--json").json
    assert listed == recorded.sessions(**keywords).as_list()
    assert set(listed) == {"object", "data", "first_id", "last_id", "has_more"}


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        ("--tool weather", {"tool": "weather"}),
        ("--language de", {"language": "de"}),
        ("--kind spoken --modality audio", {"kind": "spoken", "modality": "audio"}),
        ("--min-latency 0.004 --sort latency", {"min_latency": 0.004, "sort": "latency"}),
        ("--min-duration 0.02 --sort duration", {"min_duration": 0.02, "sort": "duration"}),
        ("--sort tokens --order asc", {"sort": "tokens", "order": "asc"}),
    ],
)
def test_responses_by_figures(
    terminal: Terminal, recorded: EventStore, options: str, keywords: dict[str, Any]
) -> None:
    listed = terminal("responses", *options.split(), "--json").json
    assert listed == recorded.responses(**keywords).as_list()


@pytest.mark.parametrize(
    "options", ["--sort created", "--min-cost -1", "--min-turns x", "--min-duration soon"]
)
def test_a_bad_figure_is_wrong_usage(terminal: Terminal, options: str) -> None:
    assert terminal("sessions", *options.split()).code == 2


def test_metadata(terminal: Terminal, recorded: EventStore) -> None:
    listed = terminal("metadata", "--json").json
    keys = recorded.metadata_keys()
    assert [entry["id"] for entry in listed["data"]] == keys and "customer" in keys
    assert terminal("metadata").out.splitlines() == keys
    values = terminal("metadata", "customer", "--prefix", "4", "--json").json
    assert [entry["id"] for entry in values["data"]] == recorded.metadata_values("customer", "4")
    assert terminal("metadata", "--limit", "1", "--json").json["has_more"]
    assert "--prefix" in terminal("metadata", "--limit", "1").err
    assert terminal("metadata", "unheard of").err == "No metadata match.\n"


def test_sessions_are_summed_up(terminal: Terminal, recorded: EventStore) -> None:
    heading, *rows = terminal("sessions", "--summary").out.splitlines()
    assert heading.split()[-4:] == ["TURNS", "COST", "SLOWEST", "METADATA"]
    summed = {one["id"]: one["eventstore"] for one in recorded.sessions(summary=True).data}
    for row in rows:
        notes = summed[row.split()[0]]
        assert f" {notes['responses']} " in row and f" {notes['summary']['turns']} " in row


RESPONSES: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("--limit 2 --order asc", {"limit": 2, "order": "asc"}),
    ("--after sess_a/resp_1", {"after": "sess_a/resp_1"}),
    ("--status cancelled", {"status": "cancelled"}),
    ("--model gpt-realtime", {"model": "gpt-realtime"}),
    ("--voice marin", {"voice": "marin"}),
    ("--modality text", {"modality": "text"}),
    ("--conversation conv_1", {"conversation": "conv_1"}),
    ("--session sess_a", {"session": "sess_a"}),
    ("--text sunny", {"text": "sunny"}),
    ("--min-tokens 100", {"min_tokens": 100}),
    ("--metadata topic=weather --metadata user", {"metadata": ["topic=weather", "user"]}),
    ("--metadata topic!=weather", {"metadata": ["topic!=weather"]}),
    ("--metadata topic^=to", {"metadata": ["topic^=to"]}),
    ("--since 1700000000 --until 2023-11-15", {"since": "1700000000", "until": "2023-11-15"}),
    ("--dialect ga", {"dialect": "ga"}),
    ("--dialect beta --session sess_a", {"dialect": "beta", "session": "sess_a"}),
]


@pytest.mark.parametrize(("options", "keywords"), RESPONSES)
def test_responses(
    terminal: Terminal, recorded: EventStore, options: str, keywords: dict[str, Any]
) -> None:
    listed = terminal("responses", *options.split(), "--json").json
    assert listed == recorded.responses(**keywords).as_list()
    assert set(listed) == {"object", "data", "first_id", "last_id", "has_more"}
    # Each filter leaves something and takes something, or is shown to do nothing.
    assert listed["data"]


@pytest.mark.parametrize("dialect", ["wire", "beta", "ga"])
def test_response(terminal: Terminal, recorded: EventStore, dialect: Any) -> None:
    options = ("--session", "sess_a", "--dialect", dialect)
    shown = terminal("response", "resp_1", *options, "--json").json
    assert shown == recorded.response("resp_1", "sess_a", dialect)
    # For people it is the same document, on lines of its own.
    assert json.loads(terminal("response", "resp_1", *options).out) == shown


USAGE: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("--by session", {"by": "session"}),
    ("--by model", {"by": "model"}),
    ("--by day,model", {"by": "day,model"}),
    ("--by day --status cancelled", {"by": "day", "status": "cancelled"}),
    ("--by metadata:customer", {"by": "metadata:customer"}),
    ("--session sess_a --metadata user", {"session": "sess_a", "metadata": ["user"]}),
    ("--since 2030-01-01", {"since": "2030-01-01"}),
]


@pytest.mark.parametrize(("options", "keywords"), USAGE)
def test_usage(
    terminal: Terminal, recorded: EventStore, options: str, keywords: dict[str, Any]
) -> None:
    assert terminal("usage", *options.split(), "--json").json == recorded.usage(**keywords)
    assert terminal("latency", *options.split(), "--json").json == recorded.latency(**keywords)


def test_context(terminal: Terminal, recorded: EventStore) -> None:
    assert terminal("context", "--json").json == recorded.context()
    told = terminal("context", "--session", "sess_a", "--json").json
    assert told == recorded.context(session="sess_a")


EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("--type response.*", {"type": "response.*"}),
    ("--type response.done", {"type": "response.done"}),
    ("--from 3 --to 5", {"first": 3, "last": 5}),
    ("--from 60 --to 10000 --type *.done", {"first": 60, "last": 10000, "type": "*.done"}),
    ("--type unheard.of", {"type": "unheard.of"}),
]


@pytest.mark.parametrize(("options", "keywords"), EVENTS)
def test_events_are_a_json_document_a_line(
    terminal: Terminal, recorded: EventStore, options: str, keywords: dict[str, Any]
) -> None:
    told = terminal("events", "sess_a", *options.split(), "--json").lines
    assert told == [
        {
            "seq": event.seq,
            "at": to_iso(event.at),
            "direction": event.direction,
            "type": event.type,
            "frame": event.text,
            "event": json.loads(event.text),
        }
        for event in recorded.events("sess_a", **keywords)
    ]
    assert len(terminal("events", "sess_a", *options.split()).out.splitlines()) == len(told)


def test_events_that_cannot_be_read_are_told_as_they_are(
    terminal: Terminal, store: EventStore
) -> None:
    call = Call().frame("server", "{broken").frame("client", "[1]").frame("server", "\0")
    store.append("sess", call.frames)
    told = terminal("events", "sess", "--json").lines
    assert [(line["type"], line["event"]) for line in told] == [(None, None)] * 3
    assert [line["frame"] for line in told] == ["{broken", "[1]", "\0"]
    assert "{broken" in terminal("events", "sess").out


def test_events_tell_binary_messages_too(terminal: Terminal, store: EventStore) -> None:
    store.append("sess", Call().frame("server", b"\x01\x02").frames)
    (line,) = terminal("events", "sess", "--json").lines
    assert "AQI=" in json.dumps(line)


@pytest.mark.parametrize(
    "frame",
    ['{"type":"x","n":NaN,"big":18446744073709551617}', '{"type":"x\\ud83d","n":-Infinity}'],
)
def test_events_are_json_whatever_the_frames_are(
    terminal: Terminal, store: EventStore, frame: str
) -> None:
    store.append("sess", Call().frame("server", frame).frames)
    (line,) = terminal("events", "sess", "--json").lines
    assert line["frame"] == frame


def test_replay(terminal: Terminal, recorded: EventStore) -> None:
    told = terminal("replay", "sess_a", "--json").json
    assert told["object"] == "list"
    assert told["data"] == [
        without(cue._asdict() | {"at": to_iso(cue.at)}, "overlaps")  # of GPT-Live alone
        for cue in recorded.replay("sess_a")
    ]


def test_rebuild(terminal: Terminal, recorded: EventStore) -> None:
    events = recorded.last_seq("sess_a") + recorded.last_seq("sess_b")
    done = terminal("rebuild", "--all", "--json").json
    assert done.pop("seconds") >= 0
    assert done == {
        "object": "eventstore.rebuild",
        "sessions": 2,
        "events": events,
        "changed_rows": 0,
        "errors": [],
    }
    assert terminal("rebuild", "sess_a", "--json").json["sessions"] == 1


def test_project(terminal: Terminal, recorded: EventStore) -> None:
    done = terminal("project", "--json").json
    counts = {"sessions": 0, "events": 0, "summed_days": 1, "priced_sessions": 2}
    told = {"object": "eventstore.project", "projections": {}, "errors": []}
    assert done == {**told, **counts}


def test_status(terminal: Terminal, recorded: EventStore) -> None:
    found = terminal("status", "--json").json
    assert found == recorded.status()
    assert (found["sessions"], found["behind"]) == (2, 0)
    assert found["events"] == recorded.last_seq("sess_a") + recorded.last_seq("sess_b")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_password_is_not_told(bare_terminal: Terminal, store: EventStore) -> None:
    url = store.engine.url
    secret = url.set(password="s3cret").render_as_string(hide_password=False)
    told = bare_terminal("status", "--json", "--db", secret)
    assert "s3cret" not in told.out + told.err
    away = url.set(password="s3cret", port=1).render_as_string(hide_password=False)
    assert "s3cret" not in bare_terminal("status", "--db", away).error()


# Help


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_each_commands_help_has_an_example(bare_terminal: Terminal, name: str) -> None:
    help_ = bare_terminal(name, "--help")
    assert help_.code == 0 and help_.err == ""
    assert "Example" in help_.out
    assert f"  eventstore {name} " in help_.out
    assert "--db URL" in help_.out


def test_help_and_version(bare_terminal: Terminal) -> None:
    for option in ("--help", "-h"):
        help_ = bare_terminal(option)
        assert help_.code == 0 and all(name in help_.out for name in cli.commands)
    assert bare_terminal("--version").out == f"eventstore, version {eventstore.__version__}\n"


def test_each_example_of_help_is_a_command_line_that_is_understood() -> None:
    for name, command in cli.commands.items():
        for line in (command.help or "").splitlines():
            _, found, rest = line.partition(f"eventstore {name} ")
            if found:
                arguments = shlex.split(re.split("[|<]", rest)[0])
                # With the group's settings, which a command keeps once it has seen others.
                command.make_context(name, arguments, **cli.context_settings)
