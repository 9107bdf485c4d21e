"""Appends: guarded, repeatable, gapless, exact, whole, and safe between processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.events import SESSION, START, Call
from support.examples import examples
from support.recordings import frames as recorded_frames
from support.rows import head_of, read_model_rows, seqs_of
from support.strategies import any_text
from support.writers import SHARED, Written, batch, in_processes

from eventstore import EventStore
from eventstore.errors import ConflictError, InvalidInputError
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import CLIENT, DIRECTIONS, SERVER, UNREADABLE, Frame
from eventstore.store.log import read_events as read_stream
from eventstore.store.log.insert_events import COPY_FROM
from eventstore.store.log.read_events import read_events
from eventstore.store.readmodels.states.state_cache import StateCache
from eventstore.store.sessions.append import append
from eventstore.store.sessions.append_arguments import Appended
from eventstore.store.sessions.project_session import project_session

TESTS = Path(__file__).resolve().parents[2]
PROCESSES = 4


def pings(count: int, start: int = 1) -> list[Frame]:
    """Frames that can be told apart."""
    return [
        Frame(SERVER, json.dumps({"type": "ping", "n": number}), START + number)
        for number in range(start, start + count)
    ]


def stored(engine: Engine, session_id: str = SESSION) -> list[StoredEvent]:
    """All events of a session."""
    return list(read_events(engine, session_id, 1, 10**9))


def as_frames(events: list[StoredEvent]) -> list[Frame]:
    return [Frame(event.direction, event.text, event.at) for event in events]


# Sequence and guard


@pytest.fixture(params=[True, False], ids=["inline", "deferred"])
def states(request: pytest.FixtureRequest) -> StateCache | None:
    """The two ways to append: projecting at once, or leaving that to a worker."""
    return StateCache() if request.param else None


def test_seq_runs_from_one_without_gaps(engine: Engine, states: StateCache | None) -> None:
    sizes = [1, 3, COPY_FROM - 1, COPY_FROM, COPY_FROM + 1, 100, 1]
    last = 0
    for size in sizes:
        done = append(engine, states, SESSION, pings(size))
        assert done == Appended(SESSION, last + 1, last + size)
        last += size
    assert seqs_of(engine, SESSION) == list(range(1, sum(sizes) + 1))
    assert head_of(engine, SESSION)[0] == sum(sizes)


def test_sessions_count_each_for_themselves(engine: Engine, states: StateCache | None) -> None:
    for session_id in ("a", "b", "a"):
        append(engine, states, session_id, pings(2))
    assert seqs_of(engine, "a") == [1, 2, 3, 4]
    assert seqs_of(engine, "b") == [1, 2]


def test_an_append_at_the_expected_seq_succeeds(engine: Engine, states: StateCache | None) -> None:
    append(engine, states, SESSION, pings(3), expected_seq=0)
    done = append(engine, states, SESSION, pings(2, 4), expected_seq=3)
    assert done == Appended(SESSION, 4, 5)


def test_a_conflict_names_both_numbers_and_adds_nothing(
    engine: Engine, states: StateCache | None
) -> None:
    append(engine, states, SESSION, pings(3))
    for expected in (0, 2, 4, 999, -1):
        message = rf"expected seq {expected}, but the head is 3"
        with pytest.raises(ConflictError, match=message) as at:
            append(engine, states, SESSION, pings(1, 50), expected_seq=expected)
        assert (at.value.session_id, at.value.expected, at.value.actual) == (SESSION, expected, 3)
        assert seqs_of(engine, SESSION) == [1, 2, 3]
    # The stream is not locked or lost by that.
    assert append(engine, states, SESSION, pings(1, 4), expected_seq=3).last_seq == 4


def test_a_session_that_is_not_there_has_head_zero(engine: Engine) -> None:
    with pytest.raises(ConflictError, match="expected seq 5, but the head is 0"):
        append(engine, StateCache(), SESSION, pings(1), expected_seq=5)
    assert seqs_of(engine, SESSION) == []


@pytest.mark.parametrize("size", [1, COPY_FROM + 1])
def test_the_same_append_again_adds_nothing_and_says_so(
    engine: Engine, states: StateCache | None, size: int
) -> None:
    first = append(engine, states, SESSION, pings(size), expected_seq=0)
    again = append(engine, states, SESSION, pings(size), expected_seq=0)
    assert again == Appended(SESSION, 1, size, repeated=True)
    assert again[:3] == first[:3]
    assert len(seqs_of(engine, SESSION)) == size


def test_an_append_is_repeated_even_when_others_came_after_it(engine: Engine) -> None:
    states = StateCache()
    append(engine, states, SESSION, pings(2), expected_seq=0)
    append(engine, states, SESSION, pings(2, 3), expected_seq=2)
    append(engine, states, SESSION, pings(2, 5))
    again = append(engine, states, SESSION, pings(2, 3), expected_seq=2)
    assert again == Appended(SESSION, 3, 4, repeated=True)
    assert len(seqs_of(engine, SESSION)) == 6


def test_an_append_of_audio_is_repeated_too(engine: Engine) -> None:
    frames = [
        *Call().created("resp_1").sounds("resp_1", "item_1", 10, 20).frames,
        Frame(CLIENT, "a\0b", START),
        Frame(SERVER, b"\x00\xff", START),
    ]
    append(engine, StateCache(), SESSION, frames, expected_seq=0)
    assert append(engine, StateCache(), SESSION, frames, expected_seq=0).repeated


def test_an_append_without_times_is_repeated_by_one_with_or_without_them(engine: Engine) -> None:
    timed = pings(1)
    untimed = [timed[0]._replace(at=None)]
    append(engine, StateCache(), SESSION, timed, expected_seq=0)
    assert append(engine, StateCache(), SESSION, untimed, expected_seq=0).repeated


@pytest.mark.parametrize(
    "changed",
    [
        lambda frame: frame._replace(text=frame.text + " "),
        lambda frame: frame._replace(direction=CLIENT),
        lambda frame: frame._replace(at=1),
    ],
)
def test_another_append_at_the_same_seq_is_a_conflict(engine: Engine, changed: Any) -> None:
    first, second = pings(2)
    append(engine, StateCache(), SESSION, [first, second], expected_seq=0)
    with pytest.raises(ConflictError, match="expected seq 0, but the head is 2"):
        append(engine, StateCache(), SESSION, [first, changed(second)], expected_seq=0)
    assert len(seqs_of(engine, SESSION)) == 2


def test_a_repetition_that_goes_on_beyond_the_head_is_a_conflict(engine: Engine) -> None:
    append(engine, StateCache(), SESSION, pings(2), expected_seq=0)
    with pytest.raises(ConflictError):
        append(engine, StateCache(), SESSION, pings(3), expected_seq=0)
    assert len(seqs_of(engine, SESSION)) == 2


def test_frames_may_come_from_an_iterator(engine: Engine, states: StateCache | None) -> None:
    assert append(engine, states, SESSION, iter(pings(20))) == Appended(SESSION, 1, 20)
    assert append(engine, states, SESSION, iter(pings(5, 21)), expected_seq=20).last_seq == 25
    assert as_frames(stored(engine)) == pings(25)


def test_an_append_of_nothing_adds_nothing(engine: Engine, states: StateCache | None) -> None:
    append(engine, states, SESSION, pings(2))
    assert append(engine, states, SESSION, []) == Appended(SESSION, 3, 2)
    assert append(engine, states, SESSION, iter([])) == Appended(SESSION, 3, 2)
    assert append(engine, states, SESSION, pings(1, 3)) == Appended(SESSION, 3, 3)


# All or nothing


def test_an_iterator_that_fails_leaves_nothing_of_its_append(
    engine: Engine, states: StateCache | None
) -> None:
    def failing() -> Iterator[Frame]:
        yield from pings(20, 4)
        raise RuntimeError("the source broke")

    append(engine, states, SESSION, pings(3))
    rows = read_model_rows(engine, SESSION)
    with pytest.raises(RuntimeError, match="the source broke"):
        append(engine, states, SESSION, failing())
    assert seqs_of(engine, SESSION) == [1, 2, 3]
    assert read_model_rows(engine, SESSION) == rows
    assert append(engine, states, SESSION, pings(1, 4)).last_seq == 4


NO_FRAMES: list[Any] = [
    Frame("sideways", "{}", START),
    Frame("", "{}", START),
    Frame(SERVER, "{}", 1.5),  # type: ignore[arg-type]
    Frame(SERVER, "{}", "now"),  # type: ignore[arg-type]
    Frame(SERVER, "{}", True),
    # Times that no calendar has, or no column holds.
    *(Frame(SERVER, '{"type":"session.created"}', at) for at in (2**62, -(2**62), 2**63, 2**70)),
]


@pytest.mark.parametrize("size", [0, 1, COPY_FROM])
def test_a_frame_that_is_none_refuses_the_whole_append(
    engine: Engine, states: StateCache | None, size: int
) -> None:
    append(engine, states, SESSION, pings(3))
    for number, wrong in enumerate(NO_FRAMES):
        with pytest.raises(InvalidInputError, match=f"frame {size + 1}: "):
            append(engine, states, SESSION, [*pings(size, 4), wrong])
        assert seqs_of(engine, SESSION) == list(range(1, 4 + number))
        assert append(engine, states, SESSION, pings(1, 4)).last_seq == 4 + number


# Exact


NASTY: list[str | bytes] = [
    *("", " ", "{}", "[]", "null", "no JSON", '{"type":', '{"type":"ping"} ', "\ufeff{}"),
    *('{"type":"ping","n":1.0e5,"n":01}', '{"type":"é"}', '{"type":"\\u00e9"}'),
    *("a\0b", "\ud83d", '{"type":"ping","t":"\\ud83d"}', '{"type":"ping","t":"\ud83d"}'),
    '{"type":"input_audio_buffer.append","audio":"AAAA"}',
    '{"type":"input_audio_buffer.append","audio":"AAB="}',
    '{ "audio" : "AA==",\n "type":"input_audio_buffer.append" }',
    '{"delta":"AAAA","type":"response.audio.delta"}',
    '{"type":"response.output_text.delta","delta":"AAAA"}',
    '{"type":"' + "t" * 500 + '"}',
    '{"type":"ping","a":' + "[" * 5000 + "]" * 5000 + "}",
    '{"type":"ping","a":"' + "x" * 3_000_000 + '"}',
    '{"type":"input_audio_buffer.append","audio":"' + "A" * 4_000_000 + '"}',
    b"",
    b"\x00\x01\xff",
    b'{"type":"ping"}',
]


@pytest.mark.parametrize("size", [1, COPY_FROM + 1, len(NASTY)])
def test_frames_are_exact_after_reading_back(engine: Engine, size: int) -> None:
    frames = [
        Frame(DIRECTIONS[number % 3], text, None if number % 4 else START + number)
        for number, text in enumerate(NASTY)
    ]
    states = StateCache()
    for start in range(0, len(frames), size):
        append(engine, states, SESSION, frames[start : start + size])
    events = stored(engine)
    assert as_frames(events) == frames
    assert [event.seq for event in events] == list(range(1, len(frames) + 1))
    assert [type(event.text) for event in events] == [type(text) for text in NASTY]


def test_a_recording_is_exact_after_reading_back(engine: Engine, recordings: list[Path]) -> None:
    for recording in recordings:
        frames = recorded_frames(recording)
        append(engine, StateCache(), recording.stem, frames)
        assert as_frames(stored(engine, recording.stem)) == frames


def test_any_text_is_exact_after_reading_back(engine: Engine) -> None:
    written: list[Frame] = []

    @examples(40 if engine.dialect.name == "sqlite" else 20)
    @given(st.lists(st.tuples(st.sampled_from(DIRECTIONS), any_text() | st.binary()), max_size=12))
    def holds(made: list[tuple[str, str | bytes]]) -> None:
        frames = [Frame(direction, text) for direction, text in made]
        base = len(written)
        append(engine, None, SESSION, frames)
        written.extend(frames)
        found = list(read_events(engine, SESSION, base + 1, base + len(frames)))
        assert as_frames(found) == frames

    holds()
    assert as_frames(stored(engine)) == written


def test_a_part_of_a_stream_is_read_by_seq_and_type(engine: Engine) -> None:
    frames = [
        Frame(SERVER, json.dumps({"type": ("ping", "error", "pong")[n % 3]})) for n in range(9)
    ]
    append(engine, StateCache(), SESSION, [*frames, Frame(SERVER, "no JSON")])
    assert [event.seq for event in read_events(engine, SESSION, 3, 5)] == [3, 4, 5]
    errors = read_events(engine, SESSION, 1, 10, ["error", UNREADABLE])
    assert [event.seq for event in errors] == [2, 5, 8, 10]
    assert list(read_events(engine, SESSION, 6, 5)) == []
    assert list(read_events(engine, "sess_unheard_of", 1, 5)) == []


def test_a_stream_is_read_in_pieces_of_bounded_size(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_stream, "PIECE_BYTES", 1000)
    frames = [Frame(SERVER, json.dumps({"type": "ping", "x": "é" * n})) for n in range(0, 900, 30)]
    append(engine, StateCache(), SESSION, frames)
    assert as_frames(stored(engine)) == frames


# Many processes


def test_many_processes_lose_nothing_and_leave_no_gap(engine: Engine, database_url: str) -> None:
    written = in_processes(database_url, PROCESSES, appends=12, own_sessions=5)

    by_session: dict[str, list[Written]] = defaultdict(list)
    for process in written:
        for one in process:
            by_session[one.session_id].append(one)
        for session_id in {one.session_id for one in process}:
            firsts = [one.first_seq for one in process if one.session_id == session_id]
            assert firsts == sorted(firsts), "a process's own appends keep their order"
    assert len(by_session) == 6
    for session_id, appends in by_session.items():
        ordered = sorted(appends, key=lambda one: one.first_seq)
        expected = [text for one in ordered for text in one.texts]
        events = stored(engine, session_id)
        assert [event.seq for event in events] == list(range(1, len(expected) + 1))
        assert [event.text for event in events] == expected
        assert head_of(engine, session_id) == (len(expected), len(expected))
        rows = read_model_rows(engine, session_id)
        assert len(rows["items"]) == len(expected)
        project_session(engine, session_id)
        assert rows == read_model_rows(engine, session_id)
    assert len({one.first_seq for one in by_session[SHARED]}) == PROCESSES * 12


@contextmanager
def writer(url: str, session_id: str, size: int) -> Iterator[subprocess.Popen[str]]:
    """A process that appends batches of a size until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.writers", url, session_id, str(size)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=TESTS,
        env={"PYTHONPATH": f"{TESTS.parent}:{TESTS}", "PATH": ""},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def kill(process: subprocess.Popen[str], after: float) -> int:
    """Kill a writer in the middle of its work; the last append that it knew to be written."""
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline(), "the writer failed"
    time.sleep(after)
    process.kill()
    process.wait()
    said = process.stdout.read().split()
    return int(said[-1]) if said else 3


@pytest.mark.parametrize("size", [2, 300])
def test_a_killed_writer_leaves_whole_appends_only(
    engine: Engine, database_url: str, size: int
) -> None:
    delays = {"sess_1": 0.0, "sess_2": 0.004, "sess_3": 0.011}
    for session_id, after in delays.items():
        with writer(database_url, session_id, size) as process:
            acknowledged = kill(process, after)
        # Another writer goes on at once, at the head that was left.
        done = append(engine, StateCache(), session_id, pings(1))
        whole, rest = divmod(done.first_seq - 1, size)
        assert rest == 0
        assert acknowledged <= whole <= acknowledged + 1
        expected = [frame for number in range(1, whole + 1) for frame in batch(number, size)]
        assert as_frames(stored(engine, session_id))[:-1] == expected
        assert head_of(engine, session_id) == (done.last_seq, done.last_seq)
        rows = read_model_rows(engine, session_id)
        assert len(rows["items"]) == len(expected)
        project_session(engine, session_id)
        assert rows == read_model_rows(engine, session_id)


def test_events_are_found_by_a_glob_of_however_many_types(engine: Engine) -> None:
    texts = ['{"type":""}', *(f'{{"type":"odd.{number}"}}' for number in range(300))]
    append(engine, None, SESSION, [Frame(SERVER, text, START) for text in texts])

    def found(glob: str) -> list[str | bytes]:
        return [event.text for event in read_events(engine, SESSION, 1, 1000, glob)]

    assert found("odd.*") == texts[1:]
    assert found("odd.7") == ['{"type":"odd.7"}']
    assert found("*") == texts
    assert found("unheard.of") == []
    assert found("") == texts[:1]


def test_the_state_of_a_session_that_is_erased_is_not_kept(database_url: str) -> None:
    with EventStore(database_url) as store:
        store.append("call", [Frame("server", '{"type":"session.created"}')])
        states = store._states
        assert states is not None and "call" in states._states
        store.erase("call", vacuum=False).raise_for_errors()
        assert "call" not in states._states
