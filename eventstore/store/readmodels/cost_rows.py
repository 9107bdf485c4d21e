"""The row that says that a session has no cost yet, which an append writes that bills something."""

from __future__ import annotations

from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import Row
from eventstore.store.readmodels.day_invalidation import random_number
from eventstore.store.readmodels.rows_of_state import UNKNOWN
from eventstore.store.readmodels.upsert import Rows

#: Tables whose rows a session's cost is made of.
PRICED = frozenset({"usage", "session_figures"})
HAS_COST = "SELECT 1 FROM session_costs WHERE session_id = ?"

_NAME = tables.session_costs.name
_AT = list(tables.session_figures.columns.keys()).index("at")


def reset_cost(figures: Row) -> Rows:
    """Return the row that says that a session has no cost yet.

    Args:
        figures: the session's row of `session_figures`.
    """
    return {_NAME: [(figures[0], figures[_AT], "", UNKNOWN, random_number())]}


def needs_new_cost(before: Row | None, figures: Row, usage: list[Row]) -> bool:
    """Return True if a session's cost, or the row that keeps it, is no longer right.

    Args:
        before: its row of `session_figures` as it was; None where that is not known.
        figures: the row as it is.
        usage: rows of `usage` that are written.
    """
    return bool(usage) or before is None or before[_AT] != figures[_AT]
