"""Unit: sessions that are billed by their length, and by what."""

from __future__ import annotations

from typing import Any

from support.events import Call

from eventstore.projection.handlers.session_billing import billed_session

TRANSLATION = {"id": "sess_1", "type": "translation", "model": "gpt-realtime-translate"}


def usage_of(call: Call) -> Any:
    """The usage of a session, None for one that is billed by its responses."""
    billed = billed_session(call.state)
    return (billed[0].model, billed[0].usage) if billed else None


def test_a_translation_is_billed_by_its_length_once_it_is_over() -> None:
    call = Call().server("session.created", session=TRANSLATION)
    assert usage_of(call) == ("gpt-realtime-translate", None)
    call.server("session.output_transcript.delta", delta="Hola", after=2000)
    call.server("session.closed", after=1000)
    model, usage = usage_of(call)
    assert (model, usage["type"]) == ("gpt-realtime-translate", "duration")
    length = (call.frames[-1].at or 0) - (call.frames[0].at or 0)
    assert usage["seconds"] == length / 1_000_000 >= 3


def test_what_is_noted_after_the_end_makes_no_session_longer() -> None:
    call = Call().server("session.created", session=TRANSLATION).server("session.closed")
    before = usage_of(call)
    call.ms += 60_000
    call.store("closed", reason="left")
    assert usage_of(call) == before


def test_words_alone_show_that_it_is_a_translation() -> None:
    call = Call().server("session.output_transcript.delta", delta="Hola")
    assert usage_of(call) == (None, None)
    call.server("session.updated", session=TRANSLATION)
    assert usage_of(call) == ("gpt-realtime-translate", None)


def test_what_the_server_says_of_the_whole_session_counts_and_the_last_word_of_it() -> None:
    call = Call().server("session.created", session={"id": "live_1", "model": "gpt-live-1"})
    for seconds in (7, 19):
        call.server("session.usage.updated", usage={"seconds": seconds})
    assert usage_of(call) == ("gpt-live-1", {"seconds": 19})
    call.server("session.closed", usage={"seconds": 21})
    assert usage_of(call) == ("gpt-live-1", {"seconds": 21})


def test_a_client_does_not_say_what_it_pays() -> None:
    call = Call().server("session.created", session={"id": "s", "model": "gpt-realtime"})
    call.client("session.usage.updated", usage={"seconds": 1})
    assert usage_of(call) is None


def test_a_call_of_responses_is_no_billed_session() -> None:
    call = Call().server("session.created", session={"id": "s", "model": "gpt-realtime"})
    assert usage_of(call.server("session.closed")) is None
