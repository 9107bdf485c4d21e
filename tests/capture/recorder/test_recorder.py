"""The recorder: what is handed over is in the log, whatever the database does meanwhile."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.gate import gate_to_database
from support.odd_json import ODD_TEXTS
from support.recorder_calls import created, is_in_step, locked, noted, say, talk, wait_until, wire
from support.strategies import any_text

from eventstore import EventStore, InvalidInputError
from eventstore.capture.recorder.recorder import Counters, Recorder
from eventstore.realtime.frames import CLIENT, SERVER


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def test_a_session_is_stored_under_the_servers_id(database_url: str, spool: Path) -> None:
    with EventStore(database_url) as store, Recorder(store, spool) as recorder:
        session = recorder.session(metadata={"customer": "42"}, notes={"by": "test"})
        assert session.session_id is None
        session.record(CLIENT, '{"type": "session.update"}')
        session.record(SERVER, created("sess_a"))
        session.committed().result(10)
        assert session.session_id == "sess_a"
        session.record(SERVER, b"\x00\xff")
        session.close("client", 1000, "bye")
        session.record(SERVER, "behind the end")
        recorder.close()
        assert wire(store, "sess_a") == [
            (CLIENT, '{"type": "session.update"}'),
            (SERVER, created("sess_a")),
            (SERVER, b"\x00\xff"),
        ]
        assert store.metadata("sess_a") == {"customer": "42"}
        (opened,) = noted(store, "sess_a", "opened")
        assert opened["by"] == "test"
        (closed,) = noted(store, "sess_a", "closed")
        assert (closed["by"], closed["code"], closed["reason"]) == ("client", 1000, "bye")
        assert store.session("sess_a")["eventstore"]["closed"]
        is_in_step(store)
    assert list(spool.iterdir()) == []


def test_an_id_that_is_taken_is_left_to_who_has_it(database_url: str, spool: Path) -> None:
    with EventStore(database_url) as store, Recorder(store, spool) as recorder:
        sessions = [recorder.session() for _ in range(3)]
        for number, session in enumerate(sessions):
            session.record(SERVER, created("sess_a"))
            session.record(CLIENT, str(number))
            session.committed().result(10)
        ids = [str(session.session_id) for session in sessions]
        assert ids[0] == "sess_a"
        assert len(set(ids)) == 3
        for number, id_ in enumerate(ids):
            assert wire(store, id_)[1] == (CLIENT, str(number))


def test_a_session_without_a_servers_id_gets_one(database_url: str, spool: Path) -> None:
    with EventStore(database_url) as store, Recorder(store, spool) as recorder:
        session = recorder.session()
        session.record(SERVER, '{"type": "response.created"}')
        wait_until(lambda: session.session_id is not None)
        assert str(session.session_id).startswith("sess_")
        assert len(wire(store, str(session.session_id))) == 1


def test_a_client_that_speaks_first_is_stored_under_the_servers_id(
    database_url: str, spool: Path
) -> None:
    with EventStore(database_url) as store, Recorder(store, spool) as recorder:
        session = recorder.session()
        session.record(CLIENT, "first")
        done = session.committed()
        session.record(SERVER, created("sess_a"))
        done.result(10)
        assert session.session_id == "sess_a"


def test_a_chosen_id_goes_on_with_its_session(database_url: str, spool: Path) -> None:
    with EventStore(database_url) as store:
        for number in range(2):
            with Recorder(store, spool) as recorder:
                session = recorder.session(session_id="mine")
                session.record(CLIENT, str(number))
                session.close()
        assert wire(store, "mine") == [(CLIENT, "0"), (CLIENT, "1")]


def test_metadata_set_during_a_call_disturbs_nothing(database_url: str, spool: Path) -> None:
    with EventStore(database_url) as store, Recorder(store, spool) as recorder:
        session = recorder.session()
        session.record(SERVER, created("sess_a"))
        for number in range(5):
            session.committed().result(10)
            store.set_metadata("sess_a", {"n": str(number)})
            session.record(CLIENT, str(number))
        session.committed().result(10)
        assert [text for _, text in wire(store, "sess_a")[1:]] == list("01234")
        assert store.metadata("sess_a") == {"n": "4"}
        is_in_step(store)


def test_sessions_that_are_open_at_the_end_are_closed(database_url: str, spool: Path) -> None:
    with EventStore(database_url) as store:
        with Recorder(store, spool) as recorder:
            recorder.session(session_id="a").record(CLIENT, "x")
        (closed,) = noted(store, "a", "closed")
        assert closed["by"] == "recorder"


def test_the_recorder_by_an_async_program(database_url: str, spool: Path) -> None:
    async def call() -> None:
        async with Recorder(database_url, spool) as recorder:
            session = recorder.session(session_id="a")
            session.record(CLIENT, "x")
            await asyncio.wrap_future(session.committed())
            assert recorder.counters().written == 1

    asyncio.run(call())


@pytest.mark.parametrize("bad", [("store", "x", None), (CLIENT, "x", 2**70), ("", "x", 0)])
def test_what_is_no_frame_is_refused(tmp_path: Path, bad: tuple[str, str, int | None]) -> None:
    with Recorder(f"sqlite:///{tmp_path}/a.db") as recorder:
        session = recorder.session()
        with pytest.raises(InvalidInputError):
            session.record(*bad)


def test_a_spool_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match="spool"):
        Recorder(f"sqlite:///{tmp_path}/a.db", tmp_path / "file" / "spool")


FRAMES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from((CLIENT, SERVER)),
        st.one_of(any_text(40), st.binary(max_size=20), st.sampled_from(["a", "b"]).map(created)),
    ),
    max_size=60,
)


@examples(20)
@given(frames=FRAMES, pauses=st.sets(st.integers(0, 60), max_size=3))
def test_whatever_is_handed_over_comes_back(
    database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    frames: list[tuple[int, str, str | bytes]],
    pauses: set[int],
) -> None:
    with EventStore(database_url) as store:
        folder = tmp_path_factory.mktemp("spool")
        with Recorder(store, folder, interval=0.001) as recorder:
            sessions = [recorder.session() for _ in range(4)]
            for number, (which, direction, text) in enumerate(frames):
                sessions[which].record(direction, text)
                if number in pauses:
                    sessions[which].committed().result(10)
        for which, session in enumerate(sessions):
            sent = [(direction, text) for one, direction, text in frames if one == which]
            assert wire(store, str(session.session_id)) == sent
        assert recorder.counters().written == len(frames)
        is_in_step(store)


# The database goes away


def check(store: EventStore, count: int, frames: int) -> None:
    for number in range(count):
        texts = [text for _, text in wire(store, f"sess_{number}")]
        assert texts == [created(f"sess_{number}"), *map(str, range(frames))]
        head = store.last_seq(f"sess_{number}")
        assert [event.seq for event in store.events(f"sess_{number}")] == list(range(1, head + 1))
    is_in_step(store)


def test_a_database_that_is_locked_is_waited_for(tmp_path: Path, spool: Path) -> None:
    path = tmp_path / "a.db"
    with EventStore(f"sqlite:///{path}") as store:
        with Recorder(store, spool, patience=0.2) as recorder:
            sessions = talk(recorder, 5)
            say(sessions, 0, 50)
            with locked(path):
                say(sessions, 50, 300)
                wait_until(lambda: recorder.counters().spooled > 500)
                assert recorder.trouble is not None
            wait_until(lambda: recorder.trouble is None)
            say(sessions, 300, 350)
        check(store, 5, 350)
        counted = recorder.counters()
        assert counted == Counters(5 * 351, 5 * 351, counted.spooled, 0, 0)
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("how", ["shut", "jam"])
def test_a_server_that_goes_is_waited_for(
    postgres: object, request: pytest.FixtureRequest, spool: Path, how: str
) -> None:
    server = request.getfixturevalue("postgres")
    name = server.create_database(request.getfixturevalue("postgres_template"))
    url = server.url(name)
    with gate_to_database(url) as (gate, through), EventStore(url) as store:
        with Recorder(through, spool, patience=0.2) as recorder:
            sessions = talk(recorder, 5)
            for first in range(0, 300, 100):
                say(sessions, first, first + 50)
                getattr(gate, how)()
                say(sessions, first + 50, first + 100)
                wait_until(lambda: recorder.trouble is not None)
                gate.open()
                wait_until(lambda: recorder.trouble is None)
        check(store, 5, 300)
    server.drop_database(name)
    assert list(spool.iterdir()) == []


@pytest.fixture
def unusable(tmp_path: Path) -> tuple[str, Path]:
    """A database that cannot be used until the file is deleted."""
    path = tmp_path / "later.db"
    path.write_bytes(b"no database" * 100)
    return f"sqlite:///{path}", path


def test_a_database_that_is_not_there_yet(unusable: tuple[str, Path], spool: Path) -> None:
    url, file = unusable
    recorder = Recorder(url, spool)
    sessions = talk(recorder, 2)
    say(sessions, 0, 20)
    wait_until(lambda: recorder.counters().spooled == 42)
    file.unlink()
    recorder.close()
    with EventStore(url) as store:
        check(store, 2, 20)


def test_what_is_left_at_the_end_is_written_by_the_next(
    unusable: tuple[str, Path], spool: Path
) -> None:
    url, file = unusable
    recorder = Recorder(url, spool)
    sessions = talk(recorder, 2)
    say(sessions, 0, 20)
    recorder.close(timeout=0.1)
    assert recorder.counters().behind == 42
    file.unlink()
    with Recorder(url, spool) as recorder:
        wait_until(lambda: recorder.trouble is None)
    with EventStore(url) as store:
        check(store, 2, 20)
    assert list(spool.iterdir()) == []


def test_where_even_the_spool_fails_the_log_says_what_is_missing(
    unusable: tuple[str, Path], tmp_path: Path
) -> None:
    url, file = unusable
    disk = tmp_path / "disk"
    recorder = Recorder(url, disk / "spool", memory=20_000)
    (session,) = talk(recorder, 1)
    away = disk.rename(tmp_path / "away")
    say([session], 0, 100)
    wait_until(lambda: recorder.counters().missed > 0)
    missed = recorder.counters().missed
    away.rename(disk)
    file.unlink()
    wait_until(lambda: recorder.counters().behind == 0)
    session.record(CLIENT, "again")  # type: ignore[attr-defined]
    recorder.close()
    with EventStore(url) as store:
        texts = [text for _, text in wire(store, "sess_0")]
        assert texts == [created("sess_0"), *map(str, range(100 - missed)), "again"]
        (gap,) = noted(store, "sess_0", "gap")
        assert gap["frames"] == {"client": missed}
        assert any(
            found["code"] == "gap" for found in store.session("sess_0")["eventstore"]["diagnostics"]
        )
        is_in_step(store)


def test_a_frame_whose_type_is_anything_is_recorded_with_its_sound(
    database_url: str, spool: Path
) -> None:
    sound = base64.b64encode(bytes(3000)).decode()
    texts = [f'{{"type":{odd},"audio":"{sound}","delta":"{sound}"}}' for odd in ODD_TEXTS]
    with EventStore(database_url) as store:
        with Recorder(store, spool) as recorder:
            session = recorder.session(session_id="sess_1")
            for text in texts:
                session.record(SERVER, text)
            session.close()
        assert wire(store, "sess_1") == [(SERVER, text) for text in texts]
        assert not noted(store, "sess_1", "gap")
        is_in_step(store)
