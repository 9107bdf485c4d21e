"""Integration: what is exported gives an equal session when it is imported."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import beta_tool_call, cut_off_call, voice_call
from support.events import Call
from support.examples import examples
from support.import_files import (
    SESSION_UPDATE,
    answer,
    created,
    events_of,
    everything,
    exported,
    frames_of,
    imported,
    imported_one,
    jsonl,
    session_ids,
)
from support.strategies import any_text, streams

from eventstore import EventStore, Frame, NotFoundError
from eventstore.realtime.frames import DIRECTIONS

_numbers = itertools.count(1)


def test_a_line_has_seq_at_direction_and_the_exact_frame(store: EventStore) -> None:
    text = '{"type" : "response.cancel"}'
    opening = json.dumps(created("sess_1"))
    frames = [Frame("server", opening), Frame("client", text, 1_777_887_000_250_000)]
    store.append("sess_1", [*frames, Frame("server", "é\n")])
    lines = [json.loads(line) for line in store.export("sess_1")]
    assert lines == [
        {"seq": 1, "at": None, "direction": "server", "frame": opening},
        {"seq": 2, "at": "2026-05-04T09:30:00.250000Z", "direction": "client", "frame": text},
        {"seq": 3, "at": None, "direction": "server", "frame": "é\n"},
    ]


def test_binary_frames_come_back_as_they_were(store: EventStore, elsewhere: EventStore) -> None:
    odd = bytes(range(256)) + b"\0\xff"
    store.append("sess_1", [Frame("server", odd), Frame("client", b""), Frame("server", b"{}")])
    imported(elsewhere, exported(store, "sess_1"))
    assert frames_of(elsewhere, "sess_1") == frames_of(store, "sess_1")
    assert events_of(elsewhere, "sess_1")[0].text == odd


@pytest.mark.parametrize("call", [voice_call, beta_tool_call, cut_off_call])
@pytest.mark.parametrize("timed", [True, False], ids=["timed", "untimed"])
def test_export_then_import_gives_an_equal_session(
    store: EventStore, elsewhere: EventStore, call: type[Call], timed: bool
) -> None:
    frames = [frame if timed else frame._replace(at=None) for frame in call().frames]
    store.append("sess_mine", frames, close=True)
    imported(elsewhere, exported(store, "sess_mine"))
    assert everything(elsewhere, ["sess_mine"]) == everything(store, ["sess_mine"])
    # And so do the read models, which lists are made of.
    assert elsewhere.responses().data == store.responses().data
    assert elsewhere.sessions().data == store.sessions().data


def test_an_id_that_no_event_names_is_in_the_first_line(store: EventStore) -> None:
    imported(store, jsonl(created("sess_1"), *answer("resp_1")), session_id="sess_mine")
    imported(store, jsonl(created("sess_2"), *answer("resp_1")))
    made = imported_one(store, jsonl(SESSION_UPDATE))
    lines = [json.loads(line) for line in exported(store, "sess_mine", "sess_2", made).splitlines()]
    assert [line["session_id"] for line in lines if "session_id" in line] == ["sess_mine"]
    assert imported(store, exported(store, "sess_mine"))[0].added == 0


def test_sessions_of_one_server_under_ids_of_the_users(
    store: EventStore, elsewhere: EventStore
) -> None:
    ids = ["first", "second"]
    for id_ in ids:
        imported(store, jsonl(created("sess_1"), *answer("resp_1")), session_id=id_)
    imported(elsewhere, exported(store, *ids))
    assert everything(elsewhere, ids) == everything(store, ids)


def test_metadata_of_a_session_goes_with_it(store: EventStore, elsewhere: EventStore) -> None:
    imported(store, jsonl(created("sess_1"), *answer("resp_1")), metadata={"customer": "42"})
    imported(elsewhere, exported(store, "sess_1"))
    assert elsewhere.metadata("sess_1") == {"customer": "42"}
    assert everything(elsewhere, ["sess_1"]) == everything(store, ["sess_1"])


def test_metadata_of_a_session_with_a_made_id_goes_with_it(
    store: EventStore, elsewhere: EventStore
) -> None:
    made = imported_one(store, jsonl(SESSION_UPDATE), metadata={"customer": "42"})
    assert imported_one(elsewhere, exported(store, made)) == made
    assert imported(store, exported(store, made))[0].added == 0


def test_several_sessions_in_one_file_come_back(store: EventStore, elsewhere: EventStore) -> None:
    ids = ["sess_1", "sess_2", "sess_3"]
    for number, id_ in enumerate(ids):
        metadata = {"customer": "42"} if number else {}
        imported(store, jsonl(created(id_), *answer("resp_1")), metadata=metadata)
    imported(elsewhere, exported(store, *ids))
    assert everything(elsewhere, session_ids(elsewhere)) == everything(store, ids)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param([SESSION_UPDATE, created("sess_2")], id="the client speaks first"),
        pytest.param([SESSION_UPDATE, *answer("resp_2")], id="a connection in mid-call"),
    ],
)
def test_any_sessions_in_one_file_come_back(
    store: EventStore, elsewhere: EventStore, second: list[dict[str, object]]
) -> None:
    ids = [
        imported_one(store, jsonl(created("sess_1"), *answer("resp_1"))),
        imported_one(store, jsonl(*second)),
    ]
    imported(elsewhere, exported(store, *ids))
    assert everything(elsewhere, session_ids(elsewhere)) == everything(store, ids)


def test_a_missing_session_is_an_error_before_anything_is_written(store: EventStore) -> None:
    with pytest.raises(NotFoundError, match="no session nowhere"):
        store.export("nowhere")


def _storable(text: str) -> str:
    # Halves of a character side by side are no text that JSON can tell from the character.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def any_frames() -> st.SearchStrategy[list[Frame]]:
    """Frames of any text, any bytes, any direction, at any time or none."""
    text = any_text().map(_storable) | st.binary(max_size=300)
    at = st.none() | st.integers(-(10**15), 10**16)
    frame = st.builds(Frame, st.sampled_from(DIRECTIONS), text, at)
    return st.lists(frame, min_size=1, max_size=12)


def _all_storable(frames: list[Frame]) -> list[Frame]:
    return [
        frame._replace(text=_storable(frame.text)) if isinstance(frame.text, str) else frame
        for frame in frames
    ]


@given(frames=any_frames())
@examples(60)
def test_any_frames_come_back_exactly(
    store: EventStore, elsewhere: EventStore, frames: list[Frame]
) -> None:
    session_id = f"sess_{next(_numbers)}"
    store.append(session_id, frames)
    lines = exported(store, session_id)
    assert imported_one(elsewhere, lines) == session_id
    # As ASCII, since halves of characters cannot be shown.
    assert ascii(frames_of(elsewhere, session_id)) == ascii(frames)
    assert exported(elsewhere, session_id) == lines


def test_a_session_in_which_others_are_created_comes_back_as_one(
    store: EventStore, elsewhere: EventStore
) -> None:
    events = [created("sess_1"), *answer("resp_1"), created("sess_2")]
    store.append("mine", [Frame("server", json.dumps(event)) for event in events], close=True)
    assert imported_one(elsewhere, exported(store, "mine")) == "mine"
    assert everything(elsewhere, ["mine"]) == everything(store, ["mine"])


@given(frames=streams().map(_all_storable))
@examples(40)
def test_any_stream_of_events_comes_back_equal(store: EventStore, frames: list[Frame]) -> None:
    first, second = f"sess_{next(_numbers)}", f"sess_{next(_numbers)}"
    store.append(first, frames, close=True)
    imported(store, exported(store, first), session_id=second)
    assert ascii(frames_of(store, second)) == ascii(frames)
    assert _named(store, first) == _named(store, second)


def _named(store: EventStore, session_id: str) -> str:
    """What `show` says, whatever the session is called."""
    return json.dumps(store.state(session_id)).replace(json.dumps(session_id), '"ID"')
