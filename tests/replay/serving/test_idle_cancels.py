"""A cancel that ends no answer is a race: it may come or not, whatever was recorded."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from support.events import Call
from support.replaying import one, play_client, served, write_script

from eventstore.realtime.frames import CLIENT, Frame
from eventstore.replay.serving.connection import Manner
from eventstore.replay.serving.matching import MatchRule

CANCEL = {"type": "response.cancel", "event_id": "event_cancel"}
TRUNCATE = {"type": "conversation.item.truncate", "item_id": "item_1", "audio_end_ms": 300}
each_rule = pytest.mark.parametrize("rule", ["exact", "strict", "type"])


def cut_off(cancels: bool, answered: bool = True) -> Call:
    """The user interrupts an answer, which the server's turn detection cuts off."""
    call = Call()
    call.server("session.created", session={"id": "sess_1"})
    call.created("resp_1")
    call.server("input_audio_buffer.speech_started", audio_start_ms=0, item_id="item_2")
    if cancels:
        call.frame(CLIENT, json.dumps(CANCEL))
    call.frame(CLIENT, json.dumps(TRUNCATE))
    reason = {"type": "cancelled", "reason": "turn_detected"}
    call.server("response.done", response=done("resp_1", reason))
    if cancels and answered:
        told = {"code": "response_cancel_not_active", "event_id": "event_cancel"}
        call.server("error", error=told)
    call.server("conversation.item.truncated", item_id="item_1", audio_end_ms=300)
    return call


def done(id_: str, details: Any = None) -> dict[str, Any]:
    status = "cancelled" if details else "completed"
    return {"id": id_, "status": status, "status_details": details, "output": []}


def replayed(recorded: Call, live: Call, rule: MatchRule) -> tuple[list[str], list[str]]:
    """The types that a client is sent that does what another one did, and what is told of it."""
    manner = Manner(speed=None, rule=rule, patience=30)
    frames = [frame for frame in live.frames if '"error"' not in str(frame.text)]
    with served(one(recorded.frames), manner) as server:
        came, _, _ = asyncio.run(play_client(f"{server.url}/realtime", frames))
        assert server.outcome().whole
    return [json.loads(frame)["type"] for frame in came], [str(drift) for drift in server.drift]


@each_rule
@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("live", [True, False])
def test_a_cancel_of_what_the_user_cut_off_may_come_or_not(
    recorded: bool, live: bool, rule: MatchRule
) -> None:
    came, told = replayed(cut_off(recorded), cut_off(live), rule)
    assert told == []
    assert ("error" in came) == (recorded and live)
    assert came[-1] == "conversation.item.truncated"


@each_rule
def test_a_cancel_behind_an_answers_end_may_come(rule: MatchRule) -> None:
    recorded, live = Call(), Call()
    for call in (recorded, live):
        call.server("session.created", session={"id": "sess_1"})
        call.created("resp_1").server("response.done", response=done("resp_1"))
        if call is live:
            call.frame(CLIENT, json.dumps(CANCEL))
        call.frame(CLIENT, json.dumps(TRUNCATE))
        call.server("conversation.item.truncated", item_id="item_1", audio_end_ms=300)
    assert replayed(recorded, live, rule)[1] == []


@each_rule
def test_a_cancel_that_ended_an_answer_counts(rule: MatchRule) -> None:
    """In the recording, or by the live client."""
    cancelled = Call().server("session.created", session={"id": "sess_1"})
    cancelled.created("resp_1").frame(CLIENT, json.dumps(CANCEL))
    reason = {"type": "cancelled", "reason": "client_cancelled"}
    cancelled.server("response.done", response=done("resp_1", reason))
    script = write_script(cancelled.frames)
    assert (script.idle, script.waits) == (set(), {4: 3})

    went_on = Call().server("session.created", session={"id": "sess_1"})
    went_on.created("resp_1").frame(CLIENT, json.dumps(TRUNCATE))
    went_on.server("conversation.item.truncated", item_id="item_1", audio_end_ms=300)
    went_on.server("response.done", response=done("resp_1"))
    manner = Manner(speed=None, rule=rule, patience=30)
    live = [*went_on.frames[:2], Frame(CLIENT, json.dumps(CANCEL)), *went_on.frames[2:]]
    with served(one(went_on.frames), manner) as server:
        asyncio.run(play_client(f"{server.url}/realtime", live))
        assert [drift.type for drift in server.outcome().drift][:1] == ["response.cancel"]
