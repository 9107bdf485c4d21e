"""Integration: what servers, users and file names say never steers the terminal of who reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from support.events import Call, message, text_part
from support.examples import examples
from support.hostile_terminal import EVIL, SHORT, hostile_call, steers
from support.strategies import streams
from support.terminal import Terminal

from eventstore import EventStore, Frame


@pytest.fixture
def hostile(store: EventStore) -> EventStore:
    store.append("sess", hostile_call().frames)
    return store


QUIET = [
    "sessions",
    "responses",
    "responses --text needle",
    f"response r1{SHORT}",
    f"response r2{SHORT} --dialect ga",
    "events sess",
    "project",
    "status",
    "rebuild sess",
    # Errors that tell what was given
    f"state x{SHORT}",
    f"response x{SHORT}",
    f"responses --since x{SHORT}",
    f"responses --metadata =x{SHORT}",
    f"responses --status x{SHORT}",
    f"responses --text ?{SHORT}",
    f"usage --by x{SHORT}",
    f"state sess --at x{SHORT}",
    f"x{SHORT}",
    f"status --x{SHORT}",
    f"status --db x{SHORT}",
    f"status --db x{SHORT}://y",
    f"status --db sqlite:///x{SHORT}/y.db",
    f"import a --metadata x{SHORT}",
    f"import - --metadata x={SHORT} --session-id x{SHORT}",
    f"export sess -o missing/x{SHORT}",
]
LOUD = [
    "state sess",
    "state sess --at 12",
    "responses --limit 1",
    "usage",
    "usage --by model",
    "usage --by day",
    "usage --by day,model",
    "latency --by model",
    f"latency --by metadata:k{SHORT}",
    "context",
    f"usage --by metadata:k{SHORT}",
    "replay sess --instant",
    "replay sess --speed 10000",
    "state sess --follow",
    f"import x{SHORT}",
    f"import x{SHORT} y",
]


@pytest.mark.parametrize("line", [*QUIET, *LOUD], ids=ascii)
def test_nothing_that_is_printed_steers_the_terminal(
    terminal: Terminal, hostile: EventStore, line: str
) -> None:
    told = terminal(*line.split())
    assert told.out or told.err
    assert steers(told) == []


def test_the_rest_of_the_text_is_printed_as_it_is(terminal: Terminal, hostile: EventStore) -> None:
    for line in ("state sess", "replay sess --instant", "responses --text needle"):
        told = "".join(terminal(*line.split()).out.split())
        assert "[boldred]x[/]" in told, line
    assert "[link=a]:smile:" in terminal("replay", "sess", "--instant").out


def test_json_escapes_what_would_steer(terminal: Terminal, hostile: EventStore) -> None:
    for line in ("state sess", "sessions", "responses", "usage --by model", "replay sess"):
        told = terminal(*line.split(), "--json")
        assert told.json
        assert not set(told.out[:-1]) & {chr(code) for code in range(0x20)}
    for text in terminal("events", "sess", "--json").out.splitlines():
        assert not set(text) & {chr(code) for code in range(0x20)}


def test_a_file_with_hostile_content_is_told_harmlessly(
    terminal: Terminal, own_folder: Path
) -> None:
    contents = [f'{{"type":"{EVIL}', f'{{"direction":"{SHORT}","frame":"x"}}', EVIL]
    contents.append(f'{{"direction":"client","frame":"x","at":"{SHORT}"}}')
    for content in contents:
        Path("call.jsonl").write_text(content)
        told = terminal("import", "call.jsonl")
        assert told.code == 1 and steers(told) == []


def test_colours_are_ours_alone(
    terminal: Terminal, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    call = Call().added(message("item_1", "user", text_part("\x1b[5mblink\x1b[0m")))
    store.append("sess", call.frames)
    told = terminal("replay", "sess", "--instant").out
    assert "\x1b[" in told and "blink" in told and "\x1b[5m" not in told


@pytest.mark.parametrize(
    "line",
    ["events sess", "responses", "sessions", "sessions --live", "state sess", "replay sess"],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_any_stream_can_be_printed(terminal: Terminal, store: EventStore, line: str) -> None:
    numbers = iter(range(10**6))

    @given(played=streams(12))
    @examples(15)
    def check(played: list[Frame]) -> None:
        session_id = f"sess_{next(numbers)}"
        store.append(session_id, played)
        options = ["--instant"] if line.startswith("replay") else []
        told = terminal(*line.replace(" sess", f" {session_id}").split(), *options)
        assert told.code == 0 and (told.out or told.err)

    check()


@pytest.mark.parametrize("metadata", [True, [1], "text", {"key": ["value"]}])
def test_metadata_of_any_kind_can_be_printed(
    terminal: Terminal, store: EventStore, metadata: object
) -> None:
    response = {"id": "resp_1", "status": "completed", "metadata": metadata}
    event = {"type": "response.done", "response": response}
    store.append("sess_1", [Frame("server", json.dumps(event))])
    for line in ("state sess_1", "responses", "response resp_1", "usage"):
        assert terminal(*line.split()).code == 0
