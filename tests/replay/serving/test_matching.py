"""A live client's frames beside the recorded ones; ids, old and new."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.events import Call, message, text_part
from support.examples import examples
from support.replaying import write_script
from support.strategies import any_text

from eventstore.realtime.frames import CLIENT
from eventstore.replay.serving.ids import IdMap
from eventstore.replay.serving.matching import Matcher, MatchRule


def item(text: str = "Hello", id_: str | None = "item_1") -> dict[str, Any]:
    made = message("", "user", text_part(text, "input_text")) | {"id": id_}
    return {"type": "conversation.item.create", "item": made}


def matcher(*recorded: dict[str, Any], rule: MatchRule = "strict") -> Matcher:
    call = Call()
    for event in recorded:
        call.frame(CLIENT, json.dumps(event))
    return Matcher(write_script(call.frames), rule, IdMap())


def told(live: Matcher, event: dict[str, Any]) -> tuple[int | None, str]:
    match = live.receive(json.dumps(event))
    assert match is not None
    return match.seq, "" if match.drift is None else str(match.drift)


def test_the_same_frame_matches() -> None:
    assert told(matcher(item()), item()) == (1, "")


def test_order_of_keys_nulls_and_event_ids_do_not_count() -> None:
    recorded = {"type": "session.update", "session": {"a": 1, "b": None}, "event_id": "event_1"}
    live = {"session": {"a": 1.0}, "event_id": "event_2", "type": "session.update"}
    assert told(matcher(recorded), live) == (1, "")


def test_an_empty_list_is_as_good_as_none() -> None:
    """Some clients name their tools, of which they have none, or not, as it happens."""
    recorded = {"type": "session.update", "session": {"a": [], "b": 1, "d": {}}}
    live = {"type": "session.update", "session": {"b": 1, "c": {}, "d": None}}
    assert told(matcher(recorded), live) == (1, "")
    assert "session.a" in told(matcher(recorded), {**live, "session": {"b": 1, "a": ["tool"]}})[1]
    assert "session.b" in told(matcher(recorded), {**live, "session": {"b": 0}})[1]


def test_beta_and_ga_names_are_one() -> None:
    beta = {"type": "transcription_session.update", "session": {}}
    ga = {"type": "session.update", "session": {}}
    assert told(matcher(beta, rule="type"), ga)[0] == 1


def test_audio_within_an_item_does_not_count() -> None:
    def spoken(audio: str) -> dict[str, Any]:
        return {"type": "conversation.item.create", "item": {"content": [{"audio": audio}]}}

    assert told(matcher(spoken("AAAA")), spoken("BBBB")) == (1, "")


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        ({"item": {}, "previous_item_id": "root"}, {"item": {}}),
        ({"item": {}}, {"item": {}, "previous_item_id": "root"}),
        (
            {"item": {"type": "function_call_output", "call_id": "c"}},
            {"item": {"type": "function_call_output"}},
        ),
        ({"session": {"a": True}}, {"session": {"a": 1}}),
    ],
)
def test_what_means_another_thing_differs(recorded: Any, live: Any) -> None:
    kind = {"type": "conversation.item.create"}
    assert "came otherwise" in told(matcher(kind | recorded), kind | live)[1]


@pytest.mark.parametrize("live", [{"item": {"id": "mine"}}, {"item": {}, "event_id": "event_1"}])
def test_ids_that_a_client_may_choose_may_come_or_not(live: Any) -> None:
    kind = {"type": "conversation.item.create"}
    assert told(matcher(kind | {"item": {}}), kind | live) == (1, "")


def test_what_differs_is_told_place_by_place() -> None:
    seq, drift = told(matcher(item("Hello")), item("Goodbye"))
    assert seq == 1
    assert drift.splitlines() == [
        "conversation.item.create (event 1 of the recording) came otherwise:",
        "  item.content[0].text",
        '    - "Hello"',
        '    + "Goodbye"',
    ]


def test_what_is_missing_or_more_is_told() -> None:
    recorded = {"type": "response.create", "response": {"metadata": {"a": "1"}}}
    live = {"type": "response.create", "response": {"metadata": {"b": "1"}}}
    assert told(matcher(recorded), live) == (1, "")
    _, drift = told(matcher(recorded, rule="exact"), live)
    assert '    - "1"\n    + nothing' in drift
    assert '    - nothing\n    + "1"' in drift


def test_strict_takes_frames_in_their_order_alone() -> None:
    live = matcher(item("One", "item_1"), {"type": "response.create"})
    seq, drift = told(live, {"type": "response.create"})
    assert seq is None
    assert (
        drift
        == (
            "unexpected response.create; expected conversation.item.create"
            " (event 1 of the recording)"
        )
        or "unexpected" in drift
    )


def test_by_type_the_best_of_those_left_is_taken() -> None:
    live = matcher(item("One", "item_1"), item("Two", "item_2"), rule="type")
    assert told(live, item("Two", "item_2")) == (2, "")
    seq, drift = told(live, item("Three", "item_3"))
    assert (seq, "came otherwise" in drift) == (1, True)
    assert told(live, item("Four"))[0] is None


def test_frames_that_cannot_be_read_match_each_other() -> None:
    call = Call().frame(CLIENT, "{oops").frame(CLIENT, b"\0")
    live = Matcher(write_script(call.frames), "strict", IdMap())
    assert live.receive("{oops") == (1, None)
    assert live.receive(b"\0\1") == (2, None)


@given(
    st.lists(any_text() | st.binary(max_size=50), max_size=6), st.sampled_from(["strict", "type"])
)
@examples(100)
def test_any_frames_match_themselves(sent: list[str | bytes], rule: MatchRule) -> None:
    call = Call()
    for text in sent:
        call.frame(CLIENT, text)
    live = Matcher(write_script(call.frames), rule, IdMap())
    for text in sent:
        match = live.receive(text)
        assert match is None or (match.seq is not None and match.drift is None)
    assert live.missing() == []


# Ids


def test_ids_stay_where_nothing_is_known() -> None:
    text = '{"event_id" : "event_1", "item_id":"item_1"}'
    assert IdMap().rewrite(text) == text


def test_a_learned_id_is_replaced_where_it_is_an_id() -> None:
    ids = IdMap()
    ids.learn("item_1", "live")
    text = '{"item_id" : "item_1","item":{"id":"item_1","name":"item_1"},"id":null,"text":"item_1"}'
    assert ids.rewrite(text) == (
        '{"item_id" : "live","item":{"id":"live","name":"item_1"},"id":null,"text":"item_1"}'
    )


def test_words_that_look_like_ids_are_no_ids() -> None:
    ids = IdMap()
    ids.learn("item_1", "live")
    text = json.dumps({"transcript": 'He said "id": "item_1" to me', "delta": '"item_id":"item_1"'})
    assert ids.rewrite(text) == text


@given(any_text(), st.booleans())
@examples(200)
def test_text_without_ids_is_never_changed(text: str, fresh: bool) -> None:
    ids = IdMap(fresh, frozenset({"resp_1"}))
    ids.learn("item_1", "live")
    if not any(key in text for key in ("event_id", "resp_1", "item_1", "expires_at", "created_at")):
        assert ids.rewrite(text) == text


def test_fresh_ids_look_alike_and_are_the_same_throughout() -> None:
    known = frozenset({"resp_12345678", "274d45b6-e5e8-4b8a-b8da-2235d5e6aa6d"})
    ids = IdMap(True, known)
    first, second = (json.loads(ids.rewrite('{"response_id":"resp_12345678"}')) for _ in range(2))
    assert first == second
    assert first["response_id"].startswith("resp_")
    assert first["response_id"] != "resp_12345678"
    assert len(first["response_id"]) == len("resp_12345678")
    made = json.loads(ids.rewrite('{"item_id":"274d45b6-e5e8-4b8a-b8da-2235d5e6aa6d"}'))
    assert len(made["item_id"]) == 36
    # A voice's or a prompt's id is no id of this session's.
    assert ids.rewrite('{"voice":{"id":"voice_1"}}') == '{"voice":{"id":"voice_1"}}'


@pytest.mark.parametrize("stated", ["1700000600", "1700000600.5", "17", '"1700000600"', "null"])
def test_times_move_with_the_session(stated: str) -> None:
    ids = IdMap(True, frozenset(), 1_700_000_000_000_000)
    moved = ids.rewrite(f'{{"expires_at":{stated}}}')
    assert (moved != f'{{"expires_at":{stated}}}') == (stated == "1700000600")
