"""What a shell suggests for a word that is typed: sessions, metadata and models of the store.

click asks for it, by the `shell_complete` of a command's arguments and options. Whatever is wrong
(no database, a damaged one, another schema, an answer that is late), nothing is suggested: a shell
shows what a program prints amid the line that somebody types. docs/shell-completion.md says how it
is switched on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import URL

    from eventstore.event_store import EventStore

#: How many words are suggested at most.
MOST = 50
#: Seconds that the database may take: the shell waits for it.
PATIENCE = 2.0
#: What is put into a command line as it is. What is stored came from outside, and shells run
#: what some other characters stand for.
_HARMLESS = re.compile(r"[\w.@%+:/=-]+")
#: The first bytes of a file of SQLite, and those that say that it has a write-ahead log.
_SQLITE, _WAL = b"SQLite format 3\0", b"\2\2"

Ask = Callable[["EventStore"], list[str]]


def sessions(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return ids of sessions that begin with what is typed."""

    def ask(store: EventStore) -> list[str]:
        from eventstore.store.queries.suggest import session_ids

        return session_ids(store.engine, incomplete, MOST)

    return _suggested(context, ask)


def metadata(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return `KEY=` for keys of metadata, and behind a `=` the pairs with a value of the key."""
    key, sign, value = incomplete.partition("=")

    def ask(store: EventStore) -> list[str]:
        if not sign:
            return [f"{key}=" for key in store.metadata_keys(incomplete, MOST)]
        return [f"{key}={value}" for value in store.metadata_values(key, value, MOST)]

    return _suggested(context, ask)


def keys(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return keys of metadata."""
    return _suggested(context, lambda store: store.metadata_keys(incomplete, MOST))


def models(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return models that begin with what is typed."""
    return _suggested(
        context, lambda store: [name for name in store.models() if name.startswith(incomplete)]
    )


def _suggested(context: click.Context, ask: Ask) -> list[str]:
    """Return what the store of a command line suggests; nothing where it does not answer."""
    logging.getLogger("eventstore").addHandler(logging.NullHandler())
    url = context.params.get("url")
    found: list[str] = []
    # Here, before the thread imports them again: what counts as late is the database alone.
    import eventstore.event_store
    import eventstore.store.queries.suggest  # noqa: F401

    def answer() -> None:
        try:
            found.extend(_asked(url, ask))
        except Exception:  # told in the line that is typed, it would help nobody
            found.clear()

    # A thread, since nothing else bounds all that may be slow: a name that is looked up, a lock.
    # It is a daemon, so that the process ends without it.
    thread = Thread(target=answer, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return [] if thread.is_alive() else [word for word in found if _HARMLESS.fullmatch(word)][:MOST]


def _asked(url: str | None, ask: Ask) -> list[str]:
    from eventstore.event_store import EventStore
    from eventstore.store.database.engine import parse_url, sqlite_file
    from eventstore.store.database.schema import HEAD, schema_revision

    parsed = parse_url(url or "")
    if parsed.drivername == "sqlite":
        file = sqlite_file(parsed)
        if file is None or not _is_store(file):
            return []
        parsed = _existing(parsed, file)
    else:
        parsed = parsed.update_query_dict({"connect_timeout": "2"})
    address = parsed.render_as_string(hide_password=False)
    with EventStore(address, check_schema=False, time_limit=PATIENCE) as store:
        return ask(store) if schema_revision(store.engine) == HEAD else []


def _is_store(file: Path) -> bool:
    """Return True if a file is a database with a write-ahead log, as each of a store is.

    To open another one would make it one.
    """
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        head = opened.read(20)
    return head.startswith(_SQLITE) and head[18:] == _WAL


def _existing(parsed: URL, file: Path) -> URL:
    """Return the URL of a database that is there, which is never made where it no longer is."""
    from urllib.parse import quote

    query = {"mode": "rw", "uri": "true"}
    return parsed.set(database=f"file:{quote(str(file.absolute()))}", query=query)
