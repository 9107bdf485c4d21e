"""Joins that databases make in the order in which they are written.

Planners do not know how metadata, responses and sessions go together, and would rather sort a
million.
"""

from __future__ import annotations

from eventstore.store.database.transaction import Transaction


def ordered_join(tx: Transaction) -> str:
    """A join that SQLite makes in the order in which it is written."""
    return "JOIN" if tx.postgresql else "CROSS JOIN"


def lookup_join(
    tx: Transaction, table: str, name: str, by: str, keys: tuple[str, ...] = ("session_id",)
) -> str:
    """A join of a table, its rows looked up one by one in the order of what it is joined to.

    Args:
        name: what the table is called.
        by: what it is joined to is called so.
        keys: what both have in common.
    """
    if tx.postgresql:
        same = " AND ".join(f"{key} = {by}.{key}" for key in keys)
        # OFFSET 0 keeps the planner from turning the lookup inside out.
        return f"CROSS JOIN LATERAL (SELECT * FROM {table} WHERE {same} OFFSET 0) {name}"
    same = " AND ".join(f"{name}.{key} = {by}.{key}" for key in keys)
    return f"CROSS JOIN {table} {name} ON {same}"


def optimization_fence(tx: Transaction) -> str:
    """Return what keeps PostgreSQL from reading all rows of an EXISTS at once, to look into them.

    A page of 20 looks at a few: reading the 300,000 responses that called a tool took 0.8 s.
    """
    return " OFFSET 0" if tx.postgresql else ""
