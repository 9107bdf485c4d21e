"""Make many responses of fewer ones: copies with other ids, other customers and earlier times.

The database copies the rows itself, which takes a tenth of the time of making each in Python. A
copy's ids are as scattered as those that it is made of, and it says the same words, so that each
word is in as many more items as there are copies. Called by query_fill.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from benchmarks.databases import SQLITE
from benchmarks.rounds import progress
from eventstore.store.database.tables.declared import metadata
from eventstore.store.readmodels.words.index_words import WORDS

_HEX = "0123456789abcdef"
#: Where in an id its eight scattered digits begin, and what is behind all three parts of it.
_DIGITS, _BEHIND = 7, 26


class Copies(NamedTuple):
    """What copies are made.

    Attributes:
        count: How many, beside the rows that are there.
        earlier_us: How much earlier each one is than the one before it.
        customers: How many customers those that are there have.
    """

    count: int
    earlier_us: int
    customers: int


def multiply(connection: Any, backend: str, tables: Iterable[str], copies: Copies) -> None:
    """Add copies of all rows of tables, of which indexes and primary keys may be missing.

    Args:
        connection: The driver's; each table is committed.
    """
    if backend == SQLITE:
        for number in range(1, copies.count + 1):
            connection.create_function(
                f"scatter_{number}", 1, _scattering(number), deterministic=True
            )
    for table in tables:
        if backend != SQLITE and table.startswith("said"):
            continue
        _multiply_table(connection, backend, table, copies)
        progress(f"multiply: {backend}, {table}, {copies.count} copies")


def _multiply_table(connection: Any, backend: str, table: str, copies: Copies) -> None:
    """Add the copies of one table, on SQLite in the order of the primary key.

    SQLite keeps the rows in that order, and would read and write a page for each row otherwise.
    """
    if table == "said":
        # The words stand beside the index, by the number of their row.
        ((most,),) = connection.execute("SELECT MAX(rowid) FROM said").fetchall()
        for number in range(1, copies.count + 1):
            connection.execute(
                f"INSERT INTO said (rowid, text) SELECT rowid + {number * most}, text FROM said"
                f" WHERE rowid <= {most}"
            )
        connection.commit()
        return
    columns, most = _columns(backend, table), 0
    connection.execute(f"CREATE TEMPORARY TABLE base AS SELECT * FROM {table}")
    if backend == SQLITE and table == "said_rows":
        ((most,),) = connection.execute("SELECT MAX(docid) FROM base").fetchall()
    selects = []
    for number in range(1, copies.count + 1):
        made = {
            "docid": f"docid + {most * number}",
            **_changed(backend, number, copies),
            **_of_table(backend, table, number, copies),
        }
        selected = ", ".join(made.get(name, name) for name in columns)
        selects.append(f"SELECT {selected} FROM base")
    into = f"INSERT INTO {table} ({', '.join(columns)})"
    if backend == SQLITE:
        key = len(metadata.tables[table].primary_key) if table in metadata.tables else 2
        order = ", ".join(str(number) for number in range(1, key + 1))
        connection.execute(f"{into} {' UNION ALL '.join(selects)} ORDER BY {order}")
    else:
        for select in selects:
            connection.execute(f"{into} {select}")
    connection.execute("DROP TABLE base")
    connection.commit()


def _columns(backend: str, table: str) -> list[str]:
    if table == "said_rows":
        return ["session_id", "item_id", "docid"]
    names = [column.name for column in metadata.tables[table].columns]
    return [*names, WORDS] if table == "items" and backend != SQLITE else names


def _changed(backend: str, number: int, copies: Copies) -> dict[str, str]:
    """Return SQL of the columns that each copy changes, in all tables that have them."""
    shift = number * copies.earlier_us
    return {
        **{
            f"{kind}_id": f"'{kind[:4]}_C' || {_part(backend, f'{kind}_id', number)}"
            for kind in ("session", "response")
        },
        "item_id": f"'item_C' || {_part(backend, 'item_id', number)}"
        f" || substr(item_id, {_BEHIND})",
        "conversation_id": f"'conv_C' || {_part(backend, 'session_id', number)}",
        **{
            name: f"{name} - {shift}"
            for name in ("at", "opened_at", "last_at", "counts_from")
        },
    }  # fmt: skip


def _of_table(backend: str, table: str, number: int, copies: Copies) -> dict[str, str]:
    """Return SQL of the columns that a copy changes in one table."""

    def renamed(text: str, *ids: str) -> str:
        for id_ in ids:
            old = f"substr({id_}, {_DIGITS}, {_BEHIND - _DIGITS})"
            text = f"replace({text}, {old}, {_part(backend, id_, number)})"
        return text

    response = _changed(backend, number, copies)["response_id"]
    tables = {
        "items": {"resource": renamed("resource", "item_id", "session_id")},
        "responses": {"resource": renamed("resource", "response_id", "session_id")},
        "usage": {"usage_id": f"'response/' || {response}"},
        "scores": {
            "target_id": f"CASE WHEN target_id = '' THEN '' ELSE {response} END",
            "resource": renamed("resource", "session_id"),
        },
        # The open sessions are those that were there; all copies are closed.
        "sessions": {
            **{text: renamed(text, "session_id") for text in ("wire", "notes")},
            "closed": "1",
        },
        "streams": {
            "closed_at": f"COALESCE(closed_at, last_at) - {number * copies.earlier_us}",
        },
        "session_figures": {
            "duration_us": "COALESCE(duration_us, reached_us)",
            "reached_us": "NULL",
        },
    }
    customer = _customer(backend, number, copies)
    tables |= {name: {"value": customer} for name in ("response_metadata", "session_metadata")}
    return tables.get(table, {})


def _customer(backend: str, number: int, copies: Copies) -> str:
    """Return SQL of a value of metadata; a customer's is another one in each session's copy."""
    total = copies.customers * (copies.count + 1)
    if backend == SQLITE:
        # What is behind 0x is no number for SQLite, so letters are read as their places.
        # SQLite reads no hexadecimal number from a text; any sum of the digits will do.
        digits = " + 7 * ".join(
            f"instr('{_HEX}', substr(session_id, {_DIGITS + place}, 1))" for place in range(4)
        )
        which = f"(CAST(substr(value, 10) AS INTEGER) + {copies.customers} * ({digits} + {number}))"
        name = f"printf('customer-%05d', {which} % {total})"
    else:
        number_of = f"('x' || substr(session_id, {_DIGITS}, 4))::bit(16)::int"
        which = f"(substr(value, 10)::int + {copies.customers} * ({number_of} + {number}))"
        name = f"'customer-' || lpad(({which} % {total})::text, 5, '0')"
    return f"CASE WHEN key = 'customer' THEN {name} ELSE value END"


def _part(backend: str, column: str, number: int) -> str:
    """Return SQL of the scattered digits of a copy's id, and of what is behind them."""
    digits = f"substr({column}, {_DIGITS}, 8)"
    if backend == SQLITE:
        return f"scatter_{number}({digits}) || 'Realtime{number:03d}'"
    return f"translate({digits}, '{_HEX}', '{_letters(number)}') || 'Realtime{number:03d}'"


def copied_id(id_: str, number: int) -> str:
    """Return the id that a copy has in place of another one."""
    digits = id_[_DIGITS - 1 : _DIGITS + 7].translate(str.maketrans(_HEX, _letters(number)))
    return f"{id_[: _DIGITS - 1]}{digits}Realtime{number:03d}{id_[_BEHIND - 1 :]}"


def _scattering(number: int) -> Callable[[str | None], str | None]:
    letters = str.maketrans(_HEX, _letters(number))
    return lambda digits: None if digits is None else digits.translate(letters)


def _letters(number: int) -> str:
    """Return the digits that a copy has in place of 0 to f."""
    letters = list(_HEX)
    random.Random(number).shuffle(letters)
    return "".join(letters)
