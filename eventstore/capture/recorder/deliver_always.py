"""Append what can be appended: an entry that the database refuses keeps no other out of the log.

The recorder's writer calls `deliver_always`, and so does `recover.py` for spools of other
processes.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

from eventstore.capture.recorder.deliver import deliver, deliver_missing
from eventstore.capture.recorder.spool.spool_format import Entry, TargetSession
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
from eventstore.store.sessions.projection_failures import note_projection_failure
from eventstore.store.sessions.repair import repair_session

_LOGGER = logging.getLogger("eventstore.recorder")
# The database answers, but will never take such an entry: waiting does not help.
_REFUSALS = (
    sqlite3.DataError,
    sqlite3.IntegrityError,  # such as events behind the head: see `eventstore verify`
    "DataError",
    "IntegrityError",
    "ProgramLimitExceeded",
)


def is_outage(error: Exception) -> bool:
    """Return True if the same append may succeed later, because the database is away.

    A database whose schema is missing or old counts as away too.
    """
    if isinstance(error, DatabaseUnavailableError):
        return not isinstance(error.__cause__, error_classes(*_REFUSALS))
    return isinstance(error, SchemaError | ClosedError | ForkError)


def deliver_always(
    log: WritableLog, target: TargetSession, entries: Sequence[Entry], sure: bool = False
) -> list[Entry]:
    """Append entries; without read models, or one by one, if they cannot be appended otherwise.

    Args:
        sure: None of the entries can be in the log already.

    Returns:
        The entries that the database refuses. The log has a note in the place of each. A session
        that was erased refuses all entries, and gets no notes.

    Raises:
        DatabaseUnavailableError: If it is not known whether the entries were written.
        SchemaError: If the database's schema is missing or is not this code's.
    """
    if target.erased:
        return list(entries)
    try:
        (deliver if sure else deliver_missing)(log, target, entries)
    except ErasedError as error:
        target.erased = True
        _LOGGER.error("recording %s: %s; what comes is lost", target.key, error)
        return list(entries)
    except Exception as error:
        if is_outage(error):
            raise
        if not _deliver_repaired(log, target, entries, error):
            _deliver_log_only(log, target, entries, error)
    return [entry for entry in entries if entry.number in target.refused]


def _deliver_repaired(
    log: WritableLog, target: TargetSession, entries: Sequence[Entry], error: Exception
) -> bool:
    """Repair a session that has events behind its head, and append; return True on success."""
    if not isinstance(error, BrokenHeadError):
        return False
    _LOGGER.error("recording %s: %s", target.key, error)
    try:
        if repair_session(log.engine, error.session_id).unmended:
            return False
        deliver_missing(log, target, entries)
    except Exception as again:
        if is_outage(again):
            raise
        return False
    _LOGGER.warning("recording %s: the session was repaired", target.key)
    return True


def _deliver_log_only(
    log: WritableLog, target: TargetSession, entries: Sequence[Entry], error: Exception
) -> None:
    """Append entries without read models: an error in the projection loses no frame."""
    try:
        deliver_missing(log, target, entries, projects=False)
    except Exception as again:
        if is_outage(again):
            raise
        for entry in entries:
            _deliver_or_note_refusal(log, target, entry)
        return
    unforeseen.count_faults(unforeseen.NOT_PROJECTED, len(entries))
    unforeseen.log_fault(_LOGGER, "projecting what came", error)
    if target.session_id is not None:
        failed = unforeseen.as_store_error(f"session {target.session_id}", error)
        note_projection_failure(log.engine, target.session_id, failed)


def _deliver_or_note_refusal(log: WritableLog, target: TargetSession, entry: Entry) -> None:
    """Append one entry, or a note of its refusal in its place."""
    refusal = _try_entry(log, target, entry)
    if refusal is None:
        return
    target.refused.add(entry.number)
    name = type(refusal.__cause__ or refusal).__name__
    _LOGGER.error("recording %s: a frame cannot be stored: %s", target.key, name)
    unforeseen.log_fault(_LOGGER, "storing a frame", refusal)
    facts = {"frames": {entry.frame.direction: 1}, "error": name}
    note = notes.gap("refused", facts, entry.frame.at)
    refusal = _try_entry(log, target, entry._replace(frame=note))
    if refusal is not None:
        name = type(refusal.__cause__ or refusal).__name__
        _LOGGER.error("recording %s: nor can a note of that: %s", target.key, name)


def _try_entry(log: WritableLog, target: TargetSession, entry: Entry) -> Exception | None:
    """Append one entry, with or without read models; return the error if neither is possible."""
    refusal = None
    for projects in (True, False):
        try:
            deliver_missing(log, target, [entry], projects)
        except Exception as error:
            if is_outage(error):
                raise
            refusal = error
        else:
            return None
    return refusal
