"""Find a response by its id, which responses of several sessions may have.

Called by queries/query_responses.py and queries/ranked_responses.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from eventstore.common.arguments import check_text
from eventstore.errors import AmbiguousError, NotFoundError
from eventstore.realtime.metadata import Condition
from eventstore.realtime.values import identifier
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.filters.sql_conditions import Where, add_scope, add_session


def find_response(
    tx: Transaction, id_: str, session: str | None, scope: Condition | None = None
) -> tuple[int, str, str]:
    """Return the time, session and id of the response that an id or `session/response` names.

    Args:
        id_: The id, or the session's id and the response's id with a slash between them.
        session: The session; None for any.
        scope: A pair of session metadata; other sessions are treated as not there.

    Raises:
        NotFoundError: There is no such response.
        AmbiguousError: Responses of several sessions have the id.
    """
    check_text("response_id", id_)
    found = _places(tx, id_, session, scope)
    for position in (i for i, character in enumerate(id_) if character == "/"):
        if found:
            break
        # `session/response`; each of the two ids may contain a slash.
        named = id_[:position]
        if session in (None, named):
            found = _places(tx, id_[position + 1 :], named, scope)
    if not found:
        where = f" in session {session}" if session else ""
        raise NotFoundError(f"no response {id_}{where}; list them with: eventstore responses")
    if len(found) > 1:
        sessions = ", ".join(place[1] for place in found[:5])
        more = "" if len(found) <= 5 else ", …"
        raise AmbiguousError(
            f"response {id_} is in several sessions ({sessions}{more}); add --session"
        )
    return found[0]


def _places(
    tx: Transaction, id_: str, session: str | None, scope: Condition | None
) -> list[tuple[int, str, str]]:
    where = Where([], [])
    where.add("r.response_id = ?", identifier(id_) or id_)
    if session is not None:
        add_session(where, tx, "r", session)
    add_scope(where, scope, "r")
    sql = f"SELECT r.at, r.session_id, r.response_id FROM responses r{where.sql()}"
    rows = tx.rows(f"{sql} ORDER BY r.session_id LIMIT 6", where.parameters)
    return [(at, session_id, response_id) for at, session_id, response_id in rows]


def response_cursors(tx: Transaction, rows: Sequence[Row], scope: Condition | None) -> list[str]:
    """Return the values of `after` that name responses, of which there are one or two.

    Each is the response's id, with the session's id before it if several sessions have that id.

    Args:
        rows: Their first two columns are the session's id and the response's id.
        scope: As for `find_response`.
    """
    named = [(str(row[0]), str(row[1])) for row in rows]
    shared = _ids_of_several(tx, sorted({response_id for _, response_id in named}), scope)
    return [
        f"{session_id}/{response_id}" if response_id in shared else response_id
        for session_id, response_id in named
    ]


def _ids_of_several(tx: Transaction, ids: list[str], scope: Condition | None) -> set[str]:
    """Return those of one or two ids that responses of several sessions have."""
    where = Where([], [])
    where.add(f"r.response_id IN ({', '.join('?' * len(ids))})", *ids)
    add_scope(where, scope, "r")
    # A server may give the same id in each of a million sessions, so few rows are read.
    sql = f"SELECT r.response_id FROM responses r{where.sql()} ORDER BY r.response_id LIMIT 3"
    found = [id_ for (id_,) in tx.rows(sql, where.parameters)]
    shared = {id_ for id_ in found if found.count(id_) > 1}
    if len(ids) > 1 and found.count(ids[0]) > 1:  # The rows of the other id may be behind these.
        shared |= _ids_of_several(tx, ids[1:], scope)
    return shared
