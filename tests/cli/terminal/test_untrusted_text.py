"""Integration: what servers, users and file names say never steers the terminal of who reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from support.events import Call, message, text_part
from support.examples import examples
from support.strategies import streams
from support.terminal import Output, Terminal

from eventstore import EventStore, Frame

#: Colours, a bell, the one-byte introducer of sequences, a mark that turns the line round,
#: a line of its own, and rich's markup.
EVIL = "\x1b[31m\x1b]0;t\x07\x9b1m\u202e\r\n\x08[bold red]x[/][link=a]:smile:"
SHORT = "\x07\x9b\u202e"


def hostile_call() -> Call:
    """A call whose every text is hostile."""
    call = Call().store("opened", metadata={f"k{SHORT}": f"v{EVIL}"})
    call.server("session.created", session={"id": f"s{EVIL}", "model": f"m{SHORT}"})
    call.server("conversation.created", conversation={"id": f"c{SHORT}"})
    call.added(message(f"i1{SHORT}", f"user{SHORT}", text_part(f"hi {EVIL}", "input_text")))
    call.created(f"r1{SHORT}", f"c{SHORT}", metadata={f"k{SHORT}": f"v{EVIL}"})
    output = [
        {
            "id": f"i2{SHORT}",
            "type": "function_call",
            "name": f"n{EVIL}",
            "arguments": EVIL,
            "call_id": "x",
        },
        message(f"i3{SHORT}", f"assistant{SHORT}", text_part(f"needle {EVIL}")),
        {"id": f"i4{SHORT}", "type": f"t{SHORT}", "server_label": EVIL},
    ]
    for item in output:
        call.server("response.output_item.done", response_id=f"r1{SHORT}", item=item)
        call.added(item)
    call.server("response.output_text.delta", item_id=f"i5{SHORT}", delta=EVIL)
    details = {"type": "incomplete", "reason": f"why{SHORT}"}
    usage = {"input_tokens": 5, "output_tokens": 5}
    status = {"status": "incomplete", "status_details": details}
    call.done(f"r1{SHORT}", f"c{SHORT}", output=output, usage=usage, **status)
    call.created(f"r2{SHORT}", None).done(f"r2{SHORT}", None, output=output, usage=usage)
    call.server("error", error={"code": f"code{SHORT}", "message": EVIL})
    call.server(f"unknown{SHORT}").frame("server", EVIL).frame("client", EVIL.encode())
    call.server("session.input_transcript.delta", delta=EVIL)
    return call.store("closed", reason=EVIL)


@pytest.fixture
def hostile(store: EventStore) -> EventStore:
    store.append("sess", hostile_call().frames)
    return store


def steers(told: Output) -> list[str]:
    """Lines that hold anything but what is printed as it is."""
    text = told.out + told.err
    return [ascii(line) for line in text.split("\n") if not line.isprintable()]


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
