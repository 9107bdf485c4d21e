"""Rows of the log that hold what no event does, or that are gone: told, and never in the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support.calls import voice_call
from support.events import SESSION
from support.only import only

from eventstore import EventStore
from eventstore.cli.main import run as run_command
from eventstore.errors import DamagedError, ErasedError
from eventstore.store.database.transaction import Row, read, write
from eventstore.store.log.tombstones import tombstone_faults

FRAMES = [
    frame._replace(at=1_760_000_000_000_000 + n) for n, frame in enumerate(voice_call().frames)
]
OTHER = "sess_other"
#: Values that SQLite's columns take, and PostgreSQL's do not.
WRONG = {
    "frame": b"\xff\x00",
    "at": "soon",
    "audio": "text",
    "audio_offset": "far",
    "direction": "up",
}


def damage(store: EventStore, sql: str, values: Sequence[object] = ()) -> None:
    with write(store.engine) as tx:
        tx.run(sql, values)


def rows_of(store: EventStore) -> list[Row]:
    with read(store.engine) as tx:
        return tx.rows("SELECT response_id, resource FROM responses ORDER BY 1, 2")


def read_all(store: EventStore) -> None:
    for _ in store.events(SESSION):
        pass


def copied(store: EventStore) -> None:
    with EventStore("sqlite://") as target:
        only(store.copy(SESSION, target))


def sealed(store: EventStore) -> None:
    only(store.seal(SESSION))


@pytest.mark.parametrize("column", WRONG)
@pytest.mark.parametrize("use", [read_all, copied, sealed])
def test_a_value_of_another_kind_is_damage_that_names_its_event(
    database_url: str, column: str, use: Callable[[EventStore], None]
) -> None:
    if database_url.startswith("postgresql") and column != "direction":
        pytest.skip("its columns take no such value")
    with EventStore(database_url) as store:
        store.append(SESSION, FRAMES, close=True)
        with read(store.engine) as tx:
            ((seq,),) = tx.rows(
                "SELECT MIN(seq) FROM events WHERE session_id = ? AND audio IS NOT NULL", (SESSION,)
            )
        damage(
            store,
            f"UPDATE events SET {column} = ? WHERE session_id = ? AND seq = ?",
            (WRONG[column], SESSION, seq),
        )
        with pytest.raises(DamagedError, match=f"event {seq} is damaged: its .* is none that"):
            use(store)
        (problem,) = store.verify(SESSION).done[0].problems
        assert problem.first_seq == seq


@pytest.mark.parametrize("column", WRONG)
def test_a_session_with_such_a_value_is_erased(database_url: str, column: str) -> None:
    if database_url.startswith("postgresql") and column != "direction":
        pytest.skip("its columns take no such value")
    with EventStore(database_url) as store:
        store.append(SESSION, FRAMES)
        damage(store, f"UPDATE events SET {column} = ? WHERE seq = 5", (WRONG[column],))
        (erased,) = store.erase([SESSION]).done
        assert (erased.events, erased.sha256) == (len(FRAMES), bytes(32))
        with read(store.engine) as tx:
            assert tx.rows("SELECT COUNT(*) FROM events") == [(0,)]


@pytest.mark.parametrize("column", ["sha256", "previous_sha256"])
def test_a_session_whose_segments_row_is_damaged_is_erased(database_url: str, column: str) -> None:
    with EventStore(database_url) as store:
        store.append(SESSION, FRAMES, close=True)
        sealed(store)
        damage(store, f"UPDATE segments SET {column} = ?", (b"short",))
        (erased,) = store.erase([SESSION]).done
        assert (erased.events, erased.sha256) == (len(FRAMES), bytes(32))
        with read(store.engine) as tx:
            assert tx.rows("SELECT COUNT(*) FROM segments") == [(0,)]


@pytest.mark.parametrize(
    ("gone", "missing"),
    [
        ("DELETE FROM events WHERE session_id = ?", (1, len(FRAMES))),
        ("DELETE FROM events WHERE session_id = ? AND seq = 7", (7, 7)),
        ("DELETE FROM events WHERE session_id = ? AND seq > 9", (10, len(FRAMES))),
        ("DELETE FROM segments WHERE session_id = ?", (1, len(FRAMES))),
    ],
)
def test_a_rebuild_keeps_what_the_log_does_not_know_any_more(
    database_url: str, gone: str, missing: tuple[int, int]
) -> None:
    with EventStore(database_url) as store:
        for session_id in (SESSION, OTHER):
            store.append(session_id, FRAMES, close=True)
        if "segments" in gone:
            sealed(store)
        before = rows_of(store)
        damage(store, gone, (SESSION,))
        rebuilt = store.rebuild()
        assert [one.session_id for one in rebuilt.done] == [OTHER]
        (failure,) = rebuilt.failed
        assert isinstance(failure.error, DamagedError)
        assert (failure.error.first_seq, failure.error.last_seq) == missing
        assert rows_of(store) == before
        with pytest.raises(DamagedError):
            only(store.rebuild([SESSION]))


def test_a_session_that_was_never_projected_is_projected_as_far_as_it_is_there(
    database_url: str,
) -> None:
    with EventStore(database_url, projection="deferred") as store:
        store.append(SESSION, FRAMES)
        damage(store, "DELETE FROM events WHERE seq = 7")
        assert [done.seq for done in store.project().done] == [len(FRAMES)]


def test_what_is_only_said_to_be_erased_is_erased(database_url: str) -> None:
    with EventStore(database_url) as store:
        store.append(SESSION, FRAMES)
        damage(store, "UPDATE streams SET erased_at = 5")
        (erased,) = store.erase([SESSION]).done
        assert erased.events == len(FRAMES)
        with read(store.engine) as tx:
            assert tx.rows("SELECT COUNT(*) FROM events") == [(0,)]
            assert tx.rows("SELECT COUNT(*) FROM responses") == [(0,)]
            assert list(tombstone_faults(tx, SESSION)) == []
        assert store.erase([SESSION]).done == []


@pytest.mark.parametrize("is_sealed", [False, True])
@pytest.mark.parametrize("column", ["head_seq", "sealed_seq", "projected_seq", "closed_at"])
@pytest.mark.parametrize("value", ["x", b"\xff", 1.5, ""])
def test_a_stream_that_holds_no_number_is_a_problem_and_is_erased(
    tmp_path: Path, column: str, value: object, is_sealed: bool
) -> None:
    with EventStore(f"sqlite:///{tmp_path / 'calls.db'}") as store:
        for session_id in (SESSION, OTHER):
            store.append(session_id, FRAMES, close=True)
        if is_sealed:
            sealed(store)
        damage(store, f"UPDATE streams SET {column} = ? WHERE session_id = ?", (value, SESSION))
        assert store.verify(SESSION).done[0].problems != []
        with pytest.raises(DamagedError, match="no number"):
            only(store.repair(SESSION))
        assert len(store.sessions().data) == 2
        assert [done.session_id for done in store.erase([SESSION], vacuum=False).done] == [SESSION]
        with read(store.engine) as tx:
            assert tx.rows("SELECT DISTINCT session_id FROM events") == [(OTHER,)]


@pytest.mark.parametrize("value", ["x", b"\xff", 5.5])
def test_a_seq_that_is_no_number_is_a_problem_and_is_erased(tmp_path: Path, value: object) -> None:
    with EventStore(f"sqlite:///{tmp_path / 'calls.db'}") as store:
        store.append(SESSION, FRAMES, close=True)
        damage(store, "UPDATE events SET seq = ? WHERE seq = 5", (value,))
        assert store.verify(SESSION).done[0].problems != []
        assert [done.session_id for done in store.erase([SESSION], vacuum=False).done] == [SESSION]
        with read(store.engine) as tx:
            assert tx.rows("SELECT COUNT(*) FROM events") == [(0,)]


def test_one_odd_row_keeps_no_list_from_being_shown(tmp_path: Path) -> None:
    with EventStore(f"sqlite:///{tmp_path / 'calls.db'}") as store:
        for session_id in (SESSION, OTHER):
            store.append(session_id, FRAMES, close=True)
        store.erase(SESSION, audio_only=True, vacuum=False).raise_for_errors()
        damage(store, "UPDATE erasures SET at = 'x'")
        damage(store, "UPDATE streams SET last_at = 'x', erased_at = NULL")
        assert len(store.sessions().data) == 2
        damage(store, "UPDATE streams SET erased_at = 'x' WHERE session_id = ?", (SESSION,))
        with pytest.raises(ErasedError):
            read_all(store)


@pytest.mark.parametrize(("column", "value"), [("at", "soon"), ("audio_offset", "far")])
def test_a_state_of_odd_columns_is_damage_that_names_its_event(
    tmp_path: Path, column: str, value: str
) -> None:
    with EventStore(f"sqlite:///{tmp_path / 'calls.db'}") as store:
        store.append(SESSION, FRAMES)
        damage(store, f"UPDATE events SET {column} = ? WHERE seq = 3", (value,))
        with pytest.raises(DamagedError, match="event 3 is damaged"):
            store.state(SESSION, len(FRAMES))


def test_an_id_that_is_no_text_stops_no_other(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    with EventStore(url) as store:
        for session_id in (SESSION, OTHER):
            store.append(session_id, FRAMES, close=True)
        no_text = "UPDATE streams SET session_id = CAST(X'FF' AS TEXT) WHERE session_id = ?"
        damage(store, no_text, (SESSION,))
    for line in ("seal --all --dry-run", "rebuild --all", "seal --all", "verify --all"):
        run_command([*line.split(), "--db", url])
        assert "unforeseen" not in capfd.readouterr().err, line
    with EventStore(url) as store, read(store.engine) as tx:
        assert tx.rows("SELECT DISTINCT session_id FROM segments") == [(OTHER,)]
