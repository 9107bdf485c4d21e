"""Integration: a session that was erased is gone for everybody, and nothing comes back to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from support.calls import SAMPLE_STREAMS, SHORT_STREAMS, beta_tool_call, voice_call
from support.erased_rows import OF_SESSIONS, counts, digest, whole
from support.events import Call
from support.examples import examples
from support.only import only
from support.recorder_calls import created, wait_until
from support.secret_call import secret_call
from support.strategies import mutated

from eventstore import EventStore, Recorder
from eventstore.archive.erase import erase_one
from eventstore.archive.seal import seal_session, unseal_session
from eventstore.errors import (
    ConflictError,
    DamagedError,
    ErasedError,
    EventStoreError,
    InvalidInputError,
    NotFoundError,
)
from eventstore.feed.webhooks.dead_letters import note_dead_letter
from eventstore.realtime.frames import CLIENT, SERVER, Frame
from eventstore.segments.digest import BEGINNING, Digest
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import read, write
from eventstore.store.log.follow import follow_events
from eventstore.store.log.read_events import read_events, read_rows
from eventstore.store.readmodels.states.state_cache import StateCache
from eventstore.store.sessions.append import append
from eventstore.store.sessions.append_arguments import Append
from eventstore.store.sessions.delete_rows import TABLES
from eventstore.store.sessions.erase_session import erase_session
from eventstore.store.sessions.project_session import project_together
from eventstore.store.sessions.projection_failures import note_projection_failure
from eventstore.store.sessions.put_segments import put_segments

MORE = Frame(CLIENT, '{"type":"response.create"}')
_numbers = itertools.count(1)


@pytest.fixture
def erased(store: EventStore) -> EventStore:
    """A store with a call that was erased, and one that was not."""
    store.append("gone", secret_call("gone").frames, close=True)
    store.append("kept", secret_call("kept").frames, close=True)
    (done,) = store.erase("gone", reason="asked for it").done
    assert (done.session_id, done.what, done.responses) == ("gone", "session", 1)
    return store


def test_nothing_is_left_but_the_numbers_and_a_tombstone(erased: EventStore) -> None:
    assert counts(erased.engine, "gone") == {"streams": 1, "erasures": 1}
    events = len(secret_call("gone").frames)
    with read(erased.engine) as tx:
        ((head, closed_at, erased_at, projected, sealed),) = tx.rows(
            "SELECT head_seq, closed_at, erased_at, projected_seq, sealed_seq FROM streams"
            " WHERE session_id = 'gone'"
        )
        ((what, at, reason, noted),) = tx.rows("SELECT what, at, reason, events FROM erasures")
    assert (head, projected, sealed) == (events, events, None)
    assert closed_at is not None and erased_at == at
    assert (what, reason, noted) == ("session", "asked for it", events)


def reads(store: EventStore) -> list[Callable[[], Any]]:
    """Every way to read a session by its id."""
    engine = store.engine
    return [
        lambda: list(store.events("gone")),
        lambda: list(store.export("gone")),
        lambda: list(store.replay("gone")),
        lambda: list(store.follow("gone")),
        lambda: list(follow_events(engine, "gone", ["x"], lambda: False, lambda error: None)),
        lambda: list(read_rows(engine, "gone", 1, 5)),
        lambda: store.state("gone"),
        lambda: store.session("gone"),
        lambda: store.reseed("gone"),
        lambda: store.last_seq("gone"),
        lambda: only(store.rebuild(["gone"])),
        lambda: seal_session(engine, "gone"),
        lambda: unseal_session(engine, "gone"),
        lambda: only(store.erase("gone", audio_only=True)),
    ]


def test_reading_it_says_when_and_why_it_was_erased(erased: EventStore) -> None:
    for reading in reads(erased):
        with pytest.raises(ErasedError, match=r"session gone was erased on 20..-..-.. \(asked for"):
            reading()


def test_it_is_in_no_list_and_in_no_sum(erased: EventStore) -> None:
    (listed,) = erased.sessions(limit=100).data
    assert listed["id"] == "kept"
    assert {r["eventstore"]["session_id"] for r in erased.responses().data} == {"kept"}
    assert erased.responses(text="quuxgonesaidzanzibar").data == []
    assert len(erased.responses(text="quuxkeptsaidzanzibar").data) == 1
    assert [line["key"] for line in erased.usage(by="session")["data"]] == ["kept"]
    assert [done.session_id for done in erased.rebuild().done] == ["kept"]
    assert list(project_together(erased.engine, ["gone"], only_stale=True)) == [("gone", None)]
    status = erased.status()
    assert (status["sessions"], status["events"]) == (1, len(secret_call("kept").frames))
    assert (status["erased_sessions"], status["erased_audio"], status["behind"]) == (1, 0, 0)
    with pytest.raises(NotFoundError):
        erased.response("resp_1", session="gone")


def test_a_newer_projector_leaves_it_alone(erased: EventStore) -> None:
    with erased.engine.begin() as connection:
        connection.execute(tables.streams.update().values(projector_version=0))
    assert erased.status()["behind"] == 1
    assert [done.session_id for done in erased.project().done] == ["kept"]


def appends(store: EventStore, head: int) -> list[Callable[[], Any]]:
    """Every way to append, also of those that know the head."""
    engine, cache = store.engine, StateCache()
    many = [MORE] * 20
    return [
        lambda: store.append("gone", [MORE]),
        lambda: store.append("gone", many, expected_seq=head),
        lambda: store.append("gone", [MORE], expected_seq=head),
        lambda: store.append("gone", [MORE], expected_seq=0),
        lambda: store.append("gone", iter(many), close=True),
        lambda: store.append_together([Append("gone", [MORE], head), Append("kept", [MORE])]),
        lambda: append(engine, None, "gone", [MORE], head),
        lambda: append(engine, cache, "gone", [MORE], head),
        lambda: store.set_metadata("gone", {"a": "b"}),
    ]


def test_nothing_is_appended_to_it(erased: EventStore) -> None:
    head = len(secret_call("gone").frames)
    before = list(erased.events("kept"))
    for appending in appends(erased, head):
        with pytest.raises(ErasedError, match="take another session id"):
            appending()
    assert counts(erased.engine, "gone") == {"streams": 1, "erasures": 1}
    assert list(erased.events("kept")) == before


def test_a_process_that_has_its_state_at_hand_cannot_append(
    store: EventStore, database_url: str
) -> None:
    store.append("gone", voice_call().frames[:20])
    deferred = EventStore(database_url, projection="deferred")
    with EventStore(database_url) as other, deferred:
        head = other.append("gone", [MORE]).last_seq
        head = other.append("gone", [MORE], expected_seq=head).last_seq
        store.erase("gone").raise_for_errors()
        for frames in ([MORE], [MORE] * 20):
            for writer in (other, deferred):
                with pytest.raises(ErasedError):
                    writer.append("gone", frames)
                with pytest.raises(ErasedError):
                    writer.append("gone", frames, expected_seq=head)
        assert other.project().done == []
    assert counts(store.engine, "gone") == {"streams": 1, "erasures": 1}


def test_erasing_it_again_changes_nothing(erased: EventStore) -> None:
    assert erased.erase(["gone"], reason="again").done == []
    with read(erased.engine) as tx:
        assert tx.rows("SELECT reason FROM erasures") == [("asked for it",)]
    with pytest.raises(NotFoundError):
        only(erased.erase("nowhere"))


@pytest.mark.parametrize("reason", ["", "two\nlines", "\0", "x" * 501])
def test_a_reason_is_one_line(store: EventStore, reason: str) -> None:
    store.append("a", [MORE])
    with pytest.raises(InvalidInputError, match="one line"):
        only(store.erase("a", reason=reason))
    assert store.last_seq("a") == 1


# The digest


def chain(store: EventStore, session_id: str, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A session's digest by its frames, as segments/digest.py says."""
    value, current = BEGINNING, Digest(BEGINNING)
    for row in read_rows(store.engine, session_id, 1, store.last_seq(session_id)):
        current.add(row)
        if current.is_full():
            value, current = current.value(), Digest(current.value())
    return current.value() if current.events else value


@pytest.mark.parametrize("events", [0, 20, 27, 60])
def test_the_tombstone_has_the_digest_that_it_had(
    store: EventStore, events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sealed to nowhere, to a full segment, within one, and to its end."""
    monkeypatch.setattr("eventstore.segments.digest.SEGMENT_EVENTS", 10)
    frames = voice_call().frames[:60]
    if events:
        store.append("a", frames[:events], close=True)
        seal_session(store.engine, "a")
    store.append("a", frames[events:])
    expected = chain(store, "a", monkeypatch)
    assert digest(store.engine, "a") == expected
    (done,) = store.erase("a").done
    assert done.sha256 == expected
    assert (done.sha256 == BEGINNING) == (not frames)


def test_a_session_that_cannot_be_read_can_be_erased(store: EventStore) -> None:
    for name in ("sealed", "rows"):
        store.append(name, voice_call().frames, close=True)
    seal_session(store.engine, "sealed")
    store.append("sealed", [MORE])
    with store.engine.begin() as connection:
        connection.execute(tables.segments.update().values(data=b"damaged"))
        connection.execute(
            tables.events.update().where(tables.events.c.session_id == "rows").values(audio=None)
        )
    assert [done.sha256 for done in store.erase(["sealed", "rows"]).done] == [BEGINNING] * 2
    assert counts(store.engine, "sealed") == {"streams": 1, "erasures": 1}


# Beside others


def test_who_reads_it_meanwhile_is_told(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventstore.store.log.read_events.PIECE_BYTES", 1)
    store.append("a", voice_call().frames)
    reading = read_events(store.engine, "a", 1, store.last_seq("a"))
    assert next(reading).seq == 1
    store.erase("a").raise_for_errors()
    with pytest.raises(ErasedError):
        list(reading)


@pytest.mark.parametrize("audio_only", [False, True])
def test_what_was_read_to_seal_it_does_not_come_back(store: EventStore, audio_only: bool) -> None:
    store.append("a", voice_call().frames, close=True)
    erase_one(store.engine, "a", audio_only)
    with pytest.raises((ErasedError, ConflictError)):
        put_segments(store.engine, "a", 0, 0, 1, 1, [])


def test_a_recording_is_not_imported_again(
    store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("a", voice_call().frames, close=True)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(store.export("a")))
    store.erase("a", reason="asked for it").raise_for_errors()
    with pytest.raises(ErasedError, match=r"\(asked for it\); .*--session-id"):
        store.import_file(path)
    with pytest.raises(ErasedError, match="--session-id"):
        store.import_file(path, session_id="a")
    (imported,) = store.import_file(path, session_id="b")
    assert imported.events == len(voice_call().frames)


def test_a_recorder_goes_on_when_one_of_its_sessions_is_erased(
    store: EventStore, tmp_path: Path
) -> None:
    with Recorder(store, tmp_path / "spool") as recorder:
        sessions = [recorder.session(session_id=name) for name in ("gone", "kept")]
        for session in sessions:
            session.record(SERVER, created("x"))
            session.committed().result(20)
        store.erase("gone").raise_for_errors()
        for number in range(50):
            for session in sessions:
                session.record(CLIENT, f'{{"type":"number {number}"}}')
        sessions[1].committed().result(20)
        refused = sessions[0].committed()
        assert refused.exception(20) is not None
        wait_until(lambda: recorder.trouble is None)
        for session in sessions:
            session.close("client")
        again = recorder.session(session_id="gone")
        again.record(CLIENT, "more")
        assert again.committed().exception(20) is not None
    assert counts(store.engine, "gone") == {"streams": 1, "erasures": 1}
    came = [e.text for e in store.events("kept") if e.direction == CLIENT]
    assert came == [f'{{"type":"number {number}"}}' for number in range(50)]
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_is_spooled_for_an_erased_session_is_let_go(store: EventStore, tmp_path: Path) -> None:
    """Also by a recorder that finds the spool of one that was killed."""
    from eventstore.capture.recorder.recover import recover
    from eventstore.capture.recorder.spool import orphaned_spools

    url = store.engine.url.render_as_string(hide_password=False)
    spool = tmp_path / "spool"
    away = Recorder(f"sqlite:///{tmp_path / 'folder'}", spool)
    (tmp_path / "folder").mkdir()
    session = away.session(session_id="gone")
    session.record(CLIENT, "late")
    wait_until(
        lambda: any(
            orphaned_spools.spool_files(spool, n) for n in orphaned_spools.process_names(spool)
        )
    )
    away.close(timeout=0.1)
    store.append("gone", [MORE])
    store.erase("gone").raise_for_errors()
    with EventStore(url) as other:
        for name in list(orphaned_spools.process_names(spool)):
            recover(other, spool, name)
    assert list(spool.iterdir()) == []
    assert counts(store.engine, "gone") == {"streams": 1, "erasures": 1}


# Everything about the others stays


@examples(15)
@given(st.data())
def test_erasing_one_of_several_leaves_the_others(engine: Engine, data: st.DataObject) -> None:
    store = EventStore(engine.url.render_as_string(hide_password=False))
    prefix = f"p{next(_numbers)}"
    names = [f"{prefix}_{number}" for number in range(data.draw(st.integers(2, 4)))]
    with store:
        for name in names:
            stream = data.draw(mutated([*SHORT_STREAMS, *SAMPLE_STREAMS[:2]]))
            store.append(name, stream, close=True)
            if data.draw(st.booleans()):
                seal_session(store.engine, name)
                store.set_metadata(name, {"customer": "42"})
        gone = data.draw(st.sampled_from(names))
        kept = [name for name in names if name != gone]
        before = {name: whole(store, name) for name in kept}
        assert erase_session(store.engine, gone) is not None
        if data.draw(st.booleans()):
            store.erase([]).raise_for_errors()
        for name in kept:
            for what, after in whole(store, name).items():
                assert after == before[name][what], (name, what)
        assert counts(store.engine, gone) == {"streams": 1, "erasures": 1}
        ids = [session["id"] for session in store.sessions(limit=100).data]
        assert set(kept) <= set(ids) and gone not in ids


def test_all_tables_of_a_session_are_erased() -> None:
    assert set(TABLES) == OF_SESSIONS - {
        *("streams", "erasures", "day_marks", "score_marks", "left_bytes")
    }


def test_a_call_of_each_shape_has_rows_to_erase(store: EventStore) -> None:
    store.append("a", secret_call("a").frames)
    store.append("b", Call(timed=False).typed("item_1", "words").frames)
    store.append("c", beta_tool_call().frames)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE streams SET projector_version = 0"))
    note_projection_failure(store.engine, "a", EventStoreError("some fault"))
    with store.subscribe("followed", from_="start", once=True) as feed:
        (first, *_) = feed
    note_dead_letter(store.engine, "followed", first, 1, "status 500")
    store.score("a", "helpful", 1)
    assert set(counts(store.engine, "a")) >= OF_SESSIONS - {"segments", "erasures", "left_bytes"}
    store.erase(["a", "b", "c"]).raise_for_errors()
    for name in "abc":
        assert counts(store.engine, name) == {"streams": 1, "erasures": 1}


@pytest.mark.parametrize("audio_only", [False, True])
def test_bytes_outside_of_the_database_go_too(
    database_url: str, tmp_path: Path, audio_only: bool
) -> None:
    outside = tmp_path / "segments"
    with EventStore(database_url) as store:
        for name in ("gone", "kept"):
            frames = [Frame(CLIENT, f'{{"type":"ping","of":"{name}","n":{n}}}') for n in range(9)]
            store.append(name, frames, close=True)
        store.append("same", [Frame(CLIENT, "x")], close=True)
        store.append("equal", [Frame(CLIENT, "x")], close=True)
        ids = ["gone", "kept", "same", "equal"]
        assert store.seal(ids).failed == []
        assert store.offload(ids, str(outside)).failed == []
        files = set(outside.rglob("*.segment"))
        assert len(files) == 3  # equal bytes are there once
        store.erase(["gone", "same"], audio_only=audio_only).raise_for_errors()
        left = set(outside.rglob("*.segment"))
        assert len(left) == 2
        assert len(list(store.events("kept"))) == 9
        assert [event.text for event in store.events("equal")] == ["x"]
        store.erase("equal", audio_only=audio_only).raise_for_errors()
        assert len(set(outside.rglob("*.segment"))) == 1


@pytest.mark.parametrize(
    "location", ["x", "file:///a\n/b", b"file:///\xff", b"\xff", 7, 1.5, "[" * 9999]
)
def test_a_segment_whose_place_is_none_keeps_nobody_from_erasing(
    database_url: str, location: str | bytes | float
) -> None:
    if database_url.startswith("postgresql") and not isinstance(location, str):
        pytest.skip("its columns take no such value")
    as_text = "CAST(? AS TEXT)" if isinstance(location, bytes) else "?"
    with EventStore(database_url) as store:
        for name in ("a", "b"):
            store.append(name, voice_call().frames, close=True)
        assert store.seal(["a", "b"]).failed == []
        with write(store.engine) as tx:
            of_a = "WHERE session_id = 'a'"
            tx.run(f"UPDATE segments SET data = NULL, location = {as_text} {of_a}", (location,))
        assert store.verify("a").done[0].problems != []
        assert [done.session_id for done in store.erase("a", vacuum=False).done] == ["a"]
        assert counts(store.engine, "a") == {"streams": 1, "erasures": 1}
        for listed in (location, "[" * 9999, "7", "null"):
            with write(store.engine) as tx:
                value = as_text if listed is location else "?"
                tx.run(f"UPDATE erasures SET locations = {value}", (listed,))
            store.erase([], vacuum=False).raise_for_errors()
        assert [done.session_id for done in store.erase("b", vacuum=False).done] == ["b"]


def test_what_is_no_text_is_not_told(tmp_path: Path) -> None:
    """The driver's own message has the text, which is what was said."""
    with EventStore(f"sqlite:///{tmp_path / 'calls.db'}") as store:
        store.append("a", voice_call().frames, close=True)
        store.append("b", voice_call().frames, close=True)
        said = "CAST(CAST('the card is 4111' AS BLOB) || X'FF' AS TEXT)"
        with write(store.engine) as tx:
            tx.run(f"UPDATE events SET frame = {said} WHERE session_id = 'a' AND seq = 3")
            tx.run(f"UPDATE streams SET session_id = {said} WHERE session_id = 'b'")
        with pytest.raises(DamagedError) as told:
            list(store.events("a"))
        assert "4111" not in str(told.value)
        assert [problem.first_seq for problem in store.verify("a").done[0].problems] == [3]
        assert len(list(store.stream_ids())) == 2
        (done,) = store.erase("a", vacuum=False).done
        assert done.session_id == "a"


def test_equal_bytes_are_kept_however_their_place_is_written(
    store: EventStore, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        store.append(name, voice_call().frames, close=True)
    assert store.seal(["a", "b", "c"]).failed == []
    outside, link = tmp_path / "segments", tmp_path / "link"
    outside.mkdir()
    link.symlink_to(outside)
    for name, place in (
        ("a", str(outside)),
        ("b", f"file://localhost{outside}"),
        ("c", f"file://{link}"),
    ):
        (moved,) = store.offload([name], place).done
        assert not isinstance(moved, Exception)
    assert len(list(outside.rglob("*.segment"))) == 1
    for gone, kept in (("a", "bc"), ("c", "b")):
        store.erase(gone, vacuum=False).raise_for_errors()
        for name in kept:
            assert len(list(store.events(name))) == len(voice_call().frames)
    store.erase("b", vacuum=False).raise_for_errors()
    assert list(outside.rglob("*.segment")) == []


def _back(store: EventStore, folder: Path) -> None:
    store.offload(["a"], None)


def _elsewhere(store: EventStore, folder: Path) -> None:
    store.offload(["a"], str(folder / "second"))


def _unsealed(store: EventStore, folder: Path) -> None:
    store.unseal("a").raise_for_errors()


def _sealed_anew(store: EventStore, folder: Path) -> None:
    store.append("a", [MORE], close=True)
    store.seal(["a"])


def _silent(store: EventStore, folder: Path) -> None:
    store.erase("a", audio_only=True, vacuum=False).raise_for_errors()


def _moved(store: EventStore, folder: Path) -> None:
    with EventStore("sqlite://") as other:
        assert store.copy(["a"], other, then_delete=True).failed == []


@pytest.mark.parametrize("how", [_back, _elsewhere, _unsealed, _sealed_anew, _silent, _moved])
def test_bytes_that_a_session_has_left_behind_go_with_it(
    store: EventStore, tmp_path: Path, how: Callable[[EventStore, Path], None]
) -> None:
    for name in ("a", "b"):
        frames = [*voice_call().frames, Frame(CLIENT, f'{{"type":"{name}"}}')]
        store.append(name, frames, close=True)
    assert store.seal(["a", "b"]).failed == []
    assert store.offload(["a", "b"], str(tmp_path)).failed == []
    how(store, tmp_path)
    if how is not _moved:
        store.erase("a", vacuum=False).raise_for_errors()
        assert counts(store.engine, "a").keys() == {"streams", "erasures"}
    assert len(list(tmp_path.rglob("*.segment"))) == 1
    assert len(list(store.events("b"))) == len(voice_call().frames) + 1
