"""Put what only GPT-Live sessions have into words: the order of what was said, delegations. Pure.

The functions read resources, as `EventStore.state` returns them. Called by transcript.py, chat.py
and the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eventstore.realtime.protocols import LIVE
from eventstore.realtime.resources.live_outcomes import MOMENT_WORDS, percent
from eventstore.realtime.values import integer, mapping, number, sequence, text
from eventstore.times import parse_time

Json = Mapping[str, Any]

#: An item that begins so much sooner than those before it is of a timeline that began again.
_BACK_MS = 10_000
_TARGETS = {"client": "the app", "responses": "a backend", "decisions": "Decisions"}


def is_live(session: Json) -> bool:
    """Return True if a session's resource is one of GPT-Live."""
    return mapping(session.get("eventstore")).get("protocol") == LIVE


def kind_of(item: Json) -> str | None:
    """Return what an item of a Live session is; None for an item of Realtime.

    One of `speech`, `history`, `context`, `work` and `backend`.
    """
    return text(mapping(item.get("eventstore")).get("kind"))


def span_of(item: Json) -> tuple[float, float] | None:
    """Return where an item lies on the session's timeline, in seconds; None if that is unknown."""
    notes = mapping(item.get("eventstore"))
    start, end = number(notes.get("start_ms")), number(notes.get("end_ms"))
    return None if start is None else (start / 1000, (start if end is None else end) / 1000)


def by_timeline(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items in the order in which they begin on the session's timeline.

    An item without a place stays behind the item before it. If the timeline began again, the items
    after that stay behind those before.
    """
    placed: list[tuple[int, float, dict[str, Any]]] = []
    round_, latest, place = 0, 0.0, -1.0
    for item in items:
        start = number(mapping(item.get("eventstore")).get("start_ms"))
        if start is not None:
            if start < latest - _BACK_MS:
                round_, latest = round_ + 1, start
            latest, place = max(latest, start), start
        placed.append((round_, place, item))
    return [item for *_, item in sorted(placed, key=lambda one: one[:2])]


def overlapped(items: Iterable[Json]) -> set[str]:
    """Return the ids of what was said while the other speaker had already begun, and went on."""
    found: set[str] = set()
    until: dict[str, float] = {}
    for item in items:
        span = span_of(item)
        if kind_of(item) != "speech" or span is None:
            continue
        role = text(item.get("role")) or ""
        if any(end > span[0] for other, end in until.items() if other != role):
            found.add(text(item.get("id")) or "")
        until[role] = max(span[1], until.get(role, 0.0))
    return found


def seconds_on_timeline(session: Json, item: Json) -> float | None:
    """Return where an item begins, in seconds; estimated by its arrival if no event told it."""
    span = span_of(item)
    if span is not None:
        return span[0]
    return since_zero(session, time_of(mapping(item.get("eventstore")).get("at")))


def since_zero(session: Json, at: int | None) -> float | None:
    """Return a time in seconds since the timeline's zero, or None if one of both is unknown.

    A time before the zero gives a negative number.
    """
    live = mapping(mapping(session.get("eventstore")).get("live"))
    zero = time_of(live.get("started_at"))
    return None if at is None or zero is None else (at - zero) / 1_000_000


def minutes(seconds: float) -> str:
    """Return seconds on the timeline as minutes and seconds, such as `1:02.5`."""
    tenths = max(0, round(seconds * 10))
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def target_words(target: str | None) -> str:
    """Return who does the work of a delegation, such as `the app (client)`."""
    return f"{_TARGETS.get(target or '', 'an unknown target')} ({target or '?'})"


def delegation_facts(
    item: Json, items: Mapping[str, Json], responses: Mapping[str, Json]
) -> list[str]:
    """Return short facts about a delegation: how long it took, and what answered it.

    Args:
        item: The delegation's item.
        items: The items of the conversation, by id.
        responses: The session's responses, by id.
    """
    told = mapping(mapping(item.get("eventstore")).get("delegation"))
    kinds = [_answer_kind(items.get(text(id_) or "")) for id_ in sequence(told.get("answers"))]
    counts = {kind: kinds.count(kind) for kind in kinds}
    answers = " and ".join(
        kind if count == 1 else f"{count} × {kind}" for kind, count in counts.items()
    )
    made = [text(id_) or "" for id_ in sequence(told.get("responses"))]
    ending = "".join(ending_facts(responses.get(made[-1]) or {})) if made else ""
    took = number(told.get("took_ms"))
    if told.get("done_at") or took is not None:
        after = "ended" if ending and not answers else "answered"
        after += "" if took is None else f" after {took / 1000:.1f} s"
        facts = [f"{after} by {answers}" if answers else after]
    else:
        facts = [f"not answered, only {answers}" if answers else "not answered"]
    if made:
        last = ending if len(made) == 1 else f"the last one {ending}"
        count = "1 response" if len(made) == 1 else f"{len(made)} responses"
        facts.append(f"{count} of its model" + (f" ({last})" if ending else ""))
    return facts


def ending_facts(response: Json) -> list[str]:
    """Return how a response ended, such as `failed: no credit`; nothing if it was completed."""
    status = text(response.get("status"))
    if status in ("completed", None):
        return []
    details = mapping(response.get("status_details"))
    why = text(mapping(details.get("error")).get("message")) or text(details.get("reason"))
    ended = "unfinished" if status == "in_progress" else status or ""
    return [f"{ended}: {why}" if why else ended]


def _answer_kind(item: Json | None) -> str:
    if item is None:
        return "an answer"
    notes = mapping(item.get("eventstore"))
    return text(notes.get("context")) or text(item.get("type")) or "an answer"


def asked_words(item: Json, items: Mapping[str, Json]) -> str:
    """Return what the user said before a delegation; empty if that is unknown."""
    told = mapping(mapping(item.get("eventstore")).get("delegation"))
    return said_words(items.get(text(told.get("asked_by")) or ""))


def said_words(item: Json | None) -> str:
    """Return the words of an item, without its other content."""
    parts = map(mapping, sequence((item or {}).get("content")))
    words = (text(part.get("text")) or text(part.get("transcript")) or "" for part in parts)
    return " ".join(said for said in words if said.strip())


def source_words(item: Json) -> str:
    """Return why a decision was made: `for a delegation`, or `by a trigger on …`."""
    if text(item.get("delegation_id")) is not None:
        return "for a delegation"
    if text(item.get("trigger_id")) is None and text(item.get("source_event_id")) is None:
        return "asked by the app"
    return "by a trigger"


def moments_of(session: Json) -> list[tuple[int, float | None, str]]:
    """Return a session's mutes, pauses, steps of the transport and prepared sounds.

    Returns:
        For each its event, its seconds since the timeline's zero (None if unknown), and its words.
    """
    live = mapping(mapping(session.get("eventstore")).get("live"))
    found = []
    for moment in map(mapping, sequence(live.get("moments"))):
        at = since_zero(session, time_of(moment.get("at")))
        what = text(moment.get("what")) or ""
        found.append((integer(moment.get("seq")) or 0, at, MOMENT_WORDS.get(what, what)))
    return found


def time_of(value: Any) -> int | None:
    """Return a resource's time in microseconds since 1970 UTC, or None if it is none."""
    try:
        return parse_time(value)
    except (ValueError, OverflowError):
        return None


def session_facts(session: Json) -> list[tuple[str, str]]:
    """Return what only a Live session has, as pairs of a name and a text.

    Args:
        session: The session's resource.
    """
    notes = mapping(session.get("eventstore"))
    live = mapping(notes.get("live"))
    output = mapping(mapping(session.get("audio")).get("output"))
    voice = output.get("voice")
    delegation = mapping(session.get("delegation"))
    backend = mapping(delegation.get("responses") or delegation.get("decisions"))
    target, model = text(delegation.get("type")), text(backend.get("model"))
    ratio = number(live.get("context_usage"))
    states = [name for name in ("muted", "paused") if live.get(name) is True]
    configured = " ".join(filter(None, (target, model and f"({model})")))
    counts = dict(mapping(live.get("delegations")))
    if target in counts and configured:
        counts = {configured if name == target else name: n for name, n in counts.items()}
    stated = (
        ("voice", text(voice) or text(mapping(voice).get("id")) or ""),
        ("delegates to", "" if counts else configured),
        ("transport", text(live.get("transport")) or ""),
        ("now", ", ".join(states)),
        ("billed", _usage_words(mapping(live.get("usage")))),
        ("context window", "" if ratio is None else f"{percent(ratio)} used"),
        ("delegations", _counts(counts)),
        ("keys received", _keys(notes.get("dtmf"))),
        ("keys sent", _keys(live.get("dtmf_sent"))),
    )
    return [(name, value) for name, value in stated if value]


def _usage_words(usage: dict[str, Any]) -> str:
    """Return the time of a session's usage, such as `9 s (7 s active, 2 s paused)`."""
    seconds = number(usage.get("seconds"))
    if seconds is None:
        return ""
    parts = [
        f"{part:g} s {name}"
        for name in ("active", "paused")
        if (part := number(usage.get(f"{name}_seconds"))) is not None
    ]
    return f"{seconds:g} s" + (f" ({', '.join(parts)})" if parts else "")


def _counts(counts: dict[str, Any]) -> str:
    return ", ".join(f"{count} to {name}" for name, count in counts.items())


def _keys(keys: Any) -> str:
    return " ".join(key for key in map(text, sequence(keys)) if key)
