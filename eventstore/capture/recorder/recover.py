"""Write to the database what a process left in the spool that ended too early, such as by a crash.

The writer calls `recover_next` before it reads its own spool; `eventstore spool` calls the rest.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from eventstore.capture.recorder.deliver import find_session
from eventstore.capture.recorder.deliver_always import deliver_always
from eventstore.capture.recorder.recorder_state import by_recording
from eventstore.capture.recorder.spool import orphaned_spools
from eventstore.capture.recorder.spool.spool_format import Entry, TargetSession, frames_in
from eventstore.capture.recording import notes
from eventstore.capture.recording.same_call import note_ended
from eventstore.common import unforeseen
from eventstore.errors import ErasedError, EventStoreError, Failure
from eventstore.store.database.outages import attempt, is_outage
from eventstore.store.log.session_facts import is_closed
from eventstore.store.sessions.log import WritableLog

_LOGGER = logging.getLogger("eventstore.recorder")
# How much is appended at once: entries, and characters of their frames.
_BATCH_ENTRIES, _BATCH_CHARACTERS = 1000, 16 * 1024 * 1024
_CLOSE_REASON = "the recorder ended before the session; what came last may be missing"


class Recovered(NamedTuple):
    """What was found of one process, and written.

    Attributes:
        name: The name that its files begin with.
        frames: How many frames were in its spool.
        sessions: Ids of sessions that it had not ended, and that are closed now.
        damaged: Files with damage in them, which are kept under another name.
        failures: Recordings that could not be written. Their entries are kept beside the spool.
    """

    name: str
    frames: int
    sessions: list[str]
    damaged: list[Path]
    failures: list[Failure]


class SpoolStatus(NamedTuple):
    """What one process has in the spool.

    Attributes:
        name: The name that its files begin with.
        ended: Whether the process has ended, so that it will not write the entries itself.
        frames: How many frames there are.
        sessions: Keys of recordings that it has not ended.
    """

    name: str
    ended: bool
    frames: int
    sessions: list[str]


def spool_status(folder: Path) -> list[SpoolStatus]:
    """Return what each process has in the spool, the oldest first; nothing is changed."""
    statuses = []
    for name in orphaned_spools.process_names(folder):
        begun, ended = orphaned_spools.read_journal(folder, name)
        frames = 0
        for path in orphaned_spools.spool_files(folder, name):
            with suppress(OSError):  # the process has written and deleted it meanwhile
                entries = orphaned_spools.read_entries(path, begun)
                frames += frames_in(entry for entry in entries if entry is not None)
        lock = orphaned_spools.take_over(folder, name)
        if lock is not None:
            lock.close()
        statuses.append(SpoolStatus(name, lock is not None, frames, sorted(begun.keys() - ended)))
    return statuses


def recover_next(log: WritableLog, folder: Path) -> Recovered | None:
    """Recover the oldest process that has ended; return None if there is none.

    Raises:
        DatabaseUnavailableError: If the database is away; nothing in the spool is lost by that.
    """
    for name in orphaned_spools.process_names(folder):
        try:
            recovered = recover(log, folder, name)
        except Exception as error:  # the other processes' files are still read
            if is_outage(error):
                raise
            unforeseen.log_fault(_LOGGER, "reading what a recorder left in the spool", error)
            continue
        if recovered is not None:
            _LOGGER.warning(
                "recovered %s frames and %s open sessions of a recorder that had ended",
                recovered.frames,
                len(recovered.sessions),
            )
            return recovered
    return None


def recover(
    log: WritableLog, folder: Path, name: str, progress: Callable[[int], None] | None = None
) -> Recovered | None:
    """Append the entries that a process has spooled, and close the sessions that it had not closed.

    Args:
        progress: Called with the number of frames so far.

    Returns:
        What was found; None if the process is alive, or another process recovers it.

    Raises:
        DatabaseUnavailableError: If the database is away; what is not written stays in the spool.
    """
    lock = orphaned_spools.take_over(folder, name)
    if lock is None:
        return None
    with lock:
        recovery = _Recovery(log, folder, name)
        for path in orphaned_spools.spool_files(folder, name):
            recovery.append(path, progress)
        sessions = list(recovery.close())
        orphaned_spools.delete_files(folder, name)
    failures = list(recovery.failed())
    return Recovered(name, recovery.frames, sessions, recovery.damaged, failures)


class _Recovery:
    """Moves one process's files into the store; an error in one recording does not stop the others.

    Attributes:
        frames: How many frames were read so far.
        damaged: Files with damage in them, which are kept under another name.
    """

    def __init__(self, log: WritableLog, folder: Path, name: str) -> None:
        self._store, self._folder, self._name = log, folder, name
        self._begun, self._ended = orphaned_spools.read_journal(folder, name)
        self._failures: dict[str, EventStoreError] = {}
        self._refused: Counter[str] = Counter()
        self.frames = 0
        self.damaged: list[Path] = []

    def append(self, path: Path, progress: Callable[[int], None] | None) -> None:
        """Append the entries of a file, keep those that the database refuses, and delete the file.

        Raises:
            DatabaseUnavailableError: If the database is away; the file is still there.
        """
        entries = orphaned_spools.read_entries(path, self._begun)
        while batch := _next_batch(entries):
            whole = [entry for entry in batch if entry is not None]
            for key, group in by_recording(whole).items():
                target = self._begun.setdefault(key, TargetSession(key))
                self._append_group(target, group)
            self.frames += frames_in(whole)
            if progress is not None:
                progress(self.frames)
            if len(whole) < len(batch):
                self.damaged.append(path.rename(path.with_suffix(".damaged")))
        path.unlink(missing_ok=True)

    def _append_group(self, target: TargetSession, entries: list[Entry]) -> None:
        key, kept = target.key, entries
        if entries[-1].closing:
            self._ended.add(key)
        if key not in self._failures:
            appending = partial(deliver_always, self._store, target, entries)
            done = attempt(f"recording {key}", appending)
            if isinstance(done, EventStoreError):
                _LOGGER.error("recording %s cannot be written: %s", key, Failure(key, done).kind)
                self._failures[key] = done
            else:
                kept = [] if target.erased else done
                if entries[-1].closing:
                    note_ended(self._store, target.session_id)
        if kept:
            orphaned_spools.keep_refused(self._folder, self._name, target, kept)
            self._refused[key] += len(kept)

    def close(self) -> Iterator[str]:
        """Close the sessions that were cut off, and yield their ids."""
        for key, target in self._begun.items():
            if key in self._ended or key in self._failures:
                continue
            closed = attempt(f"recording {key}", partial(_close, self._store, target))
            if isinstance(closed, EventStoreError):
                self._failures[key] = closed
            elif closed is not None:
                yield closed

    def failed(self) -> Iterator[Failure]:
        """Yield a failure for each recording that could not be written, wholly or in part."""
        where = self._folder / f"{self._name}{orphaned_spools.REFUSED}"
        for key, number in self._refused.items():
            message = f"the database refuses {number:,} of its frames; they are kept in {where}"
            self._failures.setdefault(key, EventStoreError(message))
        for key, error in self._failures.items():
            yield Failure(self._begun[key].wanted_id or key, error)


def _next_batch(entries: Iterator[Entry | None]) -> list[Entry | None]:
    """Return the entries to append next, or an empty list at the end."""
    batch, size = [], 0
    for entry in entries:
        batch.append(entry)
        size += 0 if entry is None else len(entry.frame.text)
        if len(batch) == _BATCH_ENTRIES or size > _BATCH_CHARACTERS:
            break
    return batch


def _close(log: WritableLog, target: TargetSession) -> str | None:
    """Close a session that was cut off; return its id, or None if it is closed or erased."""
    try:
        session_id, head = find_session(log, target)
    except ErasedError:
        return None
    if head and is_closed(log.engine, session_id):
        return None
    frames = [notes.closed("recorder", None, _CLOSE_REASON, None)]
    if not head and target.opened is not None:
        frames.insert(0, target.opened)  # none of its frames was written
    entries = [Entry(target.key, head + n, frame) for n, frame in enumerate(frames, 1)]
    entries[-1] = entries[-1]._replace(closing=True)
    deliver_always(log, target, entries)
    note_ended(log, session_id)
    return session_id
