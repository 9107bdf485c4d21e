"""On a real terminal, no command prints what would steer it; JSON is the same JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.events import Call, message, text_part
from support.pty_terminal import PATIENCE
from support.terminal import COMMAND, Terminal, environment

from eventstore import EventStore

EVIL = "\x1b[2Jx\x07\x7f\x9b31m\u202eevil\u2066\u200f\u061c\u2028\ud83d."
STEERS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)


@pytest.fixture
def calls(tmp_path: Path) -> str:
    """The URL of a store whose one call says what would steer a terminal."""
    url = f"sqlite:///{tmp_path}/calls.db"
    call = Call().server("session.created", session={"id": "sess", "instructions": EVIL})
    call.store("metadata", metadata={"note": EVIL[:9]})
    call.added(message("item_1", "user", text_part(EVIL, "input_text")))
    call.created("resp_1").begins_speech("resp_1", "item_2").says("resp_1", "item_2", EVIL)
    call.done("resp_1").store("closed", reason=EVIL)
    with EventStore(url) as store:
        store.append("sess", call.frames)
    return url


def on_a_terminal(*arguments: str) -> str:
    """What a command prints on a terminal of its own."""
    import pty
    import subprocess

    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs,
        env={**environment(), "TERM": "dumb", "NO_COLOR": "1"},
    ) as process:  # fmt: skip
        import os

        os.close(theirs)
        pieces = []
        try:
            while piece := os.read(ours, 65536):
                pieces.append(piece)
        except OSError:
            pass  # the other end is closed
        process.wait(PATIENCE)
    os.close(ours)
    return b"".join(pieces).decode()


JSON_LINES = (
    "state sess --json", "sessions --json", "responses --json", "response resp_1 --json",
    "replay sess --json", "reseed sess", "reseed sess --json", "events sess --json",
    "state sess --follow --json", "export sess", "export sess --format chat",
    "export sess --format otel --content",
)  # fmt: skip


@pytest.mark.parametrize("line", JSON_LINES)
def test_json_on_a_terminal_is_escaped(calls: str, line: str) -> None:
    printed = on_a_terminal(*line.split(), "--db", calls).replace("\r\n", "\n")
    assert STEERS.findall(printed) == []
    whole = [json.loads(row) for row in printed.splitlines() if row.startswith("{")]
    assert whole


WORDS = (
    *("state sess", "sessions", "responses", "response resp_1", "events sess", "status"),
    *("replay sess --instant", "state sess --follow", "export sess --format html", "verify sess"),
)


@pytest.mark.parametrize("line", WORDS)
def test_words_on_a_terminal_do_not_steer_it(calls: str, line: str) -> None:
    printed = on_a_terminal(*line.split(), "--db", calls)
    assert re.search("sess|resp", printed) and STEERS.findall(printed) == []


def test_an_import_of_a_file_with_a_steering_name(tmp_path: Path) -> None:
    file = tmp_path / "a\x1b[2J\u202e[red]b.jsonl"
    file.write_text('{"type":"session.created","session":{"id":"sess_1"}}\n' * 1)
    printed = on_a_terminal("import", str(file), "--db", f"sqlite:///{tmp_path}/x.db")
    assert "sess_1" in printed
    assert "\x1b[2J" not in printed and "\u202e" not in printed


def test_a_pipe_gets_the_exact_lines(terminal: Terminal, store: EventStore) -> None:
    call = Call().server("session.created", session={"id": "sess", "instructions": "a\u202e\x7fb"})
    store.append("sess", call.frames)
    assert terminal("export", "sess").out == b"".join(store.export("sess")).decode()
    assert json.loads(terminal("state", "sess", "--json").out) == store.state("sess")
