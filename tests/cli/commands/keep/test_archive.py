"""`archive`, `unseal` and `verify` as people use them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.terminal import Terminal

from eventstore import EventStore
from eventstore.realtime.frames import CLIENT, Frame
from eventstore.store.database.transaction import read, write

FRAMES = [Frame(CLIENT, f'{{"type":"ping","n":{n}}}', 10**15 + n) for n in range(30)]


@pytest.fixture
def filled(store: EventStore, terminal: Terminal) -> Terminal:
    for name, customer in (("a", "42"), ("b", "7"), ("open", "42")):
        store.append(name, FRAMES, close=name != "open")
        store.set_metadata(name, {"customer": customer})
    return terminal


def damage(store: EventStore, session_id: str) -> None:
    with write(store.engine) as tx:
        tx.run("UPDATE segments SET sha256 = ? WHERE session_id = ?", (bytes(32), session_id))


def test_sessions_are_sealed_and_unsealed(filled: Terminal, store: EventStore) -> None:
    before = [list(store.events(name)) for name in "ab"]
    out = filled("seal", "a", "--json").json
    (entry,) = out["data"]
    assert (entry["session_id"], entry["events"]) == ("a", 31)
    assert entry["packed_bytes"] > 0
    assert len(entry["sha256"]) == 64
    assert out["errors"] == []
    out = filled("seal", "--all", "--workers", "2", "--json").json
    assert [(entry["session_id"], entry["events"]) for entry in out["data"]] == [
        ("a", 0),
        ("b", 31),
    ]
    assert [list(store.events(name)) for name in "ab"] == before
    assert filled("unseal", "a", "b").out == "Unsealed 2 sessions with 62 events.\n"
    assert [list(store.events(name)) for name in "ab"] == before


def test_sessions_are_chosen_by_age_and_metadata(filled: Terminal) -> None:
    def chosen(*arguments: str) -> list[str]:
        data = filled("seal", "--dry-run", "--json", *arguments).json["data"]
        return [entry["session_id"] for entry in data]

    assert chosen("--all") == ["a", "b"]
    assert chosen("--metadata", "customer=42") == ["a"]
    assert chosen("--older-than", "7d") == ["a", "b"]
    assert chosen("--older-than", "2000w") == []
    assert chosen("--since", "1e9") == chosen("--all")
    assert chosen("--until", "1e9") == []
    assert "nothing was changed" in filled("seal", "--all", "--dry-run").err


def test_the_status_says_how_many_sessions_are_sealed(filled: Terminal, store: EventStore) -> None:
    def sealed() -> int:
        found: int = filled("status", "--json").json["sealed_sessions"]
        return found

    assert sealed() == 0
    assert "sealed     0 sessions\n" in filled("status").out
    filled("seal", "--all")
    assert sealed() == 2
    assert "sealed     2 sessions\n" in filled("status").out
    store.append("a", FRAMES[:1])
    assert sealed() == 1
    filled("erase", "b", "--yes")
    assert sealed() == 0


def test_what_cannot_be_sealed_stops_no_other(filled: Terminal) -> None:
    output = filled("seal", "open", "a")
    assert output.code == 1
    assert "Sealed 1 session with 31 events" in output.out
    assert "open is open" in output.err
    assert filled("seal", "nowhere").code == 1
    for wrong in ((), ("a", "--all"), ("--all", "--older-than", "7d"), ("--older-than", "soon")):
        assert filled("seal", *wrong).error(2)


def test_vacuum_gives_the_space_back(filled: Terminal, store: EventStore) -> None:
    store.append("long", [Frame(CLIENT, "x" * 10_000)] * 500, close=True)
    filled("seal", "long", "--vacuum")
    if store.engine.url.database and store.engine.dialect.name == "sqlite":
        assert Path(store.engine.url.database).stat().st_size < 2_000_000
    assert len(list(store.events("long"))) == 500


def test_a_vacuum_does_not_wait_for_ever(
    filled: Terminal, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite waits with a limit of its own")
    monkeypatch.setattr("eventstore.store.maintenance.vacuum_postgresql.LOCK_WAIT", 0.1)
    monkeypatch.setattr("eventstore.store.maintenance.scrub_nodes.LOCK_WAIT", "100ms")
    with read(store.engine) as tx:
        tx.rows("SELECT COUNT(*) FROM events")
        told = filled("seal", "a", "--vacuum")
        assert told.code == 1
        assert "uses the table events; run the same command again" in told.err or "lock" in told.err
    assert filled("seal", "a", "--vacuum").code == 0


def test_digests_prove_sessions_here_and_elsewhere(
    filled: Terminal, store: EventStore, tmp_path: Path
) -> None:
    kept = tmp_path / "digests.jsonl"
    output = filled("verify", "--all", "--write", str(kept))
    assert output.out.startswith("3 sessions verified.\n3 sessions not sealed")
    filled("seal", "a")
    output = filled("verify", "--against", str(kept))
    assert output.out == "3 sessions verified.\n"
    found = filled("verify", "a", "b", "--json").json["data"]
    assert [(one["ok"], one["events"], one["proved_events"]) for one in found] == [
        (True, 31, 31),
        (True, 31, 0),
    ]
    with write(store.engine) as tx:
        tx.run("UPDATE events SET frame = ? WHERE session_id = ? AND seq = 3", ("{}", "b"))
    output = filled("verify", "--against", str(kept))
    assert output.code == 1
    assert "b: events 1 to 31: the frames are not those" in output.out
    assert "2 sessions verified." in output.out


def test_damage_and_missing_sessions_are_named(
    filled: Terminal, store: EventStore, tmp_path: Path
) -> None:
    kept = tmp_path / "digests.jsonl"
    filled("seal", "a")
    filled("verify", "--all", "--write", str(kept))
    damage(store, "a")
    output = filled("verify", "a", "--json")
    assert output.code == 1
    assert '"ok":false' in output.out
    kept.write_text(kept.read_text() + '{"session_id":"gone","segments":[]}\n')
    output = filled("verify", "--against", str(kept))
    assert output.code == 1
    assert "gone: no session gone" in output.out
    assert filled("verify", "nowhere").code == 1
    kept.write_text("{}\n")
    assert "line 1" in filled("verify", "--against", str(kept)).error(2)
    assert filled("verify").code == 2
