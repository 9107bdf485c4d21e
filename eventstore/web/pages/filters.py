"""Translates the query of a page's address into filters of the store. Pure.

A condition on metadata is three parameters, `key`, `op` and `value`, which may be repeated:
`?key=customer&op=%3D&value=42`. Called by the modules of the pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

#: The operators of `Condition`, and the words that the form shows for them.
OPERATORS = {"=": "is", "!=": "is not", "^=": "begins with", "has": "is set"}


#: The parameters that sort a list, by the store's names for them.
ORDER = {"sort": "sort", "order": "order"}


class FilterRow(NamedTuple):
    """One condition on metadata, as the form shows it."""

    key: str = ""
    op: str = "="
    value: str = ""


def rows_of(query: QueryParams) -> list[FilterRow]:
    """Return the conditions on metadata in an address, without those whose key is empty."""
    keys, operators, values = (query.getlist(name) for name in ("key", "op", "value"))
    operators += ["="] * (len(keys) - len(operators))
    values += [""] * (len(keys) - len(values))
    found = map(FilterRow, keys, operators, values)
    return [row._replace(op=row.op if row.op in OPERATORS else "=") for row in found if row.key]


def conditions_of(rows: Iterable[FilterRow]) -> list[Any]:
    """Return the form's conditions as conditions of the store."""
    from eventstore.realtime.metadata import Condition

    return [
        Condition(row.key, row.op, "" if row.op == "has" else row.value)  # type: ignore[arg-type]
        for row in rows
    ]


def day_range(query: QueryParams) -> dict[str, str]:
    """Return the filters `since` and `until` for the parameters `from` and `to`.

    Both parameters are days, which are included, or times.
    """
    found = {}
    if begin := query.get("from"):
        found["since"] = begin
    # The calendar's last day has no day after it, and needs no filter.
    if (end := query.get("to")) and (until := _day_after(end)):
        found["until"] = until
    return found


def _day_after(value: str) -> str | None:
    try:
        return (date.fromisoformat(value) + timedelta(days=1)).isoformat()
    except OverflowError:
        return None
    except ValueError:
        return value  # it is a time, not a day


def named_parameters(query: QueryParams, names: Mapping[str, str]) -> dict[str, str]:
    """Return the filters in an address that have a value, under the store's names for them.

    Args:
        query: The address's query.
        names: Parameters of the address, by the store's names of the filters.
    """
    return {name: query[field] for field, name in names.items() if query.get(field)}


def address(path: str, query: QueryParams, **changed: str | None) -> str:
    """Return an address with some of its parameters changed.

    Args:
        path: The address's path.
        query: The parameters that it has now. Those without a value are left out.
        changed: New values of parameters; None removes a parameter.
    """
    kept = [(k, v) for k, v in query.multi_items() if v and k not in ("key", "op", "value")]
    kept = [pair for pair in kept if pair[0] not in changed]
    kept += [(k, v) for row in rows_of(query) for k, v in row._asdict().items()]
    kept += [(k, v) for k, v in changed.items() if v is not None]
    return f"{path}?{urlencode(kept)}" if kept else path
