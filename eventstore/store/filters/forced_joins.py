"""SQL of joins that the databases make in the order in which they are written.

The query planners do not know how metadata, responses and sessions are correlated. Without these
forms they sort a million rows instead of reading one page. Used by the queries of lists and of
usage.
"""

from __future__ import annotations

from eventstore.store.database.transaction import Transaction

# Aliases of lists of few ids. Citus joins values that a statement lists, and tables behind them,
# only without a fence. So only lookups of responses, whose rows are large, are fenced there.
_LISTS = ("d", "p")


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
    if tx.postgresql and not (tx.distributed and (by in _LISTS or table != "responses")):
        same = " AND ".join(f"{key} = {by}.{key}" for key in keys)
        # DISTINCT ON is an optimization fence: the planner cannot reorder the join. The keys are
        # unique, so that it costs nothing. Citus refuses the more usual fence, OFFSET 0.
        rows = f"SELECT DISTINCT ON ({', '.join(keys)}) * FROM {table} WHERE {same}"
        return f"CROSS JOIN LATERAL ({rows}) {name}"
    same = " AND ".join(f"{name}.{key} = {by}.{key}" for key in keys)
    if tx.postgresql:
        return f"JOIN {table} {name} ON {same}"
    return f"CROSS JOIN {table} {name} ON {same}"


def row_by_row(tx: Transaction, found: str) -> str:
    """Return the condition that a subquery has a row, which is evaluated for each row on its own.

    For EXISTS, PostgreSQL may read all rows of the subquery at once. A page of 20 needs a few rows;
    reading the 300,000 responses that called one tool took 0.8 s. It never does so if the value
    that is looked for is a constant.

    Args:
        found: SQL of a subquery `SELECT 1 FROM …`.
    """
    return f"1 IN ({found})" if tx.postgresql else f"EXISTS ({found})"
