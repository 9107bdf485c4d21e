"""The page `/usage`: cost and tokens by day, model and metadata, and how answer times changed."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from markupsafe import Markup
from starlette.datastructures import QueryParams

from eventstore.errors import InvalidInputError
from eventstore.realtime.values import script_json
from eventstore.store.usage.answer_lines import TooManyLinesError
from eventstore.store.usage.unpriced import not_in_cost
from eventstore.times import DAY_US, clamp_time, now, parse_time, to_iso
from eventstore.verbs.queries import Queries
from eventstore.verbs.reports import UsageEntry
from eventstore.web.pages.filters import (
    OPERATORS,
    address,
    conditions_of,
    day_range,
    rows_of,
)
from eventstore.web.pages.rendering import page
from eventstore.web.server.paths import PlacedRoute
from eventstore.web.server.requests import ScopedQueries

router = APIRouter(include_in_schema=False, route_class=PlacedRoute)

#: The spans that the page offers: days up to the newest call. `_SPAN` is the default.
SPANS = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "a year", "all": "all"}
_SPAN = "30"
#: How many values of a metadata key the page shows: those with the highest cost.
_VALUES = 50
#: How many sums of scores each table shows.
_ENTRIES = 200
_PREFERRED = ("customer", "customer_id", "tenant", "user", "agent")
#: A key with so many values is compared only if the address names it: there may be no sums by its
#: values, so that every response is read.
_MANY_VALUES = 1000


@router.get("/usage")
def show_usage(request: Request, queries: ScopedQueries) -> Response:
    """Show the usage of the responses that match the address."""
    query = request.query_params
    keys = queries.metadata_keys()
    key = query.get("by") or _first_key(queries, keys)
    rows = rows_of(query)
    span = _span(queries, query)
    filters: dict[str, Any] = {"metadata": conditions_of(rows), **span.filters}
    if query.get("model"):
        filters["model"] = query["model"]
    by_day = queries.usage(by="day,model", **filters)
    values = _by_values(queries, key, filters)
    answers = queries.latency(by="day", **filters)
    shown = {
        "days": by_day["data"],
        "values": (values or [])[:_VALUES],
        "latency": answers["data"],
        "context": queries.context(**filters)["data"],
    }
    return page(
        request,
        "usage.html",
        title="Usage",
        query=query,
        rows=rows,
        operators=OPERATORS,
        models=queries.models(),
        keys=keys,
        key=key,
        is_compared=values is not None,
        spans={name: address("/usage", query, span=name, **_NO_DAYS) for name in SPANS},
        span=span,
        span_names=SPANS,
        total=by_day["total"],
        **not_in_cost(by_day["total"]["unpriced"])._asdict(),
        latency=answers["total"],
        slower=_slower(queries, span, filters),
        scores=_scores(queries, filters),
        data=Markup(script_json({**shown, "key": key})),  # noqa: S704 - script_json escapes
    )


def _first_key(queries: Queries, keys: list[str]) -> str | None:
    """Return the key of metadata that is compared if the address names none."""
    preferred = [key for key in _PREFERRED if key in keys]

    def has_few(key: str) -> bool:
        return len(queries.metadata_values(key, limit=_MANY_VALUES)) < _MANY_VALUES

    return next(filter(has_few, dict.fromkeys([*preferred, *keys])), None)


def _by_values(
    queries: Queries, key: str | None, filters: dict[str, Any]
) -> list[UsageEntry] | None:
    """Return usage by the values of a key, the highest cost first; None for too many values."""
    if key is None:
        return []
    try:
        values = queries.usage(by=f"metadata:{key}", **filters)["data"]
    except TooManyLinesError:
        return None
    return sorted(values, key=lambda entry: (-(entry["cost_usd"] or 0), -entry["total_tokens"]))


_NO_DAYS: dict[str, str | None] = {"from": None, "to": None}


class Period(NamedTuple):
    """The span of time that the page covers.

    Attributes:
        name: Its name in `SPANS`; None if the address gives days.
        start: Its beginning, in microseconds since 1970; None if it has none.
        end: Its end, in microseconds since 1970; None if it has none.
        filters: The store's filters `since` and `until`.
    """

    name: str | None
    start: int | None
    end: int | None
    filters: dict[str, Any]


def _span(queries: Queries, query: QueryParams) -> Period:
    days = day_range(query)
    if days:
        start, end = (_time(days.get(name)) for name in ("since", "until"))
        return Period(None, start, end, days)
    name = query.get("span", _SPAN)
    newest = _newest(queries)
    end = (newest + 1) * DAY_US
    if name == "all" or not name.isdigit() or name not in SPANS:
        return Period("all", None, end, {})
    start = clamp_time((newest - int(name) + 1) * DAY_US)
    return Period(name, start, end, {"since": to_iso(start)})


def _time(value: str | None) -> int | None:
    """Return a time in microseconds since 1970, or None if it is invalid.

    The queries of the page tell the reader what is wrong with it.
    """
    try:
        return parse_time(value)
    except ValueError:
        return None


def _newest(queries: Queries) -> int:
    """Return the day of the newest session's last event, in days since 1970.

    Spans count back from it, so that the page of an old archive is not empty. Sessions that begin
    after tomorrow are ignored if there are others: the clock of their recorder was wrong.
    """
    tomorrow = to_iso(now() + DAY_US)
    found = queries.sessions(limit=1, until=tomorrow).data or queries.sessions(limit=1).data
    at = parse_time(found[0]["eventstore"]["last_at"]) if found else None
    return (now() if at is None else at) // DAY_US


def _scores(queries: Queries, filters: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the sums of scores by model and by day, the newest day first; empty without scores."""
    try:
        found = {by: queries.score_sums(by, **filters)["data"] for by in ("model", "day")}
    except InvalidInputError:  # there are too many groups for a table
        return {}
    if not found["day"]:
        return {}
    return {"model": found["model"][:_ENTRIES], "day": found["day"][::-1][:_ENTRIES]}


def _slower(queries: Queries, span: Period, filters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the answer times of each model in the span's first half and in its second half."""
    if span.start is None or span.end is None or filters["metadata"]:
        return []  # there are no sums for conditions on metadata; the chart by day has to do
    # The halves end at a day's end, because there are sums for whole days.
    half = to_iso(span.start + (span.end - span.start) // DAY_US // 2 * DAY_US)
    before = queries.latency(by="model", **{**filters, "until": half})["data"]
    behind = queries.latency(by="model", **{**filters, "since": half})["data"]
    first = {entry["key"]: entry for entry in before}
    return [{"model": e["key"], "before": first.get(e["key"]), "behind": e} for e in behind]
