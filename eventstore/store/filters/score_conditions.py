"""SQL conditions on scores, for lists of responses and of sessions.

A score of an item counts for the response that the item belongs to, and each score for its session.
Called by response_conditions.py, narrowing.py and queries/.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eventstore.errors import InvalidInputError
from eventstore.realtime.resources.scores import ScoreCondition
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.filters.forced_joins import row_by_row

if TYPE_CHECKING:
    from eventstore.store.filters.filters import ResponseFilter, SessionFilter
    from eventstore.store.filters.sql_conditions import Where

#: SQL of a condition on a row of `scores`, with `{0}` for its alias, and its parameters.
ScoreTest = tuple[str, list[Any]]
# The second part is the condition of the index, which has no rows without labels.
_LABEL = "{0}.label = ? AND {0}.label <> ''"


def score_tests(filters: SessionFilter | ResponseFilter) -> list[ScoreTest]:
    """Return the conditions of a filter on scores, each of which some row must pass."""
    labels: list[ScoreTest] = [(_LABEL, [label]) for label in filters.label]
    return [_test(condition) for condition in filters.score] + labels


def _test(condition: ScoreCondition) -> ScoreTest:
    name, operator, value = condition
    if operator == "has":
        return "{0}.name = ?", [name]
    if isinstance(value, str):
        return _LABEL + " AND {0}.name = ?", [value, name]
    if isinstance(value, bool):
        kind = " AND {0}.kind = 'boolean'"
        return "{0}.name = ? AND {0}.number = ?" + kind, [name, float(value)]
    return f"{{0}}.name = ? AND {{0}}.number {operator} ?", [name, value]


def _by_response(tx: Transaction) -> str:
    """SQLite: return the hint to look up the scores of one session, or of one response of it.

    Without it, SQLite would read all scores of a name, for each session or response.
    """
    return "" if tx.postgresql else " INDEXED BY scores_response"


# Of a list from high to low, and of one from low to high: the comparisons that the score that it is
# sorted by passes, if any score of that name does. That score is the greatest or the least.
_BOUNDS = {"desc": {">": ">", ">=": ">=", "=": ">="}, "asc": {"<": "<", "<=": "<=", "=": "<="}}


def sorting_name(filters: SessionFilter | ResponseFilter) -> str:
    """Return the name of the score that a list is sorted by: that of the first condition.

    Raises:
        InvalidInputError: The filter has no condition on scores.
    """
    if not filters.score:
        raise InvalidInputError("to sort by a score, name it as a filter: --score helpful")
    return filters.score[0].name


def add_sorting_score(
    where: Where,
    tx: Transaction,
    filters: SessionFilter | ResponseFilter,
    keys: tuple[str, ...],
    order: str,
) -> None:
    """Add the conditions on a row `x` of `scores` that it is the one to sort by.

    Of several scores of one name, the greatest counts in a list from high to low, and the least in
    a list from low to high. The filter's conditions on that name are added, too: they bound what is
    read of the index, and spare to look up what does not pass.

    Args:
        filters: The filter of the list.
        keys: The columns that tell what is listed: a session, or a response.
        order: `asc` or `desc`, the order of the list.
    """
    name = sorting_name(filters)
    before = "<" if order == "asc" else ">"
    where.add("x.name = ? AND x.number IS NOT NULL", name)
    for condition in filters.score:
        if (
            condition.name != name
            or condition.operator == "has"
            or isinstance(condition.value, str)
        ):
            continue
        bound = _BOUNDS[order].get(condition.operator)
        if bound is not None:
            where.add(f"x.number {bound} ?", float(condition.value or 0))
            continue
        _add_test(where, tx, _test(condition), "x", keys)
    further = (
        f"SELECT 1 FROM scores y{_by_response(tx)} WHERE {_same(keys, 'y', 'x')}"
        f" AND y.name = x.name AND (y.number, y.seq) {before} (x.number, x.seq)"
    )
    where.add(f"NOT ({row_by_row(tx, further)})")


def sorting_place(
    tx: Transaction, name: str, keys: tuple[str, ...], ids: Sequence[str], order: str
) -> Row | None:
    """Return the number and the time of the score by which something is sorted, or None.

    Args:
        name, keys, order: As for `add_sorting_score`.
        ids: The values of the keys.
    """
    same = " AND ".join(f"x.{key} = ?" for key in keys)
    return tx.row(
        f"SELECT x.number, x.at FROM scores x WHERE {same} AND x.name = ? AND x.number IS NOT NULL"
        f" ORDER BY x.number {order}, x.seq {order} LIMIT 1",
        (*ids, name),
    )


def add_scores(
    where: Where,
    tx: Transaction,
    filters: SessionFilter | ResponseFilter,
    alias: str,
    keys: tuple[str, ...],
) -> None:
    """Add the conditions of a filter on scores to those on the rows of `alias`.

    Args:
        keys: The columns that rows and their scores share.

    Raises:
        InvalidInputError: A label is asked for, and the store is encrypted.
    """
    of_labels = bool(filters.label) or any(isinstance(c.value, str) for c in filters.score)
    if of_labels and tx.keys.name(tx) is not None:
        raise InvalidInputError(
            "labels are encrypted here, and no list is chosen by them; choose by numbers, truths or"
            " names of scores, or by metadata"
        )
    for score_test in score_tests(filters):
        _add_test(where, tx, score_test, alias, keys)


def _add_test(
    where: Where, tx: Transaction, score_test: ScoreTest, alias: str, keys: tuple[str, ...]
) -> None:
    """Add the condition that a score of what a row of `alias` is of passes a test."""
    test, values = score_test
    found = (
        f"SELECT 1 FROM scores g{_by_response(tx)} WHERE {_same(keys, 'g', alias)}"
        f" AND {test.format('g')}"
    )
    where.add(row_by_row(tx, found), *values)


def _same(keys: tuple[str, ...], name: str, other: str) -> str:
    """Return the condition that rows of two aliases have the same keys."""
    return " AND ".join(f"{name}.{key} = {other}.{key}" for key in keys)
