"""Rows of what lists are sorted by: made of a state's figures, and written where they changed."""

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
    """What a state's last events make of the rows that lists are sorted by.

    Attributes:
        row: of `session_figures`, whether it is put or not.
        rows: those to put, by table.
        gone: facets that there are no longer.
        all: True if it is not known which facets the store has: all of them go before.
    """

    row: Row
    rows: Rows
    gone: frozenset[Facet] = frozenset()
    all: bool = False

    def deletes(self) -> bool:
        """Return True if rows go before others are put."""
        return self.all or bool(self.gone)


def changed_figures(state: SessionState, opened_at: int) -> FigureRows:
    """Return what changed since the last call, and take it for written."""
    known, dirty = state.figures, state.dirty
    if known is None:
        rows = all_figures(state, opened_at)
        # A session that begins has no rows that could be wrong.
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
    """Return True if an open session has reached another step of lengths than its row says.

    Audio changes nothing else of the row: so it is written some hundred times an hour, and not with
    each append.
    """
    known = state.figures
    return known is None or known.row is None or known.row[_REACHED] != reached_us(state)


def all_figures(state: SessionState, opened_at: int) -> Rows:
    """Return all of a session's rows, and take them for written."""
    figures = state.figures = Figures()
    update_figures(figures, state, state.items.values(), state.responses.values())
    figures.changed.clear()
    figures.row = figures_row(state, figures, opened_at)
    none: Rows = {"session_facets": [], "response_facets": []}
    facets = _facet_rows(state.session_id, figures.facets)
    return {"session_figures": [figures.row]} | none | facets


def delete_facets(tx: Transaction, session_id: str, changes: FigureRows) -> None:
    """Delete the rows of facets that there are no longer."""
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
