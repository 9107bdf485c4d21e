"""Find a response by its id, which responses of several sessions may have.

Called by queries/query_responses.py and queries/ranked_responses.py.
"""

from __future__ import annotations

from eventstore.common.arguments import check_text
from eventstore.errors import AmbiguousError, NotFoundError
from eventstore.realtime.metadata import Condition
from eventstore.realtime.values import identifier
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.filters.sql_conditions import Where, add_scope


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
        where.add("r.session_id = ?", session)
    add_scope(where, scope, "r")
    sql = f"SELECT r.at, r.session_id, r.response_id FROM responses r{where.sql()}"
    rows = tx.rows(f"{sql} ORDER BY r.session_id LIMIT 6", where.parameters)
    return [(at, session_id, response_id) for at, session_id, response_id in rows]


def response_cursor(tx: Transaction, row: Row, scope: Condition | None) -> str:
    """Return the value of `after` that names a response.

    It is the response's id, with the session's id before it if several sessions have that id.

    Args:
        row: Its first two columns are the session's id and the response's id.
        scope: As for `find_response`.
    """
    session_id, response_id = str(row[0]), str(row[1])
    if len(_places(tx, response_id, None, scope)) > 1:
        return f"{session_id}/{response_id}"
    return response_id
