"""Integration: secrets of GPT-Live sessions are in nothing that a command hands on."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.planted_live import planted_live_call
from support.terminal import Terminal

from eventstore import EventStore
from eventstore.realtime.masking.secret_names import REMOVED

SECRET = "q7ZplantedSecret123"
HANDED_ON = (
    "state live", "state live --json", "state live --at +0.02 --json", "state live --follow",
    "state live --follow --json", "sessions", "sessions --json", "sessions --summary --json",
    "sessions --text key --json", "responses", "responses --json", "responses --text key --json",
    "responses --dialect ga --json", "response resp_1 --session live",
    "response resp_1 --session live --json", "usage --by metadata:token --json",
    "usage --by metadata:note", "latency --by metadata:note --json", "replay live --instant",
    "replay live --json", "reseed live", "reseed live --json", "reseed live --to realtime",
    "reseed live --to realtime --dialect beta --json", "export live --format chat",
    "export live --format html", "export live --format otel --content",
)  # fmt: skip


@pytest.fixture
def planted(store: EventStore) -> EventStore:
    store.append("live", planted_live_call(SECRET).frames, close=True)
    return store


@pytest.mark.parametrize("line", HANDED_ON)
def test_a_secret_is_in_nothing_that_is_handed_on(
    terminal: Terminal, planted: EventStore, line: str
) -> None:
    told = terminal(*line.split())
    assert told.code == 0, told
    assert SECRET not in told.out + told.err


def test_raw_events_have_what_was_sent(terminal: Terminal, planted: EventStore) -> None:
    raw = terminal("export", "live").out
    assert raw == b"".join(planted.export("live")).decode()
    assert raw.count(SECRET) > 60


def test_parquet_has_no_secrets_of_live_sessions(planted: EventStore, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from eventstore.exports.parquet.write_parquet import write_parquet

    write_parquet(planted, ["live"], tmp_path)
    told = [str(parquet.read_table(file).to_pylist()) for file in tmp_path.glob("*.parquet")]
    assert len(told) >= 3 and REMOVED in "".join(told)
    assert SECRET not in "".join(told)


def test_an_import_takes_the_secrets_of_a_live_session_out(
    terminal: Terminal, planted: EventStore, tmp_path: Path
) -> None:
    (tmp_path / "live.jsonl").write_bytes(b"".join(planted.export("live")))
    line = ("import", str(tmp_path / "live.jsonl"), "--redact", "--session-id", "again", "--json")
    assert terminal(*line).json["data"][0]["redacted"] > 40
    assert SECRET not in terminal("export", "again").out


def test_a_live_reseed_asks_for_what_it_does_not_send(planted: EventStore) -> None:
    made = planted.reseed("live")
    tools = made.events[0]["session"]["delegation"]["responses"]["tools"]
    assert [tool["type"] for tool in tools] == ["mcp", "shell"]
    assert "safety_identifier" not in made.events[0]["session"]
    asked = [str(entry["reason"]) for entry in made.skipped if entry["item_id"] is None]
    assert any("docs" in reason for reason in asked) and any("mail" in reason for reason in asked)
    assert any("masked" in reason for reason in asked)
