"""Read models: rows made from a session's state, written in the caller's transaction.

`write_changes` writes what changed since the last write, `write_all` replaces a session's rows
at once. Both make rows by the same functions, so a rebuild equals what appends wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Table

from eventstore.projection import view
from eventstore.projection.conversation import is_settled
from eventstore.projection.state import Billed, Item, Response, SessionState
from eventstore.projection.usage import tokens_of
from eventstore.realtime.values import column, dumps, identifier, mapping, metadata_pairs, storable
from eventstore.store import tables
from eventstore.store.transaction import Transaction

Row = tuple[Any, ...]


#: Columns that never change once a row is there: their indexes are left alone.
_FIXED = {"sessions": {"at"}, "responses": {"at", "seq"}, "response_metadata": {"at"}}


def _upsert(table: Table) -> str:
    names = [c.name for c in table.columns]
    kept = {c.name for c in table.primary_key.columns} | _FIXED.get(table.name, set())
    keys = ", ".join(c.name for c in table.primary_key.columns)
    rest = ", ".join(f"{n} = excluded.{n}" for n in names if n not in kept)
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        f" ON CONFLICT ({keys}) DO UPDATE SET {rest}"
    )


UPSERT = {table.name: _upsert(table) for table in tables.READ_MODELS}
DELETE = {
    table.name: f"DELETE FROM {table.name} WHERE session_id = ?" for table in tables.READ_MODELS
}
DELETE_RESPONSE_METADATA = "DELETE FROM response_metadata WHERE session_id = ? AND response_id = ?"
DELETE_SAID = (
    "DELETE FROM said WHERE rowid IN"
    " (SELECT docid FROM said_rows WHERE session_id = ? AND item_id = ?)"
)
DELETE_SAID_ROW = "DELETE FROM said_rows WHERE session_id = ? AND item_id = ?"
DELETE_ALL_SAID = (
    "DELETE FROM said WHERE rowid IN (SELECT docid FROM said_rows WHERE session_id = ?)"
)
DELETE_SAID_ROWS = "DELETE FROM said_rows WHERE session_id = ?"
INSERT_SAID = "INSERT INTO said (text) VALUES (?)"
INSERT_SAID_ROW = "INSERT INTO said_rows (session_id, item_id, docid) VALUES (?, ?, ?)"


def write_changes(tx: Transaction, state: SessionState, opened_at: int) -> None:
    """Write the rows that changed since the state's last write, and mark them written."""
    dirty = state.dirty
    if dirty.metadata or dirty.session:
        _put(tx, tables.sessions, [session_row(state, opened_at)])
    if dirty.metadata:
        tx.run(DELETE["session_metadata"], (state.session_id,))
        _put(tx, tables.session_metadata, session_metadata_rows(state, opened_at))
    if dirty.conversations:
        _put(tx, tables.conversations, conversation_rows(state))
    for index in dirty.reordered:
        dirty.items.update(state.conversations[index].order)
    if dirty.items:
        changed = [state.items[item_id] for item_id in dirty.items]
        _put(tx, tables.items, item_rows(state, changed))
        _index_said(tx, state, changed)
    if dirty.responses or dirty.metadata:
        touched = [state.responses[id_] for id_ in dirty.responses]
        _put(tx, tables.responses, [response_row(state, r, opened_at) for r in touched])
        tagged = list(state.responses.values()) if dirty.metadata else touched
        _write_response_metadata(tx, state, tagged, opened_at)
        _put(tx, tables.usage, response_usage_rows(state, touched, opened_at))
    if dirty.billed:
        billed = [state.billed[key] for key in dirty.billed]
        _put(tx, tables.usage, [transcription_row(state, b, opened_at) for b in billed])
    dirty.clear()


def write_all(tx: Transaction, state: SessionState, opened_at: int) -> None:
    """Replace all of a session's rows by those of the state."""
    delete_all(tx, state.session_id)
    items, responses = list(state.items.values()), list(state.responses.values())
    _put(tx, tables.sessions, [session_row(state, opened_at)])
    _put(tx, tables.session_metadata, session_metadata_rows(state, opened_at))
    _put(tx, tables.conversations, conversation_rows(state))
    _put(tx, tables.items, item_rows(state, items))
    _put(tx, tables.responses, [response_row(state, r, opened_at) for r in responses])
    _put(
        tx,
        tables.response_metadata,
        [row for r in responses for row in _response_metadata_rows(state, r, opened_at)],
    )
    _put(tx, tables.usage, response_usage_rows(state, responses, opened_at))
    billed = state.billed.values()
    _put(tx, tables.usage, [transcription_row(state, b, opened_at) for b in billed])
    for item in items:
        item.indexed = ""
    _index_said(tx, state, items)
    state.dirty.clear()


def delete_all(tx: Transaction, session_id: str) -> None:
    """Delete all of a session's read-model rows."""
    for statement in DELETE.values():
        tx.run(statement, (session_id,))
    if not tx.postgresql:
        tx.run(DELETE_ALL_SAID, (session_id,))
        tx.run(DELETE_SAID_ROWS, (session_id,))


def _put(tx: Transaction, table: Table, rows: list[Row]) -> None:
    if len(rows) == 1:
        tx.run(UPSERT[table.name], rows[0])
    elif rows:
        tx.run_many(UPSERT[table.name], rows)


def session_row(state: SessionState, opened_at: int) -> Row:
    """The row of `sessions`."""
    resource = view.session_resource(state)
    notes = resource.pop("eventstore")
    # The stream's own row has these, so that an append of audio alone writes no row here.
    for key in ("events", "last_at", "duration_ms"):
        del notes[key]
    return (
        state.session_id,
        _sort_at(state.first_at, opened_at),
        column(resource.get("model")),
        int(state.closed),
        len(state.responses),
        notes["interruptions"],
        state.errors,
        dumps(resource),
        dumps(notes),
    )


def session_metadata_rows(state: SessionState, opened_at: int) -> list[Row]:
    """The rows of `session_metadata`."""
    at = _sort_at(state.first_at, opened_at)
    return [(state.session_id, key, value, at) for key, value in state.metadata.items()]


def conversation_rows(state: SessionState) -> list[Row]:
    """The rows of `conversations`."""
    return [
        (state.session_id, position, identifier(conversation.id))
        for position, conversation in enumerate(state.conversations)
    ]


def item_rows(state: SessionState, changed: Iterable[Item]) -> list[Row]:
    """The rows of `items`, in conversation order by `position`."""
    items = list(changed)
    positions: dict[str, int] = {}
    for index in {item.conversation for item in items if item.linked}:
        if index is not None:
            order = state.conversations[index].order
            positions.update(_positions(order, {i.id for i in items if i.conversation == index}))
    return [_item_row(state, item, positions.get(item.id)) for item in items]


def _positions(order: list[str], wanted: set[str]) -> Iterator[tuple[str, int]]:
    # Changed items are nearly always the last ones.
    left = len(wanted)
    for position in range(len(order) - 1, -1, -1):
        if not left:
            return
        if order[position] in wanted:
            left -= 1
            yield order[position], position


def _item_row(state: SessionState, item: Item, position: int | None) -> Row:
    resource = view.item_resource(state, item, live=False)
    return (
        state.session_id,
        item.id,
        item.conversation if item.linked else None,
        position if item.linked else None,
        column(resource.get("type"), 64),
        column(resource.get("role"), 64),
        column(resource.get("status"), 64),
        item.response_id or item.answered_by,
        item.seen_seq,
        item.seen_at,
        item.deleted_seq,
        storable(_said(state, item)),
        dumps(resource),
    )


def response_row(state: SessionState, response: Response, opened_at: int) -> Row:
    """The row of `responses`: what people filter on, and the resource."""
    resource = view.response_resource(state, response, live=False)
    notes = resource["eventstore"]
    config = notes["config"]
    tokens = tokens_of(mapping(resource.get("usage")))
    details = mapping(resource.get("status_details"))
    format_ = config["audio_format"]
    limit = config["max_output_tokens"]
    return (
        state.session_id,
        response.id,
        _sort_at(response.seen_at, opened_at),
        response.seen_seq,
        column(resource.get("status"), 64),
        column(details.get("reason"), 64),
        column(notes["model"]),
        column(config["voice"], 128),
        ",".join(sorted(config["modalities"])) if config["modalities"] else None,
        format_["type"] if format_ else None,
        config["temperature"],
        str(limit) if limit is not None else None,
        identifier(resource.get("conversation_id")),
        int(notes["interrupted"]),
        response.created_at,
        response.first_text_at,
        response.first_audio_at,
        response.done_at,
        response.speech_ended_at,
        tokens.input_tokens,
        tokens.output_tokens,
        tokens.total_tokens,
        dumps(resource),
    )


def _metadata_of(state: SessionState, response: Response) -> frozenset[tuple[str, str, int]]:
    """The pairs that a response answers to, each with 1 where it is its own, 0 its session's."""
    wire = response.wire.get("metadata")
    if wire is None and "metadata" not in response.wire and response.request is not None:
        wire = response.request.body.get("metadata")
    own = metadata_pairs(wire)
    inherited = [pair for pair in state.metadata.items() if own.get(pair[0]) != pair[1]]
    return frozenset((*pair, 1) for pair in own.items()) | frozenset(
        (*pair, 0) for pair in inherited
    )


def _response_metadata_rows(state: SessionState, response: Response, opened_at: int) -> list[Row]:
    at = _sort_at(response.seen_at, opened_at)
    response.indexed = _metadata_of(state, response)
    pairs = response.indexed
    return [(state.session_id, response.id, key, value, own, at) for key, value, own in pairs]


def _write_response_metadata(
    tx: Transaction, state: SessionState, responses: list[Response], opened_at: int
) -> None:
    for response in responses:
        if response.indexed == _metadata_of(state, response):
            continue
        if response.indexed != frozenset():
            tx.run(DELETE_RESPONSE_METADATA, (state.session_id, response.id))
        _put(tx, tables.response_metadata, _response_metadata_rows(state, response, opened_at))


def response_usage_rows(
    state: SessionState, responses: list[Response], opened_at: int
) -> list[Row]:
    """The rows of `usage` for responses that are done."""
    return [
        _usage_row(
            state,
            f"response/{response.id}",
            "response",
            response.id,
            None,
            _sort_at(response.done_at, opened_at),
            response.session.get("model"),
            response.usage,
        )
        for response in responses
        if response.done_seq is not None
    ]


def transcription_row(state: SessionState, billed: Billed, opened_at: int) -> Row:
    """The row of `usage` for an input transcription."""
    return _usage_row(
        state,
        f"transcription/{billed.item_id}/{billed.content_index}",
        "transcription",
        None,
        billed.item_id,
        _sort_at(billed.at, opened_at),
        billed.model,
        billed.usage,
    )


def _usage_row(
    state: SessionState,
    usage_id: str,
    kind: str,
    response_id: str | None,
    item_id: str | None,
    at: int,
    model: Any,
    usage: dict[str, Any] | None,
) -> Row:
    key = (state.session_id, usage_id, kind, response_id, item_id, at, column(model))
    return (*key, int(bool(usage)), *tokens_of(usage))


def _said(state: SessionState, item: Item) -> str:
    return view.spoken(item, deltas=is_settled(state, item))


def _index_said(tx: Transaction, state: SessionState, items: list[Item]) -> None:
    """Keep the search index in step; PostgreSQL's is an index on `items`."""
    if tx.postgresql:
        return
    for item in items:
        said = storable(_said(state, item))
        if said == item.indexed:
            continue
        if item.indexed != "":
            tx.run(DELETE_SAID, (state.session_id, item.id))
            tx.run(DELETE_SAID_ROW, (state.session_id, item.id))
        item.indexed = said
        if said:
            docid = tx.connection.execute(INSERT_SAID, (said,)).lastrowid
            tx.run(INSERT_SAID_ROW, (state.session_id, item.id, docid))


def _sort_at(at: int | None, opened_at: int) -> int:
    # Lists are in order of time; a recording without times counts from its import.
    return at if at is not None else opened_at
