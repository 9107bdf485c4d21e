"""Commands that work on many sessions go on behind one that fails, tell it, and exit with 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support.calls import beta_tool_call, voice_call
from support.poison import poison
from support.terminal import Terminal

from eventstore import EventStore
from eventstore.errors import SomeFailedError

BAD = "b"


@pytest.fixture
def three(store: EventStore) -> EventStore:
    """Sealed calls a, b and c, of which b cannot be read."""
    for name, call in (("a", voice_call), ("b", voice_call), ("c", beta_tool_call)):
        store.append(name, call().frames, close=True)
    store.seal(["a", "c"])
    poison(store, BAD)
    return store


def told(terminal: Terminal, *arguments: str) -> Any:
    """What a command printed as JSON that failed for one session."""
    output = terminal(*arguments, "--json")
    assert output.code == 1
    (error,) = [line for line in output.err.splitlines() if line.startswith("Error: ")]
    assert BAD in error and "Traceback" not in output.err
    found = json.loads(output.out)
    assert [e["session_id"] for e in found["errors"]] == [BAD]
    return found


def test_unseal_goes_on(terminal: Terminal, three: EventStore) -> None:
    found = told(terminal, "unseal", "a", BAD, "c")
    assert [e["session_id"] for e in found["data"]] == ["a", "c"]


def test_copy_and_offload_go_on(terminal: Terminal, three: EventStore, tmp_path: Path) -> None:
    found = told(terminal, "copy", "--all", "--to", f"sqlite:///{tmp_path / 'other.db'}")
    assert [e["session_id"] for e in found["data"]] == ["a", "c"]
    with three.engine.begin() as connection:
        gone = "UPDATE segments SET data = NULL, location = 'file:///x' WHERE session_id = 'b'"
        connection.execute(text(gone))
    found = told(terminal, "offload", "--all", "--to", str(tmp_path / "outside"))
    assert [e["session_id"] for e in found["data"]] == ["a", "c"]


def test_verify_goes_on_behind_what_was_erased_since(
    terminal: Terminal, three: EventStore, tmp_path: Path
) -> None:
    poison(three, BAD, mend=True)
    digests = str(tmp_path / "digests.jsonl")
    assert terminal("verify", "--all", "--write", digests).code == 0
    three.erase("a", vacuum=False).raise_for_errors()
    output = terminal("verify", "--against", digests, "--json")
    assert output.code == 1
    found = json.loads(output.out)
    assert [e["session_id"] for e in found["data"]] == ["b", "c"]
    assert [e["session_id"] for e in found["errors"]] == ["a"]
    assert "was erased on" in found["errors"][0]["error"]


@pytest.mark.parametrize("format_", ["jsonl", "chat", "otel"])
def test_export_leaves_out_whole_what_cannot_be_read(
    terminal: Terminal, three: EventStore, tmp_path: Path, format_: str
) -> None:
    out = tmp_path / "out"
    output = terminal("export", "--all", "--format", format_, "-o", str(out))
    assert output.code == 1 and out.exists()
    assert sum(line.startswith("Error: session b") for line in output.err.splitlines()) == 1
    if format_ == "jsonl":
        with EventStore(f"sqlite:///{tmp_path / 'again.db'}") as again:
            again.import_file(out)
            assert {s["eventstore"]["events"] for s in again.sessions().data} == {
                three.last_seq("a"),
                three.last_seq("c"),
            }


def test_erasing_several_goes_on(three: EventStore) -> None:
    with pytest.raises(SomeFailedError) as failed:
        three.erase(["a", "nowhere", "c"], vacuum=False).raise_for_errors()
    assert [failure.name for failure in failed.value.failures] == ["nowhere"]
    assert set(three.stream_ids()) == {BAD}


@pytest.mark.parametrize("format_", ["jsonl", "chat", "otel", "parquet"])
def test_export_of_named_sessions_goes_on_behind_one_that_was_erased(
    terminal: Terminal, three: EventStore, tmp_path: Path, format_: str
) -> None:
    three.erase(BAD, vacuum=False).raise_for_errors()
    out = tmp_path / "out"
    output = terminal("export", "a", BAD, "c", "--format", format_, "-o", str(out))
    assert output.code == 1 and out.exists()
    errors = [line for line in output.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1 and "session b was erased" in errors[0]
    if format_ == "jsonl":
        assert out.read_bytes() == b"".join((*three.export("a"), *three.export("c")))
    terminal("export", BAD, "-o", str(tmp_path / "none")).error()
    assert not (tmp_path / "none").exists()


def test_an_import_goes_on_behind_a_session_that_was_erased(
    terminal: Terminal, three: EventStore, tmp_path: Path
) -> None:
    poison(three, BAD, mend=True)
    file = tmp_path / "three.jsonl"
    file.write_bytes(b"".join(line for name in "abc" for line in three.export(name)))
    three.erase(BAD, vacuum=False).raise_for_errors()
    with EventStore(f"sqlite:///{tmp_path / 'again.db'}") as again:
        again.append(BAD, voice_call().frames)
        again.erase(BAD, vacuum=False).raise_for_errors()
    output = terminal("import", str(file), "--json", "--db", f"sqlite:///{tmp_path / 'again.db'}")
    assert output.code == 1
    found = json.loads(output.out)
    assert [entry["session_id"] for entry in found["data"]] == ["a", "c"]
    ((name, error),) = [(entry["file"], entry["error"]) for entry in found["errors"]]
    assert name == str(file) and "session b was erased" in error
    words = terminal("import", str(file), "--db", f"sqlite:///{tmp_path / 'again.db'}")
    assert words.out.splitlines()[-1] == "0 of 1 files imported, 1 failed."
