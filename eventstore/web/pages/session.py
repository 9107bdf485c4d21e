"""The page `/sessions/{id}`: a session's waveform, transcript, events, and state at any moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from eventstore.exports.live_turns import OVERLAPS, timeline_zero
from eventstore.exports.live_words import is_live, session_facts
from eventstore.projection.session_names import sideband_of
from eventstore.realtime.resources.scores import score_words
from eventstore.realtime.values import mapping
from eventstore.store.usage.unpriced import LeftOut, not_in_cost
from eventstore.web.pages.rendering import page
from eventstore.web.pages.scores import LABEL, THUMB, given_by, giver_of
from eventstore.web.server.paths import IdRoute
from eventstore.web.server.requests import MayRead, ScopedQueries, may_raw, may_score

router = APIRouter(include_in_schema=False, route_class=IdRoute)

SPEAKERS = {"aside": "outside the conversation"}
KINDS = {
    "call": "calls a tool",
    "result": "answers",
    "error": "error",
    "delegation": "delegates",
    "decision": "decide",
    "instructions": "instructs",
    "thinking": "tells the model (thinking)",
    "commentary": "tells the model to say (commentary)",
}


@router.get("/sessions/{session_id}")
def show_session(
    request: Request, queries: ScopedQueries, access: MayRead, session_id: str
) -> Response:
    """Show one session."""
    shown = queries.state(session_id)
    session, usage = shown["session"], shown["usage"]
    made = page(
        request,
        "session.html",
        title=session_id,
        session_id=session_id,
        session=session,
        notes=session["eventstore"],
        usage=usage,
        facts=_facts(session, usage),
        zero=timeline_zero(session) if is_live(session) else 0.0,
        turns=queries.transcript(session_id),
        speakers=SPEAKERS,
        kinds=KINDS,
        overlaps=OVERLAPS,
        may_raw=may_raw(access),
        may_score=may_score(access),
        mine=given_by((session, *shown["responses"]), giver_of(request, access)),
        thumb=THUMB,
        label=LABEL,
        replay_url=getattr(request.app.state, "replay_url", None),
    )
    # Otherwise browsers hide from the server that its own page sends the forms of scores.
    made.headers["Referrer-Policy"] = "same-origin"
    return made


def _facts(session: Mapping[str, Any], usage: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the facts about the session that the page shows beside its metadata."""
    notes = session["eventstore"]
    without_price, untold = not_in_cost(usage["unpriced"])
    return [
        ("Model", session.get("model")),
        ("Sideband of", sideband_of(mapping(notes.get("opened")), session)),
        ("Responses", notes["responses"]),
        ("Interruptions", notes["interruptions"] or None),
        ("Errors", notes["errors"] or None),
        ("Tokens in", usage["input_tokens"]),
        ("cached", usage["cached_tokens"]),
        ("out", usage["output_tokens"]),
        ("No price known of", ", ".join(without_price.models)),
        ("Scores", ", ".join(score_words(notes.get("scores")))),
        ("Usage not told yet" if not notes["closed"] else "Usage not told", _names(untold)),
        *(_live_facts(session) if is_live(session) else ()),
    ]


def _names(untold: LeftOut) -> str:
    """Return the models, or what it is, of usage that the server has not told."""
    return ", ".join(untold.models or untold.counts)


def _live_facts(session: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what only a GPT-Live session has, and why it was closed."""
    reason = session["eventstore"]["close_reason"]
    facts = [(name.capitalize(), value) for name, value in session_facts(session)]
    return [*facts, ("Closed", reason)] if reason else facts
