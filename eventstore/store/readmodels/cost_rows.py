"""Make the row that says that a session's cost is not computed yet.

write_read_models.py writes it whenever usage changes. usage/session_costs.py computes the cost.
"""

from __future__ import annotations

from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import Row
from eventstore.store.readmodels.day_invalidation import random_number
from eventstore.store.readmodels.rows_of_state import UNKNOWN
from eventstore.store.readmodels.upsert import Rows

#: The tables from which a session's cost is computed.
PRICED = frozenset({"usage", "session_figures"})
HAS_COST = "SELECT 1 FROM session_costs WHERE session_id = ?"

_NAME = tables.session_costs.name
_AT = list(tables.session_figures.columns.keys()).index("at")


def reset_cost(figures: Row) -> Rows:
    """Return the row of `session_costs` that says that the cost is not computed yet, by table.

    Args:
        figures: The session's row of `session_figures`.
    """
    return {_NAME: [(figures[0], figures[_AT], "", UNKNOWN, random_number())]}


def needs_new_cost(before: Row | None, figures: Row, usage: list[Row]) -> bool:
    """Return True if a session's cost, or the time in its row, is no longer right.

    Args:
        before: The session's row of `session_figures` as it was; None if that is unknown.
        figures: The row as it is now.
        usage: The rows of `usage` that are being written.
    """
    return bool(usage) or before is None or before[_AT] != figures[_AT]
