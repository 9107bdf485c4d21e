"""Ids that an app or a server chooses never stand for what was said in a Live session."""

from __future__ import annotations

from typing import Any

import pytest
from support.events import Call
from support.live_speech import say, spoken, started

HISTORY = {
    "id": "item_said_2",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Earlier answer"}],
}


def nested(call: Call, **event: Any) -> Call:
    return call.server("response.event", delegation_id="deleg_1", event=event)


def test_an_item_of_this_store_can_be_the_history_of_the_next_session() -> None:
    call = say(started(input=[HISTORY]), "user", 0, "New", "question")
    assert spoken(call) == [("user", "New question")]
    before = call.item("given_item_said_2")
    assert before["content"][0]["text"] == "Earlier answer"
    assert before["eventstore"]["kind"] == "history"


def test_a_client_cannot_plant_what_is_said_next() -> None:
    call = started()
    for seq in range(1, 20):
        item = {"id": f"item_said_{seq}", "type": "message", "role": "assistant", "content": []}
        call.client("response.item.create", item=item)
    say(call, "user", 0, "I want", "my money back")
    assert spoken(call) == [("user", "I want my money back")]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_item.done", "item": {"id": "item_said_2", "role": "assistant"}},
        {"type": "conversation.item.deleted", "item_id": "item_said_2"},
        {"type": "response.output_text.done", "item_id": "item_said_2", "text": "I agreed"},
        {
            "type": "response.completed",
            "response": {"id": "resp_1", "output": [{"id": "item_said_2", "type": "message"}]},
        },
    ],
)
def test_a_backend_cannot_change_what_was_said(event: dict[str, Any]) -> None:
    call = say(started(), "user", 0, "I never", "agreed")
    nested(call, **event)
    assert spoken(call) == [("user", "I never agreed")]
    codes = [one["code"] for one in call.session()["eventstore"]["diagnostics"]]
    assert codes == ["id_of_another_item"]


def test_a_delegation_cannot_either() -> None:
    call = say(started(), "user", 0, "I never", "agreed")
    wire = {"id": "item_said_2", "type": "delegation", "target": "client"}
    call.server("session.delegation.created", delegation=wire)
    call.server("decision.item.deleted", item_id="item_said_2")
    assert spoken(call) == [("user", "I never agreed")]
