"""Times that count from a recording's start keep their spacing, and a warning says their date."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from capture.files.formats.written import Read, read
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.import_files import Json, answer, created, events_of, imported, jsonl

from eventstore import EventStore
from eventstore.realtime.frames import SERVER, Frame
from eventstore.times import now

START, SECOND = 1_780_000_000_000_000, 1_000_000
STARTED = "2026-05-28T20:26:40Z"
DONE = {"type": "response.done"}
CALL = [created("sess_1"), {"type": "response.create"}, *answer("resp_1")]


def messages(*offsets: Any, key: str = "at") -> list[Json]:
    return [{"direction": "received", key: offset, "data": DONE} for offset in offsets]


def call(*offsets: Any) -> list[Json]:
    """A call whose four messages have these offsets."""
    return [{**line, "data": event} for line, event in zip(messages(*offsets), CALL, strict=True)]


def since_first(found: Read) -> list[int]:
    """How much later than the first message each one came, in milliseconds."""
    times = [frame.at or 0 for frame in found.frames]
    return [(at - times[0]) // 1000 for at in times]


# The unit


@pytest.mark.parametrize(
    ("offsets", "expected", "unit"),
    [
        ([0.0, 0.5, 2.25], [0, 500, 2250], "seconds"),
        (["0.0", "0.5", "2.25"], [0, 500, 2250], "seconds"),
        ([0, 0.5, 15], [0, 500, 15_000], "seconds"),
        ([0, 500, 2250], [0, 500, 2250], "milliseconds"),
        (["0", "500", "2250"], [0, 500, 2250], "milliseconds"),
        ([10.5, 510.5, 2260.5], [0, 500, 2250], "milliseconds"),
        ([81_234.5, 81_235.0], [0, 500], "seconds"),
        ([0.25 * n for n in range(40_000)], None, "milliseconds"),
    ],
)
def test_seconds_and_milliseconds_are_told_apart_by_the_whole_file(
    offsets: list[Any], expected: list[int] | None, unit: str
) -> None:
    found = read(jsonl(*messages(*offsets)))
    assert f" of the recording, in {unit}; their spacing is kept" in found.warnings[0]
    assert len(found.warnings) == 1
    assert expected is None or since_first(found) == expected


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        *(("time_ms", 1000), ("offsetMs", 1000), ("elapsed_ms", 1000), ("t_ms", 1000)),
        *(("offset_s", SECOND), ("elapsedSeconds", SECOND), ("relative_secs", SECOND)),
    ],
)
@given(counts=st.lists(st.integers(0, 3_600), min_size=1, max_size=6))
@examples(10)
def test_a_name_says_the_unit(key: str, unit: int, counts: list[int]) -> None:
    found = read(jsonl({"version": 1, "started_at": STARTED}, *messages(*counts, key=key)))
    assert [frame.at for frame in found.frames] == [START + unit * count for count in counts]


@given(offsets=st.lists(st.integers(0, 3_600 * SECOND), min_size=1, max_size=6))
@examples(30)
def test_offsets_are_exact_to_the_microsecond(offsets: list[int]) -> None:
    for key, unit in (("offset_ms", 1000), ("offset_s", SECOND)):
        lines = messages(*(offset / unit for offset in offsets), key=key)
        found = read(json.dumps({"recorded_at": STARTED, "messages": lines}).encode())
        assert [frame.at for frame in found.frames] == [START + offset for offset in offsets]


@pytest.mark.parametrize("key", ["time_us", "ts_us", "timeNs"])
def test_units_that_are_too_small_are_not_understood(key: str) -> None:
    found = read(jsonl(*messages(0, 5, key=key)))
    assert found.frames == [Frame(SERVER, json.dumps(DONE))] * 2
    assert "times are not understood" in found.warnings[0]


# Times of day


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["8:26:41 PM", "8:26:41.5 pm", "20:26:44"], [0, 500, 3000]),
        (["12:00 AM", "12:00:01 a.m.", "0:01"], [0, 1000, 60_000]),
        (["11:59:59,5 PM", "12:00:00 AM", "12:00:01 AM"], [0, 500, 1500]),
        (["00:00:01", "23:59:59", "00:00:02"], [0, -2000, 1000]),
        (["11:59 AM", "12:00 PM", "12:01 PM"], [0, 60_000, 120_000]),
    ],
)
def test_times_of_day_keep_their_spacing_over_a_midnight(
    times: list[str], expected: list[int]
) -> None:
    found = read(jsonl(*messages(*times)))
    (told,) = found.warnings
    assert "3 of 3 times are times of day without their date; their spacing is kept" in told
    assert since_first(found) == expected
    started = read(jsonl({"version": 1, "started_at": STARTED}, *messages(*times)))
    assert min(frame.at or 0 for frame in started.frames) == START


# The start


@pytest.mark.parametrize(
    "beside",
    [
        {"recorded_at": STARTED},
        {"startedAt": START // 1000},
        {"start_time": START / SECOND},
        {"metadata": {"recording_started_at": STARTED}},
        {"timestamp": STARTED},
        {"created_at": 1, "recorded": STARTED},
        {"a": "x" * 99, "created": 10**30, "b": [{}], "x" * 99: 1, "recorded": STARTED},
        {"date": "2030-01-01T00:00:00Z", "created": "2029-01-01T00:00:00Z", "start": STARTED},
    ],
)
def test_a_file_may_tell_its_start(beside: Json) -> None:
    lines = messages(0.5, 1.5)
    files = [
        json.dumps(made) for made in ({**beside, "events": lines}, {"events": lines, **beside})
    ]
    files += [yaml.safe_dump({**beside, "interactions": lines}, sort_keys=False)]
    files += [json.dumps(beside) + "\n" + jsonl(*lines).decode()]
    for content in files:
        (told, *_) = (found := read(content.encode())).warnings
        assert "when the file says that it started" in told
        assert [frame.at for frame in found.frames] == [
            START + SECOND // 2,
            START + SECOND * 3 // 2,
        ]


def test_each_connection_of_a_file_may_tell_its_start() -> None:
    connections = [
        {"started_at": at, "events": messages(0.5, 1.0)} for at in (START // 1000, 1_790_000_000)
    ]
    found = read(json.dumps({"interactions": [*connections, {"events": messages(2.0)}]}).encode())
    assert [frame.at for frame in found.frames] == [
        START + SECOND // 2,
        START + SECOND,
        1_790_000_000_500_000,
        1_790_000_001_000_000,
        START + 2 * SECOND,
    ]


def test_a_clock_that_began_long_before_the_recording_is_taken_off() -> None:
    lines = messages(81_234.5, 81_236.0)
    found = read(json.dumps({"recorded_at": STARTED, "messages": lines}).encode())
    assert [frame.at for frame in found.frames] == [START, START + SECOND * 3 // 2]


def test_else_a_session_ends_an_hour_behind_its_start() -> None:
    first = {"type": "session.created", "session": {"expires_at": 1_780_003_600}}
    values = [{"direction": "received", "at": 0.5, "data": first}, *messages(1.0)]
    found = read(jsonl(*values))
    assert "an assumed date: an hour before the session's expires_at" in found.warnings[0]
    assert [frame.at for frame in found.frames] == [START + SECOND // 2, START + SECOND]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_else_the_last_message_came_when_the_file_was_written(
    store: EventStore, tmp_path: Path, pack: Any
) -> None:
    path = tmp_path / "call.json"
    lines = call(0, 250, 900, 800)
    path.write_bytes(pack(jsonl(*lines)))
    os.utime(path, (START / SECOND, START / SECOND))
    (done,) = store.import_file(path)
    assert "assumed date" in done.warnings[0] and "in milliseconds" in done.warnings[0]
    assert [event.at for event in events_of(store, "sess_1")][:4] == [
        START - 900_000,
        START - 650_000,
        START,
        START - 100_000,
    ]
    os.utime(path)
    (again,) = store.import_file(path)
    assert (again.session_id, again.added) == ("sess_1", 0)


@pytest.mark.parametrize("name", ["sess_1", None])
def test_what_has_no_date_is_of_now_and_imported_once(store: EventStore, name: str | None) -> None:
    lines = call(*"0123")
    lines[0]["data"] = created(name)
    before = now() - 10_000  # the time of a file may be some milliseconds behind the clock
    (done,) = imported(store, jsonl(*lines))
    times = [event.at or 0 for event in events_of(store, done.session_id)][:4]
    assert [at - times[0] for at in times] == [0, 1000, 2000, 3000]
    assert before <= times[3] <= now()
    assert imported(store, jsonl(*lines))[0].added == 0
    assert imported(store, jsonl(*lines))[0].session_id == done.session_id


@pytest.mark.parametrize("at", [0, 4_000_000_000])
def test_a_file_of_1970_or_of_tomorrow_is_of_now(
    store: EventStore, tmp_path: Path, at: int
) -> None:
    path = tmp_path / "call.jsonl"
    path.write_bytes(jsonl(*messages(0.0, 1.5)))
    os.utime(path, (at, at))
    before = now() - 10_000
    (done,) = store.import_file(path)
    assert before <= (events_of(store, done.session_id)[1].at or 0) <= now()


# Where


@pytest.mark.parametrize(
    "content",
    [
        jsonl({"timestamp": 0.5, "event": DONE}, {"timestamp": 1.0, "event": DONE}),
        jsonl({"direction": "server", "t": 0.5, "event": DONE}, {"t": 1.0, "event": DONE}),
        jsonl({**DONE, "timestamp": 0.5}, {**DONE, "timestamp": 1.0}),
        jsonl({"source": "server", "time": 500, "event": DONE, "elapsed_ms": 500})
        + jsonl({"source": "server", "time": 1000, "event": DONE}),
        b'offset_ms,event\n500,"{""type"":""response.done""}"\n'
        b'1000,"{""type"":""response.done""}"\n',
        b'at,event\n0.5,"{""type"":""response.done""}"\n1.0,"{""type"":""response.done""}"\n',
        b'[0.500] < {"type":"response.done"}\n[1.000] < {"type":"response.done"}\n',
        b"- {direction: received, at: 0.5, data: {type: response.done}}\n"
        b"- {direction: received, at: 1.0, data: {type: response.done}}\n",
    ],
)
def test_formats_have_offsets(content: bytes) -> None:
    found = read(content)
    assert since_first(found) == [0, 500] and not found.bad
    assert "2 of 2 times count from the start of the recording" in found.warnings[0]


def test_a_date_is_surer_than_an_offset() -> None:
    both = {"direction": "received", "at": 0.5, "timestamp": STARTED, "data": DONE}
    found = read(jsonl(both))
    assert found.frames[0].at == START and found.warnings == []
    clock = {"direction": "received", "time": "8:26 PM", "elapsed": 0.5, "data": DONE}
    assert since_first(read(jsonl(clock, {**clock, "elapsed": 1.0}))) == [0, 500]


def test_messages_without_an_offset_among_others_have_no_time() -> None:
    found = read(jsonl(*messages(0.5, None, "noon", 1.0)))
    assert [frame.at is None for frame in found.frames] == [False, True, True, False]
    assert [told.split(" times ")[0] for told in found.warnings] == ["2 of 4", "1 of 4"]


def test_a_replay_goes_by_offsets(store: EventStore) -> None:
    lines = call(0.0, 1.0, 2.5, 3.0)
    imported(store, jsonl(*lines))
    assert store.state("sess_1", at="+2.6")["responses"][0]["status"] == "in_progress"
    assert store.state("sess_1", at="+3.1")["responses"][0]["status"] == "completed"
