"""Filters as a page's address has them: what forms send, and what is asked of the store. Pure.

A condition on metadata is three parameters, again and again: `key`, `op` and `value`. A saved
link is such an address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

#: As `Condition` has them, and as people read them.
OPERATORS = {"=": "is", "!=": "is not", "^=": "begins with", "has": "is set"}


#: How a list is sorted; both have a default.
ORDER = {"sort": "sort", "order": "order"}


class Row(NamedTuple):
    """A condition of the form."""

    key: str = ""
    op: str = "="
    value: str = ""


def rows_of(query: QueryParams) -> list[Row]:
    """The conditions on metadata that an address has; one without a key is none."""
    keys, operators, values = (query.getlist(name) for name in ("key", "op", "value"))
    operators += ["="] * (len(keys) - len(operators))
    values += [""] * (len(keys) - len(values))
    found = map(Row, keys, operators, values)
    return [row._replace(op=row.op if row.op in OPERATORS else "=") for row in found if row.key]


def conditions_of(rows: Iterable[Row]) -> list[Any]:
    """What the store takes."""
    from eventstore.realtime.metadata import Condition

    return [
        Condition(row.key, row.op, "" if row.op == "has" else row.value)  # type: ignore[arg-type]
        for row in rows
    ]


def day_range(query: QueryParams) -> dict[str, str]:
    """`since` and `until` of `from` and `to`: days, both included, or times."""
    found = {}
    if begin := query.get("from"):
        found["since"] = begin
    # Behind the calendar's last day there is nothing to leave out.
    if (end := query.get("to")) and (until := _day_after(end)):
        found["until"] = until
    return found


def _day_after(value: str) -> str | None:
    try:
        return (date.fromisoformat(value) + timedelta(days=1)).isoformat()
    except OverflowError:
        return None
    except ValueError:
        return value  # a time


def given(query: QueryParams, names: Mapping[str, str]) -> dict[str, str]:
    """The plain filters that an address has, under the store's names for them."""
    return {name: query[field] for field, name in names.items() if query.get(field)}


def address(path: str, query: QueryParams, **changed: str | None) -> str:
    """The same address with other parameters; what is empty is left out, and what is None."""
    kept = [(k, v) for k, v in query.multi_items() if v and k not in ("key", "op", "value")]
    kept = [pair for pair in kept if pair[0] not in changed]
    kept += [(k, v) for row in rows_of(query) for k, v in row._asdict().items()]
    kept += [(k, v) for k, v in changed.items() if v is not None]
    return f"{path}?{urlencode(kept)}" if kept else path
