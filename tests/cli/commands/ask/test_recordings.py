"""Acceptance: recorded streams go in, and come out as the `openai` package has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openai.types.beta.realtime import ConversationItem as BetaItem
from openai.types.beta.realtime import RealtimeResponse as BetaResponse
from openai.types.realtime import ConversationItem as GaItem
from openai.types.realtime import RealtimeResponse as GaResponse
from pydantic import TypeAdapter
from support.recordings import each_recording
from support.terminal import Terminal

ITEM: dict[str, TypeAdapter[Any]] = {"beta": TypeAdapter(BetaItem), "ga": TypeAdapter(GaItem)}
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RESPONSE: dict[str, TypeAdapter[Any]] = {
    "beta": TypeAdapter(BetaResponse),
    "ga": TypeAdapter(GaResponse),
}


@each_recording
def test_a_recording_comes_out_as_conversations_and_responses(
    terminal: Terminal, recording: Path
) -> None:
    (entry,) = terminal("import", str(recording), "--metadata", "a=b", "--json").json["data"]
    session_id = entry["session_id"]
    for dialect in ("beta", "ga"):
        shown = terminal("state", session_id, "--dialect", dialect, "--json").json
        listed = terminal("responses", "--metadata", "a=b", "--dialect", dialect, "--json").json
        assert len(shown["responses"]) == len(listed["data"]) == entry["responses"]
        for response in [*shown["responses"], *listed["data"]]:
            RESPONSE[dialect].validate_python(response, strict=True)
        for conversation in shown["conversations"]:
            for item in conversation["items"]:
                ITEM[dialect].validate_python(item, strict=True)


@on_sqlite
@each_recording
def test_a_recording_can_be_read_by_people(terminal: Terminal, recording: Path) -> None:
    (entry,) = terminal("import", str(recording), "--json").json["data"]
    session_id = entry["session_id"]
    for line in (f"state {session_id}", f"replay {session_id}", "sessions", f"events {session_id}"):
        told = terminal(*line.split())
        assert told.code == 0 and told.out.strip()
        assert len(told.out.splitlines()) > (0 if line == "sessions" else 2)


@on_sqlite
@each_recording
def test_an_export_through_files_is_an_equal_session(
    terminal: Terminal, own_folder: Path, recording: Path
) -> None:
    (entry,) = terminal("import", str(recording), "--metadata", "a=b", "--json").json["data"]
    session_id = entry["session_id"]
    terminal("export", session_id, "-o", "call.jsonl")
    elsewhere = ("--db", "sqlite:///elsewhere.db")
    assert terminal("import", "call.jsonl", *elsewhere).code == 0
    for line in (
        f"state {session_id} --json",
        f"export {session_id}",
        f"events {session_id} --json",
    ):
        assert terminal(*line.split(), *elsewhere) == terminal(*line.split())
