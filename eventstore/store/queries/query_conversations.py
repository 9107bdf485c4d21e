"""Read conversations: a whole one, a page of its items, or one item.

Called by verbs/conversations.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.errors import AmbiguousError, NotFoundError
from eventstore.realtime.metadata import Condition
from eventstore.realtime.values import identifier, loads
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.filters.filters import Paging
from eventstore.store.filters.page_bytes import rows_that_fit, small_texts
from eventstore.store.filters.sql_conditions import Where, add_scope, add_session
from eventstore.store.queries.pages import Page
from eventstore.store.readmodels.encrypted_rows import decrypted_texts

_ALL = (
    "SELECT item_id, said, resource FROM items WHERE session_id = ? AND conversation = ?"
    " ORDER BY position"
)
_ONE = (
    "SELECT position, said, resource FROM items"
    " WHERE session_id = ? AND conversation = ? AND item_id = ?"
)
_TEXTS = "SELECT said, resource FROM items WHERE session_id = ? AND item_id = ?"


class ConversationPlace(NamedTuple):
    """Where a conversation is stored.

    Attributes:
        session_id: Its session.
        number: Its index among the session's conversations.
    """

    session_id: str
    number: int


class ConversationChoice(NamedTuple):
    """The conversation that is asked for.

    Attributes:
        conversation_id: Its id.
        session: Its session, needed if several sessions have a conversation with this id.
        scope: A pair of session metadata; other sessions are treated as not there.
    """

    conversation_id: str
    session: str | None = None
    scope: Condition | None = None


def find_conversation(engine: Engine, chosen: ConversationChoice) -> str:
    """Return the id of a conversation's session.

    Raises:
        NotFoundError: There is no such conversation.
        AmbiguousError: Several sessions have a conversation with this id.
    """
    with read(engine) as tx:
        return _place(tx, chosen).session_id


def read_conversation(engine: Engine, chosen: ConversationChoice) -> dict[str, Any]:
    """Return a conversation with all its items, in order.

    Raises:
        NotFoundError: There is no such conversation.
        AmbiguousError: Several sessions have a conversation with this id.
    """
    with read(engine) as tx:
        place = _place(tx, chosen)
        items = [_item(tx, place, row) for row in tx.rows(_ALL, place)]
    return {
        "id": chosen.conversation_id,
        "object": "realtime.conversation",
        "session_id": place.session_id,
        "items": items,
    }


def query_items(engine: Engine, chosen: ConversationChoice, paging: Paging) -> Page[dict[str, Any]]:
    """Return a page of a conversation's items, in their order in the conversation.

    Raises:
        NotFoundError: There is no such conversation, or the cursor names no item of it.
        AmbiguousError: Several sessions have a conversation with this id.
    """
    with read(engine) as tx:
        place = _place(tx, chosen)
        where = Where([], [])
        where.add("session_id = ? AND conversation = ?", *place)
        if paging.cursor is not None:
            position = _find_item(tx, place, paging.cursor)[0]
            where.add(f"position {'>' if paging.ascends else '<'} ?", position)
        columns = small_texts(tx, ["said", "resource"])
        order = "ASC" if paging.ascends else "DESC"
        rows = tx.rows(
            f"SELECT item_id, {columns} FROM items{where.sql()} ORDER BY position {order} LIMIT ?",
            [*where.parameters, paging.limit + 1],
        )
        page, more = rows_that_fit(paging, rows, lambda row: int(row[-1]))
        data = [_item_of_row(tx, place, row) for row in page]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return Page(data, first, last, more)


def read_item(engine: Engine, chosen: ConversationChoice, item_id: str) -> dict[str, Any]:
    """Return one item of a conversation.

    Raises:
        NotFoundError: There is no such conversation or item.
        AmbiguousError: Several sessions have a conversation with this id.
    """
    with read(engine) as tx:
        place = _place(tx, chosen)
        _, *texts = _find_item(tx, place, item_id)
        return _item(tx, place, (_stored_id(item_id), *texts))


def _place(tx: Transaction, chosen: ConversationChoice) -> ConversationPlace:
    where = Where([], [])
    where.add("c.conversation_id = ?", _stored_id(chosen.conversation_id))
    if chosen.session is not None:
        add_session(where, tx, "c", chosen.session)
    add_scope(where, chosen.scope, "c")
    sql = f"SELECT c.session_id, c.position FROM conversations c{where.sql()}"
    found = tx.rows(f"{sql} ORDER BY c.session_id LIMIT 6", where.parameters)
    if not found:
        raise NotFoundError(f"no conversation {chosen.conversation_id}")
    if len(found) > 1:
        sessions = ", ".join(row[0] for row in found[:5])
        raise AmbiguousError(
            f"conversation {chosen.conversation_id} is in several sessions ({sessions});"
            " name the session"
        )
    return ConversationPlace(*found[0])


def _find_item(tx: Transaction, place: ConversationPlace, item_id: str) -> Row:
    """Return the position and the texts of an item."""
    row = tx.row(_ONE, (*place, _stored_id(item_id)))
    if row is None:
        raise NotFoundError(f"no item {item_id} in this conversation")
    return row


def _stored_id(id_: str) -> str:
    """Return an id as the tables have it: an id over 128 bytes is replaced by its SHA-256."""
    return identifier(id_) or id_


def _item_of_row(tx: Transaction, place: ConversationPlace, row: Row) -> dict[str, Any]:
    item_id, said, resource, _ = row
    if resource is None:
        said, resource = tx.rows(_TEXTS, (place.session_id, item_id))[0]
    return _item(tx, place, (item_id, said, resource))


def _item(tx: Transaction, place: ConversationPlace, row: Row) -> dict[str, Any]:
    _, resource = decrypted_texts(tx, "items", place.session_id, *row)
    item: dict[str, Any] = loads(resource)
    return item
