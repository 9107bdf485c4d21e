"""Write what a process left in the spool that ended before it could: after a crash, say."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from eventstore.capture.recorder.deliver import place
from eventstore.capture.recorder.deliver_always import deliver_always
from eventstore.capture.recorder.recorder_state import by_recording
from eventstore.capture.recorder.spool import orphaned_spools as leftovers
from eventstore.capture.recorder.spool.spool_format import Destination, Entry, frames_in
from eventstore.capture.recording import notes
from eventstore.capture.recording.same_call import note_ended
from eventstore.common import unforeseen
from eventstore.errors import ErasedError, EventStoreError, Failure
from eventstore.store.database.outages import attempt, is_outage
from eventstore.store.log.session_facts import is_closed
from eventstore.store.sessions.log import WritableLog

_LOGGER = logging.getLogger("eventstore.recorder")
# What is appended at once: so many entries, and so many characters of theirs.
_PIECE, _PIECE_SIZE = 1000, 16 * 1024 * 1024
_CUT_OFF = "the recorder ended before the session; what came last may be missing"


class Recovered(NamedTuple):
    """What was found of one process.

    Attributes:
        name: its files'.
        frames: in its spool; all are in the database now.
        sessions: that it recorded and had not ended.
        damaged: files with damage in them, which are kept under another name.
        failures: recordings that could not be written; what they have is kept beside the spool.
    """

    name: str
    frames: int
    sessions: list[str]
    damaged: list[Path]
    failures: list[Failure]


class Waiting(NamedTuple):
    """What one process has in the spool.

    Attributes:
        name: its files'.
        ended: it has ended, so that it will not write it itself.
        frames: that are there.
        sessions: recordings that it has not ended, by key.
    """

    name: str
    ended: bool
    frames: int
    sessions: list[str]


def look(folder: Path) -> list[Waiting]:
    """What is in the spool, the oldest first; nothing is changed."""
    found = []
    for name in leftovers.names(folder):
        begun, ended = leftovers.begun_by(folder, name)
        frames = 0
        for path in leftovers.segments(folder, name):
            with suppress(OSError):  # its process has written it meanwhile
                entries = leftovers.entries_of(path, begun)
                frames += frames_in(entry for entry in entries if entry is not None)
        lock = leftovers.take_over(folder, name)
        if lock is not None:
            lock.close()
        found.append(Waiting(name, lock is not None, frames, sorted(begun.keys() - ended)))
    return found


def recover_next(log: WritableLog, folder: Path) -> Recovered | None:
    """Recover the oldest process that has ended, if there is one.

    Raises:
        DatabaseUnavailableError: it is all still there.
    """
    for name in leftovers.names(folder):
        try:
            found = recover(log, folder, name)
        except Exception as error:  # one's damage stops no other's, and no recording
            if is_outage(error):
                raise
            unforeseen.log_fault(_LOGGER, "reading what a recorder left in the spool", error)
            continue
        if found is not None:
            _LOGGER.warning(
                "recovered %s frames and %s open sessions of a recorder that had ended",
                found.frames,
                len(found.sessions),
            )
            return found
    return None


def recover(
    log: WritableLog, folder: Path, name: str, progress: Callable[[int], None] | None = None
) -> Recovered | None:
    """Append what a process has spooled, and close the sessions that it had not.

    Args:
        progress: called with the number of frames so far.

    Returns:
        What was found; None where the process lives, or another recovers it.

    Raises:
        DatabaseUnavailableError: what is not written is all still there.
    """
    lock = leftovers.take_over(folder, name)
    if lock is None:
        return None
    with lock:
        recovery = _Recovery(log, folder, name)
        for path in leftovers.segments(folder, name):
            recovery.append(path, progress)
        sessions = list(recovery.close())
        leftovers.delete(folder, name)
    failures = list(recovery.failed())
    return Recovered(name, recovery.frames, sessions, recovery.damaged, failures)


class _Recovery:
    """What one process left, on its way into the store: one recording's trouble is no other's.

    Attributes:
        frames: that were read so far.
        damaged: files with damage in them, which are kept under another name.
    """

    def __init__(self, log: WritableLog, folder: Path, name: str) -> None:
        self._store, self._folder, self._name = log, folder, name
        self._begun, self._ended = leftovers.begun_by(folder, name)
        self._failures: dict[str, EventStoreError] = {}
        self._refused: Counter[str] = Counter()
        self.frames = 0
        self.damaged: list[Path] = []

    def append(self, path: Path, progress: Callable[[int], None] | None) -> None:
        """Append the entries of a file, keep what cannot be, and delete the file.

        Raises:
            DatabaseUnavailableError: the file is still there.
        """
        entries = leftovers.entries_of(path, self._begun)
        while piece := _next_piece(entries):
            whole = [entry for entry in piece if entry is not None]
            for key, group in by_recording(whole).items():
                destination = self._begun.setdefault(key, Destination(key))
                self._append_group(destination, group)
            self.frames += frames_in(whole)
            if progress is not None:
                progress(self.frames)
            if len(whole) < len(piece):
                self.damaged.append(path.rename(path.with_suffix(".damaged")))
        path.unlink(missing_ok=True)

    def _append_group(self, destination: Destination, entries: list[Entry]) -> None:
        key, kept = destination.key, entries
        if entries[-1].closing:
            self._ended.add(key)
        if key not in self._failures:
            appending = partial(deliver_always, self._store, destination, entries)
            done = attempt(f"recording {key}", appending)
            if isinstance(done, EventStoreError):
                _LOGGER.error("recording %s cannot be written: %s", key, Failure(key, done).kind)
                self._failures[key] = done
            else:
                kept = [] if destination.erased else done
                if entries[-1].closing:
                    note_ended(self._store, destination.session_id)
        if kept:
            leftovers.keep_refused(self._folder, self._name, destination, kept)
            self._refused[key] += len(kept)

    def close(self) -> Iterator[str]:
        """Close the sessions that were cut off; their ids."""
        for key, destination in self._begun.items():
            if key in self._ended or key in self._failures:
                continue
            closed = attempt(f"recording {key}", partial(_close, self._store, destination))
            if isinstance(closed, EventStoreError):
                self._failures[key] = closed
            elif closed is not None:
                yield closed

    def failed(self) -> Iterator[Failure]:
        """The recordings that could not be written, wholly or in part."""
        where = self._folder / f"{self._name}{leftovers.REFUSED}"
        for key, number in self._refused.items():
            told = f"the database refuses {number:,} of its frames; they are kept in {where}"
            self._failures.setdefault(key, EventStoreError(told))
        for key, error in self._failures.items():
            yield Failure(self._begun[key].wanted or key, error)


def _next_piece(entries: Iterator[Entry | None]) -> list[Entry | None]:
    """The next entries; none at the end."""
    piece, size = [], 0
    for entry in entries:
        piece.append(entry)
        size += 0 if entry is None else len(entry.frame.text)
        if len(piece) == _PIECE or size > _PIECE_SIZE:
            break
    return piece


def _close(log: WritableLog, destination: Destination) -> str | None:
    """Close a session that was cut off; its id, or None where that is done."""
    try:
        session_id, head = place(log, destination)
    except ErasedError:
        return None
    if head and is_closed(log.engine, session_id):
        return None
    frames = [notes.closed("recorder", None, _CUT_OFF, None)]
    if not head and destination.opened is not None:
        frames.insert(0, destination.opened)  # not one of its frames was written
    entries = [Entry(destination.key, head + n, frame) for n, frame in enumerate(frames, 1)]
    entries[-1] = entries[-1]._replace(closing=True)
    deliver_always(log, destination, entries)
    note_ended(log, session_id)
    return session_id
