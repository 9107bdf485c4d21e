"""Which server frame of a GPT-Live session answered which client frame, and who says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.events import Call, audio
from support.examples import examples
from support.live_delegations import delegating_call
from support.live_speech import SESSION, started
from support.recordings import each_live_recording, frames
from support.replaying import write_script
from support.served_live import sample_live_frames

from eventstore import Frame
from eventstore.realtime.frames import CLIENT, SERVER, decode
from eventstore.realtime.live_catalogue import LIVE_CLIENT_TYPES, LIVE_FOLDED
from eventstore.realtime.request_target import LiveTarget, live_target
from eventstore.replay.serving.causality import IMPLIED, Script
from eventstore.replay.serving.live_role import script_for

PRIMARY, SIDEBAND = LiveTarget(None, "primary"), LiveTarget("live_1", "sideband")


def waits(call: Call) -> dict[int, int]:
    return write_script(call.frames).waits


def backend(call: Call, type_: str, response: str, delegation: str | None = None) -> Call:
    nested = {"type": f"response.{type_}", "response": {"id": response}}
    return call.server("response.event", delegation_id=delegation, event=nested)


def delegated(call: Call, id_: str, **fields: Any) -> Call:
    wire = {"id": id_, "type": "delegation", "target": "responses", **fields}
    return call.server("session.delegation.created", offset_ms=0, delegation=wire)


def test_the_start_is_answered_by_the_session_that_started() -> None:
    call = Call().client("session.start", session={}).server("session.started", session=SESSION)
    call.client("session.update", session={}).server("session.updated", session=SESSION)
    call.client("session.close").server("session.closed", reason="close_requested")
    assert waits(call) == {2: 1, 4: 3, 6: 5}


def test_a_session_that_ends_by_itself_waits_for_nobody() -> None:
    call = started().client("session.close").server("session.closed", reason="expired")
    assert waits(call) == {}


def test_an_answer_is_the_one_of_the_command_that_it_names_or_of_the_first_of_its_kind() -> None:
    call = started()
    for name in ("a", "b"):
        call.client("session.thinking.append", event_id=name, content="", delegation_id=None)
    call.client("session.commentary.append", content="", delegation_id=None)
    call.server("session.commentary.appended", start_ms=0, end_ms=0)
    call.server("session.thinking.appended", start_ms=0, end_ms=0, client_event_id="b")
    call.server("session.thinking.appended", start_ms=0, end_ms=0, client_event_id="a")
    call.server("session.thinking.appended", start_ms=0, end_ms=0, client_event_id="a_sidebands")
    assert waits(call) == {5: 4, 6: 3, 7: 2}


def test_mutes_fixtures_and_keys_are_answered() -> None:
    call = started()
    call.client("session.input_audio.mute").client("session.input_audio.unmute")
    call.server("session.input_audio.muted").server("session.input_audio.unmuted")
    call.client("session.output_audio.fixture.play", audio=audio(20), event_id="f")
    for step in ("playing", "played"):
        call.server(f"session.output_audio.fixture.{step}", client_event_id="f")
    call.client("transport.dtmf.send", event="1").server("transport.dtmf.sent", event="1")
    assert waits(call) == {4: 2, 5: 3, 7: 6, 10: 9}


def test_a_request_is_answered_by_the_response_that_the_backend_does_not_begin_by_itself() -> None:
    call = delegated(delegated(started(), "deleg_1"), "deleg_2", response_id="resp_by_itself")
    call.client("response.item.create", item={"type": "message"}).client("response.create")
    backend(call, "created", "resp_first", "deleg_1")
    backend(call, "created", "resp_by_itself")
    backend(call, "in_progress", "resp_first", "deleg_1")
    backend(call, "created", "resp_asked_for", "deleg_1")
    backend(call, "in_progress", "resp_asked_for", "deleg_1")
    assert waits(call) == {9: 5}


def test_an_item_is_answered_if_the_backend_goes_on_without_a_request() -> None:
    call = backend(delegated(started(), "deleg_1"), "created", "resp_1", "deleg_1")
    for _ in range(2):
        call.client("response.item.create", item={"type": "function_call_output"})
    backend(call, "created", "resp_2", "deleg_1")
    call.client("response.create")
    backend(call, "created", "resp_3", None)
    assert waits(call) == {6: 5, 8: 7}


def test_a_decision_is_the_answer_to_a_question_unless_a_delegation_or_a_trigger_asked() -> None:
    call = started()
    for name in ("q1", "q2"):
        call.client("decision.create", event_id=name)
    call.server("decision.event", delegation_id="deleg_1", event={})
    call.server("decision.event", trigger_id="trig_1", source_event_id="event_of_a_delta", event={})
    call.server("decision.event", source_event_id="q2", event={})
    call.server("decision.event", delegation_id=None, trigger_id=None, event={})
    assert waits(call) == {6: 3, 7: 2}


def test_items_of_decisions_are_answered_by_their_ids() -> None:
    call = started()
    for id_ in ({"id": "item_1"}, {}):
        call.client("decision.item.create", item={"type": "message", **id_})
    call.client("decision.item.delete", item_id="item_1")
    call.server("decision.item.created", item={"id": "item_1"})
    call.server("decision.item.created", item={"id": "item_s"})
    call.server("decision.item.deleted", item_id="item_1")
    script = write_script(call.frames)
    assert script.waits == {5: 2, 6: 3, 7: 4}
    assert script.made[3] == "item_s"


def test_an_error_answers_what_it_names_or_what_came_last_if_a_client_is_at_fault() -> None:
    call = started().client("session.update", event_id="a", session={})
    call.client("session.close", event_id="b")
    call.server("error", error={"type": "server_error", "code": "session_storage_failed"})
    call.server("error", error={"type": "invalid_request_error", "client_event_id": "a"})
    call.server("error", error={"type": "invalid_request_error"})
    assert waits(call) == {5: 2, 6: 3}


def test_what_the_model_makes_of_the_timeline_waits_for_the_audio() -> None:
    call = started().client("session.input_audio.append", audio=audio(300))
    span = {"start_ms": 0, "end_ms": 200, "delta": "Hi"}
    call.server("session.usage.updated", usage={"seconds": 1})
    call.server("session.input_transcript.delta", **span)
    call.client("session.input_audio.append", audio=audio(100))
    call.server("session.output_audio.delta", delta=audio(20))
    hears = write_script(call.frames).hears
    assert {seq: heard.ms for seq, heard in hears.items()} == {4: 300, 6: 400}


def test_audio_is_counted_in_the_format_that_the_session_states() -> None:
    call = started(audio={"format": {"type": "audio/pcmu", "rate": 8000}})
    call.client("session.input_audio.append", audio=audio(100))  # 4800 bytes
    assert write_script(call.frames).input_ms == 600


# What a client connects for


def test_paths_say_what_a_client_connects_for() -> None:
    told = {
        "/v1/live/sessions": LiveTarget(None, "primary"),
        "/v1/live/sessions/": LiveTarget(None, "primary"),
        "/live/sessions/live_1": LiveTarget("live_1", "primary"),
        "/metadata/a=1/v1/live/sessions/live_1/attach": LiveTarget("live_1", "sideband"),
        "/v1/live/sessions/live%201/fork/": LiveTarget("live 1", "fork"),
        "/v1/live/sessions/attach": LiveTarget("attach", "primary"),
        "/v1/live/sessionsX": None,
        "/v1/realtime": None,
    }
    assert {path: live_target(path) for path in told} == told


def test_a_recording_that_lacks_the_start_waits_for_one_all_the_same() -> None:
    call = started()
    script = script_for(write_script(call.frames), PRIMARY)
    assert (script.waits, script.compared) == ({1: IMPLIED}, False)
    call.client("session.close")
    assert script_for(write_script(call.frames), PRIMARY).compared
    assert script_for(write_script(call.frames), SIDEBAND).waits == {}
    # A sideband may begin with a replay of what was before.
    call.server("session.input_audio.append", audio=audio(20))
    script = write_script(call.frames)
    assert script.joined and script_for(script, SIDEBAND) is script


def test_a_session_of_realtime_is_none_of_live_whatever_its_client_sends() -> None:
    call = Call().client("session.start", session={}).server("session.created", session={})
    call.client("session.update", session={}).server("session.updated", session={})
    script = write_script(call.frames)
    assert (script.live, script.waits) == (False, {4: 3})
    assert script_for(script, SIDEBAND) is script


# Every stream


def check(script: Script, recorded: list[Frame]) -> None:
    sides = {seq: frame.direction for seq, frame in enumerate(recorded, 1)}
    for answer, cause in script.waits.items():
        assert (sides[answer], sides[cause]) == (SERVER, CLIENT)
        assert cause < answer
    assert len(set(script.waits.values())) == len(script.waits)
    assert set(script.waits.values()) <= {expected.seq for expected in script.expected}


odd = st.one_of(st.none(), st.integers(), st.sampled_from(("a", "b", "deleg_1")), st.just({}))
events = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(LIVE_CLIENT_TYPES | LIVE_FOLDED))},
    optional={
        "event_id": odd,
        "client_event_id": odd,
        "delegation_id": odd,
        "source_event_id": odd,
        "item_id": odd,
        "item": st.one_of(odd, st.fixed_dictionaries({"id": odd})),
        "delegation": st.one_of(odd, st.fixed_dictionaries({"id": odd, "response_id": odd})),
        "error": st.one_of(odd, st.fixed_dictionaries({"type": odd, "client_event_id": odd})),
        "event": st.one_of(
            odd,
            st.fixed_dictionaries({"type": st.just("response.created"), "response": odd}),
        ),
        "session": odd,
        "audio": odd,
        "delta": odd,
    },
)


@given(st.lists(st.tuples(st.sampled_from((CLIENT, SERVER)), events), max_size=30))
@examples(100)
def test_any_stream_of_live_has_a_script(told: list[tuple[str, dict[str, Any]]]) -> None:
    call = started()
    for direction, event in told:
        call.send(direction, **{("type_" if key == "type" else key): v for key, v in event.items()})
    script = write_script(call.frames)
    check(script, call.frames)
    for role in (None, PRIMARY, SIDEBAND, LiveTarget("live_1", "fork")):
        script_for(script, role)


@each_live_recording
def test_a_recording_of_one_side_has_no_causes(recording: Path) -> None:
    script = write_script(frames(recording))
    assert (script.live, script.waits, script.started) == (True, {}, 1)


def test_every_command_of_a_call_finds_its_answer() -> None:
    for recorded in (sample_live_frames(), delegating_call().frames):
        script = write_script(recorded)
        check(script, recorded)
        unanswered = {e.seq for e in script.expected} - set(script.waits.values())
        types = {decode(recorded[seq - 1].text).type for seq in unanswered}
        assert types == {"response.item.create"}  # which has no answer of its own
