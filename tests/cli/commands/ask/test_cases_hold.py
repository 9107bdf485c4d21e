"""Streams that people reported and that were always read right: they stay so."""

from __future__ import annotations

from typing import Any

import pytest
from support.cases import case
from support.terminal import Terminal

#: What is said, called and answered in each, and what it costs; None where that is not known.
HOLDS: dict[str, tuple[list[str], float | None]] = {
    "active_response_race": (
        ["user: hello", "assistant: Hi, I am here", "assistant: Hello again"],
        0.01488,
    ),
    "added_before_predecessor": (
        ["user: one", "assistant: two", "user: three", "assistant: four"],
        0.0,
    ),
    "beta_names_ga_shapes": (
        ["user: one", "assistant: in GA names", "user: two", "assistant: in beta names"],
        0.01488,
    ),
    "cached_first_turn": (["user: hello", "assistant: hello"], 0.0067756),
    "clear_then_late_audio": (["user: hello", "assistant: ", "user: wait"], 0.00744),
    "emoji_split": (["user: ok", "assistant: so 😀 \x00 \u200fשלום\ud83d"], None),
    "event_type_names": (["user: hi", "assistant: hi"], 0.00744),
    "format_changes": (
        ["user: first", "assistant: in pcm", "user: second", "assistant: in mulaw"],
        0.01488,
    ),
    "idle_timeout": (["assistant: Hello", "user: ", "assistant: Are you still there?"], 0.01488),
    "image_tokens": (["user:  What is it?", "assistant: A red dot."], 0.0015148),
    "metadata_odd": (["assistant: a", "assistant: b"], 0.01488),
    "never_done": (["user: go on", "assistant: I was saying"], None),
    "odd_frames": (["user: still here", "assistant: yes"], 0.00744),
    "out_of_band": (["user: I want a refund", "assistant: I can help with that"], 0.008304),
    "parallel_tool_calls": (
        [
            "user: name and zip",
            "function_call: store_name",
            "function_call: store_zip",
            "function_call_output: zip ok",
            "function_call_output: name ok",
            "function_call_output: name ok",
            "assistant: Stored both.",
        ],
        0.00992,
    ),
    "pcmu_call": (["user: hello", "assistant: hello caller how are you today"], 0.00754),
    "reasoning_tokens": (["assistant: Three."], 0.0072),
    "retrieved_regress": (["user: hi", "assistant: hello there"], 0.00744),
    "session_expired": (["user: hello", "assistant: hi, what can I do"], 0.00744),
    "session_update_only_transcriber": (["user: hello", "assistant: hello"], 0.0093),
    "sideband_no_session": (["user: hello", "assistant: hello"], None),
    "sip_dtmf": (["user: press", "assistant: you pressed one two"], 0.00744),
    "truncate_rejected": (["user: hi", "assistant: one two three four five"], 0.00744),
    "two_conversations_resume": (
        [
            "user: my name is Ann",
            "assistant: hello Ann",
            "user: my name is Ann",
            "assistant: hello Ann",
            "user: what is my name",
            "assistant: Ann",
        ],
        0.01488,
    ),
    "usage_on_growing_context": (
        [
            "user: q0",
            "assistant: answer 0",
            "user: q1",
            "assistant: answer 1",
            "user: q2",
            "assistant: answer 2",
        ],
        0.02016,
    ),
    "voice_changes": (
        ["user: a", "assistant: one", "assistant: two", "user: c", "assistant: three"],
        0.02232,
    ),
    "voicelive_16k_input": (["user: "], 0.0),
    "whisper_delta_is_all": (["user: turn the light on\n", "user: "], None),
    "whisper_seconds": (["user: good morning"], 0.017),
    "xai_events": (["user: hello", "assistant: hi there"], None),
}


def _told(item: dict[str, Any]) -> str:
    if item["type"] != "message":
        return f"{item['type']}: {item.get('name') or item.get('output')}"
    said = (part.get("text") or part.get("transcript") or "" for part in item["content"])
    return f"{item.get('role')}: {' '.join(said)}"


@pytest.mark.parametrize("name", HOLDS)
def test_a_stream_is_read_as_it_always_was(terminal: Terminal, name: str) -> None:
    turns, cost = HOLDS[name]
    imported = terminal("import", str(case(name)), "--json").json["data"]
    shown = [terminal("state", one["session_id"], "--json").json for one in imported]
    items = [item for one in shown for part in one["conversations"] for item in part["items"]]
    assert [_told(item) for item in items] == turns
    costs = [one["usage"]["cost_usd"] for one in shown]
    known = None if None in costs else sum(costs)
    assert known == (None if cost is None else pytest.approx(cost, abs=1e-7))


def test_times_in_milliseconds_are_refused(terminal: Terminal) -> None:
    told = terminal("import", str(case("at_milliseconds")))
    assert told.code == 1 and "use ISO 8601 or epoch seconds" in told.err
