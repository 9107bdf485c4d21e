"""Return what a store contains and what is wrong with it, for `status` and the health check.

Called by verbs/upkeep.py and web/server/health.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.common.private_files import is_open_to_others
from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.store.database.engine import sqlite_file
from eventstore.store.database.engine_options import keys_engine_of
from eventstore.store.database.schema import schema_revision
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.log.tombstones import AUDIO_ONLY, WHOLE_SESSION, count_erased_sessions
from eventstore.store.maintenance.distribute import list_nodes
from eventstore.store.sessions.project import count_behind
from eventstore.store.sessions.projection_failures import (
    FailedProjection,
    count_failures,
    list_failures,
)
from eventstore.times import to_iso

COUNTS = (
    "SELECT COUNT(*), COALESCE(SUM(head_seq), 0),"
    " COUNT(CASE WHEN sealed_seq = head_seq THEN 1 END) FROM streams WHERE erased_at IS NULL"
)
ANY = "SELECT head_seq FROM streams LIMIT 1"
COUNT_ALL_RESPONSES = "SELECT COUNT(*) FROM responses"
FOLD_ERRORS = "SELECT COUNT(*), COALESCE(SUM(fold_errors), 0) FROM sessions WHERE fold_errors > 0"
WITH_FOLD_ERRORS = (
    "SELECT session_id, fold_errors FROM sessions WHERE fold_errors > 0 ORDER BY session_id LIMIT ?"
)
#: How many sessions with problems are named at most.
MOST_NAMED = 100


class Troubles(NamedTuple):
    """What is wrong with a store's read models, as numbers.

    Attributes:
        behind: How many sessions are behind their log.
        failed: How many sessions could not be projected, by the name of the error's class.
        fold_errors: How many events the projection could not handle because of a bug in it.
    """

    behind: int
    failed: dict[str, int]
    fold_errors: int


def troubles(engine: Engine) -> Troubles:
    """Return what is wrong with the read models, without the names of sessions."""
    behind = count_behind(engine)
    with read(engine) as tx:
        return Troubles(behind, count_failures(tx), int(tx.rows(FOLD_ERRORS)[0][1]))


def ping(engine: Engine) -> None:
    """Read one row of the log, to check that the database answers.

    Raises:
        DatabaseUnavailableError: The database does not answer.
    """
    with read(engine) as tx:
        tx.row(ANY)


def status(engine: Engine) -> dict[str, Any]:
    """Return the schema, the numbers of sessions, events and responses, and what is wrong.

    A session counts as sealed if all of its events are in segments.
    """
    with read(engine) as tx:
        sessions, events, sealed = tx.rows(COUNTS)[0]
        responses = tx.rows(COUNT_ALL_RESPONSES)[0][0]
        erased = count_erased_sessions(tx)
        key_store = tx.keys.name(tx)
        wrong = _wrong(tx)
    return {
        "object": "eventstore.status",
        "database": engine.url.render_as_string(hide_password=True),
        "schema": schema_revision(engine),
        "projector_version": PROJECTOR_VERSION,
        "sessions": int(sessions),
        "events": int(events),
        "responses": int(responses),
        "sealed_sessions": int(sealed),
        "key_store": key_store,
        "erased_sessions": erased[WHOLE_SESSION],
        "erased_audio": erased[AUDIO_ONLY],
        "behind": count_behind(engine),
        "nodes": [node._asdict() for node in list_nodes(engine)],
        "open_to_others": [str(path) for path in _files(engine) if is_open_to_others(path)],
        **wrong,
    }


def _wrong(tx: Transaction) -> dict[str, Any]:
    """Return the sessions that could not be projected, and those with events that did not fold."""
    failed = sum(count_failures(tx).values())
    with_errors, fold_errors = tx.rows(FOLD_ERRORS)[0]
    named = tx.rows(WITH_FOLD_ERRORS, (MOST_NAMED,)) if with_errors else []
    return {
        "failed_projections": failed,
        "failed": [_failed(one) for one in list_failures(tx, MOST_NAMED)] if failed else [],
        "fold_errors": int(fold_errors),
        "with_fold_errors": [{"session_id": id_, "fold_errors": n} for id_, n in named],
    }


def _failed(noted: FailedProjection) -> dict[str, Any]:
    return {**noted._asdict(), "failed_at": to_iso(noted.failed_at)}


def _files(engine: Engine) -> Iterator[Path]:
    """Yield the files of the store and of its keys, if they are SQLite databases."""
    for one in (engine, keys_engine_of(engine)):
        file = None if one is None else sqlite_file(one.url)
        if file is not None:
            yield from (file, file.with_name(f"{file.name}-wal"))
