"""Every column of the log that a reader uses is proved: by the digest, or made anew."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine
from support.calls import voice_call

from eventstore import EventStore
from eventstore.archive.erase_audio import erase_audio
from eventstore.archive.seal import seal_session
from eventstore.archive.segment_packing import segments_of_rows
from eventstore.archive.verifying.verify import verify_session
from eventstore.cli.main import run as run_command
from eventstore.errors import ErasedError, NotFoundError
from eventstore.segments import digest
from eventstore.segments.digest import BEGINNING
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import read, write
from eventstore.store.log.read_events import rows_in
from eventstore.store.log.tombstones import doubtful_tombstones
from eventstore.store.maintenance.orphans import sessions_without_stream
from eventstore.store.sessions.append import StateCache, append
from eventstore.store.sessions.erase_session import erase_session
from eventstore.store.sessions.put_segments import replace_segments

FRAMES = voice_call().frames


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of seven events, so that sessions have several."""
    monkeypatch.setattr(digest, "SEGMENT_EVENTS", 7)


@pytest.fixture
def written(engine: Engine) -> Engine:
    append(engine, StateCache(), "s", FRAMES, close=True)
    assert verify_session(engine, "s").problems == []
    return engine


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def change(engine: Engine, sql: str, *parameters: Any) -> None:
    with write(engine) as tx:
        assert tx.run(sql, parameters) > 0, sql


def seq_of(engine: Engine, condition: str) -> int:
    with read(engine) as tx:
        row = tx.row(f"SELECT MIN(seq) FROM events WHERE session_id = 's' AND {condition}")
    assert row is not None and row[0] is not None, condition
    return int(row[0])


@pytest.mark.parametrize(
    ("which", "to"),
    [
        ("load_key = ''", "load_key = NULL"),
        ("load_key = ''", "load_key = 'a[]'"),
        ("load_key IS NULL", "load_key = ''"),
        ("load_key LIKE 'a%'", "load_key = ''"),
        ("audio_bytes > 0", "audio_bytes = audio_bytes + 1"),
        ("audio_bytes > 0", "audio_bytes = NULL"),
        ("audio_bytes IS NULL", "audio_bytes = 5"),
        ("type = 'response.done'", "type = 'response.dome'"),
        ("audio_offset > 0", "audio = NULL"),
    ],
)
def test_a_changed_column_of_an_event_is_named(written: Engine, which: str, to: str) -> None:
    seq = seq_of(written, which)
    change(written, f"UPDATE events SET {to} WHERE session_id = 's' AND seq = ?", seq)
    found = verify_session(written, "s").problems
    assert seq in [problem.first_seq for problem in found], found


@pytest.mark.parametrize(
    "to",
    [
        "head_seq = head_seq + 1",
        "head_seq = head_seq - 1",
        "sealed_seq = 3",
        "last_at = last_at + 1",
        "last_at = NULL",
        "projected_seq = head_seq + 1",
    ],
)
@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_changed_column_of_a_stream_is_told(written: Engine, to: str, is_sealed: bool) -> None:
    if is_sealed:
        seal_session(written, "s")
        assert verify_session(written, "s").problems == []
    change(written, f"UPDATE streams SET {to}")
    assert verify_session(written, "s").problems != []


@pytest.mark.parametrize(
    "to",
    [
        "first_at = first_at + 1",
        "first_at = NULL",
        "least_at = least_at - 1",
        "least_at = NULL",
        "frame_bytes = frame_bytes + 1",
        "first_seq = first_seq + 1",
        "last_seq = last_seq - 1",
    ],
)
def test_a_changed_column_of_a_segment_is_told(written: Engine, to: str) -> None:
    seal_session(written, "s")
    change(written, f"UPDATE segments SET {to} WHERE first_seq = 8")
    problems = verify_session(written, "s").problems
    assert any(problem.last_seq >= 8 and problem.first_seq <= 15 for problem in problems), problems


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("frame_bytes", "x"),
        ("first_at", "x"),
        ("sha256", "x"),
        ("sha256", b"x"),
        ("data", "x"),
        ("data", 7),
        ("data", b"x"),
        ("previous_sha256", 1.5),
        ("last_seq", 2**60),
        ("frame_bytes", -1),
    ],
)
def test_what_no_segments_row_holds_is_a_problem_and_no_more(
    written: Engine, column: str, value: Any
) -> None:
    seal_session(written, "s")
    if written.dialect.name != "sqlite" and not (
        type(value) is bytes or (type(value) is int and column != "data")
    ):
        pytest.skip("PostgreSQL's columns hold what they are declared to hold")
    change(written, f"UPDATE segments SET {column} = ? WHERE first_seq = 8", value)
    assert verify_session(written, "s").problems != []


def test_the_type_of_a_sealed_event_is_proved(written: Engine) -> None:
    """A segment packed anew, with another type, has the digest that it had."""
    seal_session(written, "s")
    kept = verify_session(written, "s").segments
    with write(written) as tx:
        rows = list(rows_in(tx, "s", 1, len(FRAMES)))
        done = next(row for row in rows if row.type == "response.done")
        rows[done.seq - 1] = done._replace(type="response.dome")
        replace_segments(tx, "s", 1, list(segments_of_rows("s", rows, 1, len(rows), BEGINNING)))
    found = verify_session(written, "s", kept)
    assert [(one.first_seq, one.last_seq) for one in found.problems] == [(done.seq, done.seq)]
    assert "its type is response.done, and the log says response.dome" in found.problems[0].problem
    assert found.segments == kept


def test_audio_that_is_gone_without_an_erasure_is_told(written: Engine) -> None:
    seq = seq_of(written, "audio_bytes > 0")
    change(written, "UPDATE events SET audio = ? WHERE seq = ?", b"", seq)
    assert "no erasure was noted" in verify_session(written, "s").problems[0].problem


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE streams SET erased_at = 5", "no such erasure was noted"),
        (
            "INSERT INTO erasures (session_id, at, what, events, sha256)"
            " SELECT session_id, 5, 'session', head_seq, previous_sha256 FROM"
            " (SELECT s.session_id, head_seq, previous_sha256 FROM streams s JOIN segments g"
            " ON g.session_id = s.session_id WHERE first_seq = 1) x",
            "and it is there",
        ),
    ],
)
def test_a_tombstone_that_was_set_by_hand_is_told(written: Engine, sql: str, said: str) -> None:
    seal_session(written, "s")
    change(written, sql)
    assert said in " ".join(problem.problem for problem in verify_session(written, "s").problems)
    assert run_command(["verify", "--all", "--db", url_of(written)]) == 1


def test_what_was_erased_is_erased(written: Engine) -> None:
    append(written, StateCache(), "other", FRAMES[:3])
    erase_session(written, "other")
    assert list(doubtful_tombstones(written)) == []
    with pytest.raises(ErasedError):
        verify_session(written, "other")
    change(written, "UPDATE erasures SET events = events + 1")
    assert list(doubtful_tombstones(written)) == ["other"]
    assert verify_session(written, "other").problems != []


def test_audio_that_was_erased_is_whole(database_url: str) -> None:
    with EventStore(database_url) as store:
        store.append("s", FRAMES, close=True)
        store.append("t", FRAMES, close=True)
        store.seal(["t"])
        store.erase(["s", "t"], audio_only=True, vacuum=False).raise_for_errors()
        assert [store.verify(name).done[0].problems for name in "st"] == [[], []]


@pytest.mark.parametrize("table", ["streams", "usage"])
def test_rows_without_a_stream_are_told(written: Engine, table: str) -> None:
    """Lists and sums would show them."""
    append(written, StateCache(), "other", FRAMES, close=True)
    gone = "s" if table == "streams" else "planted"
    if table == "streams":
        change(written, "DELETE FROM streams WHERE session_id = 's'")
    else:
        rest = ", ".join(c.name for c in tables.usage.columns if c.name != "session_id")
        planted = f"SELECT 'planted', {rest} FROM usage WHERE session_id = 'other'"
        change(written, f"INSERT INTO usage (session_id, {rest}) {planted}")
    (found,) = verify_session(written, gone).problems
    assert "its stream is missing, and there are rows of it in " in found.problem
    assert sessions_without_stream(written) == [gone]
    assert run_command(["verify", "--all", "--db", url_of(written)]) == 1
    with pytest.raises(NotFoundError):
        verify_session(written, "nowhere")


@pytest.mark.parametrize(
    "to", ["events = events + 1", "events = -1", "reason = 'a' || CHR(27) || 'b'", "sha256 = ?"]
)
def test_what_no_erasure_notes_is_told(written: Engine, to: str) -> None:
    erase_audio(written, "s")
    assert verify_session(written, "s").problems == []
    if written.dialect.name == "sqlite":
        to = to.replace("CHR", "CHAR")
    change(written, f"UPDATE erasures SET {to}", *([b"short"] if "?" in to else []))
    assert "nothing that an erasure notes" in verify_session(written, "s").problems[0].problem
