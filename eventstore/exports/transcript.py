"""Make the transcript of a call: its turns in order, with short facts about each. Pure.

Called by `EventStore.transcript`, html.py and waveform.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from eventstore.exports.live_turns import LiveCall
from eventstore.exports.live_words import by_timeline, ending_facts, is_live, moments_of
from eventstore.exports.speakers import has_several_speakers, speaker_passages, with_names
from eventstore.pricing.prices import Prices, published_prices
from eventstore.pricing.rates import Cost
from eventstore.projection.views.usage import read_usage
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import parse
from eventstore.realtime.resources.outcomes import failure_of
from eventstore.realtime.resources.scores import score_words
from eventstore.realtime.values import mapping, number, sequence, text
from eventstore.times import parse_time

Json = dict[str, Any]

# These stand in a turn's text for content without words.
_AN_IMAGE, _NO_TRANSCRIPT = "[an image]", "[speech without a transcript]"


class Turn(NamedTuple):
    """One thing of a transcript.

    Attributes:
        seq: The sequence number of the event that it begins with.
        speaker: `user`, `assistant`, `system`, `tool`, `aside` (a response outside of the
            conversation) or `server`. In a GPT-Live session also `app`, `backend` and `decisions`.
        kind: `said`, `call`, `result` or `error`. In a GPT-Live session also `delegation`,
            `decision`, `moment`, and what the app tells the model: `instructions`, `thinking` or
            `commentary`.
        at: Seconds since the call's first event; None if that is not known.
        text: What was said and heard.
        unheard: What was generated beyond that.
        notes: Short facts: latency, tokens, cost, how it ended.
        item_id: The id of its item; None if it is none.
        response_id: The id of its response; None if it is of none.
        done_seq: The sequence number of the event that says what a response took, if the notes tell
            of it.
        words: The text alone, if `text` names its speakers.
    """

    seq: int
    speaker: str
    kind: str
    at: float | None
    text: str
    unheard: str
    notes: list[str]
    item_id: str | None = None
    response_id: str | None = None
    done_seq: int | None = None
    words: str | None = None


def transcript_turns(
    shown: Json, errors: Iterable[StoredEvent], prices: Prices | None = None
) -> list[Turn]:
    """Return the transcript of a session.

    Items are in the order of their conversations, and those of a GPT-Live session in the order of
    its timeline. Other entries, such as errors, stand between them
    by their place in the log.

    Args:
        shown: The whole session, as `EventStore.state` returns it.
        errors: The server's `error` events.
        prices: The prices for the cost of responses; None for published prices.
    """
    prices = prices or published_prices()
    start = _start(shown)
    responses = {text(entry.get("id")): entry for entry in shown["responses"]}
    noted: set[str] = set()
    name = _named if has_several_speakers(shown) else _unnamed
    live = LiveCall(shown) if is_live(shown["session"]) else None
    spoken = [
        name(_item_turn(item, start, responses, noted, prices, live), item)
        for conversation in shown["conversations"]
        for item in (by_timeline(conversation["items"]) if live else conversation["items"])
    ]
    beside = [
        *_asides(shown["responses"], start, prices),
        *_translation(shown["session"]),
        *(
            Turn(error.seq, "server", "error", _offset(error.at, start), error_text(error), "", [])
            for error in errors
        ),
        *_without_items(shown["responses"], start, noted, prices),
        *(_moments(shown["session"], live) if live else ()),
    ]
    return _merged(spoken, sorted(beside, key=lambda turn: turn.seq))


def _merged(spoken: list[Turn], beside: list[Turn]) -> list[Turn]:
    """Return both lists as one: each entry of `beside` comes before the first later turn."""
    merged: list[Turn] = []
    waiting = iter(beside)
    next_ = next(waiting, None)
    for turn in spoken:
        while next_ is not None and next_.seq < turn.seq:
            merged.append(next_)
            next_ = next(waiting, None)
        merged.append(turn)
    return merged + [turn for turn in (next_, *waiting) if turn is not None]


def seconds_since_start(shown: Json, at: int | None) -> float | None:
    """Return a time in microseconds as seconds since a session's first event; None if unknown."""
    return _offset(at, _start(shown))


def error_text(event: StoredEvent) -> str:
    """Return the message of a server's `error` event."""
    body = parse(event.text) if isinstance(event.text, str) else None
    error = mapping((body or {}).get("error"))
    return text(error.get("message")) or text(error.get("code")) or "an error without a message"


def _start(shown: Json) -> int | None:
    return _micros(shown["session"]["eventstore"].get("opened_at"))


def _micros(value: Any) -> int | None:
    try:
        return parse_time(value)
    except (ValueError, OverflowError):
        return None


def _offset(at: int | None, start: int | None) -> float | None:
    return None if at is None or start is None else max(0.0, (at - start) / 1_000_000)


# Items


def _item_turn(
    item: Json,
    start: int | None,
    responses: dict[str | None, Json],
    noted: set[str],
    prices: Prices,
    live: LiveCall | None,
) -> Turn:
    notes = item["eventstore"]
    response = responses.get(notes.get("response_id"), {})
    at = _offset(_micros(notes.get("at")), start)
    kind = text(item.get("type")) or ""
    item_id, response_id = text(item.get("id")), text(notes.get("response_id"))
    facts: list[str] = []
    done_seq = None
    if response and notes["response_id"] not in noted:
        noted.add(notes["response_id"])
        facts, done_seq = response_facts(response, prices), response["eventstore"].get("done_seq")
    facts += score_words(notes.get("scores"))
    about = item_id, response_id, done_seq
    if live is not None:
        speaker, what, moment, said, told = live.turn(item, facts)
        return Turn(notes["seq"], speaker, what, moment, said, "", told, *about)
    if kind == "function_call_output":
        said = text(item.get("output")) or ""
        return Turn(notes["seq"], "tool", "result", at, said, "", facts, *about)
    if kind != "message":
        called = _call_text(item, kind)
        return Turn(notes["seq"], "assistant", "call", at, called, "", facts, *about)
    role = text(item.get("role")) or ("assistant" if response else "user")
    if role == "assistant":
        first_audio = mapping(response.get("eventstore")).get("first_audio_at")
        heard_at = _offset(_micros(first_audio), start)
        at = at if heard_at is None or not notes.get("audio") else heard_at
    said, unheard = _said(item, notes)
    facts += _item_facts(notes)
    return Turn(notes["seq"], role, "said", at, said, unheard, facts, *about)


def _moments(session: Json, live: LiveCall) -> Iterator[Turn]:
    """Yield the turns of what else happened in a GPT-Live session, such as a mute."""
    for seq, seconds, words in moments_of(session):
        at = live.since_first_event(seconds)
        yield Turn(seq, "server", "moment", at, words, "", [])


def _said(item: Json, notes: Json) -> tuple[str, str]:
    """Return the words that were heard, and the words that were generated but not heard."""
    heard, generated = notes.get("heard"), notes.get("generated")
    if not isinstance(heard, str) or not isinstance(generated, str):
        return _content(item), ""
    if generated.startswith(heard):
        return heard, generated[len(heard) :].strip()
    return heard, "" if heard else generated


def _named(turn: Turn, item: Json) -> Turn:
    """Return a turn with the names of its speakers in its text, if the server stated them."""
    told = list(speaker_passages(item))
    if not told:
        return turn
    words = turn.text if len(told) == 1 else " ".join(said for _, said in told)
    return turn._replace(text=with_names(item, turn.text), words=words)


def _unnamed(turn: Turn, _: Json) -> Turn:
    return turn


def spoken_words(turn: Turn) -> str:
    """Return the words of a turn, without the marks for an image or a missing transcript."""
    said = turn.text if turn.words is None else turn.words
    return said.replace(_AN_IMAGE, "").replace(_NO_TRANSCRIPT, "")


def _content(item: Json) -> str:
    words = []
    for part in map(mapping, sequence(item.get("content"))):
        said = text(part.get("text")) or text(part.get("transcript"))
        if said:
            words.append(said)
        elif part.get("type") in ("input_image", "image"):
            words.append(_AN_IMAGE)
        elif part.get("type") in ("input_audio", "audio", "output_audio"):
            words.append(_NO_TRANSCRIPT)
    return " ".join(words)


def _call_text(item: Json, kind: str) -> str:
    if kind in ("function_call", "mcp_call"):
        call = f"{text(item.get('name')) or '?'}({text(item.get('arguments')) or ''})"
        output = failure_of(item) or text(item.get("output"))
        return f"{call} → {output}" if output else call
    return " ".join(filter(None, (kind or "an item of no type", failure_of(item))))


def _item_facts(notes: Json) -> list[str]:
    cut = mapping(notes.get("truncated"))
    played = number(cut.get("audio_end_ms"))
    facts = [f"cut off after {played / 1000:.1f} s"] if played is not None else []
    if cut.get("estimated_by") == "time":
        facts.append("what was heard is estimated by time")
    languages = [code for code in map(text, sequence(notes.get("languages"))) if code]
    if languages:
        facts.append(f"in {', '.join(languages)}")
    if notes.get("transcription_error"):
        facts.append("the transcription failed")
    return facts


# Responses


def response_facts(response: Json, prices: Prices) -> list[str]:
    """Return short facts about a response: latency, how it ended, tokens and cost."""
    notes = response["eventstore"]
    facts = []
    for name, what in (
        ("speech_to_first_audio_ms", "to first audio"),
        ("time_to_first_audio_ms", "to first audio"),
        ("time_to_first_text_ms", "to first text"),
    ):
        taken = number(notes.get(name))
        if taken is not None:
            facts.append(f"{taken / 1000:.2f} s {what}")
            break
    facts += _ending(response)
    usage = mapping(response.get("usage"))
    tokens, reported = read_usage(usage)
    if usage:
        facts.append(f"{tokens.total_tokens:,} tokens")
        at = _micros(notes.get("done_at"))
        if at is not None:
            facts.append(_cost(prices.cost(text(notes.get("model")), tokens, reported, at)))
    return facts + score_words(notes.get("scores"))


def _cost(cost: Cost) -> str:
    """Return the cost of a response as a text, or that it is unknown."""
    if cost.usd is not None:
        return f"${float(cost.usd):.4f}"
    if cost.between is not None:
        least, most = map(float, cost.between)
        return f"${least:.4f} to ${most:.4f}"
    return "cost unknown"


def _ending(response: Json) -> list[str]:
    if response["eventstore"].get("interrupted"):
        return ["interrupted"]
    return ending_facts(response)


def _asides(responses: list[Json], start: int | None, prices: Prices) -> Iterator[Turn]:
    """Yield the turns of responses outside the conversation."""
    for response in responses:
        notes = response["eventstore"]
        if notes.get("in_conversation") is not False:
            continue
        words = []
        for item in map(mapping, sequence(response.get("output"))):
            kind = text(item.get("type")) or ""
            words.append(_content(item) if kind == "message" else _call_text(item, kind))
        yield _response_turn(response, "aside", " ".join(filter(None, words)), start, prices)


def _without_items(
    responses: list[Json], start: int | None, noted: set[str], prices: Prices
) -> Iterator[Turn]:
    """Yield the turns of responses without items, such as responses that failed."""
    for response in responses:
        notes = response["eventstore"]
        if notes.get("in_conversation") is False or text(response.get("id")) in noted:
            continue
        speaker = "backend" if notes.get("kind") == "delegated" else "assistant"
        yield _response_turn(response, speaker, "", start, prices)


def _response_turn(
    response: Json, speaker: str, said: str, start: int | None, prices: Prices
) -> Turn:
    """Return the turn of a response that has no items in a conversation."""
    notes = response["eventstore"]
    at, facts = _offset(_micros(notes.get("created_at")), start), response_facts(response, prices)
    about = None, text(response.get("id")), notes.get("done_seq")
    return Turn(notes["seq"], speaker, "said", at, said, "", facts, *about)


def _translation(session: Json) -> Iterator[Turn]:
    """Yield the whole input and output of a translation session, which has no turns."""
    translation = mapping(session["eventstore"].get("translation"))
    for side, speaker in (("input", "user"), ("output", "assistant")):
        said = text(translation.get(side))
        if said:
            yield Turn(0, speaker, "said", None, said, "", [])
