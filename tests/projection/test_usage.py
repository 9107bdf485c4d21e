"""What is billed, read from any server's shape."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from support.calls import SESSION_CONFIG, USAGE
from support.events import Call
from support.strategies import json_values, usages

from eventstore.projection.views.usage import (
    Reported,
    Tokens,
    billed_sums,
    billed_tokens,
    open_tokens,
    read_usage,
)
from eventstore.realtime.values import MAX_INTEGER


def test_ga_usage_is_split_by_modality_cached_tokens_too() -> None:
    assert billed_tokens(USAGE) == Tokens(
        input_tokens=100,
        output_tokens=20,
        total_tokens=120,
        input_text=60,
        input_audio=40,
        cached_tokens=50,
        cached_text=30,
        cached_audio=20,
        output_text=5,
        output_audio=15,
    )


@pytest.mark.parametrize(
    ("text", "audio", "cached"),
    [(100, 0, (80, 80, 0)), (0, 100, (80, 0, 80)), (60, 40, (80, 0, 0))],
)
def test_cached_tokens_that_are_not_split_are_of_the_only_kind_or_of_none_that_is_told(
    text: int, audio: int, cached: tuple[int, int, int]
) -> None:
    details = {"text_tokens": text, "audio_tokens": audio, "cached_tokens": 80}
    usage = {"input_tokens": 100, "output_tokens": 0, "input_token_details": details}
    tokens, reported = read_usage(usage)
    assert (tokens.cached_tokens, tokens.cached_text, tokens.cached_audio) == cached
    assert bool(reported & Reported.OPEN) == (audio == 40)


def test_tokens_without_details_are_of_no_kind() -> None:
    tokens, reported = read_usage({"input_tokens": 10, "output_tokens": 2})
    assert (tokens.input_text, tokens.output_text, tokens.total_tokens) == (0, 0, 12)
    assert open_tokens(tokens) == (10, 0, 2)
    assert reported == Reported.TOKENS | Reported.OPEN


def test_a_transcription_writes_text() -> None:
    usage = {"input_tokens": 7, "output_tokens": 2, "input_token_details": {"audio_tokens": 7}}
    tokens, reported = read_usage(usage, writes_text=True)
    assert (tokens.output_text, reported) == (2, Reported.TOKENS | Reported.AUDIO)


@pytest.mark.parametrize("text", [150, 30])
def test_reasoning_is_text_whether_a_server_counts_it_so_or_beside(text: int) -> None:
    details = {"text_tokens": text, "audio_tokens": 50, "reasoning_tokens": 120}
    usage = {"input_tokens": 0, "output_tokens": 200, "output_token_details": details}
    assert read_usage(usage).tokens.output_text == 150


@pytest.mark.parametrize(
    ("usage", "reported"),
    [
        ({"input_tokens": 0, "output_tokens": 0}, Reported.TOKENS),
        ({"input_tokens": 0, "output_tokens": 0, "total_tokens": 9}, 5),
        ({"input_tokens": 0}, 0),
        ({"input_tokens": "0", "output_tokens": 0}, 0),
        ({"input_tokens": -1, "output_tokens": 0}, 0),
        ({"input_tokens": 10**13, "output_tokens": 0}, 0),
        ({"seconds": 0}, Reported.SECONDS),
        ({"seconds": -1}, 0),
        ({"unheard of": 1}, 0),
    ],
)
def test_what_is_not_told_or_contradicts_itself_is_noted(
    usage: dict[str, Any], reported: int
) -> None:
    assert read_usage(usage).reported == reported


@pytest.mark.parametrize(
    ("tokens", "flag"), [(32_000, 0), (32_001, Reported.LARGE), (100_001, Reported.HUGE)]
)
def test_large_inputs_are_noted(tokens: int, flag: int) -> None:
    details = {"text_tokens": tokens}
    usage = {"input_tokens": tokens, "output_tokens": 0, "input_token_details": details}
    assert read_usage(usage).reported == Reported.TOKENS | flag


def test_a_transcription_may_be_billed_by_the_second() -> None:
    assert billed_tokens({"type": "duration", "seconds": 2.5}) == Tokens(audio_ms=2500)
    assert billed_tokens({"billable_audio_seconds": 600}) == Tokens(audio_ms=600_000)


@pytest.mark.parametrize("usage", [None, {}])
def test_absent_usage_is_nothing(usage: dict[str, Any] | None) -> None:
    assert billed_tokens(usage) == Tokens()


@given(usages())
def test_any_usage_is_read_as_whole_numbers_that_a_column_holds(usage: dict[str, Any]) -> None:
    tokens = billed_tokens(usage)
    assert all(type(count) is int and 0 <= count <= MAX_INTEGER for count in tokens)
    assert billed_sums(usage) == tokens[:3]


@given(json_values())
def test_any_json_is_read_as_usage(value: Any) -> None:
    if isinstance(value, dict):
        assert billed_sums(value) == billed_tokens(value)[:3]


def test_sums_that_no_column_holds_are_bounded() -> None:
    tokens = billed_tokens({"input_tokens": MAX_INTEGER, "output_tokens": MAX_INTEGER})
    assert tokens.total_tokens <= MAX_INTEGER


def test_a_later_responses_usage_replaces_none_of_an_earlier_one() -> None:
    call = Call().server("session.created", session=SESSION_CONFIG)
    call.created("resp_1").done("resp_1", usage=USAGE)
    call.created("resp_2").done("resp_2", usage={**USAGE, "total_tokens": 999})
    usages_ = [call.response(id_)["usage"]["total_tokens"] for id_ in ("resp_1", "resp_2")]
    assert usages_ == [120, 999]


def test_the_last_transcription_of_a_part_is_what_is_billed() -> None:
    call = Call().server("session.created", session=SESSION_CONFIG).spoken("item_1", 0, 500)
    call.transcribed("item_1", "Hello", usage={"type": "duration", "seconds": 1})
    call.transcribed("item_1", "Hello.", usage={"type": "duration", "seconds": 2})
    (billed,) = call.state.billed.values()
    assert (billed.usage, billed.model) == ({"type": "duration", "seconds": 2}, "gpt-4o-transcribe")


def test_a_repeated_transcript_without_usage_keeps_the_one_reported() -> None:
    call = Call().spoken("item_1", 0, 500)
    call.transcribed("item_1", "Hello", usage={"type": "duration", "seconds": 1})
    call.transcribed("item_1", "Hello.")
    (billed,) = call.state.billed.values()
    assert billed.usage == {"type": "duration", "seconds": 1}
