"""Acceptance: files as people have them become the call that is in them, on both databases."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest
from support.cases import case
from support.import_files import frames_of

from eventstore import EventStore, InvalidInputError
from eventstore.realtime.frames import CLIENT

START = 1_780_000_000_050_000


class Right(NamedTuple):
    """What a case is to give.

    Attributes:
        format: what it is told as.
        first_at: the time of its first frame.
        client: how many of its 17 frames are the client's.
        warned: part of each warning.
    """

    format: str
    first_at: int | None = START
    client: int = 1
    events: int = 17
    warned: tuple[str, ...] = ()


#: Times of day: the last message came when the file was written.
ASSUMED = -1
CLOCK = ("17 of 17 times are times of day without their date; their spacing is kept",)
CASES = {
    "har_messages_array.json": Right("har-messages"),
    "har_chrome.har": Right("har"),
    "console_events.json": Right("console"),
    "envelope_timestamp_key.jsonl": Right("timestamped"),
    "bare_with_timestamp.jsonl": Right("timestamped", ASSUMED, warned=CLOCK),
    "agents_demo_log.json": Right("agents-demo", ASSUMED, warned=CLOCK),
    "cassette_sent_received.json": Right("cassette", None),
    "wscat_log.txt": Right("wscat", None),
    "csv_log.csv": Right("csv"),
    "pretty_json.json": Right("jsonl", None),
    "langsmith_runs.jsonl": Right("langsmith", 1_780_000_001_000_000),
    "sdk_raw_events.jsonl": Right("agents-sdk", None, client=0, events=16),
}


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_people_have_becomes_its_call(store: EventStore, name: str) -> None:
    right = CASES[name]
    (done,) = store.import_file(case(name))
    assert (done.format, done.events, done.responses) == (right.format, right.events, 1)
    assert done.session_id == f"sess_{name.split('.')[0]}"
    assert len(done.warnings) == len(right.warned)
    assert all(part in told for part, told in zip(right.warned, done.warnings, strict=True))
    frames = frames_of(store, done.session_id)
    if right.first_at == ASSUMED:
        assert max(frame.at or 0 for frame in frames) == case(name).stat().st_mtime_ns // 1000
    else:
        assert frames[0].at == right.first_at
    assert sum(frame.direction == CLIENT for frame in frames) == right.client
    assert all("." in json.loads(frame.text)["type"] for frame in frames)
    (response,) = store.responses(session=done.session_id).data
    assert response["status"] == "completed" and response["usage"]["total_tokens"] == 250
    assert "Hello from the file" in json.dumps(response)
    assert store.import_file(case(name))[0].added == 0


def test_milliseconds_in_our_own_envelopes_stay_refused(store: EventStore) -> None:
    with pytest.raises(InvalidInputError, match="line 1: at 1780000000050: use ISO 8601"):
        store.import_file(case("at_milliseconds"))


def test_the_secrets_of_a_hars_headers_are_not_imported(store: EventStore) -> None:
    (done,) = store.import_file(case("har_chrome.har"))
    assert not [frame for frame in frames_of(store, done.session_id) if "sk-fake" in frame.text]
