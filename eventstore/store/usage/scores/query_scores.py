"""Read a session's scores, and check what is to be scored. Called by verbs/scores.py."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from eventstore.errors import NotFoundError
from eventstore.realtime.values import identifier, loads
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.log.session_facts import no_session
from eventstore.store.log.tombstones import refuse_erased
from eventstore.store.readmodels.encrypted_rows import decrypted_texts, score_row_key

SCORES = (
    "SELECT target, target_id, name, scorer, label, resource FROM scores WHERE session_id = ?"
    " ORDER BY seq"
)
HEAD = "SELECT head_seq, projected_seq, erased_at FROM streams WHERE session_id = ?"
_ROW_OF = {
    "response": "SELECT 1 FROM responses WHERE session_id = ? AND response_id = ?",
    "item": "SELECT 1 FROM items WHERE session_id = ? AND item_id = ?",
}


def read_scores(engine: Engine, session_id: str) -> list[dict[str, Any]]:
    """Return the scores of a session, its responses and its items, in the order of the log.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased.
    """
    with read(engine) as tx:
        _head(tx, session_id)
        return [_resource(tx, session_id, row) for row in tx.rows(SCORES, (session_id,))]


def _head(tx: Transaction, session_id: str) -> Row:
    row = tx.row(HEAD, (session_id,))
    if row is None:
        raise no_session(session_id)
    refuse_erased(tx, session_id, row[2])
    return row


def _resource(tx: Transaction, session_id: str, row: Row) -> dict[str, Any]:
    key = score_row_key(row[:4])
    _, resource = decrypted_texts(tx, "scores", session_id, key, *row[4:])
    found: dict[str, Any] = loads(resource)
    return found


def check_target(
    engine: Engine, session_id: str, response_id: str | None, item_id: str | None
) -> None:
    """Check that there is a session, and the response or item of it that is to be scored.

    If the session is not projected up to its last event, any response and item may be there.

    Raises:
        NotFoundError: There is no such session, response or item.
        ErasedError: The session was erased.
    """
    with read(engine) as tx:
        head = _head(tx, session_id)
        for kind, id_ in (("response", response_id), ("item", item_id)):
            if id_ is None or head[1] < head[0]:
                continue
            if tx.row(_ROW_OF[kind], (session_id, identifier(id_) or id_)) is None:
                raise NotFoundError(f"session {session_id} has no {kind} {id_}")
