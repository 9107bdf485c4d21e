"""Sum scores up by name, day, model, giver, session or metadata.

Sums of whole days are kept (daily/): they answer what they have, and rows answer the rest. Called
by verbs/scores.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine

from eventstore.errors import InvalidInputError
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.filters.filters import ScoreFilter
from eventstore.store.filters.sql_conditions import Where
from eventstore.store.usage.daily.coverage import find_coverage, row_parts
from eventstore.store.usage.scores.sums_of_rows import MAX_GROUPS, Statement, sums_sql
from eventstore.times import date_of

#: How many labels each entry of a report has at most.
MAX_LABELS = 100
# Which column of the kept sums `s` is which group.
_KEPT_GROUPS = {None: "name", "name": "name", "day": "day", "model": "model", "giver": "scorer"}
_KEPT_FILTERS = {"since", "until", "name", "giver", "model"}


@dataclass(slots=True)
class _Summed:
    """The scores of one name in one group, counted by their kinds."""

    count: int = 0
    numbers: int = 0
    total: float = 0.0
    least: float | None = None
    most: float | None = None
    true: int = 0
    false: int = 0
    texts: int = 0
    labelled: int = 0
    labels: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, count: int, total: float, least: float, most: float) -> None:
        """Count scores of one kind."""
        count = int(count)
        self.count += count
        if kind == "number":
            self.numbers += count
            self.total += total
            self.least = least if self.least is None else min(self.least, least)
            self.most = most if self.most is None else max(self.most, most)
        elif kind == "boolean":
            self.true += round(total)
            self.false += count - round(total)
        elif kind == "label":
            self.labelled += count
        else:
            self.texts += count


def sum_scores(engine: Engine, by: str | None, filters: ScoreFilter) -> dict[str, Any]:
    """Return scores summed up: counts, means, shares of true and labels, by name and group.

    Args:
        by: `name`, `day` (UTC), `model`, `giver`, `session` or `metadata:KEY`; None for `name`.
        filters: The filter on scores.

    Raises:
        InvalidInputError: `by` is not valid, or the answer would be too long.
    """
    with read(engine) as tx:
        summed, is_cut = _add_up(tx, _statements(tx, by, filters))
        if is_cut:
            summed, _ = _add_up(tx, [sums_sql(tx, by, filters)])
    keys = sorted(summed, key=lambda one: (one[0] is None, one[0], one[1]))
    data = [_entry(_shown(by, key), name, summed[key, name]) for key, name in keys]
    return {"object": "list", "by": by or "name", "data": data}


def _add_up(
    tx: Transaction, parts: Iterable[list[Statement]]
) -> tuple[dict[tuple[Any, str], _Summed], bool]:
    """Add up what the statements of each part return.

    Returns:
        The sums by group and name, and whether a part has so many labels that only the most
        frequent ones were read, whose sums over the parts may then lack some.

    Raises:
        InvalidInputError: There are too many groups.
    """
    summed: dict[tuple[Any, str], _Summed] = {}
    labels: dict[tuple[Any, str, str], int] = {}
    is_cut = False
    for counting, *labelling in parts:
        for key, name, *counted in tx.rows(*counting):
            summed.setdefault((key, name), _Summed()).add(*counted)
        if len(summed) > MAX_GROUPS:
            raise InvalidInputError(
                f"there are more than {MAX_GROUPS:,} groups; choose fewer by --since and --until"
            )
        for statement in labelling:
            found = tx.rows(*statement)
            is_cut |= len(found) == MAX_GROUPS
            for key, name, label, count in found:
                labels[key, name, label] = labels.get((key, name, label), 0) + int(count)
    for (key, name, label), count in sorted(labels.items(), key=lambda one: (-one[1], one[0][2])):
        of_group = summed.get((key, name))  # nodes of a cluster have no common snapshot
        if of_group is not None and len(of_group.labels) < MAX_LABELS:
            of_group.labels[label] = count
    return summed, is_cut


def _statements(tx: Transaction, by: str | None, filters: ScoreFilter) -> Iterator[list[Statement]]:
    """Yield the statements of each part of an answer, as `sums_sql` returns them."""
    if by not in _KEPT_GROUPS or filters.named() - _KEPT_FILTERS:
        yield sums_sql(tx, by, filters)
        return
    found = find_coverage(tx, filters.since, filters.until, of="scores")
    for days in found.days:
        counts, labels = _kept_sums_sql(_KEPT_GROUPS[by], days, filters)
        yield [counts] if tx.keys.name(tx) is not None else [counts, labels]
    for part in row_parts(filters, found):
        yield sums_sql(tx, by, part.filters, part.day)


def _kept_sums_sql(group: str, days: tuple[int, int], filters: ScoreFilter) -> list[Statement]:
    where = Where(["s.day >= ?", "s.day <= ?"], [*days])
    for column, value in (
        ("name", filters.name),
        ("scorer", filters.giver),
        ("model", filters.model),
    ):
        if value is not None:
            where.add(f"s.{column} = ?", value)
    labelled = Where([*where.conditions, "s.label <> ''"], where.parameters)
    return [
        (
            f"SELECT s.{group} AS k, s.name, s.kind, SUM(s.number), SUM(s.total), MIN(s.least),"
            f" MAX(s.most) FROM score_days s{where.sql()} GROUP BY k, s.name, s.kind",
            where.parameters,
        ),
        (
            f"SELECT s.{group} AS k, s.name, s.label, SUM(s.number) FROM score_days s"
            f"{labelled.sql()} GROUP BY k, s.name, s.label ORDER BY SUM(s.number) DESC, s.label"
            f" LIMIT {MAX_GROUPS}",
            labelled.parameters,
        ),
    ]


def _shown(by: str | None, key: Any) -> str | None:
    """Return the key of a group as it is shown."""
    if by == "day":
        return date_of(int(key))
    return None if key is None or (by == "giver" and key == "") else str(key)


def _entry(key: str | None, name: str, summed: _Summed) -> dict[str, Any]:
    truths = summed.true + summed.false
    return {
        "object": "eventstore.scores",
        "key": key,
        "name": name,
        "count": summed.count,
        "numbers": summed.numbers,
        "mean": summed.total / summed.numbers if summed.numbers else None,
        "min": summed.least,
        "max": summed.most,
        "true": summed.true,
        "false": summed.false,
        "true_share": summed.true / truths if truths else None,
        "labelled": summed.labelled,
        "labels": summed.labels,
        "texts": summed.texts,
    }
