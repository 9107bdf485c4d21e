"""SQL that sums rows of scores up. Called by score_sums.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.realtime.values import MAX_KEY_LENGTH, storable
from eventstore.store.database.tables.day_tables import ALL_MARKS, LACKING, day_of
from eventstore.store.database.transaction import Transaction
from eventstore.store.filters.filters import ScoreFilter
from eventstore.store.filters.sql_conditions import (
    MOST_COUNTED,
    Where,
    add_metadata_condition,
    add_scope,
    add_session,
    add_time,
    count_up_to,
    key_condition,
)

#: The groupings that name no key of metadata.
GROUPS = ("name", "day", "model", "giver", "session")
_OF_METADATA = "metadata:"
#: How many groups a report has at most.
MAX_GROUPS = 10_000

# A session's own pair wins over a response's.
_METADATA = (
    "COALESCE(y.value, (SELECT z.value FROM response_metadata z WHERE z.session_id = c.session_id"
    " AND z.response_id = c.response_id AND z.key = ? AND z.own = 1))"
)
_SESSION_PAIR = " LEFT JOIN session_metadata y ON y.session_id = c.session_id AND y.key = ?"

#: SQL and its parameters.
Statement = tuple[str, list[Any]]


class _Group(NamedTuple):
    """What scores are grouped by.

    Attributes:
        expression: SQL on a row `c` of `scores`, and of what is joined to it.
        join: SQL of the join that the expression needs.
        parameters: Those of the expression and of the join.
        is_unknown: PostgreSQL cannot know how few groups there are.
    """

    expression: str
    join: str = ""
    parameters: tuple[str, ...] = ()
    is_unknown: bool = False


def sums_sql(
    tx: Transaction, by: str | None, filters: ScoreFilter, lacking: int | None = None
) -> list[Statement]:
    """Return the statements that sum the rows of scores up, and their parameters.

    The first counts scores by group, name and kind; the second, which an encrypted store has not,
    counts labels by group and name.

    Args:
        tx: The transaction that reads.
        by, filters: As for `sum_scores`.
        lacking: Only the sessions that the kept sums of this day lack; None for all.

    Raises:
        InvalidInputError: `by` is not valid.
    """
    group = _group_of(by)
    where = Where([], [*group.parameters])
    _add_conditions(where, tx, filters)
    if lacking is not None:
        where.add(
            f"c.session_id IN (SELECT k.session_id FROM {ALL_MARKS} k WHERE {LACKING})", lacking
        )
    index = _index_of_sums(tx, group, filters)
    numbers = "COALESCE(SUM(n.number), 0), COALESCE(MIN(n.number), 0), COALESCE(MAX(n.number), 0)"
    counts = (
        f"SELECT n.k, n.name, n.kind, COUNT(*), {numbers}"
        f" FROM ({_rows(tx, group, where, index, 'c.kind, c.number')}) n"
        f" GROUP BY n.k, n.name, n.kind LIMIT {4 * MAX_GROUPS + 1}"
    )
    if tx.keys.name(tx) is not None:
        return [(counts, where.parameters)]
    index = None if index is None else "scores_label"
    labelled = Where([*where.conditions, "c.label <> ''"], where.parameters)
    labels = (
        "SELECT n.k, n.name, n.label, COUNT(*)"
        f" FROM ({_rows(tx, group, labelled, index, 'c.label')}) n"
        " GROUP BY n.k, n.name, n.label ORDER BY COUNT(*) DESC, n.label"
        f" LIMIT {MAX_GROUPS}"
    )
    return [(counts, where.parameters), (labels, where.parameters)]


def _index_of_sums(tx: Transaction, group: _Group, filters: ScoreFilter) -> str | None:
    """SQLite: return the index to read all scores from, which has what sums need.

    None leaves the choice to the database: the scores of a few sessions are read by their keys.
    Otherwise, SQLite would read an index that lacks a column, and look up each row. Rows by name
    are grouped faster. Those by time are near the metadata of their sessions.
    """
    if tx.postgresql or filters.session is not None:
        return None
    if any(count_up_to(tx, *found) < MOST_COUNTED for found in _sessions_of(tx, filters)):
        return None
    is_timed = filters.since is not None or filters.until is not None
    is_by_time = is_timed or (group.join and filters.name is None)
    return "scores_at" if is_by_time else "scores_number"


def _rows(tx: Transaction, group: _Group, where: Where, index: str | None, columns: str) -> str:
    """Return SQL of the scores to sum up, each with its group `k`, its name and further columns."""
    by_index = "" if index is None else f" INDEXED BY {index}"
    source, key = f"scores c{by_index}{group.join}", group.expression
    if group.is_unknown and tx.postgresql and not tx.distributed:
        # PostgreSQL expects as many groups as there are times or sessions, and would sort all rows
        # on disk. Of a value from behind a fence, it expects few. Citus refuses the fence.
        source, key = f"{source} CROSS JOIN LATERAL (SELECT {key} AS k OFFSET 0) g", "g.k"
    return f"SELECT {key} AS k, c.name, {columns} FROM {source}{where.sql()}"


def _add_conditions(where: Where, tx: Transaction, filters: ScoreFilter) -> None:
    add_time(where, "c.at", filters.since, filters.until)
    if filters.session is not None:
        add_session(where, tx, "c", filters.session)
    if filters.name is not None:
        where.add("c.name = ?", filters.name)
    if filters.giver is not None:
        where.add("c.scorer = ?", filters.giver)
    if filters.model is not None:
        where.add("c.model = ?", filters.model)
    add_scope(where, filters.scope, "c")
    for condition in filters.metadata:
        if tx.postgresql or condition.operator == "!=":
            table = "session_metadata"
            add_metadata_condition(where, tx, condition, table, "c", (), timed=False)
    for found, values in _sessions_of(tx, filters):
        where.add(f"c.session_id IN (SELECT x.session_id FROM {found})", *values)


def _sessions_of(tx: Transaction, filters: ScoreFilter) -> Iterator[tuple[str, list[str]]]:
    """SQLite: yield SQL behind FROM, and its parameters, of the sessions with a filter's pairs.

    SQLite reads them once, where it would look up an EXISTS for each score. PostgreSQL reads both
    alike.
    """
    scope = (filters.scope,) if filters.scope is not None else ()
    for condition in () if tx.postgresql else (*filters.metadata, *scope):
        if condition.operator != "!=":
            test, values = key_condition(condition)
            yield f"session_metadata x WHERE {test}", values


def _group_of(by: str | None) -> _Group:
    """Return what to group rows `c` of `scores` by."""
    plain = {
        None: _Group("c.name"),
        "name": _Group("c.name"),
        "day": _Group(day_of("c.at"), is_unknown=True),
        "model": _Group("c.model"),
        "giver": _Group("c.scorer"),
        "session": _Group("c.session_id"),
    }
    if by in plain:
        return plain[by]
    key = (by or "").removeprefix(_OF_METADATA)
    if by != key and 0 < len(key) <= MAX_KEY_LENGTH and key == storable(key):
        return _Group(_METADATA, _SESSION_PAIR, (key, key), is_unknown=True)
    raise InvalidInputError(f"--by {brief(by)}: use {', '.join(GROUPS)} or metadata:KEY")
