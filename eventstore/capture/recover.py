"""Write what a process left in the spool that ended before it could: after a crash, say."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from eventstore.capture import leftovers, notes
from eventstore.capture.deliver import place
from eventstore.capture.deliver_always import deliver_always
from eventstore.capture.flow import by_recording
from eventstore.capture.spool_file import Destination, Entry, frames_in
from eventstore.errors import DatabaseUnavailableError, ErasedError, SchemaError
from eventstore.event_store import EventStore
from eventstore.store.sessions import is_closed

_LOGGER = logging.getLogger("eventstore.recorder")
_PIECE = 1000
_CUT_OFF = "the recorder ended before the session; what came last may be missing"


class Recovered(NamedTuple):
    """What was found of one process.

    Attributes:
        name: its files'.
        frames: in its spool; all are in the database now.
        sessions: that it recorded and had not ended.
        damaged: files with damage in them, which are kept under another name.
    """

    name: str
    frames: int
    sessions: list[str]
    damaged: list[Path]


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
            with suppress(FileNotFoundError):  # its process has written it meanwhile
                entries = leftovers.entries_of(path, begun)
                frames += frames_in(entry for entry in entries if entry is not None)
        lock = leftovers.take_over(folder, name)
        if lock is not None:
            lock.close()
        found.append(Waiting(name, lock is not None, frames, sorted(begun.keys() - ended)))
    return found


def recover_next(store: EventStore, folder: Path) -> Recovered | None:
    """Recover the oldest process that has ended, if there is one.

    Raises:
        DatabaseUnavailableError: it is all still there.
    """
    for name in leftovers.names(folder):
        try:
            found = recover(store, folder, name)
        except (DatabaseUnavailableError, SchemaError):
            raise
        except Exception:  # one's damage stops no other's, and no recording
            _LOGGER.exception("what the recorder %s left cannot be read; it stays there", name)
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
    store: EventStore, folder: Path, name: str, progress: Callable[[int], None] | None = None
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
        begun, ended = leftovers.begun_by(folder, name)
        frames, damaged = 0, []
        for path in leftovers.segments(folder, name):
            entries = leftovers.entries_of(path, begun)
            while piece := list(islice(entries, _PIECE)):
                whole = [entry for entry in piece if entry is not None]
                for key, group in by_recording(whole).items():
                    deliver_always(store, begun[key], group)
                    if group[-1].closing:
                        ended.add(key)
                frames += frames_in(whole)
                if progress is not None:
                    progress(frames)
                if len(whole) < len(piece):
                    damaged.append(path.rename(path.with_suffix(".damaged")))
            path.unlink(missing_ok=True)
        left = (destination for key, destination in begun.items() if key not in ended)
        sessions = list(_closed(store, left))
        leftovers.delete(folder, name)
    return Recovered(name, frames, sessions, damaged)


def _closed(store: EventStore, destinations: Iterator[Destination]) -> Iterator[str]:
    """Close sessions that were cut off; their ids."""
    for destination in destinations:
        try:
            session_id, head = place(store, destination)
        except ErasedError:
            continue
        if head and is_closed(store.engine, session_id):
            continue
        frames = [notes.closed("recorder", None, _CUT_OFF, None)]
        if not head and destination.opened is not None:
            frames.insert(0, destination.opened)  # not one of its frames was written
        entries = [Entry(destination.key, head + n, frame) for n, frame in enumerate(frames, 1)]
        entries[-1] = entries[-1]._replace(closing=True)
        deliver_always(store, destination, entries)
        yield session_id
