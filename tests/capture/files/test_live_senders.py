"""Integration: recordings of GPT-Live that do not say who sent an event, in every format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from capture.files.formats.written import WRITTEN
from support.cases import case
from support.import_files import (
    created,
    exported,
    imported,
    imported_one,
    jsonl,
    session_ids,
    texts,
)
from support.live_calls import (
    closed,
    frames_of,
    heard,
    own_connection,
    said,
    sideband,
    start,
    started,
    used,
    words,
)

from eventstore import EventStore
from eventstore.realtime.frames import CLIENT, SERVER, STORE
from eventstore.times import to_iso

Json = dict[str, Any]
AUDIO = "session.input_audio.append"
NO_TIMES = {"type": "session.output_audio.delta", "delta": "AAAA"}


def senders(store: EventStore, session_id: str, type_: str = AUDIO) -> list[str]:
    """Who sent each event of a type."""
    return [event.direction for event in store.events(session_id) if event.type == type_]


def array(events: list[Json]) -> bytes:
    return json.dumps(events, indent=1).encode()


def envelopes(events: list[Json]) -> bytes:
    return jsonl(*({"at": to_iso(f.at), "event": json.loads(f.text)} for f in frames_of(events)))


def timestamped(events: list[Json]) -> bytes:
    return WRITTEN["bare"].write(frames_of(events))


def table(events: list[Json]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(
        [["time", "event"], *([1_780_000_000, json.dumps(e)] for e in events)]
    )
    return out.getvalue().encode()


def demo_log(events: list[Json]) -> bytes:
    return json.dumps([{"eventName": e["type"], "eventData": e} for e in events]).encode()


def agents_sdk(events: list[Json]) -> bytes:
    return jsonl(*({"type": "raw_model_event", "data": event} for event in events))


def langsmith(events: list[Json]) -> bytes:
    return WRITTEN["langsmith"].write(frames_of(events))


BARE: tuple[Callable[[list[Json]], bytes], ...] = (
    lambda events: jsonl(*events),
    array,
    envelopes,
    timestamped,
    table,
    demo_log,
    agents_sdk,
    langsmith,
)
NAMES = ("lines", "array", "envelopes", "timestamped", "table", "demo", "agents_sdk", "langsmith")
each_format = pytest.mark.parametrize("write", BARE, ids=NAMES)


@each_format
def test_audio_of_its_own_connection_is_the_clients(
    store: EventStore, write: Callable[[list[Json]], bytes]
) -> None:
    id_ = imported_one(store, write(own_connection()))
    assert id_ == "live_x1"
    assert senders(store, id_) == [CLIENT, CLIENT]
    assert senders(store, id_, "session.start") == [CLIENT]
    assert senders(store, id_, "session.started") == [SERVER]


@each_format
def test_audio_of_a_sideband_is_the_servers(
    store: EventStore, write: Callable[[list[Json]], bytes]
) -> None:
    id_ = imported_one(store, write(sideband()))
    assert senders(store, id_) == [SERVER, SERVER]


@pytest.mark.parametrize("name", ["har", "har_messages", "cassette", "wscat", "mitmproxy", "csv"])
@pytest.mark.parametrize("sender", [CLIENT, SERVER])
def test_a_sender_that_is_told_is_trusted(store: EventStore, name: str, sender: str) -> None:
    asked = ("session.start", "session.close", *([AUDIO] if sender == CLIENT else []))
    for events in own_connection("live_own"), sideband("live_side"):
        id_ = imported_one(store, WRITTEN[name].write(frames_of(events, asked)))
        assert senders(store, id_) == [sender, sender]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([started(), heard()], CLIENT, id="begins with started"),
        pytest.param([heard(), heard()], SERVER, id="nothing else"),
        pytest.param([heard(), said(start_ms=0, end_ms=20)], SERVER, id="audio with times"),
        pytest.param([heard(), NO_TIMES], CLIENT, id="cut at its beginning"),
        pytest.param([{**heard(), "event_id": "mine"}], CLIENT, id="an id of the client"),
        pytest.param(
            [started(), words("input", "Hi", 0, 9), heard(), said(start_ms=0, end_ms=20)],
            SERVER,
            id="a replay begins with started",
        ),
        pytest.param([heard(), start(), said(start_ms=0, end_ms=20)], CLIENT, id="a start"),
    ],
)
def test_the_first_proof_decides(store: EventStore, events: list[Json], expected: str) -> None:
    id_ = imported_one(store, jsonl(*events))
    assert set(senders(store, id_)) == {expected}


@pytest.mark.parametrize(
    ("more", "expected"),
    [({}, CLIENT), ({"event_id": "e"}, CLIENT), ({"client_event_id": "e"}, SERVER)],
)
def test_keys_are_the_clients_but_for_the_old_notice(
    store: EventStore, more: Json, expected: str
) -> None:
    key = {"type": "transport.dtmf.send", "event": "5", **more}
    id_ = imported_one(store, jsonl(*sideband(), key))
    assert senders(store, id_, "transport.dtmf.send") == [expected]


def test_connections_of_one_file_are_decided_each_for_itself(store: EventStore) -> None:
    realtime = [created("sess_1"), {"type": "input_audio_buffer.append", "audio": "AAAA"}]
    cut_off = own_connection("live_a")[:5]
    content = jsonl(*realtime, *cut_off, *own_connection("live_b"), *sideband("live_c"))
    done = imported(store, content)
    assert [(one.session_id, one.events) for one in done] == [
        ("sess_1", 2),
        ("live_a", 5),
        ("live_b", len(own_connection()) + len(sideband())),
    ]
    assert senders(store, "sess_1", "input_audio_buffer.append") == [CLIENT]
    assert senders(store, "live_a") == [CLIENT, CLIENT]
    # Behind a close, nothing told that another connection began.
    assert senders(store, "live_b") == [CLIENT] * 4


def test_a_start_is_of_the_next_session_only_if_that_begins(store: EventStore) -> None:
    twice = [start(), started("live_a"), start(), heard()]
    assert imported_one(store, jsonl(*twice)) == "live_a"
    both = [start(), started("live_b"), start(), heard(), started("live_c"), heard()]
    done = imported(store, jsonl(*both))
    assert [(one.session_id, one.events) for one in done] == [("live_b", 2), ("live_c", 4)]
    assert senders(store, "live_c") == [CLIENT, CLIENT]


@pytest.mark.parametrize("bare", [own_connection("live_a"), sideband("live_b"), [heard(), used(1)]])
def test_an_export_is_the_same_session_with_the_same_id(
    store: EventStore, elsewhere: EventStore, bare: list[Json]
) -> None:
    id_ = imported_one(store, jsonl(*bare))
    assert imported_one(elsewhere, exported(store, id_)) == id_
    assert senders(elsewhere, id_) == senders(store, id_)
    (again,) = imported(store, jsonl(*bare))
    assert (again.session_id, again.added) == (id_, 0)
    assert texts(elsewhere, id_) == [json.dumps(one) for one in bare]


def test_a_sideband_of_a_stored_session_gets_an_id_of_its_own(store: EventStore) -> None:
    assert imported_one(store, jsonl(*own_connection())) == "live_x1"
    other = imported_one(store, jsonl(*sideband()))
    assert other.startswith("sess_") and session_ids(store) == {"live_x1", other}
    assert imported_one(store, jsonl(*sideband())) == other


def test_a_session_that_only_its_end_names_has_its_id(store: EventStore) -> None:
    assert imported_one(store, jsonl(heard(), closed("live_9"))) == "live_9"


def test_the_case_of_bare_events(store: EventStore) -> None:
    id_ = imported_one(store, case("live_bare").read_bytes())
    assert id_ == "live_x1"
    assert senders(store, id_) == [CLIENT, CLIENT]
    assert STORE not in {event.direction for event in store.events(id_)}
