"""Deliver what can be delivered: one frame's trouble keeps no other out of the log."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

from eventstore.capture.recorder.deliver import deliver, deliver_missing
from eventstore.capture.recorder.spool.spool_format import Destination, Entry
from eventstore.capture.recording import notes
from eventstore.common import unforeseen
from eventstore.errors import (
    BrokenHeadError,
    ClosedError,
    DatabaseUnavailableError,
    ErasedError,
    ForkError,
    SchemaError,
)
from eventstore.store.database.connections.drivers import error_classes
from eventstore.store.sessions.log import WritableLog
from eventstore.store.sessions.projection_failures import note_failure
from eventstore.store.sessions.repair import repair_session

_LOGGER = logging.getLogger("eventstore.recorder")
# The database is there and will never take it: no reason to wait for it.
_REFUSALS = (
    sqlite3.DataError,
    sqlite3.IntegrityError,  # its rows stand behind its head, say: see `eventstore verify`
    "DataError",
    "IntegrityError",
    "ProgramLimitExceeded",
)


def is_outage(error: Exception) -> bool:
    """Whether it may go well later."""
    if isinstance(error, DatabaseUnavailableError):
        return not isinstance(error.__cause__, error_classes(*_REFUSALS))
    return isinstance(error, SchemaError | ClosedError | ForkError)


def deliver_always(
    log: WritableLog, destination: Destination, entries: Sequence[Entry], sure: bool = False
) -> list[Entry]:
    """Append entries; where one cannot be, without read models, and at last without that one.

    Args:
        sure: none of them can be there already.

    Returns:
        Those that the database refuses; the log has a note in the place of each, but for a
        session that was erased: there it has nothing.

    Raises:
        DatabaseUnavailableError, SchemaError: whether they were written is not known.
    """
    if destination.erased:
        return list(entries)
    try:
        (deliver if sure else deliver_missing)(log, destination, entries)
    except ErasedError as error:
        destination.erased = True
        _LOGGER.error("recording %s: %s; what comes is lost", destination.key, error)
        return list(entries)
    except Exception as error:
        if is_outage(error):
            raise
        if not _deliver_repaired(log, destination, entries, error):
            _deliver_log_only(log, destination, entries, error)
    return [entry for entry in entries if entry.number in destination.refused]


def _deliver_repaired(
    log: WritableLog, destination: Destination, entries: Sequence[Entry], error: Exception
) -> bool:
    """Where events stand behind the session's head, repair that, and append entries."""
    if not isinstance(error, BrokenHeadError):
        return False
    _LOGGER.error("recording %s: %s", destination.key, error)
    try:
        if repair_session(log.engine, error.session_id).unmended:
            return False
        deliver_missing(log, destination, entries)
    except Exception as again:
        if is_outage(again):
            raise
        return False
    _LOGGER.warning("recording %s: the session was repaired", destination.key)
    return True


def _deliver_log_only(
    log: WritableLog, destination: Destination, entries: Sequence[Entry], error: Exception
) -> None:
    """The truth first: a fault in projecting keeps no frame out of the log."""
    try:
        deliver_missing(log, destination, entries, projects=False)
    except Exception as again:
        if is_outage(again):
            raise
        for entry in entries:
            _deliver_one(log, destination, entry)
        return
    unforeseen.count_faults(unforeseen.NOT_PROJECTED, len(entries))
    unforeseen.log_fault(_LOGGER, "projecting what came", error)
    if destination.session_id is not None:
        failed = unforeseen.as_store_error(f"session {destination.session_id}", error)
        note_failure(log.engine, destination.session_id, failed)


def _deliver_one(log: WritableLog, destination: Destination, entry: Entry) -> None:
    """Append one entry, or a note of its refusal in its place."""
    refusal = _try(log, destination, entry)
    if refusal is None:
        return
    destination.refused.add(entry.number)
    name = type(refusal.__cause__ or refusal).__name__
    _LOGGER.error("recording %s: a frame cannot be stored: %s", destination.key, name)
    unforeseen.log_fault(_LOGGER, "storing a frame", refusal)
    facts = {"frames": {entry.frame.direction: 1}, "error": name}
    note = notes.gap("refused", facts, entry.frame.at)
    refusal = _try(log, destination, entry._replace(frame=note))
    if refusal is not None:
        name = type(refusal.__cause__ or refusal).__name__
        _LOGGER.error("recording %s: nor can a note of that: %s", destination.key, name)


def _try(log: WritableLog, destination: Destination, entry: Entry) -> Exception | None:
    """Append one entry, with or without read models; why that cannot be."""
    refusal = None
    for projects in (True, False):
        try:
            deliver_missing(log, destination, [entry], projects)
        except Exception as error:
            if is_outage(error):
                raise
            refusal = error
        else:
            return None
    return refusal
