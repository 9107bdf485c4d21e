"""SQL of joins that the databases make in the order in which they are written.

The query planners do not know how metadata, responses and sessions are correlated. Without these
forms they sort a million rows instead of reading one page. Used by the queries of lists and of
usage.
"""

from __future__ import annotations

from eventstore.store.database.transaction import Transaction


def ordered_join(tx: Transaction) -> str:
    """Return the keyword of a join that SQLite makes in the written order."""
    return "JOIN" if tx.postgresql else "CROSS JOIN"


def lookup_join(
    tx: Transaction, table: str, name: str, by: str, keys: tuple[str, ...] = ("session_id",)
) -> str:
    """Return a join that looks up the rows of a table one by one, in the order of the left side.

    Args:
        table: The table to join.
        name: Its alias.
        by: The alias of the left side.
        keys: The columns that both sides share.
    """
    if tx.postgresql:
        same = " AND ".join(f"{key} = {by}.{key}" for key in keys)
        # OFFSET 0 is an optimization fence: the planner cannot reorder the join.
        return f"CROSS JOIN LATERAL (SELECT * FROM {table} WHERE {same} OFFSET 0) {name}"
    same = " AND ".join(f"{name}.{key} = {by}.{key}" for key in keys)
    return f"CROSS JOIN {table} {name} ON {same}"


def optimization_fence(tx: Transaction) -> str:
    """Return the end of an EXISTS subquery that PostgreSQL then evaluates row by row.

    Without it, PostgreSQL may read all rows of the subquery at once. A page of 20 needs a few rows;
    reading the 300,000 responses that called one tool took 0.8 s.
    """
    return " OFFSET 0" if tx.postgresql else ""
