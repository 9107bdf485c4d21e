"""Write a session's read models in the caller's transaction.

`write_changes` writes what changed since the last write; an append calls it. `write_all` replaces
all rows of a session; a rebuild calls it, unless `rows_are_right` says that there is nothing to do.
All make rows with the same functions, so that a rebuild gives what the appends wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from eventstore.encryption.cipher import Cipher
from eventstore.encryption.encrypt_read_models import TABLES_WITHOUT_ROWS
from eventstore.projection.dirty import Dirty
from eventstore.projection.state import Response, SessionState
from eventstore.realtime.resources.scores import ScoreTarget
from eventstore.store.database.many_queries import rows_of_each
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.readmodels.cost_rows import HAS_COST, PRICED, needs_new_cost, reset_cost
from eventstore.store.readmodels.day_invalidation import (
    MARKS_TABLE,
    SCORE_MARKS_TABLE,
    marks_of_changes,
    marks_of_rebuild,
    marks_of_scores,
)
from eventstore.store.readmodels.encrypted_rows import decrypted_rows, encrypted_rows
from eventstore.store.readmodels.figure_rows import (
    FigureRows,
    all_figures,
    changed_figures,
    delete_facets,
)
from eventstore.store.readmodels.rows_of_state import (
    Pairs,
    conversation_rows,
    item_rows,
    metadata_pairs_of,
    response_metadata_rows,
    response_row,
    response_usage_rows,
    session_metadata_rows,
    session_row,
    session_usage_rows,
    transcription_rows,
)
from eventstore.store.readmodels.score_rows import (
    all_score_rows,
    changed_score_keys,
    score_rows,
    session_model,
    taken_back,
)
from eventstore.store.readmodels.upsert import PRIMARY_KEY_OF, Rows, upsert_rows
from eventstore.store.readmodels.words.search_index import index_all, index_changes, is_indexed

#: Responses, each with the metadata by which it is found.
ResponsePairs = list[tuple[Response, Pairs]]

READ = {
    table.name: f"SELECT {', '.join(c.name for c in table.columns)} FROM {table.name}"
    " WHERE session_id = ?"
    for table in tables.READ_MODELS
}
DELETE_ROW = {
    table.name: f"DELETE FROM {table.name} WHERE "
    + " AND ".join(f"{c.name} = ?" for c in table.primary_key.columns)
    for table in tables.READ_MODELS
}
DELETE_SESSION_METADATA = "DELETE FROM session_metadata WHERE session_id = ?"
DELETE_USAGE = "DELETE FROM usage WHERE session_id = ?"
DELETE_RESPONSE_METADATA = "DELETE FROM response_metadata WHERE session_id = ? AND response_id = ?"


class Changes(NamedTuple):
    """What a state's latest events change in the read models.

    Attributes:
        rows: The rows to write, by table.
        figures: The figures and facets; their rows are among `rows`.
        tags: The responses whose metadata differ from their rows.
        metadata: True if the session's metadata changed, so that its old rows are deleted.
        usage: True if all usage is counted anew, so that its old rows are deleted.
        taken_back: The keys of scores whose rows are deleted.
    """

    rows: Rows
    figures: FigureRows
    tags: ResponsePairs
    metadata: bool
    usage: bool
    taken_back: list[Row]

    def only_puts(self) -> bool:
        """Return True if rows are only inserted or updated, and none is deleted."""
        if self.metadata or self.usage or self.taken_back or self.figures.deletes():
            return False
        return all(response.indexed == frozenset() for response, _ in self.tags)


def changes_of(state: SessionState, opened_at: int) -> Changes:
    """Return what changed in a state since its last write."""
    dirty = state.dirty
    touched = state.responses if dirty.metadata else dirty.responses
    tags = [(r, pairs) for r, pairs in _tags(state, touched) if r.indexed != pairs]
    before = state.figures.row if state.figures is not None else None
    figures = changed_figures(state, opened_at)
    rows = _changed_rows(state, opened_at, tags) | figures.rows
    if dirty.usage or needs_new_cost(before, figures.row, rows["usage"]):
        rows |= reset_cost(figures.row)
    return Changes(rows, figures, tags, dirty.metadata, dirty.usage, taken_back(state))


def write_changes(tx: Transaction, state: SessionState, changes: Changes) -> None:
    """Write what changed in a state since its last write, and mark it as written."""
    if changes.metadata:
        tx.run(DELETE_SESSION_METADATA, (state.session_id,))
    if changes.usage:
        tx.run(DELETE_USAGE, (state.session_id,))
        state.written = {name: row for name, row in state.written.items() if name[0] != "usage"}
    for response, _ in changes.tags:
        if response.indexed != frozenset():
            tx.run(DELETE_RESPONSE_METADATA, (state.session_id, response.id))
    delete_facets(tx, state.session_id, changes.figures)
    for key in changes.taken_back:
        tx.run(DELETE_ROW["scores"], key)
    cipher = tx.cipher(state.session_id)
    rows = changes.rows if cipher is None else encrypted_rows(cipher, changes.rows)
    upsert_rows(tx, rows, state.written)
    if cipher is None and not tx.postgresql:
        index_changes(tx, state, rows["items"])
    mark_written(state, changes.tags)


def _changed_rows(state: SessionState, opened_at: int, tags: ResponsePairs) -> Rows:
    dirty = state.dirty
    responses = [state.responses[id_] for id_ in dirty.responses]
    rows: Rows = {}
    if dirty.metadata or dirty.session:
        rows["sessions"] = [session_row(state, opened_at)]
    if dirty.metadata:
        rows["session_metadata"] = session_metadata_rows(state, opened_at)
    if dirty.conversations:
        rows["conversations"] = conversation_rows(state, sorted(dirty.conversations))
    shown = _scored(dirty)
    items = dirty.items | (shown["item"] & state.items.keys())
    rows["items"] = item_rows(state, [state.items[item_id] for item_id in items])
    scored = (shown["response"] & state.responses.keys()) - dirty.responses
    shown_responses = [*responses, *(state.responses[id_] for id_ in scored)]
    rows["responses"] = [response_row(state, r, opened_at) for r in shown_responses]
    rows["response_metadata"] = _tag_rows(state, tags, opened_at)
    if dirty.usage:
        rows["usage"] = _all_usage(state, opened_at)
    else:
        billed = (state.billed[key] for key in dirty.billed)
        rows["usage"] = response_usage_rows(state, responses, opened_at)
        rows["usage"] += transcription_rows(state, billed, opened_at)
        if dirty.session_billed:
            rows["usage"] += session_usage_rows(state, opened_at)
    if state.scores or dirty.scores:
        keys = changed_score_keys(state)
        rows["scores"] = score_rows(state, keys, opened_at)
        rows[SCORE_MARKS_TABLE] = marks_of_scores(state, keys, opened_at)
    if rows["usage"] or dirty.metadata or dirty.usage:
        rows[MARKS_TABLE] = marks_of_changes(state, opened_at, rows["usage"])
    return rows


def _scored(dirty: Dirty) -> dict[ScoreTarget, set[str]]:
    """Return the ids of responses and items whose resources show other scores, by their kind."""
    found: dict[ScoreTarget, set[str]] = {"session": set(), "response": set(), "item": set()}
    for target, id_, _, _ in dirty.scores:
        found[target].add(id_)
    return found


def mark_written(state: SessionState, tags: ResponsePairs) -> None:
    """Mark the changes of a state as written to the read models."""
    for response, pairs in tags:
        response.indexed = pairs
    if state.scores:
        state.scored_model = session_model(state)
    state.dirty.clear()


def _tags(state: SessionState, response_ids: Iterable[str]) -> ResponsePairs:
    responses = [state.responses[id_] for id_ in response_ids]
    return [(response, metadata_pairs_of(state, response)) for response in responses]


def _tag_rows(state: SessionState, tags: ResponsePairs, opened_at: int) -> list[Row]:
    return [
        row
        for response, pairs in tags
        for row in response_metadata_rows(state, response, pairs, opened_at)
    ]


class RowsOfState(NamedTuple):
    """All rows that a session should have.

    Attributes:
        rows: The rows, by table, as they are if the session is not encrypted.
        tags: The responses with their metadata.
    """

    rows: Rows
    tags: ResponsePairs


def rows_of(state: SessionState, opened_at: int) -> RowsOfState:
    """Return all rows that a session should have by its state.

    Args:
        opened_at: When its stream was opened, in microseconds since 1970 UTC.
    """
    tags = _tags(state, state.responses)
    return RowsOfState(_all_rows(state, opened_at, tags), tags)


class _Compared(NamedTuple):
    """A session's rows beside those that it should have, by table.

    Attributes:
        stored, expected: The rows that are there, and those that should be.
        missing, stale: What `differences` returns of them.
        has_cost: True if the session has a row of costs.
    """

    stored: Rows
    expected: Rows
    missing: Rows
    stale: Rows
    has_cost: bool


def _compared(tx: Transaction, session_id: str, expected: Rows, cipher: Cipher | None) -> _Compared:
    queries = [(sql, (session_id,)) for sql in (*READ.values(), HAS_COST)]
    *found, costs = rows_of_each(tx, queries)
    stored = dict(zip(READ, found, strict=True))
    if cipher is not None:
        stored = decrypted_rows(cipher, stored)
        expected = expected | {name: [] for name in TABLES_WITHOUT_ROWS}
    return _Compared(stored, expected, *differences(stored, expected), bool(costs))


def rows_are_right(tx: Transaction, session_id: str, expected: Rows) -> bool:
    """Return True if a session has the rows that it should have, so that `write_all` writes none.

    It only reads, so that it locks no session.
    """
    cipher = tx.cipher(session_id)
    found = _compared(tx, session_id, expected, cipher)
    if any(found.missing.values()) or any(found.stale.values()) or not found.has_cost:
        return False
    return is_indexed(tx, session_id, found.expected["items"] if cipher is None else [])


def write_all(tx: Transaction, state: SessionState, wanted: RowsOfState) -> int:
    """Give a session the rows of its state. Rows that are right are not written again.

    Args:
        wanted: What `rows_of` returns of the state.

    Returns:
        How many rows were wrong, missing or too many.
    """
    cipher = tx.cipher(state.session_id)
    found = _compared(tx, state.session_id, wanted.rows, cipher)
    stored, expected, missing, stale, has_cost = found
    for name, keys in stale.items():
        if keys:
            tx.run_many(DELETE_ROW[name], keys)
    changed = {name for name in missing if missing[name] or stale[name]}
    rows = missing if cipher is None else encrypted_rows(cipher, missing)
    rows = rows | marks_of_rebuild(state.session_id, stored, expected, changed)
    if not changed.isdisjoint(PRICED) or not has_cost:
        rows |= reset_cost(expected["session_figures"][0])
    upsert_rows(tx, rows)
    # Encrypted texts are not indexed. Texts from before the encryption are removed from the index.
    index_all(tx, state, expected["items"] if cipher is None else [], missing["items"])
    state.written.clear()
    mark_written(state, wanted.tags)
    return sum(
        len({PRIMARY_KEY_OF[name](row) for row in missing[name]}.union(stale[name]))
        for name in missing
    )


def _all_rows(state: SessionState, opened_at: int, tags: ResponsePairs) -> Rows:
    responses = list(state.responses.values())
    return {
        "sessions": [session_row(state, opened_at)],
        **all_figures(state, opened_at),
        "session_metadata": session_metadata_rows(state, opened_at),
        "conversations": conversation_rows(state, range(len(state.conversations))),
        "items": item_rows(state, state.items.values()),
        "responses": [response_row(state, r, opened_at) for r in responses],
        "response_metadata": _tag_rows(state, tags, opened_at),
        "usage": _all_usage(state, opened_at),
        "scores": all_score_rows(state, opened_at),
    }


def _all_usage(state: SessionState, opened_at: int) -> list[Row]:
    rows = response_usage_rows(state, list(state.responses.values()), opened_at)
    rows += transcription_rows(state, state.billed.values(), opened_at)
    return rows + session_usage_rows(state, opened_at)


def differences(stored: Rows, expected: Rows) -> tuple[Rows, Rows]:
    """Compare the rows that are stored with the rows that are expected.

    Returns:
        The rows to write, and the keys of the rows to delete before; both by table.
    """
    missing, stale = {}, {}
    for name, rows in expected.items():
        old = {PRIMARY_KEY_OF[name](row): row for row in stored[name]}
        new = {PRIMARY_KEY_OF[name](row): row for row in rows}
        missing[name] = [row for key, row in new.items() if old.get(key) != row]
        stale[name] = [key for key, row in old.items() if new.get(key) != row]
    return missing, stale
