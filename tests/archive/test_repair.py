"""Sessions whose stream and log contradict each other: told, and mended where the log can tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.calls import voice_call
from support.events import SESSION
from support.only import only

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder
from eventstore.cli.main import run as run_command
from eventstore.errors import BrokenHeadError, ErasedError, NotFoundError
from eventstore.realtime.frames import Frame
from eventstore.store.database.transaction import write
from eventstore.store.sessions.append_arguments import Append

FRAMES = voice_call().frames
LAST = len(FRAMES)
NOTE = Frame("client", '{"type": "input_audio_buffer.clear"}', None)


def change(store: EventStore, *statements: str) -> None:
    with write(store.engine) as tx:
        for statement in statements:
            tx.run(statement)


def set_stream(**values: int) -> Callable[[EventStore], None]:
    columns = ", ".join(f"{name} = {value}" for name, value in values.items())
    return lambda store: change(store, f"UPDATE streams SET {columns}")


def lose(where: str) -> Callable[[EventStore], None]:
    return lambda store: change(store, f"DELETE FROM events WHERE {where}")


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    with EventStore(database_url) as made:
        made.append(SESSION, FRAMES)
        yield made


def check_whole(store: EventStore, last: int = LAST) -> None:
    found = store.verify(SESSION).done[0]
    assert (found.events, found.problems) == (last, [])
    assert store.repair(SESSION).done[0] == (SESSION, last, last, [], [], 0)
    assert not any(done.changed for done in store.rebuild().done)


MENDABLE = {
    "the head is behind": (set_stream(head_seq=1, projected_seq=1), "head, which is 1"),
    "only the head is behind": (set_stream(head_seq=LAST - 1), "head, which is"),
    "the head is at the beginning": (set_stream(head_seq=0, projected_seq=0), "which is 0"),
    "read models are ahead": (set_stream(projected_seq=LAST + 7), f"projected_seq is {LAST + 7}"),
    "segments that are not there": (set_stream(sealed_seq=5), "segments go up to 0"),
}


@pytest.mark.parametrize("damage", MENDABLE)
def test_what_the_log_can_tell_is_mended(store: EventStore, database_url: str, damage: str) -> None:
    harm, told = MENDABLE[damage]
    harm(store)
    problems = [p.problem for p in store.verify(SESSION).done[0].problems]
    assert any(told in problem and "eventstore repair" in problem for problem in problems)
    before = store.status(), store.state(SESSION)
    dry = store.repair(SESSION, dry_run=True).done[0]
    assert (store.status(), store.state(SESSION)) == before
    done = store.repair(SESSION).done[0]
    assert done._replace(changed_rows=0) == dry
    assert (done.head, done.unmended) == (LAST, [])
    assert [told in fault.problem for fault in done.mended] == [True]
    check_whole(store)
    store.append(SESSION, [NOTE])
    with EventStore(database_url) as other:
        other.append(SESSION, [NOTE], expected_seq=LAST + 1)
    check_whole(store, LAST + 2)


def test_what_stands_behind_the_head_is_named_once(store: EventStore) -> None:
    set_stream(head_seq=LAST - 3, projected_seq=LAST - 3)(store)
    (problem,) = store.verify(SESSION).done[0].problems
    assert problem[:2] == (LAST - 2, LAST)
    lose(f"seq = {LAST - 1}")(store)
    behind, missing = store.verify(SESSION).done[0].problems
    assert missing == (LAST - 1, LAST - 1, "events are missing")
    assert behind == (LAST - 2, LAST, "events stand behind the head")


UNMENDABLE = {
    "the head is ahead": (set_stream(head_seq=LAST + 2), (LAST + 1, LAST + 2)),
    "a gap": (lose("seq BETWEEN 4 AND 6"), (4, 6)),
    "no beginning": (lose("seq < 3"), (1, 2)),
    "no end": (lose(f"seq > {LAST - 2}"), (LAST - 1, LAST)),
    "a gap before what is behind the head": (
        lambda store: change(
            store, "UPDATE streams SET head_seq = 3", "DELETE FROM events WHERE seq IN (4, 5)"
        ),
        (4, 5),
    ),
    "nothing": (lose("seq > 0"), (1, LAST)),
}


@pytest.mark.parametrize("damage", UNMENDABLE)
def test_what_is_missing_is_named_and_nothing_is_changed(store: EventStore, damage: str) -> None:
    harm, where = UNMENDABLE[damage]
    harm(store)
    before = store.verify(SESSION).done[0]
    done = store.repair(SESSION).done[0]
    assert done.mended == []
    assert where in [(fault.first_seq, fault.last_seq) for fault in done.unmended]
    assert (done.head_before, done.head, done.changed_rows) == (before.events, before.events, 0)
    assert store.verify(SESSION).done[0] == before
    assert before.problems


def test_a_sealed_session(store: EventStore) -> None:
    store.append(SESSION, [], close=True)
    assert store.seal([SESSION]).done
    closed = store.last_seq(SESSION)
    store.append(SESSION, [NOTE] * 3)
    set_stream(sealed_seq=2, head_seq=closed)(store)
    done = store.repair(SESSION).done[0]
    assert len(done.mended) == 2
    assert done.unmended == []
    check_whole(store, closed + 3)
    copied = "seq, at, direction, type, frame, audio_offset, audio_bytes, load_key, audio"
    change(
        store,
        f"INSERT INTO events (session_id, {copied}) SELECT session_id, 2, at, direction, type,"
        f" frame, audio_offset, audio_bytes, load_key, audio FROM events WHERE seq = {closed + 1}",
    )
    done = store.repair(SESSION).done[0]
    assert any("beside the segments" in fault.problem for fault in done.unmended)
    change(store, "DELETE FROM events WHERE seq = 2", "DELETE FROM segments")
    assert (1, closed) in [
        (f.first_seq, f.last_seq) for f in store.repair(SESSION).done[0].unmended
    ]


def test_an_append_that_meets_it_names_the_command(store: EventStore, database_url: str) -> None:
    set_stream(head_seq=1, projected_seq=1)(store)
    store.append("sess_other", [NOTE])
    told = f"session {SESSION}: the head is 1, but events are there up to {LAST}.* repair {SESSION}"
    with EventStore(database_url, projection="deferred") as deferred:
        for one in (store, deferred):
            for frames in ([NOTE], FRAMES, iter(FRAMES)):
                with pytest.raises(BrokenHeadError, match=told):
                    one.append(SESSION, frames)
            with pytest.raises(BrokenHeadError, match=told):
                one.append_together([Append("sess_other", [NOTE]), Append(SESSION, [NOTE])])
        with pytest.raises(BrokenHeadError, match=told):
            deferred.append(SESSION, [NOTE], expected_seq=1)
    assert store.last_seq("sess_other") == 1
    store.repair(SESSION).raise_for_errors()
    store.append(SESSION, [NOTE])
    check_whole(store, LAST + 1)


def test_a_recorder_repairs_it(store: EventStore, database_url: str, tmp_path: Path) -> None:
    set_stream(head_seq=1, projected_seq=1)(store)
    with Recorder(database_url, tmp_path / "spool") as recorder:
        session, other = recorder.session(session_id=SESSION), recorder.session()
        session.record("client", "one")
        other.record("client", "two")
        session.committed().result(30)
        other.committed().result(30)
    assert store.verify(SESSION).done[0].problems == []
    assert "one" in [event.text for event in store.events(SESSION, LAST + 1)]


def test_what_cannot_be_repaired(store: EventStore) -> None:
    with pytest.raises(NotFoundError):
        only(store.repair("sess_none"))
    store.erase(SESSION).raise_for_errors()
    with pytest.raises(ErasedError):
        only(store.repair(SESSION))


def test_the_command(
    store: EventStore, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*arguments: str) -> tuple[int, str]:
        code = run_command(["--db", database_url, "repair", SESSION, *arguments])
        said = capsys.readouterr()
        return code, said.out + said.err

    set_stream(head_seq=1, projected_seq=1)(store)
    code, out = command("--dry-run")
    assert (code, f"would be repaired: its head would be {LAST}" in out) == (0, True)
    code, out = command("--json")
    found = json.loads(out)
    assert (code, found["object"], found["head_before"], found["head"]) == (
        *(0, "eventstore.repair", 1),
        LAST,
    )
    assert found["mended"][0]["mendable"] is True
    assert "needs no repair" in command()[1]
    lose("seq = 3")(store)
    code, out = command()
    assert (code, "event 3: events are missing" in out, "nothing was changed" in out) == (
        *(1, True),
        True,
    )
    assert json.loads(command("--json")[1])["unmended"][0]["first_seq"] == 3


def test_an_event_that_was_committed_without_its_head(database_url: str) -> None:
    """What processes that shared one connection to PostgreSQL have left."""
    with EventStore(database_url) as store:
        store.append(SESSION, [NOTE])
        change(
            store,
            "INSERT INTO events (session_id, seq, direction, type, frame, load_key) VALUES"
            f" ('{SESSION}', 2, 'client', 'x', '{{\"type\": \"x\"}}', '')",
        )
        with pytest.raises(BrokenHeadError):
            store.append(SESSION, [NOTE])
        assert store.repair(SESSION).done[0].head == 2
        assert store.append(SESSION, [NOTE]).last_seq == 3
        check_whole(store, 3)
