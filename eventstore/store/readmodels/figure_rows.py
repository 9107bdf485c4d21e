"""Make the rows of the figures and facets by which lists are filtered and sorted.

The tables are `session_figures`, `session_facets` and `response_facets`. Called by
write_read_models.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from eventstore.projection.facets import Facet, Figures
from eventstore.projection.figures import update_figures
from eventstore.projection.state import SessionState
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.readmodels.rows_of_state import figures_row, reached_us
from eventstore.store.readmodels.upsert import Rows

DELETE_ALL = (
    "DELETE FROM session_facets WHERE session_id = ?",
    "DELETE FROM response_facets WHERE session_id = ?",
)
DELETE_OF_SESSION = "DELETE FROM session_facets WHERE session_id = ? AND facet = ? AND value = ?"
DELETE_OF_RESPONSE = (
    "DELETE FROM response_facets WHERE session_id = ? AND response_id = ? AND facet = ?"
    " AND value = ?"
)

_REACHED = list(tables.session_figures.columns.keys()).index("reached_us")


class FigureRows(NamedTuple):
    """What a state's latest events change in the figures and facets.

    Attributes:
        row: The session's row of `session_figures`, even if it did not change.
        rows: The rows to write, by table.
        gone: Facets that no longer hold, whose rows are deleted.
        all: True if the stored facets are not known; all of them are then deleted first.
    """

    row: Row
    rows: Rows
    gone: frozenset[Facet] = frozenset()
    all: bool = False

    def deletes(self) -> bool:
        """Return True if rows are deleted before others are written."""
        return self.all or bool(self.gone)


def changed_figures(state: SessionState, opened_at: int) -> FigureRows:
    """Return what changed since the last call, and regard it as written.

    Args:
        opened_at: The time of a session without times, in microseconds since 1970 UTC.
    """
    known, dirty = state.figures, state.dirty
    if known is None:
        rows = all_figures(state, opened_at)
        # A new session has no rows that could be wrong.
        return FigureRows(
            rows["session_figures"][0],
            rows,
            all=state.seq > 0 and bool(state.responses or state.items or state.notes or state.wire),
        )
    is_touched = dirty.session or dirty.items or dirty.responses or is_length_step_due(state)
    if known.row is not None and not is_touched:
        return FigureRows(known.row, {})
    update_figures(
        known,
        state,
        [state.items[id_] for id_ in dirty.items],
        [state.responses[id_] for id_ in dirty.responses],
    )
    gone = frozenset(facet for facet in known.changed if facet not in known.facets)
    rows = _facet_rows(state.session_id, known.changed - gone)
    known.changed.clear()
    row = figures_row(state, known, opened_at)
    if row != known.row:
        known.row = row
        rows["session_figures"] = [row]
    return FigureRows(row, rows, gone)


def is_length_step_due(state: SessionState) -> bool:
    """Return True if an open session has become longer by a step than its row says.

    Audio changes nothing else in the row. So an open session writes the row some hundred times an
    hour, and not with each append.
    """
    known = state.figures
    return known is None or known.row is None or known.row[_REACHED] != reached_us(state)


def all_figures(state: SessionState, opened_at: int) -> Rows:
    """Return all of a session's rows of figures and facets, and regard them as written."""
    figures = state.figures = Figures()
    update_figures(figures, state, state.items.values(), state.responses.values())
    figures.changed.clear()
    figures.row = figures_row(state, figures, opened_at)
    none: Rows = {"session_facets": [], "response_facets": []}
    facets = _facet_rows(state.session_id, figures.facets)
    return {"session_figures": [figures.row]} | none | facets


def delete_facets(tx: Transaction, session_id: str, changes: FigureRows) -> None:
    """Delete the rows of facets that no longer hold."""
    for sql in DELETE_ALL if changes.all else ():
        tx.run(sql, (session_id,))
    for response_id, name, value in changes.gone:
        if response_id is None:
            tx.run(DELETE_OF_SESSION, (session_id, name, value))
        else:
            tx.run(DELETE_OF_RESPONSE, (session_id, response_id, name, value))


def _facet_rows(session_id: str, facets: Iterable[Facet]) -> Rows:
    rows: Rows = {}
    for response_id, name, value in facets:
        if response_id is None:
            rows.setdefault("session_facets", []).append((session_id, name, value))
        else:
            row: Row = (session_id, response_id, name, value)
            rows.setdefault("response_facets", []).append(row)
    return rows
