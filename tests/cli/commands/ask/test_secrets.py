"""Secrets in frames are in nothing that a command hands on, and in raw events exactly."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.planted import planted_call
from support.recordings import folder
from support.terminal import Terminal

from eventstore import EventStore
from eventstore.realtime.masking.secret_names import REMOVED

SECRETS = st.text(string.ascii_letters + string.digits, min_size=12).map(lambda s: f"q7Z{s[:40]}")
HANDED_ON = (
    "state {0}", "state {0} --json", "state {0} --at +0.01 --json", "state {0} --follow",
    "state {0} --follow --json", "sessions", "sessions --json", "sessions --summary --json",
    "sessions --text key --json", "responses", "responses --json", "responses --text key --json",
    "responses --dialect ga --json", "response resp_1 --session {0}",
    "response resp_1 --session {0} --json", "usage --by metadata:token --json",
    "usage --by metadata:note", "latency --by metadata:note --json", "replay {0} --instant",
    "replay {0} --json", "reseed {0}", "reseed {0} --json", "reseed {0} --dialect beta",
    "export {0} --format chat", "export {0} --format html", "export {0} --format otel --content",
)  # fmt: skip


def test_a_secret_is_in_nothing_that_is_handed_on(terminal: Terminal, store: EventStore) -> None:
    numbers = iter(range(10**6))

    @given(SECRETS)
    @examples(2)
    def check(secret: str) -> None:
        session_id = f"sess_{next(numbers)}"
        store.append(session_id, planted_call(secret).frames, close=True)
        for line in HANDED_ON:
            told = terminal(*line.format(session_id).split())
            assert told.code == 0, (line, told)
            assert secret not in told.out + told.err, line
        raw = terminal("export", session_id).out
        assert raw == b"".join(store.export(session_id)).decode()
        assert raw.count(secret) > 60
        assert secret in terminal("events", session_id, "--json").out

    check()


def test_parquet_has_no_secrets(store: EventStore, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from eventstore.exports.parquet.write_parquet import write_parquet

    secret = "q7ZplantedSecret123"
    store.append("sess_1", planted_call(secret).frames, close=True)
    write_parquet(store, ["sess_1"], tmp_path)
    told = [str(parquet.read_table(file).to_pylist()) for file in tmp_path.glob("*.parquet")]
    assert len(told) == 5 and REMOVED in "".join(told)
    assert secret not in "".join(told)


def test_a_reseed_asks_for_what_it_does_not_send(terminal: Terminal, store: EventStore) -> None:
    tools = [
        {"type": "mcp", "server_label": "kept", "server_url": "https://a.test/sse"},
        {"type": "mcp", "server_label": "gone", "server_url": "https://a.test/sse?key=abc"},
    ]
    call = planted_call("q7ZplantedSecret123")
    call.server("session.updated", session={"tools": tools})
    call.client("session.update", session={"tools": [{**tools[0], "authorization": "abc123"}]})
    store.append("sess_1", call.frames)
    made = store.reseed("sess_1")
    sent = made.events[0]["session"]["tools"]
    assert [tool["server_label"] for tool in sent] == ["kept"] and "abc" not in str(made)
    asked = [entry["reason"] for entry in made.skipped if entry["item_id"] is None]
    assert any("gone" in reason for reason in asked) and any("kept" in reason for reason in asked)
    assert any("masked" in (entry["reason"] or "") for entry in made.skipped if entry["item_id"])


def test_mcp_calls(terminal: Terminal, store: EventStore) -> None:
    case = folder().with_name("cases") / "mcp_calls.jsonl"
    if not case.is_file():
        pytest.skip(f"no case {case}")
    assert terminal("import", str(case)).code == 0
    secrets = ("tok_should_be_hidden", "tok_secret_123", "k_secret_456", "key=abc")
    for line in HANDED_ON:
        told = terminal(*line.format("sess_mcp_calls").split())
        assert not any(secret in told.out + told.err for secret in secrets), line
    raw = terminal("export", "sess_mcp_calls").out
    assert all(secret in raw for secret in secrets)


def test_an_import_says_how_many_secrets_it_took_out(terminal: Terminal, tmp_path: Path) -> None:
    frames = planted_call("q7ZplantedSecret123").frames
    with EventStore(f"sqlite:///{tmp_path}/other.db") as other:
        other.append("sess_1", frames)
        (tmp_path / "call.jsonl").write_bytes(b"".join(other.export("sess_1")))
    file = str(tmp_path / "call.jsonl")
    assert terminal("import", file, "--redact", "--json").json["data"][0]["redacted"] > 60
    told = terminal("import", file, "--redact", "--session-id", "again").out
    assert "secrets taken out" in " ".join(told.split())
    assert "q7Zplanted" not in terminal("export", "again").out
