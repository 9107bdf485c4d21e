"""Pages, and what they ask of the HTTP API, in milliseconds, over a million responses.

Each list is asked for by a client on loopback, again and again with other parameters; to measure
another one, add it to `LISTS`.
"""

from __future__ import annotations

import http.client
import json
import random
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from benchmarks.databases import Databases, warm
from benchmarks.filled import filled_stores
from benchmarks.options import Options
from benchmarks.processes import listening
from benchmarks.processor import backends, children, taken_ms
from benchmarks.query_fill import EVERY_US, MODELS, Filled
from benchmarks.report import Report
from benchmarks.rounds import percentile, progress, timed
from eventstore import EventStore
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.filters.filters import (
    ResponseFilter,
    ResponsePaging,
    SessionFilter,
    SessionPaging,
    checked_filter,
)
from eventstore.store.queries.query_responses import responses_sql
from eventstore.store.queries.session_pages import sessions_sql
from eventstore.times import DAY_US, now

TARGET_MS = 300.0
ASKED = 60
#: What takes seconds is asked for less often.
LEAST_ASKED, LONGEST_MS = 5, 6_000.0
PAGE = 50
SESSIONS, RESPONSES = "/v1/realtime/sessions", "/v1/realtime/responses"

Parameters = dict[str, Any]


class Stored(NamedTuple):
    """What can be asked for.

    Attributes:
        filled: how many responses there are, customers, and some ids.
        common, rare: words that were said in every twentieth item, and in one of thousands.
        phrases: two words in a row.
    """

    filled: Filled
    common: list[str]
    rare: list[str]
    phrases: list[str]


class Asked(NamedTuple):
    """A list to ask for: its path, and how to choose its parameters."""

    path: str
    parameters: Callable[[random.Random, Stored], Parameters]


def _customer(chance: random.Random, stored: Stored) -> Parameters:
    return {"metadata[customer]": chance.choice(stored.filled.customers)}


def _model(chance: random.Random, stored: Stored) -> Parameters:
    return {"model": chance.choice([name for name, _ in MODELS])}


def _time(chance: random.Random, stored: Stored) -> Parameters:
    seconds = stored.filled.responses * EVERY_US / 1e6
    since = stored.filled.start / 1e6 + chance.random() * seconds
    until = since + chance.random() * seconds / 10
    return {"created[gte]": f"{since:.6f}", "created[lt]": f"{until:.6f}"}


def _days(number: int) -> Callable[[random.Random, Stored], Parameters]:
    return lambda chance, stored: {"created[gte]": f"{now() / 1e6 - number * 86_400:.6f}"}


def _same(**parameters: Any) -> Callable[[random.Random, Stored], Parameters]:
    return lambda chance, stored: {
        **parameters,
        "order": chance.choice(("asc", "desc")),
    }


def _one_of(name: str, *values: str) -> Callable[[random.Random, Stored], Parameters]:
    return lambda chance, stored: {name: chance.choice(values)}


def _said(*kinds: str) -> Callable[[random.Random, Stored], Parameters]:
    return lambda chance, stored: {"q": chance.choice(getattr(stored, chance.choice(kinds)))}


def _behind(place: int) -> Callable[[random.Random, Stored], Parameters]:
    return lambda chance, stored: {"after": chance.choice(stored.filled.keys)[place]}


def _both(
    *parts: Callable[[random.Random, Stored], Parameters],
) -> Callable[[random.Random, Stored], Parameters]:
    return lambda chance, stored: {k: v for part in parts for k, v in part(chance, stored).items()}


_summed = _same(summary="true")


def _page(*parts: Callable[[random.Random, Stored], Parameters]) -> Any:
    """Conditions as the forms of pages send them."""

    def chosen(chance: random.Random, stored: Stored) -> Parameters:
        found = _both(*parts)(chance, stored)
        value = found.pop("metadata[customer]", None)
        return found if value is None else {**found, "key": "customer", "op": "=", "value": value}

    return chosen


#: The pages themselves, as HTML.
PAGES: dict[str, Asked] = {
    "page of sessions": Asked("/", _page()),
    "page of sessions, customer": Asked("/", _page(_customer)),
    "page of sessions, a word": Asked("/", _page(_said("rare", "common"))),
    "page of responses": Asked("/responses", _page()),
    "page of responses, customer and status": Asked(
        "/responses", _page(_one_of("status", "cancelled", "failed"), _customer)
    ),
    "page of usage, by env": Asked("/usage", _same(by="env")),
    "page of usage, by customer": Asked("/usage", _same(by="customer")),
    "page of usage, 7 days": Asked("/usage", _same(span="7")),
    "page of usage, all": Asked("/usage", _same(span="all")),
    "page of usage, a model": Asked("/usage", _page(_model)),
    "page of usage, a customer": Asked("/usage", _page(_customer)),
}
LISTS: dict[str, Asked] = {
    "sessions": Asked(SESSIONS, _summed),
    "sessions, in the middle": Asked(SESSIONS, _both(_summed, _behind(0))),
    "sessions, customer": Asked(SESSIONS, _both(_summed, _customer)),
    "sessions, env=prod, on all": Asked(
        SESSIONS, _same(summary="true", **{"metadata[env]": "prod"})
    ),
    "sessions, reviewed=yes, on few": Asked(
        SESSIONS, _same(summary="true", **{"metadata[reviewed]": "yes"})
    ),
    "sessions, customer and env": Asked(
        SESSIONS, _both(_same(summary="true", **{"metadata[env]": "prod"}), _customer)
    ),
    "sessions, model": Asked(SESSIONS, _both(_summed, _model)),
    "sessions, model and customer": Asked(SESSIONS, _both(_summed, _model, _customer)),
    "sessions, time": Asked(SESSIONS, _both(_summed, _time)),
    "sessions, time and customer": Asked(SESSIONS, _both(_summed, _time, _customer)),
    **{
        f"sessions, {status}": Asked(SESSIONS, _same(summary="true", status=status))
        for status in ("live", "ended", "interrupted", "errors")
    },
    "sessions, errors and customer": Asked(
        SESSIONS, _both(_same(summary="true", status="errors"), _customer)
    ),
    "sessions, live, what goes on": Asked(SESSIONS, _same(live="true")),
    "sessions, a rare word": Asked(SESSIONS, _both(_summed, _said("rare"))),
    "sessions, a phrase": Asked(SESSIONS, _both(_summed, _said("phrases"))),
    "sessions, a common word": Asked(SESSIONS, _both(_summed, _said("common"))),
    "sessions, a word and customer": Asked(
        SESSIONS, _both(_summed, _said("rare", "common"), _customer)
    ),
    "responses": Asked(RESPONSES, _same()),
    "responses, in the middle": Asked(RESPONSES, _both(_same(), _behind(1))),
    "responses, customer": Asked(RESPONSES, _both(_same(), _customer)),
    "responses, env=prod, on all": Asked(RESPONSES, _same(**{"metadata[env]": "prod"})),
    "responses, escalated=yes, on few": Asked(RESPONSES, _same(**{"metadata[escalated]": "yes"})),
    "responses, status": Asked(
        RESPONSES,
        _both(_same(), _one_of("status", "completed", "cancelled", "failed", "incomplete")),
    ),
    "responses, status and customer": Asked(
        RESPONSES, _both(_same(), _one_of("status", "cancelled", "failed"), _customer)
    ),
    "responses, model": Asked(RESPONSES, _both(_same(), _model)),
    "responses, voice": Asked(RESPONSES, _same(voice="marin")),
    "responses, modality": Asked(RESPONSES, _same(modality="audio")),
    "responses, session": Asked(
        RESPONSES, lambda chance, stored: {"session": chance.choice(stored.filled.keys)[0]}
    ),
    "responses, min_tokens": Asked(RESPONSES, _both(_same(), _one_of("min_tokens", "500", "1900"))),
    "responses, time": Asked(RESPONSES, _both(_same(), _time)),
    "responses, a rare word": Asked(RESPONSES, _both(_same(), _said("rare"))),
    "responses, a phrase": Asked(RESPONSES, _both(_same(), _said("phrases"))),
    "responses, a common word": Asked(RESPONSES, _both(_same(), _said("common"))),
    "suggestions: keys": Asked("/v1/realtime/metadata", _one_of("prefix", "", "c", "e", "x")),
    "suggestions: values": Asked(
        "/v1/realtime/metadata/values",
        lambda chance, stored: {
            "key": chance.choice(("customer", "env", "turn", "escalated", "reviewed")),
            "prefix": chance.choice(("", "customer-00", "customer-0000", "p")),
        },
    ),
    "suggestions: models": Asked("/v1/realtime/models", lambda chance, stored: {}),
    "usage by day and model": Asked("/v1/realtime/usage", _one_of("by", "day,model")),
    "usage by customer": Asked("/v1/realtime/usage", _one_of("by", "metadata:customer")),
    "usage by customer, a day": Asked(
        "/v1/realtime/usage", _both(_one_of("by", "metadata:customer"), _days(1))
    ),
    "usage by customer, 7 days": Asked(
        "/v1/realtime/usage", _both(_one_of("by", "metadata:customer"), _days(7))
    ),
    "latency by day": Asked("/v1/realtime/latency", _one_of("by", "day")),
    "context": Asked("/v1/realtime/context", lambda chance, stored: {}),
    **PAGES,
}


def run(databases: Databases, options: Options) -> Report:
    """Ask for each list on each database."""
    report = Report("pages", "pages: 95th percentile of each list, through the HTTP API")
    size = options.size(1_000_000)
    # Today's usage is summed up from its rows: all that a day has.
    until = (now() // DAY_US + 1) * DAY_US
    for store, url, what, filled in filled_stores(databases, options, report, size, until=until):
        days = len(store.sum_days().done)
        progress(f"pages: {what}, {days} days summed up")
        if not options.stores:
            warm(url)
        with serving(url) as address:
            stored, asked = Stored(filled, *words_of(store)), options.rounds(ASKED)
            _measure(store, report, what, stored, address, asked)
    return report


def serving(url: str) -> AbstractContextManager[str]:
    """Run `eventstore serve` for a store, and give its address."""
    command = ("-m", "eventstore.cli.main", "serve", "--listen", "127.0.0.1:0")
    return listening(*command, "--db", url, "--time-limit", "60")


def words_of(store: EventStore) -> tuple[list[str], list[str], list[str]]:
    """Common words, rare ones and phrases, of what was said: see benchmarks/query_fill.py."""
    with read(store.engine) as tx:
        rows = tx.rows("SELECT said FROM items ORDER BY session_id, item_id LIMIT 300")
    # What is Japanese, or calls a tool, has no words with spaces between.
    said = [words for row in rows if len(words := row[0].split()) > 10]
    phrases = [f'"{words[2]} {words[3]}"' for words in said]
    common = {word for words in said for word in words[:18]}
    rare = [words[-1] for words in said if words[-1] not in common]
    return [words[0] for words in said], rare, phrases


def _measure(
    store: EventStore, report: Report, what: str, stored: Stored, address: str, times: int
) -> None:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)
    for name, asked in LISTS.items():
        chance = random.Random(name)
        chosen = [asked.parameters(chance, stored) for _ in range(times)]
        if asked.path in (SESSIONS, RESPONSES):
            chosen = [{**parameters, "limit": PAGE} for parameters in chosen]
        paths = [f"{asked.path}?{urlencode(parameters)}" for parameters in chosen]
        connection.close()  # it may have idled for longer than the server keeps it
        try:
            entries = ask(connection, paths[0])  # what the first one warms up is not measured
        except RefusedError as error:
            progress(f"pages: {what}: {name} is refused: {error}")
            report.notes[f"refused, {what}: {name}"] = {"why": str(error)}
            continue
        taken: list[float] = []
        processor: list[float] = []
        processes = [*children(), *backends(store.engine)]
        for path in paths:
            before = taken_ms(processes)
            taken.append(1000 * timed(partial(ask, connection, path)))
            processor.append(taken_ms(processes) - before)
            if len(taken) >= LEAST_ASKED and sum(taken) > LONGEST_MS:
                break
        details: dict[str, float] = {"median ms": statistics.median(taken)}
        details["processor ms"] = percentile(processor, 95).value
        if len(taken) < times:
            details["asked"] = len(taken)
        if asked.path in (SESSIONS, RESPONSES):
            details["statement ms"] = percentile(_statements(store, asked.path, chosen), 95).value
        details["entries of the first"] = entries
        report.add(
            f"{what}: {name}",
            percentile(taken, 95),
            TARGET_MS,
            at_most=True,
            unit=" ms",
            **details,
        )


class RefusedError(RuntimeError):
    """The server does not answer such a question."""


def ask(connection: http.client.HTTPConnection, path: str) -> int:
    """Ask, and read the answer whole; how many entries it has."""
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status in (400, 503):
        raise RefusedError(f"{answer.status} {body[:300]!r}")
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
    if path.startswith("/v1/"):
        return len(json.loads(body)["data"])
    return body.count(b"<tr data-id=")


def _statements(store: EventStore, path: str, chosen: list[Parameters]) -> list[float]:
    """Milliseconds of the pages' bare statements, with what is asked to choose how to begin."""
    taken = []
    for parameters in chosen[:20]:
        with read(store.engine) as tx:
            begin = time.perf_counter()
            _run(tx, path, parameters)
            taken.append(1000 * (time.perf_counter() - begin))
    return taken


def _run(tx: Transaction, path: str, parameters: Parameters) -> None:
    names = {"q": "text", "created[gte]": "since", "created[lt]": "until"}
    paging = {name: parameters[name] for name in ("limit", "order", "after") if name in parameters}
    filters: Parameters = {"metadata": {}}
    for name, value in parameters.items():
        if name.startswith("metadata["):
            filters["metadata"][name[9:-1]] = value
        elif name not in (*paging, "summary", "live"):
            filters[names.get(name, name)] = value
    if path == RESPONSES:
        page = checked_filter(ResponsePaging, paging)
        tx.rows(*responses_sql(tx, checked_filter(ResponseFilter, filters), page))
    else:
        live = "live" in parameters
        wanted = checked_filter(SessionFilter, filters)
        page_of_sessions = checked_filter(SessionPaging, paging)
        tx.rows(*sessions_sql(tx, wanted, page_of_sessions, live, "s.wire, s.notes, s.session_id"))
