"""Whatever is changed, missing, added or out of order in a log is found, and named."""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from eventstore.archive.seal import seal_session, unseal_session
from eventstore.archive.verifying.digest_file import digest_lines, read_digest_lines
from eventstore.archive.verifying.verify import verify_session
from eventstore.archive.verifying.verify_results import Problem, Verified
from eventstore.errors import InvalidInputError, NotFoundError
from eventstore.realtime.frames import CLIENT, SERVER, Frame
from eventstore.segments import digest
from eventstore.store.database.transaction import write
from eventstore.store.log.read_events import read_events
from eventstore.store.readmodels.states.state_cache import StateCache
from eventstore.store.sessions.append import append

FLIPS = int(os.environ.get("FLIPS", "10000")) // 50
FRAMES = [
    Frame((CLIENT, SERVER)[n % 2], f'{{"type":"ping","event_id":"event_{n:04}"}}', 10**15 + n)
    for n in range(30)
]


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of seven events: 30 events are four segments and a short one."""
    monkeypatch.setattr(digest, "SEGMENT_EVENTS", 7)


@pytest.fixture
def written(engine: Engine) -> Engine:
    append(engine, StateCache(), "s", FRAMES, close=True)
    return engine


def run(engine: Engine, sql: str, *parameters: object) -> None:
    with write(engine) as tx:
        tx.run(sql, parameters)


def places(found: Verified) -> list[tuple[int, int]]:
    return [(problem.first_seq, problem.last_seq) for problem in found.problems]


def test_a_whole_session_has_one_digest_sealed_or_not(written: Engine) -> None:
    before = verify_session(written, "s")
    assert [one.last_seq for one in before.segments] == [7, 14, 21, 28, 30]
    done = seal_session(written, "s")
    after = verify_session(written, "s")
    assert after == before._replace(sealed=30)
    assert after.problems == []
    assert done.sha256 == after.sha256
    assert seal_session(written, "s").sha256 == after.sha256  # nothing to seal
    append(written, StateCache(), "s", FRAMES[:3])
    grown = verify_session(written, "s", after.segments)
    assert (grown.problems, grown.sealed, grown.events) == ([], 30, 33)
    assert [one.last_seq for one in grown.segments] == [7, 14, 21, 28, 33]
    seal_session(written, "s")
    sealed_again = verify_session(written, "s", after.segments)
    assert sealed_again.problems == []
    assert sealed_again.sha256 == grown.sha256
    unseal_session(written, "s")
    assert verify_session(written, "s").sha256 == sealed_again.sha256
    assert [one.last_seq for one in sealed_again.segments] == [7, 14, 21, 28, 33]


CHANGES: dict[str, tuple[Callable[[Engine], None], list[tuple[int, int]]]] = {
    "a changed frame": (
        lambda engine: run(
            engine,
            "UPDATE events SET frame = ? WHERE seq = 10",
            FRAMES[9].text.replace("0009", "0008"),  # type: ignore[arg-type,union-attr]
        ),
        [(8, 14)],
    ),
    "a changed time": (
        lambda engine: run(engine, "UPDATE events SET at = at + 1 WHERE seq = 30"),
        [(29, 30)],
    ),
    "a changed direction": (
        lambda engine: run(engine, "UPDATE events SET direction = 'store' WHERE seq = 1"),
        [(1, 7)],
    ),
    "frames that changed places": (
        lambda engine: [  # type: ignore[return-value]
            run(engine, "UPDATE events SET seq = ? WHERE seq = ?", *pair)
            for pair in ((100, 16), (16, 17), (17, 100))
        ],
        [(15, 21)],
    ),
    "a last event that is gone": (
        lambda engine: run(engine, "DELETE FROM events WHERE seq = 30"),
        [(30, 30)],
    ),
    "an event too many": (
        lambda engine: run(
            engine,
            "INSERT INTO events (session_id, seq, direction, type, frame)"
            " VALUES ('s', 31, 'client', 'ping', ?)",
            FRAMES[0].text,
        ),
        [(31, 31)],
    ),
    "a type that is not the frame's": (
        lambda engine: run(engine, "UPDATE events SET type = 'pong' WHERE seq = 5"),
        [(5, 5)],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_the_log_is_found_by_a_digest_that_was_kept(
    written: Engine, change: str
) -> None:
    kept = read_digest_lines(digest_lines([verify_session(written, "s")]))["s"]
    assert verify_session(written, "s", kept).problems == []
    make, expected = CHANGES[change]
    make(written)
    found = verify_session(written, "s", kept)
    assert set(expected) <= set(places(found))


def test_a_hole_is_found_without_a_digest(written: Engine) -> None:
    run(written, "DELETE FROM events WHERE seq IN (3, 4, 20)")
    assert verify_session(written, "s").problems == [
        Problem(3, 4, "events are missing"),
        Problem(20, 20, "events are missing"),
    ]


def test_damaged_columns_are_found_without_a_digest(written: Engine) -> None:
    run(written, "UPDATE events SET audio_offset = 5 WHERE seq = 6")
    assert places(verify_session(written, "s")) == [(6, 6)]


SEALED: dict[str, tuple[str, list[tuple[int, int]]]] = {
    "a segment that is gone": ("DELETE FROM segments WHERE first_seq = 8", [(8, 14)]),
    "the last segment gone": ("DELETE FROM segments WHERE first_seq = 29", [(29, 30)]),
    "another's contents": (
        "UPDATE segments SET data = (SELECT o.data FROM segments o"
        " WHERE o.session_id = segments.session_id AND o.first_seq = 1) WHERE first_seq = 8",
        [(8, 14)],
    ),
    "no contents": ("UPDATE segments SET data = NULL WHERE first_seq = 15", [(15, 21)]),
    "another digest": (
        "UPDATE segments SET sha256 = previous_sha256 WHERE first_seq = 22",
        [(22, 28)],
    ),
    "another digest before": (
        "UPDATE segments SET previous_sha256 = sha256 WHERE first_seq = 15",
        [(15, 21)],
    ),
    "another end": ("UPDATE segments SET last_seq = 22 WHERE first_seq = 15", [(15, 22)]),
    "a row beside": (
        "INSERT INTO events (session_id, seq, direction, type, frame)"
        " VALUES ('s', 9, 'client', 'ping', '{}')",
        [(9, 9)],
    ),
}


@pytest.mark.parametrize("change", SEALED)
def test_a_change_of_segments_is_found(written: Engine, change: str) -> None:
    seal_session(written, "s")
    sql, expected = SEALED[change]
    run(written, sql)
    assert set(expected) <= set(places(verify_session(written, "s")))


def test_each_bit_of_a_stored_segment_is_proved(written: Engine) -> None:
    seal_session(written, "s")
    chance = random.Random(FLIPS)
    with write(written) as tx:
        rows = tx.rows("SELECT first_seq, last_seq, data FROM segments ORDER BY 1")
    update = "UPDATE segments SET data = ? WHERE first_seq = ?"
    for _ in range(FLIPS):
        first, last, data = chance.choice(rows)
        changed = bytearray(data)
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        run(written, update, bytes(changed), first)
        assert places(verify_session(written, "s")) == [(first, last)]
        run(written, update, data, first)
    assert verify_session(written, "s").problems == []


def test_damaged_sound_is_narrowed_to_its_events(engine: Engine) -> None:
    sound = base64.b64encode(bytes(range(256)) * 20).decode()
    audio = [Frame(CLIENT, f'{{"type":"input_audio_buffer.append","audio":"{sound}"}}', 7)] * 2
    append(engine, StateCache(), "s", [*FRAMES[:3], *audio, FRAMES[3]], close=True)
    seal_session(engine, "s")
    with write(engine) as tx:
        data = bytearray(tx.rows("SELECT data FROM segments")[0][0])
        data[-1] ^= 1
        tx.run("UPDATE segments SET data = ?", (bytes(data),))
    (problem,) = verify_session(engine, "s").problems
    assert problem[:2] == (4, 5)
    assert "that of 2 events" in problem.problem
    pings = list(read_events(engine, "s", 1, 6, ["ping"]))
    assert [event.text for event in pings] == [frame.text for frame in FRAMES[:4]]


def test_a_session_that_is_not_there(engine: Engine) -> None:
    with pytest.raises(NotFoundError):
        verify_session(engine, "nowhere")


@pytest.mark.parametrize(
    "line", ["{}", "x", '{"session_id":"s","segments":[{"first_seq":1,"last_seq":2,"sha256":"0"}]}']
)
def test_a_line_that_holds_no_digests_is_named(line: str) -> None:
    good = '{"session_id":"s","segments":[]}\n'
    with pytest.raises(InvalidInputError, match="line 2"):
        read_digest_lines([good, line])
