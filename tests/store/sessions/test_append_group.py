"""Appends to many sessions by few statements write what appends to each of them write."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from support.calls import SAMPLE_STREAMS, voice_call
from support.rows import head_of, read_model_rows, seqs_of

from eventstore import EventStore
from eventstore.errors import ConflictError
from eventstore.realtime.frames import Frame
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.log.insert_events import COPY_FROM
from eventstore.store.log.read_events import read_events
from eventstore.store.readmodels.states.state_cache import StateCache
from eventstore.store.sessions.append import append, append_together
from eventstore.store.sessions.append_arguments import Append, Appended
from eventstore.store.sessions.project_session import project_session

STREAMS = [*SAMPLE_STREAMS, voice_call().frames]
STREAM = (
    "SELECT head_seq, last_at, projected_seq, projector_version, closed_at IS NOT NULL"
    " FROM streams WHERE session_id = ?"
)
Parts = list[tuple[int, int, int, bool]]


@pytest.fixture(params=[True, False], ids=["inline", "deferred"])
def states(request: pytest.FixtureRequest) -> StateCache | None:
    return StateCache() if request.param else None


def session_rows(engine: Engine, session_id: str) -> str:
    """All that the store has of a session, without the session's id and the time it was opened."""
    with read(engine) as tx:
        stream = tx.row(STREAM, (session_id,))
    events = [event[1:] for event in read_events(engine, session_id, 1, 10**6)]
    rows = read_model_rows(engine, session_id)
    return repr((stream, events, rows)).replace(session_id, "session")


def changed(engine: Engine, session_id: str) -> int:
    """How many rows a projection of the whole log changes."""
    done = project_session(engine, session_id)
    assert done is not None
    return done.changed


def in_parts(streams: Sequence[Sequence[Frame]], chance: random.Random) -> Iterator[Parts]:
    """Yield what is appended together: parts of some of the streams, each with its end or not."""
    at = [0] * len(streams)
    while any(at[place] < len(stream) for place, stream in enumerate(streams)):
        parts: Parts = []
        for place, stream in enumerate(streams):
            size = chance.choice([0, 1, 2, COPY_FROM, 60])
            until = min(at[place] + size, len(stream))
            if until > at[place]:
                ends = until == len(stream) and chance.random() < 0.7
                parts.append((place, at[place], until, ends))
                at[place] = until
        if parts:
            chance.shuffle(parts)
            yield parts


@pytest.mark.parametrize("seed", range(2))
def test_a_group_writes_what_single_appends_write(
    engine: Engine, states: StateCache | None, seed: int
) -> None:
    chance = random.Random(seed)
    streams = [frames[: chance.randrange(2, 200)] for frames in chance.sample(STREAMS, 6)]
    names = [f"é{place}" for place in range(len(streams))]
    alone = StateCache() if states is not None else None
    for parts in in_parts(streams, chance):
        done = append_together(
            engine,
            states,
            [Append(names[n], streams[n][a:b], a, ends) for n, a, b, ends in parts],
        )
        for (n, a, b, ends), appended in zip(parts, done, strict=True):
            single = append(engine, alone, f"{names[n]} alone", streams[n][a:b], a, ends)
            assert appended == (names[n], *single[1:])
        if states is not None and chance.random() < 0.2:
            states.renew()  # as of another process, which has to load the states
    for name in names:
        assert session_rows(engine, name) == session_rows(engine, f"{name} alone")
        if states is not None:
            assert changed(engine, name) == 0


def test_who_has_another_head_is_caught_up_with(engine: Engine, states: StateCache | None) -> None:
    frames = STREAMS[0]
    append_together(engine, states, [Append(f"sess_{name}", frames[:20]) for name in "abc"])
    append(engine, StateCache() if states is not None else None, "sess_b", frames[20:25])
    done = append_together(
        engine, states, [Append(f"sess_{name}", frames[25:40]) for name in "cba"]
    )
    assert done == [
        Appended("sess_c", 21, 35),
        Appended("sess_b", 26, 40),
        Appended("sess_a", 21, 35),
    ]
    assert seqs_of(engine, "sess_b") == list(range(1, 41))
    append(engine, StateCache(), "sess_whole", frames[:40])
    project_session(engine, "sess_b")
    assert session_rows(engine, "sess_b") == session_rows(engine, "sess_whole")


def test_a_conflict_writes_nothing(engine: Engine, states: StateCache | None) -> None:
    frames = STREAMS[0]
    append_together(engine, states, [Append(name, frames[:20], 0) for name in "abc"])
    before = [session_rows(engine, name) for name in "abc"]
    append(engine, None, "b", frames[50:51])
    with pytest.raises(ConflictError):
        append_together(engine, states, [Append(name, frames[20:40], 20) for name in "abc"])
    assert [session_rows(engine, name) for name in "ac"] == [before[0], before[2]]
    assert head_of(engine, "b")[0] == 21
    # What was folded and not written does not show in the next appends.
    append_together(engine, states, [Append(name, frames[20:40], 20) for name in "ac"])
    if states is not None:
        assert [changed(engine, name) for name in "ac"] == [0, 0]


def test_the_same_append_again_adds_nothing(engine: Engine, states: StateCache | None) -> None:
    appends = [Append(name, STREAMS[0][:20], 0) for name in "ab"]
    further = [Append(name, STREAMS[0][20:40], 20) for name in "ab"]
    append_together(engine, states, appends)
    first = append_together(engine, states, further)
    again = append_together(engine, states, further)
    assert again == [done._replace(repeated=True) for done in first]
    assert head_of(engine, "a")[0] == 40


def test_the_number_of_statements_is_that_of_one_session(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: Counter[str] = Counter()
    run, rows = Transaction.run, Transaction.rows

    def counting(tx: Transaction, sql: str, parameters: Sequence[Any] = ()) -> int:
        sent[sql.split()[0]] += 1
        return run(tx, sql, parameters)

    def counting_rows(tx: Transaction, sql: str, parameters: Sequence[Any] = ()) -> Any:
        sent[sql.split()[0]] += 1
        return rows(tx, sql, parameters)

    frames = voice_call().frames
    with EventStore(postgres_url) as store:
        names = [f"s{number}" for number in range(40)]
        store.append_together([Append(name, frames[:5], 0) for name in names])
        monkeypatch.setattr(Transaction, "run", counting)
        monkeypatch.setattr(Transaction, "rows", counting_rows)
        for at in range(5, 45):
            store.append_together([Append(name, frames[at : at + 1], at) for name in names])
        assert sum(sent.values()) <= 2 * 40  # a COPY is none of these


def test_groups_of_the_same_sessions_wait_for_each_other(postgres_url: str) -> None:
    """Two processes append to the same sessions in other orders; no transaction is ended."""
    frames = voice_call().frames[:3]
    names = ["a", "B", "é", "Z", "z-1", "z_1", "ß"]
    with EventStore(postgres_url) as one, EventStore(postgres_url) as other:
        one.append_together([Append(name, frames) for name in names])

        def appends(store: EventStore) -> None:
            chance = random.Random(id(store))
            for _ in range(40):
                some = chance.sample(names, len(names) - 2)
                store.append_together([Append(name, frames) for name in some])

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(appends, store) for store in (one, other)]:
                done.result(60)
        with one.engine.connect() as connection:
            ended = connection.exec_driver_sql(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            ).scalar()
        assert ended == 0
        for name in names:
            assert seqs_of(one.engine, name) == list(range(1, one.last_seq(name) + 1))
            assert changed(one.engine, name) == 0
        total = sum(one.last_seq(name) for name in names)
        assert total == len(frames) * (len(names) + 2 * 40 * (len(names) - 2))


def test_encrypted_sessions_in_a_group(postgres_url: str, tmp_path: Path) -> None:
    frames = voice_call().frames[:60]
    with EventStore(postgres_url, keys=f"sqlite:///{tmp_path}/keys.db") as store:
        for at in range(0, 60, 20):
            store.append_together(
                [Append(name, frames[at : at + 20], at, at == 40) for name in "abc"]
            )
        for name in "abc":
            assert [event.text for event in store.events(name)] == [f.text for f in frames]
            assert changed(store.engine, name) == 0
        with store.engine.connect() as connection:
            plain = connection.exec_driver_sql("SELECT count(*) FROM events WHERE frame <> ''")
            assert plain.scalar() == 0


def test_a_session_that_is_named_twice_gets_both(engine: Engine, states: StateCache | None) -> None:
    frames = voice_call().frames[:12]
    for id_ in ("one", "other", "twice"):
        append(engine, states, id_, frames[:4])
    given = [
        Append("twice", frames[4:6]),
        Append("one", frames[4:], 4),
        Append("twice", frames[6:]),
        Append("other", frames[4:], 4),
    ]
    done = append_together(engine, states, given)
    assert [(one.session_id, one.first_seq, one.last_seq) for one in done] == [
        *(("twice", 5, 6), ("one", 5, 12), ("twice", 7, 12), ("other", 5, 12)),
    ]
    for id_ in ("one", "other", "twice"):
        assert [e.text for e in read_events(engine, id_, 1, 100)] == [f.text for f in frames]
        append(engine, states, id_, frames, 12)  # a state that is kept is at the head
        if states is not None:
            assert changed(engine, id_) == 0


def test_a_session_that_is_named_twice_at_one_head_is_a_conflict(
    engine: Engine, states: StateCache | None
) -> None:
    frames = voice_call().frames
    for id_ in ("one", "other", "twice"):
        append(engine, states, id_, frames[:4])
    given = [Append("one", frames[4:8], 4), Append("other", frames[4:8], 4)]
    given += [Append("twice", frames[4:8], 4), Append("twice", frames[9:12], 4)]
    with pytest.raises(ConflictError):
        append_together(engine, states, given)
    for id_ in ("one", "other", "twice"):
        assert seqs_of(engine, id_) == [1, 2, 3, 4]
