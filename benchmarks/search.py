"""Search in words, in scripts without spaces and in calls of tools, and the size of its index.

A tenth of a million responses speak Japanese, and a tenth call a tool (benchmarks/query_fill.py).
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from benchmarks.databases import SQLITE, Databases, warm
from benchmarks.filled import filled_stores
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import percentile, progress, timed
from eventstore import EventStore
from eventstore.realtime.values import loads
from eventstore.store.database.transaction import Transaction, read

TARGET_MS = 300.0
ASKED = 40
PAGE = 20

#: Bytes of the index: what it is made of, by database.
SIZES = {
    "sqlite": {
        "index": "SELECT SUM(LENGTH(block)) FROM said_data",
        "words": "SELECT SUM(LENGTH(CAST(c0 AS BLOB))) FROM said_content",
    },
    "postgresql": {
        "index": "SELECT pg_relation_size('items_said')",
        "words": "SELECT SUM(pg_column_size(said_words)) FROM items",
    },
}
#: In the order of the key: any other one would sort all items first.
_FIRST = "ORDER BY session_id, item_id LIMIT 400"
SAID = f"SELECT said FROM items WHERE said {{}} '~' AND type = 'message' {_FIRST}"
CALLED = f"SELECT resource FROM items WHERE type = 'function_call' {_FIRST}"


class Words(NamedTuple):
    """Rows to take words from.

    Attributes:
        english, japanese: what was said.
        calls: resources of calls.
    """

    english: list[list[str]]
    japanese: list[str]
    calls: list[dict[str, Any]]


#: How to choose a query.
CHOSEN: dict[str, Callable[[random.Random, Words], str]] = {
    "a common word": lambda chance, words: chance.choice(words.english)[0],
    "a rare word": lambda chance, words: chance.choice(words.english)[-1],
    "a phrase": lambda chance, words: f'"{" ".join(chance.choice(words.english)[2:4])}"',
    "a prefix": lambda chance, words: f"{chance.choice(words.english)[-1][:4]}*",
    "two characters, common": lambda chance, words: chance.choice(words.japanese)[:2],
    "five characters": lambda chance, words: _part(chance, words.japanese, 5),
    "one character": lambda chance, words: chance.choice(words.japanese)[0],
    "です": lambda chance, words: "です",
    "a tool's name": lambda chance, words: chance.choice(words.calls)["name"],
    "half a tool's name": lambda chance, words: chance.choice(words.calls)["name"].split("_")[1],
    "a name of arguments": lambda chance, words: "order_id",
    "a value of arguments": lambda chance, words: _argument(chance.choice(words.calls)),
}


def _part(chance: random.Random, texts: list[str], length: int) -> str:
    text = chance.choice([text for text in texts if len(text.split("。")[0]) >= length])
    return text.split("。")[0][:length]


def _argument(call: dict[str, Any]) -> str:
    return str(loads(call["arguments"])["order_id"])


def run(databases: Databases, options: Options) -> Report:
    """Ask for each kind of words on each database."""
    report = Report("search", "search: 95th percentile of a page of 20, by what is looked for")
    size = options.size(1_000_000)
    for store, url, what, _ in filled_stores(databases, options, report, size, is_mixed=True):
        if not options.stores:
            warm(url)
        _measure(store, report, what, options.rounds(ASKED))
    return report


def _measure(store: EventStore, report: Report, what: str, times: int) -> None:
    with read(store.engine) as tx:
        for name, sql in SIZES[tx.dialect].items():
            ((size,),) = tx.rows(sql)
            report.add(f"{what}: size of {name}", float(size) / 2**20, unit=" MiB")
        words = _words(tx)
    for verb in ("responses", "sessions"):
        for name, choose in CHOSEN.items():
            progress(f"search: {what}, {verb}, {name}")
            chance = random.Random(name)
            asked = [choose(chance, words) for _ in range(times)]
            ask = partial(getattr(store, verb), limit=PAGE)
            found = len(ask(text=asked[0]).data)
            taken = [1000 * timed(partial(ask, text=text)) for text in asked]
            report.add(
                f"{what}: {verb}, {name}",
                percentile(taken, 95),
                TARGET_MS,
                at_most=True,
                unit=" ms",
                **{"median ms": statistics.median(taken), "entries of the first": found},
            )


def _words(tx: Transaction) -> Words:
    collated = ' COLLATE "C"' if tx.dialect != SQLITE else ""
    english, japanese = (
        [str(row[0]) for row in tx.rows(SAID.format(f"{collated} {sign}"))] for sign in "<>"
    )
    calls = [loads(row[0]) for row in tx.rows(CALLED)]
    return Words([text.split() for text in english], japanese, calls)
