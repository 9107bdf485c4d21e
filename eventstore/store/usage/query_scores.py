"""Read a session's scores, and sum scores up by name, day, model, giver, session or metadata.

Called by verbs/scores.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.brief import brief
from eventstore.errors import InvalidInputError, NotFoundError
from eventstore.realtime.values import MAX_KEY_LENGTH, identifier, loads, storable
from eventstore.store.database.tables.day_tables import day_of
from eventstore.store.database.transaction import Row, Transaction, read
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
from eventstore.store.log.session_facts import no_session
from eventstore.store.log.tombstones import refuse_erased
from eventstore.store.readmodels.encrypted_rows import decrypted_texts, score_row_key
from eventstore.times import date_of

#: The groupings that name no key of metadata.
GROUPS = ("name", "day", "model", "giver", "session")
_OF_METADATA = "metadata:"
#: How many groups a report has at most, and how many labels each of its entries.
MAX_GROUPS, MAX_LABELS = 10_000, 100

SCORES = (
    "SELECT target, target_id, name, scorer, label, resource FROM scores WHERE session_id = ?"
    " ORDER BY seq"
)
HEAD = "SELECT head_seq, projected_seq, erased_at FROM streams WHERE session_id = ?"
_ROW_OF = {
    "response": "SELECT 1 FROM responses WHERE session_id = ? AND response_id = ?",
    "item": "SELECT 1 FROM items WHERE session_id = ? AND item_id = ?",
}
# A session's own pair wins over a response's.
_METADATA = (
    "COALESCE(y.value, (SELECT z.value FROM response_metadata z WHERE z.session_id = c.session_id"
    " AND z.response_id = c.response_id AND z.key = ? AND z.own = 1))"
)
_SESSION_PAIR = " LEFT JOIN session_metadata y ON y.session_id = c.session_id AND y.key = ?"


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


def read_scores(engine: Engine, session_id: str) -> list[dict[str, Any]]:
    """Return the scores of a session, its responses and its items, in the order of the log.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased.
    """
    with read(engine) as tx:
        _head(tx, session_id)
        return [_resource(tx, session_id, row) for row in tx.rows(SCORES, (session_id,))]


def _head(tx: Transaction, session_id: str) -> Row:
    row = tx.row(HEAD, (session_id,))
    if row is None:
        raise no_session(session_id)
    refuse_erased(tx, session_id, row[2])
    return row


def _resource(tx: Transaction, session_id: str, row: Row) -> dict[str, Any]:
    key = score_row_key(row[:4])
    _, resource = decrypted_texts(tx, "scores", session_id, key, *row[4:])
    found: dict[str, Any] = loads(resource)
    return found


def check_target(
    engine: Engine, session_id: str, response_id: str | None, item_id: str | None
) -> None:
    """Check that there is a session, and the response or item of it that is to be scored.

    If the session is not projected up to its last event, any response and item may be there.

    Raises:
        NotFoundError: There is no such session, response or item.
        ErasedError: The session was erased.
    """
    with read(engine) as tx:
        head = _head(tx, session_id)
        for kind, id_ in (("response", response_id), ("item", item_id)):
            if id_ is None or head[1] < head[0]:
                continue
            if tx.row(_ROW_OF[kind], (session_id, identifier(id_) or id_)) is None:
                raise NotFoundError(f"session {session_id} has no {kind} {id_}")


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
        self.count += count
        if kind == "number":
            self.numbers, self.total, self.least, self.most = count, total, least, most
        elif kind == "boolean":
            self.true, self.false = round(total), count - round(total)
        elif kind == "label":
            self.labelled = count
        else:
            self.texts = count


def sum_scores(engine: Engine, by: str | None, filters: ScoreFilter) -> dict[str, Any]:
    """Return scores summed up: counts, means, shares of true and labels, by name and group.

    Args:
        by: `name`, `day` (UTC), `model`, `giver`, `session` or `metadata:KEY`; None for `name`.
        filters: The filter on scores.

    Raises:
        InvalidInputError: `by` is not valid, or the answer would be too long.
    """
    summed: dict[tuple[Any, str], _Summed] = {}
    with read(engine) as tx:
        numbers, *labels = sums_sql(tx, by, filters)
        for key, name, *counted in tx.rows(*numbers):
            summed.setdefault((key, name), _Summed()).add(*counted)
        if len(summed) > MAX_GROUPS:
            raise InvalidInputError(
                f"there are more than {MAX_GROUPS:,} groups; choose fewer by --since and --until"
            )
        for statement in labels:
            for key, name, label, count in tx.rows(*statement):
                of_group = summed.get((key, name))  # nodes of a cluster have no common snapshot
                if of_group is not None and len(of_group.labels) < MAX_LABELS:
                    of_group.labels[label] = int(count)
    keys = sorted(summed, key=lambda one: (one[0] is None, one[0], one[1]))
    data = [_entry(_shown(by, key), name, summed[key, name]) for key, name in keys]
    return {"object": "list", "by": by or "name", "data": data}


def sums_sql(tx: Transaction, by: str | None, filters: ScoreFilter) -> list[tuple[str, list[Any]]]:
    """Return the statements that sum scores up, and their parameters.

    The first counts scores by group, name and kind; the second, which an encrypted store has not,
    counts labels by group and name.

    Raises:
        InvalidInputError: `by` is not valid.
    """
    group = _group_of(by)
    where = Where([], [*group.parameters])
    _add_conditions(where, tx, filters)
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
