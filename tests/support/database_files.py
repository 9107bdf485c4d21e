"""The files of a database, and whether some bytes are found in them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.engine import make_url

from eventstore import EventStore
from eventstore.archive.seal import seal_session
from support.postgres import nodes
from support.secret_call import loose, secret_call, sound, words

FILES = (
    "SELECT relname, pg_read_binary_file(pg_relation_filepath(oid), true) FROM pg_class"
    " WHERE pg_relation_filepath(oid) IS NOT NULL"
)


SHAPE = (
    "SELECT table_name, ordinal_position, column_name, data_type, collation_name, is_nullable,"
    " column_default, is_identity FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype <> 'n'",
)
# What statistics show of values.
STATISTICS = (
    "SELECT 'pg_stats of ' || tablename, convert_to(string_agg(concat_ws(' ', attname,"
    " most_common_vals, histogram_bounds, most_common_elems), ' '), 'UTF8')"
    " FROM pg_stats WHERE schemaname = 'public' GROUP BY tablename"
)


def files(url: str) -> dict[str, bytes]:
    """The files of a database: SQLite's three, or those of all relations, TOAST and indexes.

    Of a database of Citus, those on each node.
    """
    parsed = make_url(url)
    if parsed.drivername == "sqlite":
        path = Path(str(parsed.database))
        return {p.name: p.read_bytes() for p in path.parent.glob(path.name + "*")}
    found: dict[str, bytes] = {}
    for node, its_url in nodes(url).items():
        with psycopg.connect(its_url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            connection.execute("SET statement_timeout = '60s'")
            connection.execute("SET citus.override_table_visibility = off")  # shows the shards
            for what in (FILES, STATISTICS):
                rows = connection.execute(what.encode()).fetchall()
                found |= {f"{node} {name}": data or b"" for name, data in rows}
    return found


def needles(name: str) -> dict[str, bytes]:
    """What to look for: words, and from each sound its beginning and its end, in base64 as well."""
    found = {place: word.encode() for place, word in words(name).items()}
    # An index keeps words in lower case, and shares their beginnings.
    found |= {f"end of {place}": f"{name}{place}zan".encode() for place in words(name)}
    for number in range(10):
        noise = sound(name, number)
        found |= {f"sound {number} from": noise[:16], f"sound {number} to": noise[-16:]}
        found[f"base64 {number}"] = base64.b64encode(noise[:48])[:40]
    return found | {"loose": loose(name)[:60].encode()}


def found_in(held: dict[str, bytes], name: str) -> dict[str, set[str]]:
    """Which of a call's words and sounds are in which files."""
    return {
        place: files_
        for place, needle in needles(name).items()
        if (files_ := {file for file, data in held.items() if needle in data})
    }


def sounds(found: dict[str, set[str]]) -> set[str]:
    return {place for place in found if place.startswith(("sound", "base64", "loose"))}


def recorded(store: EventStore) -> None:
    """Calls of both kinds, with the leftovers of a life: rows that grew, moved and went."""
    for name in ("gone", "kept", "sealedgone", "sealedkept"):
        frames = secret_call(name).frames
        for number in range(0, len(frames), 4):
            store.append(name, frames[number : number + 4])
        store.append(name, [], close=True)
    for name in ("sealedgone", "sealedkept"):
        seal_session(store.engine, name)
    # Sums by day hold the values of metadata.
    assert len(store.sum_days().done) == 1
    with store.engine.connect() as connection:
        names = connection.execute(text("SELECT names FROM value_days")).scalars().all()
    values = {value for some in names for value in json.loads(some)["values"]}
    assert {words("gone")[place] for place in ("metadata", "tag")} <= values
    analyze(store)


def analyze(store: EventStore) -> None:
    """On PostgreSQL, which keeps values of columns as statistics."""
    if store.engine.dialect.name == "postgresql":
        dsn = store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("ANALYZE")


def shape(store: EventStore) -> list[Any]:
    """PostgreSQL's columns, constraints and indexes."""
    if store.engine.dialect.name == "sqlite":
        return []
    with store.engine.connect() as connection:
        return [sorted(map(repr, connection.execute(text(what)))) for what in SHAPE]
