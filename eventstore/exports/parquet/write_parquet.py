"""Write responses, items, usage and scores of sessions to Parquet files, for DuckDB and others.

The files have the rows of the read models with typed columns, and each whole resource as JSON text.
Needs `pyarrow`, which the extra `parquet` brings. Called by the command `export --format parquet`
and as `eventstore.write_parquet`.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from eventstore.errors import EventStoreError, Failure
from eventstore.exports.parquet.columns import (
    ITEM_COLUMNS,
    RESPONSE_COLUMNS,
    SCORE_COLUMNS,
    USAGE_COLUMNS,
)
from eventstore.exports.parquet.item_words import languages_of, timed_words_of
from eventstore.exports.parquet.live_columns import live_item_columns, live_response_columns
from eventstore.exports.parquet.table_file import TableFile
from eventstore.pricing.prices import Prices
from eventstore.projection.views.usage import Tokens
from eventstore.realtime.masking.mask import mask_entry, mask_frame, mask_value, mask_words
from eventstore.realtime.values import dumps, loads, mapping, storable
from eventstore.store.database.engine_options import prices_of
from eventstore.store.database.outages import attempt
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.queries import read_tables
from eventstore.times import parse_time

if TYPE_CHECKING:
    from eventstore.store.sessions.log import Log

#: So many sessions are read in one transaction, so that the four files agree about each session.
_TOGETHER = 100
# Bytes of their rows that are held in memory; beyond that they are in a temporary file.
_IN_MEMORY = 16 * 1024 * 1024
_FIRST_TOKENS = 8


class Written(NamedTuple):
    """How many rows the Parquet files have, and of how many sessions.

    Attributes:
        sessions: Rows of sessions.
        responses: Rows of responses.
        items: Rows of items.
        usage: Rows of usage.
        scores: Rows of scores.
    """

    sessions: int
    responses: int
    items: int
    usage: int
    scores: int


class RowsRead(NamedTuple):
    """The rows that were read for some sessions.

    Attributes:
        sessions: How many sessions.
        numbers: How many rows of responses, of items, of usage and of scores.
        rows: A file with all rows, in this order.
    """

    sessions: int
    numbers: list[int]
    rows: IO[bytes]


def write_parquet(
    log: Log,
    session_ids: Iterable[str],
    folder: Path,
    progress: Callable[[int], None] | None = None,
    failures: list[Failure] | None = None,
) -> Written:
    """Write the files `responses`, `items`, `usage` and `scores`, `.parquet` each: all, or none.

    Args:
        log: The store.
        session_ids: The sessions. They are taken one by one, so they may be all of a large store.
        folder: The folder for the files. It is made if it is not there.
        progress: Called with the number of sessions so far.
        failures: Sessions that cannot be read are added here and left out. None raises the error
            of the first one.

    Raises:
        NotFoundError: There is no such session.
        MissingExtraError: `pyarrow` is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sessions = 0
    with ExitStack() as stack:
        files = [
            stack.enter_context(TableFile(folder / f"{name}.parquet", columns))
            for name, columns in (
                ("responses", RESPONSE_COLUMNS),
                ("items", ITEM_COLUMNS),
                ("usage", USAGE_COLUMNS),
                ("scores", SCORE_COLUMNS),
            )
        ]
        for ids in _batches(session_ids):
            for found in _found(log, ids, failures):
                with found.rows as rows:
                    for file, number in zip(files, found.numbers, strict=True):
                        file.write_all(_kept(rows, number))
                sessions += found.sessions
            if progress is not None:
                progress(sessions)
        for file in files:
            file.finish()
        for file in files:
            file.publish()
    return Written(sessions, *(file.rows for file in files))


def _batches(session_ids: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(session_ids)
    while ids := list(islice(iterator, _TOGETHER)):
        yield ids


def _found(log: Log, ids: Sequence[str], failures: list[Failure] | None) -> Iterator[RowsRead]:
    """Yield the rows of sessions: of all together, or one by one if some cannot be read."""
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
            usage = partial(_usage, prices_of(log.engine))
            numbers = [_keep(rows, make(tx, ids)) for make in (_responses, _items, usage, _scores)]
    except BaseException:
        rows.close()
        raise
    rows.seek(0)
    return RowsRead(len(ids), numbers, rows)


def _keep(file: IO[bytes], rows: Iterable[Row]) -> int:
    number = 0
    for row in rows:
        pickle.dump(row, file)
        number += 1
    return number


def _kept(file: IO[bytes], number: int) -> Iterator[Row]:
    for _ in range(number):
        row: Row = pickle.load(file)  # noqa: S301 (written above, to a file without a name)
        yield row


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
    return [
        (mask_words(value[0]), mask_entry(*value)) if isinstance(value, tuple) else value
        for value in values
    ]


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
