"""The keys of encrypted sessions, in a database of their own.

Dropping a key erases its session from every copy of the store. The database of the keys has the
store's schema, and uses two tables of it: `session_keys` with the keys, and `key_stores` with the
name by which stores refer to this database of keys. engine.py gives each engine a `KeyRing`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from uuid import uuid4

from sqlalchemy import Engine

from eventstore.encryption.cipher import Cipher, new_key
from eventstore.errors import (
    DatabaseUnavailableError,
    ErasedError,
    MissingKeyError,
    MissingSessionKeyError,
    SchemaError,
)
from eventstore.store.database import schema
from eventstore.store.database.connections import forks
from eventstore.store.database.engine_options import KEY_RING
from eventstore.store.database.identity import (
    DatabaseIdentity,
    is_same_database,
    read_identity,
    sees_commits,
)
from eventstore.store.database.retries import Result, write_retried
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.times import now

KEY_STORE_ID = "SELECT id FROM key_stores ORDER BY id LIMIT 1"
INSERT_KEY_STORE_ID = "INSERT INTO key_stores (id) VALUES (?) ON CONFLICT (id) DO NOTHING"
SESSION_KEY = "SELECT key, dropped_at, from_seq FROM session_keys WHERE session_id = ?"
INSERT_KEY = (
    "INSERT INTO session_keys (session_id, key, made_at, from_seq) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (session_id) DO NOTHING"
)
# Two statements: on a distributed database, each is then routed to the one node of the session.
LAST_EVENT = "SELECT MAX(seq) FROM events WHERE session_id = ?"
LAST_SEALED = "SELECT MAX(last_seq) FROM segments WHERE session_id = ?"
DROP_KEY = (
    "INSERT INTO session_keys (session_id, made_at, dropped_at) VALUES (?, ?, ?)"
    " ON CONFLICT (session_id) DO UPDATE SET key = NULL, dropped_at = excluded.dropped_at"
    " WHERE session_keys.key IS NOT NULL"
)
DROPPED = (
    "SELECT session_id FROM session_keys WHERE dropped_at IS NOT NULL AND session_id > ?"
    " ORDER BY session_id LIMIT ?"
)

#: How long ciphers are cached, in seconds. For so long after a key was dropped, a process may still
#: use it.
_CACHE_SECONDS = 60.0
_MOST_CACHED = 10_000
_PAGE = 500


def keys_of(engine: Engine) -> KeyRing:
    """Return the keys of the sessions in an engine's database."""
    keys: KeyRing = engine.get_execution_options()[KEY_RING]
    return keys


class KeyRing:
    """The keys of a store's sessions. Each engine has one; threads may share it.

    Args:
        engine: The engine of the keys' database; None if the store is opened without keys.

    Attributes:
        engine: As given.
    """

    def __init__(self, engine: Engine | None) -> None:
        self.engine = engine
        self.renew()
        forks.renew_in_children(self)
        self._name: str | None = None
        self._matches_store = self._is_ready = False

    def renew(self) -> None:
        """Empty the cache; a forked child reads the keys that it needs itself."""
        self._ciphers: dict[str, Cipher] = {}
        self._cached_since = time.monotonic()

    def cipher_to_write(self, tx: Transaction, session_id: str) -> Cipher | None:
        """Return the cipher that encrypts a session's content, and make its key if it has none.

        The first key also marks the store as encrypted.

        Args:
            tx: A transaction of the store.

        Returns:
            The cipher; None if the store is not encrypted.

        Raises:
            MissingKeyError: The store is encrypted, and its keys are in another database, or not
                named.
            ErasedError: The session's key was dropped.
        """
        if not self._matches_store and not self._check_mark(tx) and self._name is not None:
            self._check_name(_take_name(tx, self._name))
            tx.marks_store = True
        if self.engine is None:
            return None
        return self._find(session_id) or self._make(session_id, _next_seq(tx, session_id))

    def cached_cipher(self, session_id: str) -> tuple[bool, Cipher | None]:
        """Return whether the cipher to write with is known without a query, and the cipher itself.

        Returns:
            (True, cipher), (True, None) for a store that is not encrypted, or (False, None) if only
            `cipher_to_write` can tell.
        """
        if self.engine is None or not self._matches_store:
            return self._matches_store, None
        cipher = self._cached(session_id)
        return cipher is not None, cipher

    def check_once(self, tx: Transaction) -> None:
        """Check, the first time, that these are the keys of the store.

        The keys of another store may have the same session ids.

        Raises:
            MissingKeyError: The keys are those of another store.
        """
        if self.engine is not None and not self._matches_store:
            self._check_mark(tx)

    def cipher_to_read(self, session_id: str) -> Cipher:
        """Return the cipher that decrypts a session's content. Call `check_once` before.

        Raises:
            MissingKeyError: No keys are named.
            MissingSessionKeyError: The named database of keys does not have the session's key.
            ErasedError: The session's key was dropped.
        """
        if self.engine is None:
            raise MissingKeyError(f"session {session_id} is encrypted; {_ADVICE}")
        cipher = self._find(session_id)
        if cipher is None:
            raise MissingSessionKeyError(
                f"session {session_id} is encrypted, and its key is not in the database of keys"
                " that was named"
            )
        return cipher

    def known_cipher(self, tx: Transaction, session_id: str) -> Cipher | None:
        """Return a session's cipher; None if the store is not encrypted, or the session has no key.

        Args:
            tx: A transaction of the store.

        Raises:
            MissingKeyError: The keys are those of another store.
            ErasedError: The session's key was dropped.
        """
        self.check_once(tx)
        return self._find(session_id) if self.engine is not None and self._matches_store else None

    def drop(self, session_ids: Iterable[str]) -> None:
        """Delete keys for good, so that no copy of their sessions can be read again.

        Raises:
            DatabaseUnavailableError: The database of the keys failed, and no key was dropped.
        """
        if self.engine is not None:
            ids = list(session_ids)
            self._write(self.engine, lambda tx: self._drop(tx, ids))

    def _drop(self, tx: Transaction, session_ids: list[str]) -> None:
        if not tx.postgresql:
            tx.run("PRAGMA secure_delete=ON")
        at = now()
        for session_id in session_ids:
            tx.run(DROP_KEY, (session_id, at, at))
            self._ciphers.pop(session_id, None)

    def refuse_dropped(self, session_id: str) -> None:
        """Check in the database, not in the cache, that a session's key was not dropped.

        Raises:
            ErasedError: The key was dropped; another process may have done so.
        """
        if self.engine is not None:
            self._ciphers.pop(session_id, None)
            self._find(session_id)

    def dropped_among(self, session_ids: Iterable[str]) -> set[str]:
        """Return those of some sessions whose keys were dropped, and remove them from the cache."""
        if self.engine is None:
            return set()
        found = set()
        with self._reading(self.engine) as tx:
            for session_id in session_ids:
                row = tx.row(SESSION_KEY, (session_id,))
                if row is not None and row[0] is None:
                    found.add(session_id)
                    self._ciphers.pop(session_id, None)
        return found

    def dropped(self) -> Iterator[str]:
        """Yield the ids of the sessions whose keys were dropped, in order."""
        last = ""
        while self.engine is not None:
            with self._reading(self.engine) as tx:
                rows = tx.rows(DROPPED, (last, _PAGE))
            yield from (row[0] for row in rows)
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def name(self, tx: Transaction) -> str | None:
        """Return the name of the database of keys that a store names; None if it names none."""
        row = tx.row(KEY_STORE_ID)
        return str(row[0]) if row is not None else None

    def check(self, tx: Transaction) -> bool:
        """Check that these are the keys of a store, or that the store has none.

        Args:
            tx: A transaction of the store.

        Returns:
            False if the store is not yet marked with the name of these keys.

        Raises:
            MissingKeyError: The store's keys are in another database, or not named.
        """
        marked = self.name(tx)
        if self.engine is None:
            if marked is not None:
                raise MissingKeyError(f"the database is encrypted; {_ADVICE}")
            return True
        if self._name is None:
            self._check_apart(tx, self.engine)
            self._name = self._own_name(self.engine)
        if marked is None:
            return False
        self._check_name(marked)
        return True

    def _check_mark(self, tx: Transaction) -> bool:
        """Check a store as `check` does, and remember that it is marked.

        A mark that the transaction itself has made is not remembered: it goes if the transaction is
        rolled back, and the next one must make it again.
        """
        is_marked = self.check(tx)
        self._matches_store = is_marked and not tx.marks_store
        return is_marked

    def _check_apart(self, tx: Transaction, engine: Engine) -> None:
        """Raise MissingKeyError if the keys' database is the store's own, by another URL."""

        def of_keys() -> DatabaseIdentity:
            with self._reading(engine) as keys:
                return read_identity(keys)

        writing = partial(self._write, engine) if sees_commits(tx) else None
        if is_same_database(partial(read_identity, tx), of_keys, writing):
            raise MissingKeyError("keys are kept apart: name another database for them")

    def _check_name(self, marked: str) -> None:
        if marked != self._name:
            raise MissingKeyError(
                f"the database's keys are in key store {marked}, and {self._name} was named;"
                " check --keys or EVENTSTORE_KEYS"
            )

    def _own_name(self, engine: Engine) -> str:
        made = f"keys_{uuid4().hex}"
        return self._write(engine, lambda tx: self.name(tx) or _take_name(tx, made))

    def _find(self, session_id: str) -> Cipher | None:
        cipher = self._cached(session_id)
        if cipher is not None or self.engine is None:
            return cipher
        with self._reading(self.engine) as tx:
            row = tx.row(SESSION_KEY, (session_id,))
        return self._remember(session_id, *row) if row is not None else None

    def _make(self, session_id: str, from_seq: int) -> Cipher | None:
        if self.engine is None:
            return None
        made = (session_id, new_key(), now(), from_seq)
        row = self._write(self.engine, lambda tx: _insert_key(tx, session_id, made))
        return self._remember(session_id, *row)

    @contextmanager
    def _reading(self, engine: Engine) -> Iterator[Transaction]:
        with self._ready(engine), read(engine) as tx:
            yield tx

    def _write(self, engine: Engine, work: Callable[[Transaction], Result]) -> Result:
        """Call a function within a transaction of the keys, and again after a conflict."""
        with self._ready(engine):
            return write_retried(engine, work)

    @contextmanager
    def _ready(self, engine: Engine) -> Iterator[None]:
        """Create the schema of the keys' database if needed, and name that database in errors."""
        with _errors_of_key_database():
            if not self._is_ready:
                _keep_private(engine)
                schema.ensure(engine)
                self._is_ready = True
            yield

    def _remember(
        self, session_id: str, key: bytes | None, dropped_at: int | None, from_seq: int | None
    ) -> Cipher:
        if key is None:
            raise ErasedError(session_id, dropped_at or 0, "its key was dropped", _DROPPED)
        cipher = Cipher(session_id, bytes(key), from_seq)
        self._ciphers[session_id] = cipher
        return cipher

    def _cached(self, session_id: str) -> Cipher | None:
        age = time.monotonic() - self._cached_since
        if age > _CACHE_SECONDS or len(self._ciphers) > _MOST_CACHED:
            self._ciphers, self._cached_since = {}, time.monotonic()
        return self._ciphers.get(session_id)


def _next_seq(tx: Transaction, session_id: str) -> int:
    """Return the seq of the next event: the first one that is encrypted with a new key."""
    ends = (tx.rows(sql, (session_id,))[0][0] or 0 for sql in (LAST_EVENT, LAST_SEALED))
    return 1 + max(ends)


def _insert_key(tx: Transaction, session_id: str, made: Row) -> Row:
    """Insert the key of a session, and return the key that the session has."""
    tx.run(INSERT_KEY, made)
    # Another process may have made a key at the same time.
    return tx.rows(SESSION_KEY, (session_id,))[0]


def upgrade(engine: Engine) -> None:
    """Create or upgrade the schema of a database of keys.

    Raises:
        SchemaError: The schema is newer than this code.
    """
    with _errors_of_key_database():
        _keep_private(engine)
        schema.upgrade(engine)


@contextmanager
def _errors_of_key_database() -> Iterator[None]:
    """Say in errors that they are of the database of the keys."""
    try:
        yield
    except DatabaseUnavailableError as error:
        raise DatabaseUnavailableError(f"the database of keys: {error}") from error
    except SchemaError as error:
        raise SchemaError(f"the database of keys: {error}") from error


def _keep_private(engine: Engine) -> None:
    """Create the file of a new SQLite database so that only its owner may read it."""
    path = engine.url.database if engine.dialect.name == "sqlite" else None
    if path and not path.startswith((":memory:", "file:")):
        with suppress(OSError):  # The file exists; or SQLite says later what is wrong.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))


def _take_name(tx: Transaction, name: str) -> str:
    """Give a database without a name this name, and return the name that it has now.

    Another process may have been faster, with another name.
    """
    from eventstore.store.database.tables.day_tables import DROP_SCORE_SUMS  # slow to import

    if tx.postgresql:
        tx.run("LOCK TABLE key_stores IN SHARE ROW EXCLUSIVE MODE")
    row = tx.row(KEY_STORE_ID)
    if row is not None:
        return str(row[0])
    tx.run(INSERT_KEY_STORE_ID, (name,))
    for statement in DROP_SCORE_SUMS:  # From now on, labels are encrypted.
        tx.run(statement)
    return name


_DROPPED = "; where a backup brought it back, run: eventstore erase --without-key"
_ADVICE = "name the database of its keys by --keys or EVENTSTORE_KEYS"
