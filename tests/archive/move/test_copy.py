"""A copied session is the same in every row, is there whole or not at all, and comes back."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from archive.move.whole import check_right, frames_of, tables_with, whole
from hypothesis import given
from hypothesis import strategies as st
from support.calls import SAMPLE_STREAMS, SHORT_STREAMS, voice_call
from support.examples import examples, some
from support.postgres import ways_to
from support.rows import counts_of_said
from support.strategies import mutated, streams

from eventstore import EventStore
from eventstore.archive import copy_sessions as module
from eventstore.archive.copy_sessions import Copied
from eventstore.errors import Failure, InvalidInputError
from eventstore.realtime.frames import Frame
from eventstore.store.database.transaction import Transaction, write

_names = (f"sess_{number}" for number in itertools.count(1))


def copy(store: EventStore, to: EventStore, *names: str, move: bool = False) -> list[Copied]:
    """Copy sessions, of which none may fail."""
    return store.copy(names, to, then_delete=move).raise_for_errors().done


def failure(store: EventStore, to: EventStore, name: str, move: bool = False) -> str:
    """Why a session cannot be copied."""
    (failed,) = store.copy(name, to, then_delete=move).failed
    assert failed.session_id == name
    return str(failed.error)


def made(store: EventStore, frames: list[Frame], sealed: int) -> str:
    """A closed session, the first so many of its events sealed."""
    name = next(_names)
    begin = sealed or len(frames)
    store.append(name, frames[:begin], close=True)
    if sealed:
        store.seal([name])
    if begin < len(frames):
        store.append(name, frames[begin:])
    return name


# What a copy is


def there_and_back(store: EventStore, elsewhere: EventStore, frames: list[Frame], seal: int) -> str:
    name = made(store, frames, seal)
    before = whole(store, name)
    assert copy(store, elsewhere, name, move=True) == [Copied(name, "copied", len(frames), True)]
    assert tables_with(store, name) == []
    assert whole(elsewhere, name) == before
    check_right(elsewhere, name)
    assert copy(elsewhere, store, name) == [Copied(name, "copied", len(frames))]
    assert whole(store, name) == before == whole(elsewhere, name)
    assert frames_of(store, name) == frames
    check_right(store, name)
    return name


@pytest.mark.parametrize(
    "frames", [streams(25), mutated(SHORT_STREAMS)], ids=["arbitrary", "what servers send"]
)
def test_a_session_that_goes_and_comes_back_is_as_it_was(
    store: EventStore, elsewhere: EventStore, frames: st.SearchStrategy[list[Frame]]
) -> None:
    @examples(25)
    @given(frames, st.integers(0, 25))
    def holds(stream: list[Frame], sealed: int) -> None:
        there_and_back(store, elsewhere, stream, min(sealed, len(stream)))

    holds()


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_whole_calls_go_and_come_back(
    store: EventStore, elsewhere: EventStore, share: float
) -> None:
    for stream in some(SAMPLE_STREAMS, 3):
        there_and_back(store, elsewhere, list(stream), round(len(stream) * share))
    for sqlite in (store, elsewhere):
        if sqlite.engine.dialect.name == "sqlite":
            texts, known = counts_of_said(sqlite.engine)
            assert texts == known > 0


def test_a_session_without_events_is_copied(store: EventStore, elsewhere: EventStore) -> None:
    store.append("empty", [], close=True)
    assert copy(store, elsewhere, "empty", move=True) == [Copied("empty", "copied", 0, True)]
    assert elsewhere.last_seq("empty") == 0 and tables_with(store, "empty") == []


def test_what_was_erased_comes_along(store: EventStore, elsewhere: EventStore) -> None:
    store.append("s", voice_call().frames, close=True)
    with write(store.engine) as tx:
        erasure(tx, "s")
    copy(store, elsewhere, "s")
    assert whole(elsewhere, "s") == whole(store, "s")
    assert copy(store, elsewhere, "s") == [Copied("s", "exists", store.last_seq("s"))]


def erasure(tx: Transaction, session_id: str) -> None:
    sql = "INSERT INTO erasures (session_id, at, what, events, sha256) VALUES (?, 1, 'audio', 5, ?)"
    tx.run(sql, (session_id, bytes(32)))


# Copying again


def test_what_is_there_is_left_alone(store: EventStore, elsewhere: EventStore) -> None:
    frames = voice_call().frames
    name = made(store, frames, 20)
    copy(store, elsewhere, name)
    assert copy(store, elsewhere, name) == [Copied(name, "exists", len(frames))]
    # However it is kept: it has the same frames.
    store.seal([name])
    assert copy(store, elsewhere, name) == [Copied(name, "exists", len(frames))]
    elsewhere.unseal(name).raise_for_errors()
    assert copy(store, elsewhere, name, move=True) == [Copied(name, "exists", len(frames), True)]
    assert copy(store, elsewhere, name, move=True) == [Copied(name, "exists", len(frames))]
    assert frames_of(elsewhere, name) == frames


@pytest.mark.parametrize("sealed", [0, 10, 30])
def test_a_session_that_has_grown_is_continued(
    store: EventStore, elsewhere: EventStore, sealed: int
) -> None:
    frames = voice_call().frames
    name = made(store, frames[:30], sealed)
    copy(store, elsewhere, name)
    store.append(name, frames[30:])
    assert copy(store, elsewhere, name) == [Copied(name, "continued", len(frames))]
    assert whole(elsewhere, name) == whole(store, name)
    check_right(elsewhere, name)


def test_another_session_of_the_same_id_is_an_error(
    store: EventStore, elsewhere: EventStore
) -> None:
    frames = voice_call().frames
    for name, others in (("a", frames[:-1] + frames[:1]), ("b", frames[1:]), ("c", [*frames] * 2)):
        store.append(name, frames, close=True)
        elsewhere.append(name, others, close=True)
    store.append("d", frames, close=True)
    kept = [whole(elsewhere, name) for name in "abc"]
    results = store.copy(list("abcd"), elsewhere, then_delete=True)
    for name, failed in zip("abc", results.failed, strict=True):
        assert f"session {name} has other contents" in str(failed.error)
    assert results.done == [Copied("d", "copied", len(frames), True)]
    assert [whole(elsewhere, name) for name in "abc"] == kept
    assert [frames_of(store, name) for name in "abc"] == [frames] * 3


def test_what_was_erased_in_the_target_does_not_come_back(
    store: EventStore, elsewhere: EventStore
) -> None:
    store.append("s", voice_call().frames, close=True)
    with write(elsewhere.engine) as tx:
        erasure(tx, "s")
    assert "was erased in the target" in failure(store, elsewhere, "s", move=True)
    assert tables_with(elsewhere, "s") == ["erasures"]
    assert frames_of(store, "s") == voice_call().frames


# What cannot be copied


def test_open_and_unknown_sessions_are_refused(store: EventStore, elsewhere: EventStore) -> None:
    store.append("open", voice_call().frames)
    assert "is open; copy it once it is closed" in failure(store, elsewhere, "open", move=True)
    assert "no session nowhere" in failure(store, elsewhere, "nowhere")
    assert tables_with(elsewhere, "open") == []


def damage(tx: Transaction, name: str, what: str) -> None:
    if what == "segment":
        row = tx.row("SELECT data FROM segments WHERE session_id = ? AND first_seq = 8", (name,))
        assert row is not None
        data = bytearray(row[0])
        data[len(data) // 2] ^= 4
        sql = "UPDATE segments SET data = ? WHERE session_id = ? AND first_seq = 8"
        tx.run(sql, (bytes(data), name))
    elif what == "digest":
        sql = "UPDATE segments SET sha256 = ? WHERE session_id = ? AND first_seq = 8"
        tx.run(sql, (bytes(32), name))
    elif what == "missing segment":
        tx.run("DELETE FROM segments WHERE session_id = ? AND first_seq = 8", (name,))
    elif what == "missing event":
        tx.run("DELETE FROM events WHERE session_id = ? AND seq = 25", (name,))
    elif what == "missing end":
        tx.run("DELETE FROM events WHERE session_id = ? AND seq > 25", (name,))
    else:
        tx.run("UPDATE events SET audio_offset = -7 WHERE session_id = ? AND seq = 25", (name,))


@pytest.mark.parametrize(
    "what", ["segment", "digest", "missing segment", "missing event", "missing end", "columns"]
)
def test_a_damaged_session_is_named_and_kept(
    store: EventStore, elsewhere: EventStore, what: str
) -> None:
    frames = voice_call().frames
    damaged, sound = made(store, frames, 20), made(store, frames, 20)
    with write(store.engine) as tx:
        damage(tx, damaged, what)
    before = whole(store, damaged)
    results = store.copy([damaged, sound], elsewhere, then_delete=True)
    error = str(results.failed[0].error)
    assert f"session {damaged}" in error and f"eventstore verify {damaged}" in error
    assert results.done == [Copied(sound, "copied", len(frames), True)]
    assert whole(store, damaged) == before
    assert tables_with(elsewhere, damaged) == []


@pytest.mark.parametrize("what", ["segment", "digest", "missing segment", "missing event"])
def test_nothing_is_deleted_that_the_target_has_lost(
    store: EventStore, elsewhere: EventStore, what: str
) -> None:
    frames = voice_call().frames
    name = made(store, frames, 20)
    copy(store, elsewhere, name)
    with write(elsewhere.engine) as tx:
        damage(tx, name, what)
    failure(store, elsewhere, name, move=True)
    assert frames_of(store, name) == frames


@pytest.mark.parametrize(
    ("table", "change"),
    [("events", "frame = frame || ' '"), ("segments", "data = zeroblob(LENGTH(data))")],
)
def test_a_target_that_gives_back_other_events_keeps_nothing(
    store: EventStore, tmp_path: Path, table: str, change: str
) -> None:
    frames = voice_call().frames
    name = made(store, frames, 20)
    with EventStore(f"sqlite:///{tmp_path / 'bad.db'}") as bad:
        with write(bad.engine) as tx:
            tx.run(
                f"CREATE TRIGGER bad AFTER INSERT ON {table} WHEN NEW.session_id = '{name}'"
                f" BEGIN UPDATE {table} SET {change} WHERE rowid = NEW.rowid; END"
            )
        failure(store, bad, name, move=True)
        assert tables_with(bad, name) == []
    assert frames_of(store, name) == frames


def test_a_store_is_not_copied_to_itself(
    store: EventStore, database_url: str, tmp_path: Path
) -> None:
    store.append("s", voice_call().frames, close=True)
    urls = [database_url]
    if database_url.startswith("sqlite"):
        link = tmp_path / "link.db"
        link.symlink_to(tmp_path / "eventstore.db")
        urls.append(f"sqlite:///{link}")
    else:
        urls += ways_to(database_url)
    for url in urls:
        with EventStore(url) as same:
            for source, target in ((store, same), (same, store)):
                with pytest.raises(InvalidInputError, match="same database"):
                    source.copy(["s"], target, dry_run=True)
                with pytest.raises(InvalidInputError, match="same database"):
                    source.copy(["s"], target, then_delete=True)
    assert frames_of(store, "s") == voice_call().frames


def test_a_dry_run_changes_nothing(store: EventStore, elsewhere: EventStore) -> None:
    frames = voice_call().frames
    name = made(store, frames, 20)
    for _ in range(2):
        (done,) = store.copy([name], elsewhere, then_delete=True, dry_run=True).done
        assert done == Copied(name, "copied", len(frames))
    assert tables_with(elsewhere, name) == []
    assert frames_of(store, name) == frames


# Others that do something at the same time


def test_a_session_that_grows_before_it_is_deleted_is_kept(
    store: EventStore, elsewhere: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = voice_call().frames
    name = made(store, frames[:30], 20)
    really = module._digest

    def digest_and_grow(*arguments: object, **named: object) -> bytes:
        found: bytes = really(*arguments, **named)  # type: ignore[arg-type]
        if arguments[0] is elsewhere.engine and store.last_seq(name) == 30:
            store.append(name, frames[30:])
        return found

    with monkeypatch.context() as patched:
        patched.setattr(module, "_digest", digest_and_grow)
        assert "changed while it was copied" in failure(store, elsewhere, name, move=True)
    assert frames_of(store, name) == frames
    assert copy(store, elsewhere, name, move=True) == [Copied(name, "continued", len(frames), True)]
    assert frames_of(elsewhere, name) == frames


def at_once(work: list[Iterator[Copied | Failure]]) -> list[Copied | Failure]:
    done: list[Copied | Failure] = []
    threads = [threading.Thread(target=lambda w=one: done.extend(w)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


@pytest.mark.parametrize("move", [False, True])
def test_several_copies_at_once_leave_one(
    store: EventStore, elsewhere: EventStore, move: bool
) -> None:
    frames = voice_call().frames
    names = [made(store, frames, 20) for _ in range(8)]
    work = [store.iter_copy(names, elsewhere, then_delete=move) for _ in range(3)]
    done = at_once(work)
    assert len(done) == 24
    assert [one for one in done if isinstance(one, Copied) and one.status == "copied"] != []
    for name in names:
        assert frames_of(elsewhere, name) == frames
        check_right(elsewhere, name)
        if move:
            assert tables_with(store, name) == []


def test_a_session_that_is_sealed_and_unsealed_meanwhile_is_copied_whole(
    store: EventStore, elsewhere: EventStore
) -> None:
    frames = list(SAMPLE_STREAMS[0])
    names = [made(store, frames, 20) for _ in range(6)]
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            for name in names:
                store.seal([name])
                store.unseal(name).raise_for_errors()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for name, done in zip(names, store.iter_copy(names, elsewhere), strict=True):
            if isinstance(done, Copied):
                assert frames_of(elsewhere, name) == frames
                check_right(elsewhere, name)
            else:
                assert tables_with(elsewhere, name) == []
    finally:
        stop.set()
        thread.join()
    copy(store, elsewhere, *names, move=True)
    assert [frames_of(elsewhere, name) for name in names] == [frames] * 6
