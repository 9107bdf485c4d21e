"""What real Realtime streams do, and what the projection makes of it, fact by fact."""

from __future__ import annotations

import pytest
from support.events import Call, audio_part, message, text_part, without

TRANSCRIPTION = "conversation.item.input_audio_transcription"


# Order and links


def test_an_items_place_comes_from_its_first_sighting() -> None:
    call = Call().typed("item_1", "One").typed("item_2", "Two", "item_1")
    call.typed("item_3", "Three", "item_2")
    for previous in (None, "item_1", "item_unheard_of"):
        whole = message("item_3", "user", text_part("Three", "input_text"))
        call.server("conversation.item.done", previous_item_id=previous, item=whole)
    assert call.order() == ["item_1", "item_2", "item_3"]


def test_a_repeated_item_keeps_its_place() -> None:
    call = Call().typed("item_1", "One").typed("item_2", "Two", "item_1")
    call.typed("item_1", "One", "item_2")
    assert call.order() == ["item_1", "item_2"]


def test_item_with_null_predecessor_goes_to_the_end() -> None:
    call = Call().typed("item_1", "One").typed("item_2", "Two", "item_1").typed("item_3", "Three")
    assert call.order() == ["item_1", "item_2", "item_3"]


def test_item_with_unknown_predecessor_goes_to_the_end() -> None:
    call = Call().typed("item_1", "One").typed("item_2", "Two", "item_of_an_earlier_connection")
    assert call.order() == ["item_1", "item_2"]


def test_item_with_known_predecessor_goes_behind_it() -> None:
    call = Call().typed("item_1", "One").typed("item_3", "Three", "item_1")
    assert call.typed("item_2", "Two", "item_1").order() == ["item_1", "item_2", "item_3"]


def test_root_from_a_client_means_the_start() -> None:
    call = Call().typed("item_2", "Two")
    item = message("item_1", "system", text_part("One", "input_text"))
    call.client("conversation.item.create", previous_item_id="root", item=item)
    assert call.added(item).order() == ["item_1", "item_2"]


def test_the_clients_predecessor_counts_where_the_server_names_none() -> None:
    call = Call().typed("item_1", "One").typed("item_3", "Three", "item_1")
    item = message("item_2", "user", text_part("Two", "input_text"))
    call.client("conversation.item.create", previous_item_id="item_1", item=item)
    assert call.added(item).order() == ["item_1", "item_2", "item_3"]


def test_the_last_completed_transcript_wins() -> None:
    call = Call().transcribed("item_1", "before its item")
    call.spoken("item_1", 0, 500).transcribed("item_1", "first").created("resp_1")
    call.transcribed("item_1", "last, during a later response")
    assert call.item("item_1")["content"][0]["transcript"] == "last, during a later response"


def test_a_transcript_may_come_before_its_item() -> None:
    call = Call().server("input_audio_buffer.speech_started", item_id="item_1", audio_start_ms=0)
    call.server(f"{TRANSCRIPTION}.delta", item_id="item_1", content_index=0, delta="Hel")
    call.server(f"{TRANSCRIPTION}.delta", item_id="item_1", content_index=0, delta="lo")
    assert call.item("item_1")["content"][0]["transcript"] == "Hello"
    call.transcribed("item_1", "Hello.")
    call.added(message("item_1", "user", audio_part(None, "input_audio")))
    assert call.item("item_1")["content"] == [audio_part("Hello.", "input_audio")]


@pytest.mark.parametrize("part", ["spoken", "unnamed"])
def test_a_transcripts_deltas_may_come_before_anything_else_of_its_item(part: str) -> None:
    call = Call().server(f"{TRANSCRIPTION}.delta", item_id="item_1", content_index=0, delta="Hel")
    assert call.state.items == {}
    content = audio_part(None, "input_audio") if part == "spoken" else {}
    call.added(message("item_1", "user", content))
    call.server(f"{TRANSCRIPTION}.delta", item_id="item_1", content_index=0, delta="lo")
    call.added(message("item_1", "user", audio_part(None, "input_audio")))
    assert call.item("item_1")["content"][0]["transcript"] == "Hello"
    call.transcribed("item_1", "Hello.")
    assert call.item("item_1")["content"][0]["transcript"] == "Hello."


def test_a_transcripts_early_deltas_give_way_to_the_whole() -> None:
    call = Call().server(f"{TRANSCRIPTION}.delta", item_id="item_1", content_index=0, delta="Hel")
    call.transcribed("item_1", "Hello.")
    call.added(message("item_1", "user", audio_part(None, "input_audio")))
    assert call.item("item_1")["content"] == [audio_part("Hello.", "input_audio")]


def test_transcripts_may_come_out_of_order() -> None:
    call = Call().spoken("item_1", 0, 500).spoken("item_2", 600, 900)
    call.transcribed("item_2", "Two").transcribed("item_1", "One")
    assert call.order() == ["item_1", "item_2"]
    said = [call.item(id_)["content"][0]["transcript"] for id_ in call.order()]
    assert said == ["One", "Two"]


def test_a_late_delta_does_not_reopen_a_completed_transcript() -> None:
    call = Call().spoken("item_1", 0, 500).transcribed("item_1", "Hello.")
    call.server(f"{TRANSCRIPTION}.delta", item_id="item_1", content_index=0, delta=" again")
    assert call.item("item_1")["content"][0]["transcript"] == "Hello."


def test_two_output_items_can_be_open_at_once() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.begins_speech("resp_1", "item_2")
    call.says("resp_1", "item_1", "A", "B").says("resp_1", "item_2", "C").says(
        "resp_1", "item_1", "D"
    )
    output = call.response("resp_1")["output"]
    assert [item["id"] for item in output] == ["item_1", "item_2"]
    assert [item["content"][0]["transcript"] for item in output] == ["ABD", "C"]
    assert call.order() == ["item_1", "item_2"]


def test_an_output_item_precedes_its_conversation_event_and_is_placed_by_it() -> None:
    item = message("item_2", content=[], status="in_progress")
    call = Call().typed("item_1", "Hello").created("resp_1")
    call.server("response.output_item.added", response_id="resp_1", output_index=0, item=item)
    assert call.order() == ["item_1"]
    call.added(item, "item_1")
    whole = message("item_2", "assistant", text_part("Hi"))
    call.server("conversation.item.done", previous_item_id=None, item=whole)
    call.server("response.output_item.done", response_id="resp_1", output_index=0, item=whole)
    assert call.order() == ["item_1", "item_2"]
    assert call.notes("item_2")["response_id"] == "resp_1"
    assert call.item("item_2")["status"] == "completed"


def test_an_output_item_that_the_conversation_never_names_is_placed_when_it_begins() -> None:
    item = message("item_2", content=[], status="in_progress")
    call = Call().typed("item_1", "Hello").created("resp_1")
    call.server("response.output_item.added", response_id="resp_1", output_index=0, item=item)
    call.part("added", "resp_1", "item_2", audio_part("")).typed("item_3", "Wait", "item_1")
    call.says("resp_1", "item_2", "Hi")
    assert call.order() == ["item_1", "item_3", "item_2"]
    assert call.item("item_2")["content"][0]["transcript"] == "Hi"
    # The server's word on its place, once it comes, counts for more.
    call.added(item, "item_1").added(item, "item_3")
    assert call.order() == ["item_1", "item_2", "item_3"]


def test_an_output_item_out_of_band_is_never_placed() -> None:
    call = Call().created("resp_1", conversation=None)
    call.server("response.output_item.added", response_id="resp_1", item=message("item_1"))
    call.part("added", "resp_1", "item_1", audio_part("")).says("resp_1", "item_1", "Hi")
    assert call.order() == []


def test_an_error_may_come_before_earlier_items_are_acknowledged() -> None:
    item = message("item_1", "user", text_part("Hello", "input_text"))
    call = Call().client("conversation.item.create", event_id="event_1", item=item)
    call.client("response.create", event_id="event_2")
    error = {"type": "invalid_request_error", "code": "odd", "message": "No.", "event_id": None}
    call.server("error", event_id="event_9", error=error)
    call.added(item).created("resp_1")
    assert call.order() == ["item_1"]
    assert call.notes("resp_1")["request_seq"] == 2
    notes = call.session()["eventstore"]
    assert notes["errors"] == 1
    assert notes["diagnostics"] == [{"seq": 3, "code": "odd", "message": "No."}]


def test_an_error_that_names_a_request_takes_it_off_the_list() -> None:
    call = Call().client("response.create", event_id="event_1", response={"metadata": {"n": "1"}})
    call.client("response.create", event_id="event_2")
    call.server("error", error={"type": "invalid_request_error", "event_id": "event_1"})
    assert call.created("resp_1").notes("resp_1")["request_seq"] == 2


@pytest.mark.parametrize("place", ["created", "done", "never"])
def test_rate_limits_change_no_response_wherever_they_come(place: str) -> None:
    def told(where: str) -> Call:
        limits = [{"name": "tokens", "limit": 1, "remaining": 1, "reset_seconds": 0}]
        call = Call(timed=False).created("resp_1")
        if where == "created":
            call.server("rate_limits.updated", rate_limits=limits)
        call.done("resp_1")
        if where == "done":
            call.server("rate_limits.updated", rate_limits=limits)
        return call

    def shown(call: Call) -> object:
        response = call.response("resp_1")
        return without(response, "eventstore"), without(response["eventstore"], "done_seq")

    assert shown(told(place)) == shown(told("never"))
    notes = told(place).session()["eventstore"]
    assert notes["unknown_types"] == {}
    limits = {"name": "tokens", "limit": 1, "remaining": 1, "reset_seconds": 0}
    known = [without(limit, "seq") for limit in notes.get("rate_limits", [])]
    assert known == ([] if place == "never" else [limits])


def test_requests_are_matched_in_order() -> None:
    call = Call().client("response.create").created("resp_1").done("resp_1")
    call.client("response.create").created("resp_2")
    assert [call.notes(id_)["request_seq"] for id_ in ("resp_1", "resp_2")] == [1, 4]
    assert call.notes("resp_1")["trigger"] == "client"


def test_requests_are_matched_by_metadata() -> None:
    call = Call().client("response.create", response={"metadata": {"topic": "a"}})
    call.client("response.create", response={"metadata": {"topic": "b"}, "conversation": "none"})
    call.created("resp_b", None, metadata={"topic": "b"}).created("resp_a", metadata={"topic": "a"})
    assert call.notes("resp_b")["request_seq"] == 2
    assert call.notes("resp_a")["request_seq"] == 1


def test_vad_response_between_client_requests_is_matched() -> None:
    call = Call().client("response.create", response={"metadata": {"n": "1"}})
    call.created("resp_1", metadata={"n": "1"}).done("resp_1", metadata={"n": "1"})
    call.spoken("item_1", 0, 500)
    call.client("response.create", response={"metadata": {"n": "2"}})
    call.created("resp_2", metadata=None).done("resp_2")
    call.created("resp_3", metadata={"n": "2"})
    triggers = [call.notes(id_)["trigger"] for id_ in ("resp_1", "resp_2", "resp_3")]
    assert triggers == ["client", "vad", "client"]
    # What asks for a turn's response is the commit of the speech.
    assert call.notes("resp_2")["request_seq"] == 6
    assert call.notes("resp_3")["request_seq"] == 8


def test_a_turn_that_makes_no_response_does_not_take_the_clients_place() -> None:
    detection = {"type": "server_vad", "create_response": False}
    call = Call().server("session.created", session={"turn_detection": detection})
    call.spoken("item_1", 0, 500).client("response.create").created("resp_1")
    assert call.notes("resp_1")["trigger"] == "client"


# Content


def test_a_cancelled_response_may_be_empty_with_zero_usage() -> None:
    usage = {"total_tokens": 0, "input_tokens": 0, "output_tokens": 0}
    details = {"type": "cancelled", "reason": "turn_detected"}
    call = (
        Call()
        .created("resp_1")
        .done("resp_1", status="cancelled", status_details=details, usage=usage)
    )
    response = call.response("resp_1")
    assert (response["status"], response["output"]) == ("cancelled", [])
    assert (response["status_details"], response["usage"]) == (details, usage)
    assert response["eventstore"]["interrupted"] is True


def test_a_cancelled_response_may_hold_an_item_that_says_completed() -> None:
    item = message("item_1", "assistant", audio_part("Hello"))
    call = Call().created("resp_1").done("resp_1", status="cancelled", output=[item])
    response = call.response("resp_1")
    assert response["status"] == "cancelled"
    assert response["output"] == [item]


def test_truncation_keeps_generated_and_heard_apart() -> None:
    call = Call().answers("resp_1", "item_1", "one two three four", 1000)
    call.truncated("item_1", 500)
    response, item = call.response("resp_1"), call.item("item_1")
    assert response["output"][0]["content"][0]["transcript"] == "one two three four"
    assert response["status"] == "completed"
    assert response["eventstore"]["heard"] == "one two"
    assert response["eventstore"]["interrupted"] is True
    assert "transcript" not in item["content"][0]
    assert item["eventstore"]["generated"] == "one two three four"
    assert item["eventstore"]["heard"] == "one two"
    assert item["eventstore"]["truncated"]["audio_end_ms"] == 500
    assert item["eventstore"]["truncated"]["seq"] == len(call.frames)


def test_truncation_at_zero_leaves_nothing_heard() -> None:
    call = Call().answers("resp_1", "item_1", "one two three four", 1000).truncated("item_1", 0)
    assert call.notes("item_1")["heard"] == ""
    assert call.notes("item_1")["generated"] == "one two three four"
    assert call.notes("resp_1")["heard"] == ""


def test_truncation_behind_the_end_leaves_all_heard() -> None:
    call = Call().answers("resp_1", "item_1", "one two", 1000).truncated("item_1", 1000)
    assert call.notes("item_1")["heard"] == "one two"


def test_the_servers_copy_of_a_truncated_item_has_no_transcript_and_ours_keeps_it() -> None:
    call = Call().answers("resp_1", "item_1", "one two three four", 1000).truncated("item_1", 500)
    copy = message("item_1", "assistant", {"type": "output_audio"})
    call.server("conversation.item.retrieved", item=copy)
    assert "transcript" not in call.item("item_1")["content"][0]
    assert call.notes("item_1")["generated"] == "one two three four"
    assert call.response("resp_1")["output"][0]["content"][0]["transcript"] == "one two three four"


def test_the_final_text_wins_over_its_deltas() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.says("resp_1", "item_1", " Hello", " there")
    assert call.item("item_1")["content"][0]["transcript"] == " Hello there"
    ids = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
    call.server("response.output_audio_transcript.done", transcript="Hello there.", **ids)
    assert call.item("item_1")["content"][0]["transcript"] == "Hello there."
    call.says("resp_1", "item_1", " late")
    assert call.item("item_1")["content"][0]["transcript"] == "Hello there."


@pytest.mark.parametrize(
    "usage",
    [
        {"type": "tokens", "total_tokens": 12, "input_tokens": 10, "output_tokens": 2},
        {"type": "duration", "seconds": 2.5},
        None,
    ],
)
def test_transcription_usage_comes_in_tokens_in_seconds_or_not_at_all(
    usage: dict[str, object] | None,
) -> None:
    fields = {} if usage is None else {"usage": usage}
    call = Call().spoken("item_1", 0, 500).transcribed("item_1", "Hello", **fields)
    (billed,) = call.state.billed.values()
    assert billed.usage == usage
    assert (billed.item_id, billed.content_index) == ("item_1", 0)


def test_usage_beside_the_response_is_the_responses() -> None:
    usage = {"total_tokens": 30, "input_tokens": 20, "output_tokens": 10}
    call = Call().server("response.created", response={"id": "resp_1", "usage": {}})
    done = {"id": "resp_1", "status": "completed", "output": []}
    call.server("response.done", response=done, usage=usage)
    assert call.response("resp_1")["usage"] == usage


def test_status_details_may_be_a_string() -> None:
    call = Call().created("resp_1").done("resp_1", status_details="unimplemented")
    assert call.response("resp_1")["status_details"] == "unimplemented"
    assert call.notes("resp_1")["interrupted"] is False


def test_a_missing_conversation_id_follows_from_the_default_conversation() -> None:
    call = Call().server("conversation.created", conversation={"id": "conv_1"})
    call.client("response.create")
    call.server("response.created", response={"id": "resp_1"})
    assert call.response("resp_1")["conversation_id"] == "conv_1"


def test_a_missing_conversation_id_follows_from_the_clients_request() -> None:
    call = Call().server("conversation.created", conversation={"id": "conv_1"})
    call.client("response.create", response={"conversation": "none"})
    call.server("response.created", response={"id": "resp_1"})
    assert call.response("resp_1")["conversation_id"] is None


def test_ids_may_be_bare_uuids() -> None:
    response, item = (
        "feea3318-12a0-4d5e-99d5-d1637d00cd98",
        "ad758f3e-5c77-46e7-a474-7711a8a9c8a4",
    )
    call = Call().answers(response, item, "Hello")
    assert call.response(response)["output"][0]["id"] == item
    assert call.notes(item)["response_id"] == response


def test_a_role_may_change_between_events_and_the_last_one_counts() -> None:
    item = {"id": "item_1", "type": "function_call", "name": "weather", "call_id": "call_1"}
    call = Call().created("resp_1")
    call.server("response.output_item.added", response_id="resp_1", item={**item, "role": "user"})
    call.added({**item, "role": "tool"})
    assert call.item("item_1")["role"] == "tool"
    call.server("response.output_item.done", response_id="resp_1", item={**item, "role": "user"})
    assert call.item("item_1")["role"] == "user"
    assert call.notes("item_1")["response_id"] == "resp_1"


def test_a_done_output_that_differs_from_its_items_is_the_responses_last_word() -> None:
    call = Call().created("resp_1")
    empty = {"id": "item_1", "type": "message", "role": "assistant", "status": "completed"}
    call.server("response.output_item.done", response_id="resp_1", item=empty)
    final = {**empty, "content": [audio_part("It is foggy.", "audio")]}
    call.done("resp_1", output=[final])
    assert call.response("resp_1")["output"] == [final]


@pytest.mark.parametrize("phase", ["added", "done"])
def test_content_beside_a_part_does_no_harm(phase: str) -> None:
    ids = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.server(
        f"response.content_part.{phase}",
        part=audio_part("Hello"),
        content={"type": "audio"},
        **ids,
    )
    done = {"part": audio_part("Hello"), "content": audio_part("Hello")}
    call.server("response.content_part.done", **done, **ids)
    assert call.item("item_1")["content"][0] == audio_part("Hello")


def test_a_missing_part_is_survived() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.says("resp_1", "item_1", "Hello")
    call.server("response.content_part.done", response_id="resp_1", item_id="item_1")
    assert call.item("item_1")["content"][0]["transcript"] == "Hello"


def test_ga_items_need_no_object() -> None:
    item = without(message("item_1", "user", text_part("Hello", "input_text")), "object")
    call = Call().added(item)
    assert without(call.item("item_1"), "eventstore") == item


def test_function_outputs_need_no_status() -> None:
    item = {"id": "item_1", "type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    assert without(Call().added(item).item("item_1"), "eventstore") == item


@pytest.mark.parametrize("size", [1, 2, 3, 4801])
def test_output_audio_may_have_an_odd_number_of_bytes(size: int) -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.sounds("resp_1", "item_1", size / 48, size / 48)
    (span,) = call.notes("item_1")["audio"]
    assert span["bytes"] == 2 * size
    assert span["duration_ms"] == round(2 * size / 48, 3)


# Sessions


def test_a_sideband_connection_starts_in_mid_call() -> None:
    call = Call().typed("item_8", "Hello", "item_7").answers("resp_4", "item_9", "Hi")
    assert call.order() == ["item_8", "item_9"]
    session = call.session()
    assert session["id"] == "sess_test"
    assert session["eventstore"]["server_id"] is None
    assert call.response("resp_4")["conversation_id"] == "conv_1"


def test_a_resumed_session_repeats_a_conversation_under_new_item_ids() -> None:
    first = Call().server("session.created", session={"id": "sess_1"})
    first.server("conversation.created", conversation={"id": "conv_1"}).typed("item_1", "Hello")
    second = Call().server("session.created", session={"id": "sess_2"})
    second.server("conversation.created", conversation={"id": "conv_1"}).typed("item_9", "Hello")
    second.created("resp_1", "conv_1")
    assert (first.order(), second.order()) == (["item_1"], ["item_9"])
    for call in (first, second):
        assert [c.id for c in call.state.conversations] == ["conv_1"]
    assert second.session()["eventstore"]["server_id"] == "sess_2"


@pytest.mark.parametrize("event_id", ["event_1", None])
def test_a_repeated_or_null_event_id_drops_no_event(event_id: str | None) -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    ids = {"response_id": "resp_1", "item_id": "item_1", "event_id": event_id}
    for delta in ("Hel", "lo"):
        call.server("response.output_audio_transcript.delta", delta=delta, **ids)
    assert call.item("item_1")["content"][0]["transcript"] == "Hello"


def test_without_times_everything_but_times_is_projected() -> None:
    timed, untimed = Call(), Call(timed=False)
    for call in (timed, untimed):
        call.spoken("item_1", 0, 500).answers("resp_1", "item_2", "Hello")
        call.truncated("item_2", 200)
    notes = untimed.notes("resp_1")
    times = [key for key in notes if key.endswith(("_at", "_ms"))]
    assert {notes[key] for key in times} == {None}
    assert without(notes, *times) == without(timed.notes("resp_1"), *times)
    assert untimed.order() == timed.order()
    assert untimed.session()["eventstore"]["opened_at"] is None


def test_an_event_that_no_sdk_knows_is_kept_by_its_own_name() -> None:
    call = Call().server("response.output_video.delta", item_id="item_1", delta="AAAA")
    assert call.session()["eventstore"]["unknown_types"] == {"response.output_video.delta": 1}


def test_a_connection_may_end_in_mid_response() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.says("resp_1", "item_1", "Hel", "lo").sounds("resp_1", "item_1", 100)
    response = call.response("resp_1")
    assert response["status"] == "in_progress"
    assert response["output"][0]["content"][0]["transcript"] == "Hello"
    notes = response["eventstore"]
    assert (notes["finished"], notes["done_seq"], notes["done_at"]) == (False, None, None)
    assert notes["heard"] == "Hello"
