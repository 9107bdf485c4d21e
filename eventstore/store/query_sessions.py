"""Query sessions, and show one: its resource, conversations, responses and usage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine

from eventstore.errors import AmbiguousError, InvalidInputError, NotFoundError
from eventstore.projection import view
from eventstore.projection.state import SessionState
from eventstore.realtime.values import loads
from eventstore.store.activity import add_activities
from eventstore.store.erasures import audio_erased_at, refuse_erased
from eventstore.store.filters import MAX_LIMIT, Paging, SessionFilter
from eventstore.store.load_state import load_state
from eventstore.store.query_responses import Page, Where, add_metadata_condition
from eventstore.store.read_segments import first_at, last_seq_at
from eventstore.store.transaction import Row, Transaction, read
from eventstore.times import to_iso

_COLUMNS = (
    "s.wire, s.notes, s.at, t.head_seq, t.last_at, (SELECT MAX(e.at) FROM erasures e"
    " WHERE e.session_id = s.session_id AND e.what = 'audio')"
)
STREAM = "SELECT head_seq, closed_at, erased_at FROM streams WHERE session_id = ?"
FIRST_AT = "SELECT at FROM events WHERE session_id = ? AND seq = 1"
# The last event that is not behind the moment; times come from clients and need not rise.
SEQ_AT = "SELECT MAX(seq) FROM events WHERE session_id = ? AND at <= ?"

# No longer than numbers that Python reads.
_AT = re.compile(
    r"(?P<seq>[0-9]{1,1000})|\+(?P<seconds>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e\+?[0-9]+)?)",
    re.IGNORECASE,
)


def query_sessions(
    engine: Engine, wanted: SessionFilter, paging: Paging, live: bool = False
) -> Page:
    """A page of sessions, by the time of their first event.

    Args:
        live: only those that are open, each with what goes on in it.

    Raises:
        NotFoundError: `after` names no session.
    """
    with read(engine) as tx:
        sql, parameters = sessions_sql(tx, wanted, paging, live)
        rows = tx.rows(sql, parameters)
        data = [_resource(row) for row in rows[: paging.limit]]
        if live:
            add_activities(tx, data)
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return Page(data, first, last, len(rows) > paging.limit)


def session_ids(engine: Engine, wanted: SessionFilter) -> Iterator[str]:
    """The ids of all sessions that match, oldest first; read page by page."""
    paging = Paging(limit=MAX_LIMIT, order="asc")
    while True:
        with read(engine) as tx:
            sql, parameters = sessions_sql(tx, wanted, paging, columns="s.session_id")
            found = [row[0] for row in tx.rows(sql, parameters)]
        yield from found[: paging.limit]
        if len(found) <= paging.limit:
            return
        paging = paging.model_copy(update={"after": found[paging.limit - 1]})


def sessions_sql(
    tx: Transaction,
    wanted: SessionFilter,
    paging: Paging,
    live: bool = False,
    columns: str = _COLUMNS,
) -> tuple[str, list[Any]]:
    """The statement of a page, and its parameters.

    Raises:
        NotFoundError: `after` names no session.
    """
    where = Where([], [])
    if live:
        # The stream knows it first, where a worker writes the read models.
        where.add("s.closed = 0 AND t.closed_at IS NULL")
    if wanted.model is not None:
        where.add("s.model = ?", wanted.model)
    if wanted.since is not None:
        where.add("s.at >= ?", wanted.since)
    if wanted.until is not None:
        where.add("s.at < ?", wanted.until)
    for condition in wanted.metadata:
        add_metadata_condition(where, tx, condition, "session_metadata", "s", ())
    direction, compare = ("ASC", ">") if paging.order == "asc" else ("DESC", "<")
    if paging.after is not None:
        row = tx.row("SELECT at FROM sessions WHERE session_id = ?", (paging.after,))
        if row is None:
            raise no_session(paging.after)
        where.add(f"(s.at, s.session_id) {compare} (?, ?)", row[0], paging.after)
    sql = (
        f"SELECT {columns} FROM {_source(tx, live)}{where.sql()} ORDER BY s.at {direction},"
        f" s.session_id {direction} LIMIT ?"
    )
    return sql, [*where.parameters, paging.limit + 1]


def _source(tx: Transaction, live: bool) -> str:
    """Sessions and their streams; open ones by the index of those alone.

    SQLite keeps no count of the closed ones, and would look through all of a model's.
    """
    by_index = " INDEXED BY sessions_open" if live and not tx.postgresql else ""
    return f"sessions s{by_index} JOIN streams t ON t.session_id = s.session_id"


def _resource(row: Row) -> dict[str, Any]:
    wire, kept, at, head_seq, last_at, erased_at = row
    resource: dict[str, Any] = loads(wire)
    notes: dict[str, Any] = loads(kept)
    # What the stream's own row knows is not repeated in the read model.
    notes["events"], notes["last_at"] = head_seq, to_iso(last_at)
    notes["duration_ms"] = view.elapsed_ms(at if notes["opened_at"] else None, last_at)
    if erased_at is not None:
        notes["audio_erased_at"] = to_iso(erased_at)
    return {**resource, "eventstore": notes}


def read_session(engine: Engine, session_id: str) -> dict[str, Any]:
    """One session's resource.

    Raises:
        NotFoundError: there is none.
    """
    session: dict[str, Any] = show_session(engine, session_id)["session"]
    return session


def show_session(engine: Engine, session_id: str, at: str | int | None = None) -> dict[str, Any]:
    """A session with its conversations, responses and usage.

    Args:
        at: as for `state_at`.

    Raises:
        NotFoundError: there is no such session.
        InvalidInputError: a bad `at`, or the session's events carry no times.
    """
    shown = state_resources(state_at(engine, session_id, at))
    with read(engine) as tx:
        erased_at = audio_erased_at(tx, session_id)
    if erased_at is not None:
        shown["session"]["eventstore"]["audio_erased_at"] = to_iso(erased_at)
    return shown


def state_at(engine: Engine, session_id: str, at: str | int | None = None) -> SessionState:
    """A session's state.

    Args:
        at: None for now; a seq; or `+SECONDS` since the session's first event.

    Raises:
        NotFoundError: there is no such session. ErasedError: it was erased.
        InvalidInputError: `at` is none of these, or the session's events carry no times.
    """
    with read(engine) as tx:
        row = tx.row(STREAM, (session_id,))
        if row is None:
            raise no_session(session_id)
        refuse_erased(tx, session_id, row[2])
        seq = row[0] if at is None else resolve_at(tx, session_id, row[0], at)
        closed = seq == row[0] and row[1] is not None
        return load_state(tx, session_id, seq, closed)


def state_resources(state: SessionState) -> dict[str, Any]:
    """All resources of a state: session, conversations with items, responses, usage."""
    from eventstore.store.query_usage import usage_of_state

    return {
        "session": view.session_resource(state),
        "conversations": conversations(state),
        "responses": [view.response_resource(state, r) for r in state.responses.values()],
        "usage": usage_of_state(state),
    }


def conversations(state: SessionState) -> list[dict[str, Any]]:
    """The conversations of a state, their items in order."""
    return [
        {
            "id": conversation.id,
            "object": "realtime.conversation",
            "items": [view.item_resource(state, state.items[id_]) for id_ in conversation.order],
        }
        for conversation in state.conversations
        if conversation.id is not None or conversation.order
    ]


def resolve_at(tx: Transaction, session_id: str, head_seq: int, at: str | int) -> int:
    """The seq that `SEQ` or `+SECONDS` names; what lies behind the end names the last one.

    Raises:
        InvalidInputError: it is neither, or the events carry no times.
    """
    text = str(at).strip()
    given = _AT.fullmatch(text)
    if given is None:
        raise InvalidInputError(f"--at {text!r}: use a seq (120) or +SECONDS (+12.5)")
    if given["seq"] is not None:
        return min(int(given["seq"]), head_seq)
    row = tx.row(FIRST_AT, (session_id,))
    first = row[0] if row is not None else first_at(tx, session_id)
    if first is None:
        raise InvalidInputError(f"session {session_id} was recorded without times; use a seq")
    end = first + round(min(float(given["seconds"]), 1e9) * 1_000_000)
    row = tx.row(SEQ_AT, (session_id, end))
    if row is not None and row[0] is not None:
        return int(row[0])
    return last_seq_at(tx, session_id, end) or 0


def no_session(session_id: str) -> NotFoundError:
    """The error that says that there is no such session."""
    return NotFoundError(f"no session {session_id}; list them with: eventstore sessions")


def read_conversation(
    engine: Engine, conversation_id: str, session: str | None = None
) -> dict[str, Any]:
    """One conversation with its items, in order.

    Raises:
        NotFoundError, AmbiguousError: none, or several sessions' have the id.
    """
    sql = "SELECT session_id, position FROM conversations WHERE conversation_id = ?"
    with read(engine) as tx:
        if session is None:
            found = tx.rows(sql + " ORDER BY session_id LIMIT 6", (conversation_id,))
        else:
            found = tx.rows(sql + " AND session_id = ?", (conversation_id, session))
        if not found:
            raise NotFoundError(f"no conversation {conversation_id}")
        if len(found) > 1:
            sessions = ", ".join(row[0] for row in found[:5])
            raise AmbiguousError(
                f"conversation {conversation_id} is in several sessions ({sessions});"
                " name the session"
            )
        rows = tx.rows(
            "SELECT resource FROM items WHERE session_id = ? AND conversation = ?"
            " ORDER BY position",
            found[0],
        )
    return {
        "id": conversation_id,
        "object": "realtime.conversation",
        "session_id": found[0][0],
        "items": [loads(row[0]) for row in rows],
    }
