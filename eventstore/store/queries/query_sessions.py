"""Query sessions, and return one whole: its resource, conversations, responses and usage.

A list is made of rows. Returning one session folds its events; the modules for that are imported in
the functions, so that a list starts faster. Called by verbs/queries.py and verbs/log_queries.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from eventstore.errors import InvalidInputError
from eventstore.realtime.values import loads
from eventstore.store.database.engine_options import prices_of
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.filters.filters import MAX_LIMIT, SessionFilter, SessionPaging
from eventstore.store.filters.page_bytes import rows_that_fit, small_texts
from eventstore.store.log.session_facts import no_session
from eventstore.store.queries.pages import Page
from eventstore.store.queries.session_pages import read_session_page
from eventstore.store.readmodels.encrypted_rows import decrypted_texts
from eventstore.store.usage.session_costs import Costs, answer_with_costs, costs_at_hand
from eventstore.times import length_ms, to_iso

if TYPE_CHECKING:
    from eventstore.pricing.prices import Prices
    from eventstore.projection.state import SessionState

_COLUMNS = (
    ", s.at, t.head_seq, t.last_at, (SELECT MAX(e.at) FROM erasures e"
    " WHERE e.session_id = s.session_id AND e.what = 'audio'), s.session_id"
)
SESSION_RESOURCE = "SELECT wire, notes FROM sessions WHERE session_id = ?"
SESSION_RESOURCES = (
    f"SELECT s.wire, s.notes, 0{_COLUMNS} FROM sessions s JOIN streams t"
    " ON t.session_id = s.session_id WHERE s.session_id IN ({}) ORDER BY s.session_id"
)
OPENED_AT = "SELECT opened_at FROM streams WHERE session_id = ?"
STREAM = "SELECT head_seq, closed_at, erased_at FROM streams WHERE session_id = ?"

# At most 1,000 digits, because Python refuses to read longer numbers.
_AT = re.compile(
    r"(?P<seq>[0-9]{1,1000})|\+?(?P<minutes>[0-9]{1,9}):(?P<rest>[0-5]?[0-9](?:\.[0-9]{0,9})?)"
    r"|\+(?P<seconds>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e\+?[0-9]+)?)",
    re.IGNORECASE,
)


def query_sessions(
    engine: Engine,
    filters: SessionFilter,
    paging: SessionPaging,
    live: bool = False,
    summary: bool = False,
) -> Page[dict[str, Any]]:
    """Return a page of sessions, by the time of their first event unless `paging` says otherwise.

    Args:
        filters: The filter.
        paging: Which part of the list, and its order.
        live: True lists only open sessions, each with what goes on in it.
        summary: True adds to each session its turns, tokens, cost and slowest answer.

    Raises:
        NotFoundError: `after` or `before` names no session.
        InvalidInputError: The text to search has no word; or the cost is needed, and too many
            sessions have no cost yet.
    """

    def ask() -> Page[dict[str, Any]]:
        with read(engine) as tx:
            columns = small_texts(tx, ["s.wire", "s.notes"]) + _COLUMNS
            costs = costs_for(tx, engine, filters, paging)
            rows = read_session_page(tx, filters, paging, live, columns, costs)
            page, more = rows_that_fit(paging, rows, lambda row: int(row[2]))
            data = [_resource(tx, row) for row in page]
            if live:
                from eventstore.store.queries.activity import add_activities

                add_activities(tx, data)
            if summary:
                from eventstore.store.usage.session_summaries import add_summaries

                add_summaries(tx, data, prices_of(engine))
        first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        return Page(data, first, last, more)

    return answer_with_costs(engine, ask)


def matching_session_ids(engine: Engine, filters: SessionFilter) -> Iterator[str]:
    """Yield the ids of all sessions that match a filter, the oldest first, page by page.

    Raises:
        InvalidInputError: The text to search has no word.
    """
    paging = SessionPaging(limit=MAX_LIMIT, order="asc")

    def ask() -> list[str]:
        with read(engine) as tx:
            costs = costs_for(tx, engine, filters, paging)
            return [row[-1] for row in read_session_page(tx, filters, paging, costs=costs)]

    while True:
        found = answer_with_costs(engine, ask)
        yield from found[: paging.limit]
        if len(found) <= paging.limit:
            return
        paging = replace(paging, after=found[paging.limit - 1])


def costs_for(
    tx: Transaction, engine: Engine, filters: SessionFilter, paging: SessionPaging
) -> Costs | None:
    """Return what sessions cost, or None if they are neither filtered nor sorted by cost.

    Raises:
        UnpricedError: Too many sessions have no cost by the engine's prices yet.
    """
    if filters.min_cost is None and paging.sort != "cost":
        return None
    return costs_at_hand(tx, prices_of(engine))


def _resource(tx: Transaction, row: Row) -> dict[str, Any]:
    *texts, _, at, head_seq, last_at, erased_at, session_id = row
    if texts[0] is None:
        texts = list(tx.rows(SESSION_RESOURCE, (session_id,))[0])
    wire, kept = decrypted_texts(tx, "sessions", session_id, "", *texts)
    resource: dict[str, Any] = loads(wire)
    notes: dict[str, Any] = loads(kept)
    # The read model does not repeat what the stream's row has.
    notes["events"], notes["last_at"] = head_seq, to_iso(last_at)
    notes["duration_ms"] = length_ms(
        at if notes["opened_at"] else None, last_at, notes.get("clock_shift_ms", 0)
    )
    if erased_at is not None:
        notes["audio_erased_at"] = to_iso(erased_at)
    return {**resource, "eventstore": notes}


def listed_sessions(
    tx: Transaction, session_ids: Sequence[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the time and the resource of each session, as lists show it, by id.

    Sessions without read models are left out.
    """
    marks = ", ".join("?" * len(session_ids))
    for row in tx.rows(SESSION_RESOURCES.format(marks), session_ids):
        yield row[3], _resource(tx, row)


def read_session(engine: Engine, session_id: str) -> dict[str, Any]:
    """Return the resource of one session.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased.
    """
    session: dict[str, Any] = show_session(engine, session_id)["session"]
    return session


def show_session(engine: Engine, session_id: str, at: str | int | None = None) -> dict[str, Any]:
    """Return a session's state as resources: `session`, `conversations`, `responses` and `usage`.

    Args:
        at: As for `state_at`.

    Raises:
        NotFoundError, ErasedError, InvalidInputError: As for `state_at`.
    """
    from eventstore.store.log.tombstones import audio_erased_at

    state = state_at(engine, session_id, at)
    with read(engine) as tx:
        erased_at = audio_erased_at(tx, session_id)
        opened = tx.row(OPENED_AT, (session_id,))
    shown = state_resources(state, prices_of(engine), None if opened is None else opened[0])
    if erased_at is not None:
        shown["session"]["eventstore"]["audio_erased_at"] = to_iso(erased_at)
    return shown


def state_at(engine: Engine, session_id: str, at: str | int | None = None) -> SessionState:
    """Return a session's state now, or at an earlier event.

    Args:
        at: None for now; a seq; or `+SECONDS` or `MINUTES:SECONDS`: see `resolve_at`.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased.
        InvalidInputError: `at` is not valid, or the session has no times.
    """
    from eventstore.store.log.tombstones import refuse_erased
    from eventstore.store.readmodels.states.load_state import load_state

    with read(engine) as tx:
        row = tx.row(STREAM, (session_id,))
        if row is None:
            raise no_session(session_id)
        refuse_erased(tx, session_id, row[2])
        seq = row[0] if at is None else resolve_at(tx, session_id, row[0], at)
        closed = seq == row[0] and row[1] is not None
        return load_state(tx, session_id, seq, closed)


def state_resources(
    state: SessionState, prices: Prices | None = None, opened_at: int | None = None
) -> dict[str, Any]:
    """Return all resources of a state: `session`, `conversations`, `responses` and `usage`.

    Args:
        state: The state.
        prices: The prices of usage; None for published prices.
        opened_at: When the session was opened in this store, in microseconds since 1970 UTC; used
            for recordings without times.
    """
    from eventstore.pricing.prices import published_prices
    from eventstore.projection.views import resources
    from eventstore.projection.views.session_resource import session_resource
    from eventstore.store.usage.usage_entries import usage_of_state

    return {
        "session": session_resource(state),
        "conversations": conversation_resources(state),
        "responses": [resources.response_resource(state, r) for r in state.responses.values()],
        "usage": usage_of_state(state, prices or published_prices(), opened_at),
    }


def conversation_resources(state: SessionState) -> list[dict[str, Any]]:
    """Return the conversations of a state, each with its items in order."""
    from eventstore.projection.views import resources

    return [
        {
            "id": conversation.id,
            "object": "realtime.conversation",
            "items": [
                resources.item_resource(state, state.items[id_]) for id_ in conversation.order
            ],
        }
        for conversation in state.conversations
        if conversation.id is not None or conversation.order
    ]


def seconds_of(minutes: str | None, rest: str) -> float:
    """Return the seconds of a moment that is written in minutes and seconds, or in seconds."""
    return int(minutes or 0) * 60 + float(rest)


def resolve_at(tx: Transaction, session_id: str, head_seq: int, at: str | int) -> int:
    """Return the seq that `SEQ`, `+SECONDS` or `MINUTES:SECONDS` names.

    A value behind the end names the last event. The time of a GPT-Live session counts on its own
    timeline, and that of others from the first event.

    Raises:
        InvalidInputError: The value is neither, or the session has no times.
    """
    from eventstore.store.log.moments import seq_at_moment
    from eventstore.store.queries.live_moments import seq_on_timeline

    text = str(at).strip()
    match = _AT.fullmatch(text)
    if match is None:
        raise InvalidInputError(f"--at {text!r}: use a seq (120) or +SECONDS (+12.5) or 0:12.5")
    if match["seq"] is not None:
        return min(int(match["seq"]), head_seq)
    seconds = min(seconds_of(match["minutes"], match["rest"] or match["seconds"]), 1e9)
    seq = seq_on_timeline(tx, session_id, head_seq, seconds)
    if seq is None:
        seq = seq_at_moment(tx, session_id, head_seq, seconds)
    if seq is None:
        raise InvalidInputError(f"session {session_id} was recorded without times; use a seq")
    return seq
