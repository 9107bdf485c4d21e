"""The tools that sum up: usage, latency, scores; and the comparison of two calls.

Called by registry.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

from eventstore.exports.transcript import Turn
from eventstore.mcp.answers import Answer, Json, numbered_page
from eventstore.mcp.asking import Asker
from eventstore.mcp.bounds import fitting, piece
from eventstore.mcp.tools.arguments import CompareCalls, SumScores, SumUsage
from eventstore.mcp.tools.briefs import scores_brief, seconds, tools_called
from eventstore.mcp.tools.finding import given
from eventstore.mcp.transcripts import read_whole
from eventstore.realtime.values import mapping, number

_PAGING = ("by", "after", "limit")


def sum_usage(asker: Asker, arguments: SumUsage) -> Answer:
    """Return tokens and money, summed up."""
    report = asker.queries.usage(arguments.by, **given(arguments, *_PAGING))
    return _report(report, arguments.after, arguments.limit)


def sum_latency(asker: Asker, arguments: SumUsage) -> Answer:
    """Return how fast answers came."""
    report = asker.queries.latency(arguments.by, **given(arguments, *_PAGING))
    return _report(report, arguments.after, arguments.limit)


def sum_scores(asker: Asker, arguments: SumScores) -> Answer:
    """Return scores, summed up."""
    report = asker.queries.score_sums(arguments.by, **given(arguments, *_PAGING))
    return _report(report, arguments.after, arguments.limit)


def _report(report: Any, after: int, limit: int) -> Answer:
    page = numbered_page(report["data"], after, limit)
    total = {"sum": report["total"]} if "total" in report else {}
    return Answer(data={"by": report["by"], **page, **total})


class _Call(NamedTuple):
    """A session as a comparison needs it."""

    session: Json
    notes: Json
    responses: Sequence[Any]
    usage: Json
    turns: Sequence[Turn]


def compare_calls(asker: Asker, arguments: CompareCalls) -> Answer:
    """Return two sessions side by side, a row for each thing that is compared."""
    calls = [_read(asker, id_) for id_ in (arguments.session_a, arguments.session_b)]
    rows = []
    for what, read in _COMPARED:
        a, b = (fitting(read(call), 6_000) for call in calls)
        if a in _NOTHING and b in _NOTHING:
            continue
        row = {"what": what, "a": a, "b": b}
        if isinstance(a, int | float) and isinstance(b, int | float):
            row["b_minus_a"] = round(b - a, 6)
        rows.append(row)
    names = {"session_a": arguments.session_a, "session_b": arguments.session_b}
    return Answer(data={**names, "rows": rows})


_NOTHING: tuple[Any, ...] = (None, "", {}, [])


def _read(asker: Asker, session_id: str) -> _Call:
    state, turns = read_whole(asker.queries, session_id)
    asker.check_time()
    session: Json = dict(state["session"])
    return _Call(
        session, mapping(session.get("eventstore")), state["responses"], dict(state["usage"]), turns
    )


def _waits(call: _Call) -> list[float]:
    """Return how long each answer was waited for, in seconds."""
    waits = []
    for response in call.responses:
        notes = response["eventstore"]
        for name in ("speech_to_first_audio_ms", "time_to_first_audio_ms", "time_to_first_text_ms"):
            if (found := number(notes.get(name))) is not None:
                waits.append(found / 1000)
                break
    return waits


def _of_waits(sum_up: Callable[[list[float]], float]) -> Callable[[_Call], float | None]:
    def found(call: _Call) -> float | None:
        waits = _waits(call)
        return round(sum_up(waits), 3) if waits else None

    return found


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common(30))


def _tools(call: _Call) -> dict[str, int]:
    return _counted(name for one in call.responses for name in tools_called(one))


def _turns_by(call: _Call) -> dict[str, int]:
    return _counted(
        turn.speaker if turn.kind == "said" else f"{turn.speaker} {turn.kind}"
        for turn in call.turns
    )


def _errors(call: _Call) -> list[str]:
    said = (turn.text for turn in call.turns if turn.kind == "error")
    return [piece(one, 0, 300).text for one in said][:5]


def _spoken(speaker: str) -> Callable[[_Call], int]:
    """Return a function that counts the words that a speaker said."""

    def words(call: _Call) -> int:
        said = (one for one in call.turns if one.speaker == speaker and one.kind == "said")
        return sum(len(one.text.split()) for one in said)

    return words


def _noted(name: str) -> Callable[[_Call], Any]:
    return lambda call: call.notes.get(name)


def _used(name: str) -> Callable[[_Call], Any]:
    return lambda call: call.usage.get(name)


#: What is compared, in order: a name, and what tells it of a call.
_COMPARED: tuple[tuple[str, Callable[[_Call], Any]], ...] = (
    ("started_at", _noted("opened_at")),
    ("model", lambda call: call.session.get("model")),
    ("protocol", _noted("protocol")),
    ("metadata", _noted("metadata")),
    ("seconds", lambda call: seconds(call.notes.get("duration_ms"))),
    ("status", lambda call: "closed" if call.notes.get("closed") else "open"),
    ("close_reason", _noted("close_reason")),
    ("turns", _turns_by),
    ("words_of_user", _spoken("user")),
    ("words_of_assistant", _spoken("assistant")),
    ("responses", lambda call: len(call.responses)),
    (
        "responses_by_status",
        lambda call: _counted(str(one.get("status")) for one in call.responses),
    ),
    ("interruptions", _noted("interruptions")),
    ("median_wait_seconds", _of_waits(median)),
    ("slowest_wait_seconds", _of_waits(max)),
    ("tools_called", _tools),
    ("errors", _noted("errors")),
    ("error_messages", _errors),
    ("input_tokens", _used("input_tokens")),
    ("cached_tokens", _used("cached_tokens")),
    ("output_tokens", _used("output_tokens")),
    ("input_audio_tokens", _used("input_audio")),
    ("output_audio_tokens", _used("output_audio")),
    ("cost_usd", _used("cost_usd")),
    ("scores", lambda call: scores_brief(call.notes.get("scores"))),
    ("events", _noted("events")),
)
