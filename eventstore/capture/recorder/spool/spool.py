"""The spool: where a recorder keeps frames on disk while the database is away or slow.

Each process has its own files in the spool's folder, by a name of its own:

* `NAME.lock` is locked as long as the process lives;
* `NAME.journal` says which recordings it has begun and ended, a JSON array a line;
* `NAME.000001.spool` and so on hold entries (see spool_format.py), deleted once they are written.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import IO

from eventstore.capture.recorder.spool.orphaned_spools import ENTRIES, JOURNAL, LOCK, delete
from eventstore.capture.recorder.spool.spool_format import (
    MAGIC,
    Destination,
    Entry,
    encode_destination,
    encode_entries,
    frames_in,
    read_records,
)
from eventstore.common.folders import sync_folder
from eventstore.common.private_files import check_private_folder, make_private_folder, open_private
from eventstore.errors import InvalidInputError
from eventstore.realtime.values import dumps
from eventstore.store.database.engine import parse_url

#: Bytes after which the next file is begun, so that a drained one gives its space back.
SEGMENT = 64 * 1024 * 1024
_COMPACT_FROM = 2000
# Pieces for one system call: the least that systems allow (IOV_MAX).
_AT_ONCE = 1024


@dataclass
class _Segment:
    path: Path
    size: int = 0
    frames: int = 0
    begun: set[str] = field(default_factory=set)


class Spool:
    """One process's files. One thread appends, another reads what is appended.

    Args:
        folder: made where it is missing.
        segment: bytes after which the next file is begun.

    Raises:
        InvalidInputError: the folder cannot be written, or others may write to it.
    """

    def __init__(self, folder: Path, segment: int = SEGMENT) -> None:
        name = f"{time.time_ns() // 1000:x}-{os.getpid()}-{secrets.token_hex(3)}"
        try:
            make_private_folder(folder)
            check_private_folder(folder, "the spool")
            self._lock_file = _locked(folder, name)
            self._journal: IO[str] = _writing(folder / f"{name}{JOURNAL}")
        except OSError as error:
            raise InvalidInputError(
                f"the spool {folder} cannot be written: {error.strerror}; name another folder"
            ) from error
        self.folder, self.name = folder, name
        self._segment_bytes = segment
        self._segments: list[_Segment] = []
        self._made = 0
        self._read_at = 0
        self._next_at = self._next_frames = 0
        self._open: dict[str, Destination] = {}
        self._noted = 0
        self._lock = Lock()

    # What was begun and ended

    def begin(self, destination: Destination) -> None:
        """Note that a recording is in progress; again where its session's id was decided since.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            facts = _begun(destination)
            if facts != destination.journaled:
                self._open[destination.key] = destination
                self._note(facts)
                destination.journaled = facts

    def end(self, key: str) -> None:
        """Note that all of a recording is in the database.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            if self._open.pop(key, None) is not None:
                self._note(["ended", key])
                if self._noted > _COMPACT_FROM + 2 * len(self._open):
                    self._compact()

    def _note(self, facts: list[object]) -> None:
        # The page cache outlives the process; a machine that fails loses its last lines.
        self._journal.write(dumps(facts) + "\n")
        self._journal.flush()
        self._noted += 1

    def _compact(self) -> None:
        path = self.folder / f"{self.name}{JOURNAL}"
        shorter = path.with_suffix(".new")
        made = _writing(shorter)
        made.writelines(dumps(_begun(one)) + "\n" for one in self._open.values())
        made.flush()
        shorter.replace(path)
        self._journal.close()
        self._journal, self._noted = made, len(self._open)

    # Entries

    def append(self, entries: Iterable[Entry]) -> None:
        """Write entries to disk, synced; all of them or, where that fails, none.

        Raises:
            OSError: the disk is full, say.
        """
        segment = self._segments[-1] if self._segments else None
        if segment is None or segment.size >= self._segment_bytes or not segment.path.exists():
            segment = self._next_segment()
        entries = list(entries)
        new = {entry.key for entry in entries} - segment.begun
        with self._lock:
            told = [encode_destination(self._open[key]) for key in sorted(new)]
        pieces = [*told, *encode_entries(entries)]
        with open(segment.path, "r+b", buffering=0, opener=open_private) as stream:
            try:
                stream.seek(segment.size)
                size = _write_all(stream.fileno(), pieces)
                os.fsync(stream.fileno())
            except OSError:
                with suppress(OSError):
                    stream.truncate(segment.size)
                raise
        segment.begun |= new
        with self._lock:
            segment.size += size
            segment.frames += frames_in(entries)

    def _next_segment(self) -> _Segment:
        if not (self.folder / f"{self.name}{LOCK}").exists():
            self._settle_again()
        path = self.folder / f"{self.name}.{self._made + 1:06}{ENTRIES}"
        with open(path, "wb", opener=open_private) as stream:
            stream.write(MAGIC)
            stream.flush()
            os.fsync(stream.fileno())
        sync_folder(self.folder)
        segment = _Segment(path, len(MAGIC))
        with self._lock:
            self._made += 1
            self._segments.append(segment)
        return segment

    def _settle_again(self) -> None:
        # Somebody has deleted the folder, or what is in it. Where what it was in is gone as well, a
        # disk is away: nothing is made in its stead.
        self.folder.mkdir(exist_ok=True, mode=0o700)
        with self._lock:
            self._lock_file.close()
            self._lock_file = _locked(self.folder, self.name)
            self._compact()

    def read(self, most: int) -> list[Entry]:
        """The next entries that are appended, up to about `most` bytes; none at the end.

        They count as read once `advance` is called; until then, this gives them again.
        """
        with self._lock:
            segment = self._segments[0] if self._segments else None
            end = segment.size if segment is not None else 0
        if segment is None or self._read_at >= end:
            return []
        entries = []
        # Behind damage nothing can be read; what is missing shows in the numbers.
        self._next_at = end
        with suppress(FileNotFoundError), open(segment.path, "rb", opener=open_private) as stream:
            stream.seek(self._read_at)
            for record, place, _ in read_records(stream, end):
                self._next_at = place if record is not None else end
                if isinstance(record, Entry):
                    entries.append(record)
                if place - self._read_at >= most:
                    break
        self._next_frames = frames_in(entries)
        return entries

    def advance(self) -> int:
        """Count what was read as written, and delete files that are done with.

        Returns:
            How many frames damage has taken, or somebody who deleted a file.
        """
        with self._lock:
            lost = 0
            if self._segments:
                first = self._segments[0]
                first.frames -= self._next_frames
                self._next_frames = 0
                if self._next_at >= first.size:
                    lost, first.frames = first.frames, 0
            self._read_at = self._next_at
            while self._segments and self._read_at >= self._segments[0].size:
                # The last one is gone on with, while it is short.
                if len(self._segments) == 1 and self._segments[0].size < self._segment_bytes:
                    break
                self._drop_first()
            return lost

    def is_drained(self) -> bool:
        """Whether all that was appended counts as written."""
        with self._lock:
            return len(self._segments) <= 1 and all(
                self._read_at >= segment.size for segment in self._segments
            )

    def clear(self) -> None:
        """Delete what is drained, so that the next entry begins a new file."""
        with self._lock:
            while self._segments and self._read_at >= self._segments[0].size:
                self._drop_first()

    def _drop_first(self) -> None:
        with suppress(OSError):
            self._segments.pop(0).path.unlink()
        self._read_at = self._next_at = 0

    def close(self) -> None:
        """End: what is left is for the next process, and nothing is left where all is written."""
        with self._lock:
            kept = bool(self._segments) or bool(self._open)
            with suppress(OSError):  # on a full disk, what is in its buffer has no room
                self._journal.close()
            if not kept:
                delete(self.folder, self.name)
            self._lock_file.close()

    def leave(self) -> None:
        """Let go, in a process that is forked off: the lock and what is unwritten are not its."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (one for one in (self._lock_file, self._journal) if not one.closed):
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def default_folder(url: str) -> Path:
    """The spool's folder for a database, unless EVENTSTORE_SPOOL names one.

    It is beside an SQLite file, else with the user's state.
    """
    if named := os.environ.get("EVENTSTORE_SPOOL"):
        return Path(named)
    parsed = parse_url(url)
    if parsed.drivername == "sqlite":
        path = parsed.database or ""
        if path in ("", ":memory:") or path.startswith("file:"):
            return Path(tempfile.gettempdir()) / f"eventstore-{os.getuid()}-spool"
        return Path(f"{path}-spool").absolute()
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    place = f"{parsed.host or 'local'}-{parsed.port or 5432}-{parsed.database or ''}"
    return Path(state).expanduser() / "eventstore" / re.sub("[^A-Za-z0-9.-]", "_", place)


def _locked(folder: Path, name: str) -> IO[str]:
    # Named only once it is locked: until then it would pass for a dead process's.
    starting = folder / f"{name}.new"
    lock = _writing(starting)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    starting.rename(folder / f"{name}{LOCK}")
    return lock


def _writing(path: Path) -> IO[str]:
    return open(path, "w", encoding="utf-8", opener=open_private)


def _begun(destination: Destination) -> list[object]:
    opened = destination.opened
    note = None if opened is None else [opened.text, opened.at]
    return ["begun", destination.key, destination.wanted, destination.chosen, note]


def _write_all(descriptor: int, pieces: Sequence[bytes]) -> int:
    """Write pieces behind each other; how many bytes they are."""
    size = 0
    for first in range(0, len(pieces), _AT_ONCE):
        some = pieces[first : first + _AT_ONCE]
        wanted = sum(map(len, some))
        done = os.writev(descriptor, some)
        if done < wanted:  # the disk is nearly full, say
            left = memoryview(b"".join(some))[done:]
            while left:
                left = left[os.write(descriptor, left) :]
        size += wanted
    return size
