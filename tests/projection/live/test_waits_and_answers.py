"""How long a user of a Live session waits, and what counts as an answer."""

from __future__ import annotations

from typing import Any

from support.events import Call
from support.live_speech import say, started


def waits(call: Call) -> list[float | None]:
    """Of each response, the milliseconds from the user's last word to its first sound."""
    return [call.notes(id_)["speech_to_first_audio_ms"] for id_ in call.state.responses]


def delegated(*events: dict[str, Any]) -> Call:
    wire = {"id": "deleg_1", "type": "delegation", "target": "client"}
    call = started().server("session.delegation.created", offset_ms=100, delegation=wire)
    for event in events:
        call.server(event.pop("type"), **event)
    return call


def delegation(call: Call) -> dict[str, Any]:
    told: dict[str, Any] = call.item("deleg_1")["eventstore"]["delegation"]
    return told


def test_who_is_talked_over_waits_for_nothing() -> None:
    call = say(started(), "assistant", 0, *["word"] * 10)
    say(call, "user", 800, "But", "I", "said", "so.")
    say(call, "assistant", 2000, *["word"] * 10)  # goes on without a pause
    say(call, "assistant", 7000, "Anything", "else?")
    assert waits(call) == [None, None]


def test_words_that_are_told_late_are_those_that_were_answered() -> None:
    call = say(started(), "user", 0, "Where", "is")
    say(call, "assistant", 1000, "It", "left.")
    say(call, "user", 400, "it?")  # the server tells this word after the answer's
    say(call, "assistant", 8000, "Anything", "else?")
    assert waits(call) == [400, None]


def test_a_backchannel_is_answered_by_nothing() -> None:
    call = say(started(), "assistant", 0, *["word"] * 3)
    say(call, "user", 200, "mhm")
    say(call, "assistant", 600, *["word"] * 3)
    say(call, "assistant", 9000, "Are", "you", "there?")
    (user,) = [id_ for id_ in call.order() if call.item(id_)["role"] == "user"]
    notes = call.item(user)["eventstore"]
    assert notes["backchannel"] and "answered_by" not in notes


def test_what_the_server_refused_answers_nothing() -> None:
    call = delegated()
    asked = {"content": "It left.", "delegation_id": "deleg_1"}
    call.client("session.commentary.append", event_id="client_1", **asked)
    assert delegation(call)["done_at"] is not None
    call.server("error", error={"code": "too_long", "client_event_id": "client_1"})
    told = delegation(call)
    assert (told["answers"], told["done_at"], told["took_ms"]) == ([], None, None)
    call.client("session.commentary.append", event_id="client_2", **asked)
    told = delegation(call)
    assert len(told["answers"]) == 1 and told["done_at"] is not None


def test_a_refusal_leaves_the_answer_before_it() -> None:
    call = delegated()
    for number in (1, 2):
        call.client(
            *("session.commentary.append",),
            event_id=f"client_{number}",
            content="It left.",
            delegation_id="deleg_1",
        )
        if number == 1:
            first = delegation(call)
    call.server("error", error={"code": "too_long", "client_event_id": "client_2"})
    assert delegation(call) == first


def test_an_append_of_another_connection_is_none_of_ours() -> None:
    call = started().client("session.commentary.append", content="ours", event_id="client_1")
    appended = "session.commentary.appended"
    call.server(appended, start_ms=100, end_ms=200, client_event_id="client_of_another")
    call.server(appended, start_ms=500, end_ms=700, client_event_id="client_1")
    ours, theirs = (call.item(id_) for id_ in call.order())
    assert (ours["eventstore"]["start_ms"], theirs["eventstore"]["start_ms"]) == (500, 100)
    assert [ours["content"][0]["text"], theirs["content"]] == ["ours", []]


def test_what_an_app_tells_before_the_server_speaks_is_kept() -> None:
    call = Call().client("session.commentary.append", content="It left.", event_id="client_1")
    output = {"type": "function_call_output", "call_id": "call_1", "output": "{}"}
    call.client("response.item.create", item=output)
    assert call.session()["eventstore"]["unknown_types"] == {}
    call.server("session.commentary.appended", start_ms=1, end_ms=2, client_event_id="client_1")
    told, given = (call.item(id_) for id_ in call.order())
    assert (told["content"][0]["text"], told["status"]) == ("It left.", "completed")
    assert given["output"] == "{}"
    assert call.session()["eventstore"]["unknown_types"] == {}


def test_what_no_realtime_session_knows_is_told_there() -> None:
    call = Call().client("session.commentary.append", content="It left.")
    call.server("session.created", session={"id": "sess_1", "object": "realtime.session"})
    told = call.session()["eventstore"]["unknown_types"]
    assert told == {"session.commentary.append": 1}


def test_more_than_a_thousand_backends_work_one_after_the_other() -> None:
    call = started()
    last = 1100
    for number in range(last + 1):
        named = {"id": f"resp_{number}", "status": "in_progress"}
        item = {"id": f"msg_{number}", "type": "message", "role": "assistant", "content": []}
        for event in (
            {"type": "response.created", "response": named},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.completed", "response": {**named, "status": "completed"}},
        ):
            call.server("response.event", delegation_id=f"deleg_{number}", event=event)
    state = call.state
    assert len(state.responses) == last + 1
    assert list(state.responses[f"resp_{last}"].output) == [f"msg_{last}"]


def test_the_newest_moments_are_kept() -> None:
    call = started()
    for _ in range(1200):
        call.server("session.input_audio.muted").server("session.input_audio.unmuted")
    moments = call.session()["eventstore"]["live"]["moments"]
    assert moments[-1]["seq"] == len(call.frames)


def test_an_interruption_stays_one_when_the_user_says_more_later() -> None:
    call = say(started(), "assistant", 0, *["word"] * 10)
    say(call, "user", 1400, *["stop"] * 6)
    assert call.session()["eventstore"]["interruptions"] == 1
    say(call, "user", 9000, "So,", "tell", "me.")
    assert call.session()["eventstore"]["interruptions"] == 1
