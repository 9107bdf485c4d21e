"""Unit: secrets in the events of GPT-Live, also within the events of a backend."""

from __future__ import annotations

import json

import pytest
from support.planted_live import planted_live_call

from eventstore.realtime.masking.mask import mask_frame, mask_value, replace_member
from eventstore.realtime.masking.mask_session import SessionMask
from eventstore.realtime.masking.secret_names import REMOVED

SECRET = "q7ZplantedSecret123"


def nested(delta: str, delegation: str = "dlg_1", **fields: object) -> str:
    event = {"type": "response.function_call_arguments.delta", "item_id": "fc_1", **fields}
    return json.dumps(
        {
            "type": "response.event",
            "delegation_id": delegation,
            "event": {**event, "delta": delta},
        }
    )


def test_no_event_keeps_a_secret() -> None:
    mask = SessionMask()
    for frame in planted_live_call(SECRET).frames:
        clean = mask.mask(frame.text).text
        assert SECRET not in str(clean), frame.text
        assert isinstance(clean, str)
        assert SECRET not in str(mask_value(json.loads(frame.text)))
        assert mask_frame(clean).text == clean


def test_what_is_no_secret_stays_as_it_is() -> None:
    call = planted_live_call(SECRET)
    told = "".join(str(SessionMask().mask(frame.text).text) for frame in call.frames)
    for kept in ("connector_gmail", "server_label", "Oslo", "b.png", "gpt-5.2", "customer"):
        assert kept in told


@pytest.mark.parametrize("size", [1, 3, 8])
def test_a_secret_that_comes_in_pieces_within_a_backends_events_is_masked(size: int) -> None:
    mask, told = SessionMask(), ""
    text = f'{{"api_key": "{SECRET}", "city": "Oslo"}}'
    for begin in range(0, len(text), size):
        piece = text[begin : begin + size]
        told += json.loads(str(mask.mask(nested(piece)).text))["event"]["delta"]
        other = json.loads(str(mask.mask(nested("word", "dlg_2")).text))
        assert other["event"]["delta"] == "word"  # the text of another delegation
    assert SECRET not in told.replace(REMOVED, "") and REMOVED in told
    assert told.endswith('slo"}')


def test_only_the_delta_within_is_replaced() -> None:
    text = '{"delta": "out", "event": {"delta": "in", "x": {"delta": "deep"}}, "event" : 3}'
    assert replace_member(text, "delta", "-", "event") == text.replace('"in"', '"-"')
    assert replace_member(text, "delta", "-") == text.replace('"out"', '"-"')


def test_the_name_of_a_user_is_masked_under_the_names_that_servers_have_for_it() -> None:
    told = {"session": {"safety_identifier": "anna"}, "headers": ["OpenAI-Safety-Identifier: anna"]}
    assert "anna" not in str(mask_value(told))
    assert "anna" not in str(mask_frame(json.dumps({"type": "x", **told})).text)
    assert mask_value({"text": "a safety net, for your safety"}) == {
        "text": "a safety net, for your safety"
    }


def test_the_choice_of_a_decision_is_an_option_of_the_apps_question_and_no_value_of_a_name() -> (
    None
):
    answer = {"type": "choice", "name": "password_reset", "choice": "by_phone_2"}
    assert mask_value(answer) == answer
    assert mask_frame(json.dumps(answer)).secrets == 0
    key = {**answer, "choice": f"sk-{SECRET}"}
    assert mask_value(key) == {**answer, "choice": REMOVED}
    assert mask_frame(json.dumps(key)).text == json.dumps({**answer, "choice": REMOVED})
