"""Stores to fuzz: a fresh one for each example, of any form, on SQLite or PostgreSQL."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import psycopg
from fuzz.streams import Form, Session
from fuzz.tally import Tally
from sqlalchemy.engine import make_url

from eventstore import EventStore
from eventstore.realtime.endings import CLOSING
from eventstore.store.database.tables.declared import metadata
from eventstore.store.database.transaction import read


class Ids(NamedTuple):
    """What a store has, by its kinds of ids."""

    sessions: list[str]
    responses: list[str]
    items: list[str]
    conversations: list[str]


class Opened(NamedTuple):
    """A store, and what commands need to find it.

    Attributes:
        url, keys_url: of its database, and of its keys' where it is encrypted.
        folder: an empty folder of its own.
    """

    store: EventStore
    url: str
    keys_url: str | None
    folder: Path


class Places:
    """Where stores are made.

    Args:
        folder: for their files; emptied for each store.
        template: an SQLite file with the schema.
        postgres_url: a PostgreSQL database with the schema, which is emptied; None for SQLite.
    """

    def __init__(self, folder: Path, template: Path, postgres_url: str | None) -> None:
        self._folder, self._template, self._postgres_url = folder, template, postgres_url

    @property
    def database(self) -> str:
        """The kind of the stores' database."""
        return "sqlite" if self._postgres_url is None else "postgresql"

    @contextmanager
    def open(self, form: Form) -> Iterator[Opened]:
        """A new store."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        url = self._postgres_url or self.copied("store.db")
        if self._postgres_url is not None:
            _empty(self._postgres_url)
        keys = self.copied("keys.db") if form.encrypted else None
        projection = "deferred" if form.deferred else "inline"
        # Commands move segments into the folder: whoever reads them then may.
        allowed = mock.patch.dict(os.environ, {"EVENTSTORE_SEGMENTS": self._folder.as_uri()})
        with allowed, EventStore(url, projection, keys=keys, check_schema=False) as store:  # type: ignore[arg-type]
            yield Opened(store, url, keys, self._folder)

    def copied(self, name: str) -> str:
        """The URL of another empty SQLite database."""
        path = self._folder / name
        shutil.copyfile(self._template, path)
        return f"sqlite:///{path}"


def _empty(url: str) -> None:
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    deletes = "; ".join(f"DELETE FROM {table}" for table in metadata.tables)
    with psycopg.connect(dsn, options="-c lock_timeout=10s") as connection:
        connection.execute(deletes.encode())


def write(tally: Tally, opened: Opened, form: Form, written: list[Session]) -> None:
    """Write sessions into a store, project them, and look whether a rebuild finds the same."""
    store = opened.store
    for session in written:
        if session.metadata:
            tally.ask(
                "writes", "metadata", lambda s=session: store.set_metadata(s.session_id, s.metadata)
            )
        for number, batch in enumerate(session.batches, 1):
            closes = session.closed and number == len(session.batches)
            tally.counts["frames"] += len(batch)
            tally.ask(
                "writes",
                "append",
                lambda s=session, b=batch, c=closes: store.append(s.session_id, b, close=c),
            )
    tally.ask("writes", "project", store.project)
    for session in written:
        done = tally.ask("writes", "rebuild", lambda s=session: store.rebuild(s.session_id))
        for one in done.done if done else ():
            if one.changed:
                tally.fail("rebuild", "rows of appends differ from a rebuild's", repr(one))
        _check_kept(tally, store, session)
    if form.sealed:
        _seal(tally, store, written)
    for session in written:
        _score(tally, store, session.session_id)
    _check_scores(tally, store)


def _seal(tally: Tally, store: EventStore, written: list[Session]) -> None:
    """Close and seal sessions, and look whether all of them is kept."""
    for session in written:
        tally.ask("writes", "close", lambda s=session: store.append(s.session_id, [], close=True))
    ids = [session.session_id for session in written]
    sealed = tally.ask("writes", "seal", lambda: store.seal(ids))
    for failure in sealed.failed if sealed else ():
        tally.fail("seal", "a closed session cannot be sealed", str(failure.error))
    for session in written:
        _check_kept(tally, store, session)


def _check_scores(tally: Tally, store: EventStore) -> None:
    """Look whether a rebuild finds the rows of scores that appends wrote."""
    tally.ask("writes", "project", store.project)
    done = tally.ask("writes", "rebuild", store.rebuild)
    for one in done.done if done else ():
        if one.changed:
            tally.fail("rebuild", "rows of scores differ from a rebuild's", repr(one))


def _score(tally: Tally, store: EventStore, id_: str) -> None:
    """Score a session, and a response that it may have."""
    values = (0.25, True, "refund", "two\nlines", None, float("inf"), "\ud83d")
    for number, value in enumerate(values):
        given = {"response": "resp_1"} if number % 2 else {"reason": "fuzzed"}
        tally.ask(
            "writes",
            "score",
            lambda v=value, g=given: store.score(id_, "helpful", v, by="judge", **g),
        )


def _check_kept(tally: Tally, store: EventStore, session: Session) -> None:
    """Every frame is there as it came, no fold failed, and the log proves sound."""
    id_ = session.session_id
    sent = [(f.direction, f.text, f.at) for batch in session.batches for f in batch]
    found = tally.ask("verbs", "events", lambda: store.events(id_)) or []
    kept = [(event.direction, event.text, event.at) for event in found]
    if len(kept) > len(sent) and kept[-1] == CLOSING:
        kept.pop()  # the note that the session was closed
    begins = len(kept) - len(sent) if session.metadata else 0
    if kept[max(0, begins) : max(0, begins) + len(sent)] != sent:
        tally.fail("events", "frames are not as they came", f"{sent!r}\n{kept!r}")
    verified = tally.ask("verbs", "verify", lambda: store.verify(id_))
    if verified is not None and verified.failed:
        tally.fail("verify", "a sound session is told to be damaged", repr(verified))
    shown = tally.ask("verbs", "state", lambda: store.state(id_))
    for noted in shown["session"]["eventstore"]["diagnostics"] if shown else ():
        if "fold_error" in str(noted):
            tally.fail("fold", f"fold_error: {str(noted)[:150]}", repr(noted))


def ids_of(opened: Opened) -> Ids:
    """The ids of what a store has."""
    with read(opened.store.engine) as tx:

        def found(column: str, table: str) -> list[str]:
            sql = f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY 1"
            return [row[0] for row in tx.rows(sql)]

        return Ids(
            found("session_id", "streams"),
            found("response_id", "responses"),
            found("item_id", "items"),
            found("conversation_id", "conversations"),
        )
