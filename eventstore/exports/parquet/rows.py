"""Make the rows of the Parquet files of the rows of read models, with secrets masked.

Called by write_parquet.py and update_parquet.py.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from eventstore.errors import EventStoreError, Failure
from eventstore.exports.parquet.item_words import languages_of, timed_words_of
from eventstore.exports.parquet.live_columns import live_item_columns, live_response_columns
from eventstore.pricing.prices import Prices
from eventstore.projection.views.usage import Tokens
from eventstore.realtime.masking.mask import mask_entry, mask_frame, mask_value, mask_words
from eventstore.realtime.values import dumps, loads, mapping, storable
from eventstore.store.database.engine_options import prices_of
from eventstore.store.database.outages import attempt
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.queries import read_tables
from eventstore.store.queries.query_sessions import listed_sessions
from eventstore.store.queries.session_versions import SessionVersion, read_versions
from eventstore.times import parse_time

if TYPE_CHECKING:
    from eventstore.store.sessions.log import Log

#: So many sessions are read in one transaction, so that the files agree about each session.
_TOGETHER = 100
# Bytes of their rows that are held in memory; beyond that they are in a temporary file.
_IN_MEMORY = 16 * 1024 * 1024
_FIRST_TOKENS = 8


class RowsRead(NamedTuple):
    """The rows that were read for some sessions.

    Attributes:
        sessions: How many sessions.
        versions: What the rows of each session were made of.
        numbers: How many rows of each table, in the order of `columns.TABLES`.
        rows: A file with all rows, in this order.
    """

    sessions: int
    versions: list[SessionVersion]
    numbers: list[int]
    rows: IO[bytes]


def batches(session_ids: Iterable[str]) -> Iterator[list[str]]:
    """Yield the ids of the sessions that are read together."""
    iterator = iter(session_ids)
    while ids := list(islice(iterator, _TOGETHER)):
        yield ids


def read_rows(log: Log, ids: Sequence[str], failures: list[Failure] | None) -> Iterator[RowsRead]:
    """Yield the rows of sessions: of all together, or one by one if some cannot be read.

    Args:
        log: The store.
        ids: The sessions.
        failures: Sessions that cannot be read are added here. None raises the first error.
    """
    if failures is None:
        yield _read(log, ids)
        return
    together = attempt("sessions", partial(_read, log, ids))
    if not isinstance(together, EventStoreError):
        yield together
        return
    for session_id in ids:
        found = attempt(f"session {session_id}", partial(_read, log, [session_id]))
        if isinstance(found, EventStoreError):
            failures.append(Failure(session_id, found))
        else:
            yield found


def _read(log: Log, ids: Sequence[str]) -> RowsRead:
    rows = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
    try:
        with read(log.engine) as tx:
            read_tables.check_sessions(tx, ids)
            # They are read first: what comes to a session meanwhile makes its rows newer than its
            # version, and never older.
            versions = read_versions(tx, ids)
            usage = partial(_usage, prices_of(log.engine))
            makers = (_sessions, _responses, _items, usage, _scores)
            numbers = [_keep(rows, make(tx, ids)) for make in makers]
    except BaseException:
        rows.close()
        raise
    rows.seek(0)
    return RowsRead(len(ids), versions, numbers, rows)


def _keep(file: IO[bytes], rows: Iterable[Row]) -> int:
    number = 0
    for row in rows:
        pickle.dump(row, file)
        number += 1
    return number


def kept_rows(file: IO[bytes], number: int) -> Iterator[Row]:
    """Yield the next rows of a table from the file that `RowsRead` has."""
    for _ in range(number):
        row: Row = pickle.load(file)  # noqa: S301 (written above, to a file without a name)
        yield row


def _sessions(tx: Transaction, ids: Sequence[str]) -> Iterator[Row]:
    for at, resource in listed_sessions(tx, ids):
        clean = mask_frame(dumps(resource)).text
        session = mapping(loads(clean))
        notes = mapping(session.get("eventstore"))
        times = (parse_time(notes.get(name)) for name in ("opened_at", "last_at", "closed_at"))
        metadata = mapping(notes.get("metadata"))
        pairs = {storable(key): _storable(value) for key, value in metadata.items()}
        yield (
            resource["eventstore"]["session_id"],
            at,
            *times,
            notes.get("closed") is True,
            notes.get("duration_ms"),
            _storable(session.get("model")),
            _storable(notes.get("protocol")),
            *(notes.get(name) for name in ("events", "responses", "interruptions", "errors")),
            list(pairs.items()),
            clean,
        )


def _responses(tx: Transaction, ids: Sequence[str]) -> Iterator[Row]:
    for rows in read_tables.table_pieces(tx, read_tables.RESPONSES, "response_id", ids):
        metadata = read_tables.read_response_metadata(tx, rows)
        for row in rows:
            *columns, resource = row
            modalities = columns[8].split(",") if columns[8] else None
            notes = mapping(mapping(loads(resource)).get("eventstore"))
            pairs = list(metadata.get((row[0], row[1]), {}).items())
            columns[8], columns[13] = modalities, bool(columns[13])
            live = live_response_columns(notes)
            yield _masked((*columns, _storable(notes.get("heard")), pairs, *live, resource))


def _masked(row: Row) -> Row:
    """Return a row with its secrets masked.

    Args:
        row: Its last column is the resource as JSON. A list of pairs is metadata.
    """
    *columns, resource = row
    clean = [mask_words(value) if isinstance(value, str) else value for value in columns]
    clean = [_masked_pairs(value) if isinstance(value, list) else value for value in clean]
    return (*clean, mask_frame(resource).text)


def _masked_pairs(values: list[Any]) -> list[Any]:
    """Return a list with its metadata masked.

    Two keys that are secrets become the same text, and the last one stays: DuckDB reads no file in
    which a map has a key twice.
    """
    if not values or not isinstance(values[0], tuple):
        return values
    return list({mask_words(key): mask_entry(key, value) for key, value in values}.items())


def _storable(value: Any) -> str | None:
    return storable(value) if isinstance(value, str) else None


def _items(tx: Transaction, ids: Sequence[str]) -> Iterator[Row]:
    places = read_tables.item_positions(tx, ids)
    for rows in read_tables.table_pieces(tx, read_tables.ITEMS, "item_id", ids):
        for *columns, resource in rows:
            columns[3] = places.get((columns[0], columns[1]))
            # Words are taken from the masked resource, because a secret may have several words.
            clean = mask_frame(resource).text
            item = mapping(loads(clean))
            heard = mapping(item.get("eventstore")).get("heard")
            stated = (heard, item.get("name"), item.get("call_id"))
            timed = (languages_of(item), *timed_words_of(item))
            live = live_item_columns(mapping(item.get("eventstore")))
            yield _masked((*columns, *map(_storable, stated), *timed, *live, clean))


def _usage(prices: Prices, tx: Transaction, ids: Sequence[str]) -> Iterator[Row]:
    for rows in read_tables.table_pieces(tx, read_tables.USAGE, "usage_id", ids):
        for row in rows:
            _, _, kind, response_id, item_id, at, model, reported = row[:_FIRST_TOKENS]
            tokens = Tokens(*row[_FIRST_TOKENS:])
            cost = prices.cost(model, tokens, reported, at).usd
            stated = (row[0], kind, response_id, item_id, at, model, bool(reported))
            yield (*stated, *tokens, None if cost is None else float(cost))


def _scores(tx: Transaction, ids: Sequence[str]) -> Iterator[Row]:
    for row in read_tables.score_rows(tx, ids):
        score = mapping(mask_value(loads(row.resource)))
        value = score.get("value")
        shown = dumps(value) if isinstance(value, bool | int | float) else _storable(value)
        target = (_storable(score.get("response_id")), _storable(score.get("item_id")))
        stated = (score.get("name"), score.get("by"), score.get("kind"))
        given_at = parse_time(score.get("at"))
        why = _storable(score.get("reason"))
        yield (row.session_id, *target, *stated, row.number, shown, why, row.at, row.seq, given_at)
