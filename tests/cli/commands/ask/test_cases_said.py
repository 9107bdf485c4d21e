"""What was said, heard and done in streams that people reported: each command tells it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.cases import case
from support.terminal import Terminal

from eventstore import EventStore


def imported(terminal: Terminal, name: str) -> str:
    """Import a case; its session's id."""
    session_id = f"sess_{name}"
    done = terminal("import", str(case(name)), "--session-id", session_id)
    assert done.code == 0, done
    return session_id


def turns(terminal: Terminal, session_id: str) -> list[tuple[Any, ...]]:
    """Who said what, or called what, in each conversation."""
    shown = terminal("state", session_id, "--json").json
    found = []
    for conversation in shown["conversations"]:
        for item in conversation["items"]:
            if item["type"] == "message":
                parts = item["content"]
                words = " ".join(p.get("text") or p.get("transcript") or "" for p in parts)
                found.append((item["role"], words))
            else:
                found.append((item["type"], item.get("name"), item.get("arguments")))
    return found


def test_heard_where_no_audio_is_in_the_log(terminal: Terminal) -> None:
    session_id = imported(terminal, "webrtc_truncated_no_audio")
    shown = terminal("state", session_id).out
    assert "The museum opens at nine and [likely not heard: closes at five" in shown
    reseeded = terminal("reseed", session_id).out
    assert "opens at nine" in reseeded and "closes at five" not in reseeded


def test_who_joins_in_the_middle_of_a_turn(terminal: Terminal) -> None:
    session_id = imported(terminal, "sideband_joins_mid_turn")
    said = [("user", "please cancel my booking"), ("assistant", "Done, it is cancelled.")]
    assert turns(terminal, session_id) == said
    events = [json.loads(line) for line in terminal("reseed", session_id).out.splitlines()]
    assert [event["item"]["role"] for event in events if "item" in event] == ["user", "assistant"]
    (found,) = terminal("responses", "--text", "booking", "--json").json["data"]
    assert found["id"] == "resp_0"
    assert found["eventstore"]["match"][0]["role"] == "user"


def test_a_call_that_one_event_tells_of(terminal: Terminal) -> None:
    session_id = imported(terminal, "function_done_only")
    assert ("function_call", "get_weather", '{"city":"Oslo"}') in turns(terminal, session_id)
    shown = terminal("state", session_id, "--json").json
    items = [item for one in shown["conversations"] for item in one["items"]]
    assert [item["call_id"] for item in items if item["type"] == "function_call"] == ["call_1"]
    assert 'get_weather({"city":"Oslo"})' in terminal("state", session_id).out


def test_a_transcript_so_far(terminal: Terminal) -> None:
    session_id = imported(terminal, "xai_partials")
    assert turns(terminal, session_id) == [("user", "I would like to return")]
    assert "unknown types" not in terminal("state", session_id).out


def test_tools_that_failed(terminal: Terminal) -> None:
    session_id = imported(terminal, "mcp_failed_shown")
    shown = terminal("state", session_id).out
    assert "failed: 502 bad gateway" in shown and "mcp_list_tools_failed" in shown
    replayed = terminal("replay", session_id, "--instant").out
    assert "search failed: 502 bad gateway" in replayed
    assert "the listing of tools failed" in replayed
    (listed,) = terminal("sessions", "--status", "errors", "--json").json["data"]
    assert listed["eventstore"]["errors"] == 2


@pytest.mark.parametrize("name", ["cancelled_empty_output", "truncated_before_audio"])
def test_no_item_of_a_response_that_ended_goes_on(terminal: Terminal, name: str) -> None:
    session_id = imported(terminal, name)
    shown = terminal("state", session_id, "--json").json
    items = [item for one in shown["conversations"] for item in one["items"]]
    assert "incomplete" in {item["status"] for item in items}
    assert "in_progress" not in {item["status"] for item in items}


def test_formats_by_other_names(terminal: Terminal) -> None:
    session_id = imported(terminal, "voicelive_16k_output")
    assert "The whole trip takes four [not heard: hours by" in terminal("state", session_id).out
    assert "16000 Hz" in terminal("audio", session_id, "-o", "out.wav").out
    beta = json.loads(terminal("reseed", session_id, "--dialect", "beta").out.splitlines()[0])
    assert beta["session"]["output_audio_format"] == "pcm16_16000hz"
    shown = terminal("state", imported(terminal, "qwen_16k"), "--json").json
    items = [item for one in shown["conversations"] for item in one["items"]]
    spans = [span for item in items for span in item["eventstore"].get("audio", [])]
    assert {span["side"] for span in spans} == {"input", "output"}


def test_a_rate_that_the_importer_is_told(terminal: Terminal) -> None:
    wish = ("--session-id", "told", "--input-rate", "8000")
    assert terminal("import", str(case("qwen_16k")), *wish).code == 0
    assert "input PCM at 8000 Hz, as its importer told" in terminal("state", "told").out
    assert "8000 Hz" in terminal("audio", "told", "--side", "user", "-o", "out.wav").out
    refused = terminal("import", str(case("qwen_16k")), "--input-rate", "7999")
    assert refused.code == 2 and "8000<=x<=48000" in refused.err


def test_the_model_that_the_address_names(terminal: Terminal, store: EventStore) -> None:
    session_id = imported(terminal, "relay_model_in_url")
    listed = terminal("sessions", "--model", "gpt-realtime", "--json").json["data"]
    assert [one["id"] for one in listed] == [session_id]
    (line,) = store.usage("model", model="gpt-realtime")["data"]
    assert (line["key"], line["responses"]) == ("gpt-realtime", 1)
    assert line["cost_usd"] == pytest.approx(0.0074, abs=0.0001)


def test_why_responses_failed(terminal: Terminal) -> None:
    session_id = imported(terminal, "failed_quota")
    for shown in (terminal("state", session_id).out, terminal("responses").out):
        for words in (
            "failed insufficient_quota",
            "incomplete content_filter",
            "failed server_error",
        ):
            assert words in shown


def test_reasons_are_found_and_limits_are_seen(terminal: Terminal) -> None:
    session_id = imported(terminal, "failed_quota")
    found = terminal("responses", "--reason", "insufficient_quota", "--json").json["data"]
    assert [one["id"] for one in found] == ["resp_1"]
    assert terminal("responses", "--reason", "unheard_of", "--json").json["data"] == []
    shown = terminal("state", session_id).out
    assert "rate limit: 120 of 40,000 tokens left, reset in 55.2 s" in shown
    session_id = imported(terminal, "rate_limits_seen")
    notes = terminal("state", session_id, "--json").json["session"]["eventstore"]
    assert notes["rate_limits"]


def test_an_image_that_only_the_client_sent(terminal: Terminal) -> None:
    session_id = imported(terminal, "image_id_given")
    reseeded = terminal("reseed", session_id)
    events = [json.loads(line) for line in reseeded.out.splitlines()]
    parts = [part for event in events for part in event.get("item", {}).get("content", [])]
    (image,) = [part for part in parts if part["type"] == "input_image"]
    assert image["image_url"].startswith("data:image/png;base64,BQUF")
    assert "left out" not in reseeded.err


@pytest.mark.parametrize(
    ("word", "found"),
    [
        *(("天気", "resp_1"), ("東京", "resp_1"), ("订单", "resp_2"), ("发货", "resp_2")),
        *(("배송", "resp_3"), ("도착", "resp_3"), ("傘", "resp_1"), ("いりません", "resp_1")),
    ],
)
def test_words_of_scripts_without_spaces_are_found(
    terminal: Terminal, word: str, found: str
) -> None:
    session_id = imported(terminal, "cjk_search")
    responses = terminal("responses", "--text", word, "--json").json["data"]
    assert [one["id"] for one in responses] == [found]
    sessions = terminal("sessions", "--text", word, "--json").json["data"]
    assert [one["id"] for one in sessions] == [session_id]
    assert f"[{word}]" in terminal("responses", "--text", word).out


def test_calls_are_found_and_their_secrets_are_not(terminal: Terminal) -> None:
    session_id = imported(terminal, "mcp_calls")
    found = terminal("responses", "--text", "docs search", "--json").json["data"]
    assert [one["id"] for one in found] == ["resp_2", "resp_1"]
    assert "call: docs [search] q: x" in terminal("responses", "--text", "search").out
    assert [
        one["id"] for one in terminal("sessions", "--text", "search", "--json").json["data"]
    ] == [session_id]
    for secret in ("tok_secret_123", "k_secret_456"):
        assert terminal("responses", "--text", secret, "--json").json["data"] == []


@pytest.mark.parametrize(
    ("name", "heard", "lasts"),
    [("deltas_twice", "One two three", 3000), ("deltas_twice_done", "one two three four", 4000)],
)
def test_what_a_proxy_delivers_twice_counts_once(
    terminal: Terminal, name: str, heard: str, lasts: int
) -> None:
    session_id = imported(terminal, name)
    shown = terminal("state", session_id, "--json").json
    assert shown["conversations"][0]["items"][-1]["eventstore"]["heard"] == heard
    (part,) = shown["conversations"][0]["items"][-1]["eventstore"]["audio"]
    assert part["duration_ms"] == lasts
    replayed = terminal("replay", session_id, "--instant").out
    assert replayed.count("two") == 1
    sound = terminal("audio", session_id, "-o", "call.wav", "--json").json
    assert sound["seconds"] < 5  # with 1.5 s of the user before
    assert terminal("rebuild", session_id, "--json").json["changed_rows"] == 0
    assert terminal("state", session_id, "--json").json == shown
    sealed = terminal("seal", session_id, "--json")
    assert sealed.code == 0, sealed
    assert terminal("state", session_id, "--json").json["conversations"] == shown["conversations"]


@pytest.mark.parametrize("ids", [("", ""), ("sess_a", "sess_b")])
@pytest.mark.parametrize("reverse", [False, True])
def test_two_recordings_of_one_call_count_once(
    terminal: Terminal, ids: tuple[str, str], reverse: bool
) -> None:
    files = ["two_recordings_one_call", "two_recordings_one_call_sideband"]
    stored: list[Any] = []
    for name, id_ in zip(reversed(files) if reverse else files, ids, strict=True):
        done = terminal(
            "import", str(case(name)), "--json", *(["--session-id", id_] if id_ else [])
        )
        stored += done.json["data"]
    first, second = (entry["session_id"] for entry in stored)
    assert first != second
    assert [entry.get("same_call") for entry in stored] == [None, first]
    total = terminal("usage", "--json").json["total"]
    assert (total["responses"], total["transcriptions"]) == (1, 1)
    assert f"the same call as {first}, where its usage is counted" in terminal("state", second).out
    assert "elsewhere" in terminal("sessions", "--summary").out
    for name in files if not any(ids) else ():
        again = terminal("import", str(case(name)), "--json").json["data"]
        assert [entry["status"] for entry in again] == ["exists"]
    assert terminal("usage", "--json").json["total"]["responses"] == 1
    assert terminal("rebuild", "--all", "--json").json["changed_rows"] == 0
    assert terminal("verify", "--all").code == 0
