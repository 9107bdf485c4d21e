"""Which server frame answered which client frame."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from support.events import Call, message, text_part
from support.examples import examples
from support.recordings import each_recording, frames
from support.replaying import write_script
from support.strategies import streams

from eventstore import Frame
from eventstore.realtime.catalogue import INPUT_AUDIO
from eventstore.realtime.frames import CLIENT, SERVER, decode
from eventstore.replay.serving.causality import Script

ITEM = message("item_1", "user", text_part("Hello", "input_text"))


def waits(call: Call) -> dict[int, int]:
    return write_script(call.frames).waits


def test_a_configuration_is_answered_by_the_next_update() -> None:
    call = Call().server("session.created", session={}).client("session.update", session={})
    call.client("session.update", session={}).server("session.updated", session={})
    call.server("rate_limits.updated").server("session.updated", session={})
    assert waits(call) == {4: 2, 6: 3}


def test_an_item_is_answered_by_its_id_or_its_looks() -> None:
    other = {**message("", "user", text_part("Other", "input_text"))}
    del other["id"]
    call = Call().client("conversation.item.create", item=other)
    call.client("conversation.item.create", item=ITEM)
    call.added(ITEM).added({**other, "id": "item_s"})
    assert waits(call) == {3: 2, 4: 1}
    assert write_script(call.frames).made == {1: "item_s", 2: "item_1"}


def test_a_response_is_answered_by_its_metadata() -> None:
    call = Call().client("response.create", response={"metadata": {"n": "1"}})
    call.client("response.create", response={"metadata": {"n": "2"}})
    call.created("resp_2", metadata={"n": "2"}).created("resp_1", metadata={"n": "1"})
    assert waits(call) == {3: 2, 4: 1}


def test_a_response_by_voice_detection_waits_for_nobody() -> None:
    call = Call().spoken("item_1", 0, 500).created("resp_1")
    call.client("response.create").created("resp_2")
    assert waits(call) == {7: 6}


def test_wishes_about_an_item_are_answered_for_that_item() -> None:
    call = Call().client("conversation.item.delete", item_id="item_1")
    call.client("conversation.item.delete", item_id="item_2")
    call.client("conversation.item.retrieve", item_id="item_3")
    call.server("conversation.item.deleted", item_id="item_2")
    call.server("conversation.item.retrieved", item={**ITEM, "id": "item_3"})
    call.server("conversation.item.deleted", item_id="item_1")
    assert waits(call) == {4: 2, 5: 3, 6: 1}


def test_a_cancel_is_answered_by_a_cancelled_response() -> None:
    call = Call().created("resp_1").client("response.cancel").done("resp_0")
    call.done("resp_1", status="cancelled")
    assert waits(call) == {4: 2}


def test_an_error_answers_what_it_names_or_what_came_last() -> None:
    call = Call().client("response.cancel", event_id="event_1").client("session.update", session=1)
    call.server("error", error={"event_id": "event_1"}).server("error", error={"event_id": None})
    call.server("error", error={"event_id": "event_of_nobody"})
    assert waits(call) == {3: 1, 4: 2}


def test_who_chose_an_id() -> None:
    call = Call().server("session.created", event_id="event_s", session={"id": "sess_1"})
    call.client("conversation.item.create", event_id="event_c", item=ITEM).added(ITEM)
    call.server("error", event_id="event_e", error={"event_id": "event_c"})
    script = write_script(call.frames)
    assert script.client_ids == {"event_c", "item_1"}
    assert script.server_ids == {"event_s", "sess_1", "event_e"}


def check(script: Script, recorded: list[Frame]) -> None:
    sides = {seq: frame.direction for seq, frame in enumerate(recorded, 1)}
    for answer, cause in script.waits.items():
        assert (sides[answer], sides[cause]) == (SERVER, CLIENT)
        assert cause < answer
    # Nothing is answered twice, so that nobody waits for what was used up.
    assert len(set(script.waits.values())) == len(script.waits)
    client = [
        seq
        for seq, frame in enumerate(recorded, 1)
        if frame.direction == CLIENT and decode(frame.text).type not in INPUT_AUDIO
    ]
    assert set(script.waits.values()) <= {expected.seq for expected in script.expected}
    assert {expected.seq for expected in script.expected} <= set(client)


@given(streams(30))
@examples(100)
def test_any_stream_has_a_script(recorded: list[Frame]) -> None:
    check(write_script(recorded), recorded)


@each_recording
def test_every_request_of_a_recording_finds_its_answer(recording: Path) -> None:
    recorded = frames(recording)
    script = write_script(recorded)
    check(script, recorded)
    answered = set(script.waits.values())
    asked = {"session.update", "conversation.item.create", "response.create"}
    assert {e.seq for e in script.expected if e.type in asked} <= answered
