"""Completes words in a shell with session ids, metadata and models of the store.

click calls these functions by the `shell_complete` of a command's arguments and options. On any
error (no database, a damaged one, another schema, a late answer) they suggest nothing, because a
shell would show an error message in the middle of the line that somebody types.
docs/shell-completion.md says how to switch completion on.
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
MAX_WORDS = 50
#: Seconds that the database may take, since the shell waits for it.
COMPLETION_TIMEOUT = 2.0
#: Words that need no quotes in a command line. Stored texts come from outside, and other characters
#: could make the shell run a command.
_HARMLESS = re.compile(r"[\w.@%+:/=-]+")
#: The first bytes of an SQLite file, and the bytes 18 and 19 of one with a write-ahead log.
_SQLITE, _WAL = b"SQLite format 3\0", b"\2\2"

Ask = Callable[["EventStore"], list[str]]


def sessions(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids of sessions that begin with the typed word."""

    def ask(store: EventStore) -> list[str]:
        from eventstore.store.queries.suggest import session_ids

        return session_ids(store.engine, incomplete, MAX_WORDS)

    return _suggested(context, ask)


def metadata(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return keys of metadata as `KEY=`, or the pairs of a key if the word has a `=`."""
    key, sign, value = incomplete.partition("=")

    def ask(store: EventStore) -> list[str]:
        if not sign:
            return [f"{key}=" for key in store.metadata_keys(incomplete, MAX_WORDS)]
        return [f"{key}={value}" for value in store.metadata_values(key, value, MAX_WORDS)]

    return _suggested(context, ask)


def keys(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return keys of metadata."""
    return _suggested(context, lambda store: store.metadata_keys(incomplete, MAX_WORDS))


def models(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the models that begin with the typed word."""
    return _suggested(
        context, lambda store: [name for name in store.models() if name.startswith(incomplete)]
    )


def _suggested(context: click.Context, ask: Ask) -> list[str]:
    """Return the suggestions of the command line's store, or none if it does not answer in time.

    Args:
        context: The command line that is typed.
        ask: Reads suggestions from the store.
    """
    logging.getLogger("eventstore").addHandler(logging.NullHandler())
    url = context.params.get("url")
    found: list[str] = []
    # Importing them here keeps the time of the imports out of the time limit of the thread.
    import eventstore.event_store
    import eventstore.store.queries.suggest  # noqa: F401

    def answer() -> None:
        try:
            found.extend(_asked(url, ask))
        except Exception:  # a message in the middle of the typed line would not help
            found.clear()

    # Only a thread bounds everything that may be slow, such as a host name's look-up or a lock. It
    # is a daemon, so that the process ends without it.
    thread = Thread(target=answer, daemon=True)
    thread.start()
    thread.join(COMPLETION_TIMEOUT)
    return (
        []
        if thread.is_alive()
        else [word for word in found if _HARMLESS.fullmatch(word)][:MAX_WORDS]
    )


def _asked(url: str | None, ask: Ask) -> list[str]:
    from eventstore.event_store import EventStore
    from eventstore.store.database.engine import parse_url, sqlite_file
    from eventstore.store.database.schema import HEAD_REVISION, schema_revision

    parsed = parse_url(url or "")
    if parsed.drivername == "sqlite":
        file = sqlite_file(parsed)
        if file is None or not _is_store(file):
            return []
        parsed = _existing(parsed, file)
    else:
        parsed = parsed.update_query_dict({"connect_timeout": "2"})
    address = parsed.render_as_string(hide_password=False)
    with EventStore(address, check_schema=False, time_limit=COMPLETION_TIMEOUT) as store:
        return ask(store) if schema_revision(store.engine) == HEAD_REVISION else []


def _is_store(file: Path) -> bool:
    """Return True if a file is an SQLite database with a write-ahead log, as every store has.

    A file without one must not be opened, because opening it would switch the log on.
    """
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        head = opened.read(20)
    return head.startswith(_SQLITE) and head[18:] == _WAL


def _existing(parsed: URL, file: Path) -> URL:
    """Return a URL that opens an existing file, and never creates it if it is gone by then."""
    from urllib.parse import quote

    query = {"mode": "rw", "uri": "true"}
    return parsed.set(database=f"file:{quote(str(file.absolute()))}", query=query)
