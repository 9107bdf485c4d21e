"""The spool: where a recorder keeps frames on disk while the database is away or slow.

Each process has its own files in the spool's folder, which begin with its own name:

* `NAME.lock` is locked as long as the process lives;
* `NAME.journal` says which recordings it has begun and ended, as a JSON array in each line;
* `NAME.000001.spool` and so on hold entries (see spool_format.py). They are deleted once written.

`RecorderState` holds the `Spool`: the spool thread appends to it, the writer reads from it.
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

from eventstore.capture.recorder.spool.orphaned_spools import ENTRIES, JOURNAL, LOCK, delete_files
from eventstore.capture.recorder.spool.spool_format import (
    MAGIC,
    Entry,
    TargetSession,
    encode_entries,
    encode_target,
    frames_in,
    read_records,
)
from eventstore.common.folders import sync_folder
from eventstore.common.private_files import check_private_folder, make_private_folder, open_private
from eventstore.errors import InvalidInputError
from eventstore.realtime.values import dumps
from eventstore.store.database.engine import parse_url

#: Bytes after which the next file is begun, so that disk space is freed file by file.
FILE_BYTES = 64 * 1024 * 1024
_COMPACT_FROM = 2000
# Buffers for one system call: the least that systems allow (IOV_MAX).
_MOST_BUFFERS = 1024


@dataclass
class _SpoolFile:
    """One file of entries.

    Attributes:
        size: bytes that are written and synced.
        frames: frames in it that do not count as written to the database.
        begun: keys of recordings whose target the file names already.
    """

    path: Path
    size: int = 0
    frames: int = 0
    begun: set[str] = field(default_factory=set)


class Spool:
    """One process's files in the spool. One thread appends, another reads.

    Args:
        folder: made if it does not exist.
        file_bytes: bytes after which the next file is begun.

    Raises:
        InvalidInputError: if the folder cannot be written, or other users may write to it.
    """

    def __init__(self, folder: Path, file_bytes: int = FILE_BYTES) -> None:
        name = f"{time.time_ns() // 1000:x}-{os.getpid()}-{secrets.token_hex(3)}"
        try:
            make_private_folder(folder)
            check_private_folder(folder, "the spool")
            self._lock_file = _create_lock(folder, name)
            self._journal: IO[str] = _open_for_writing(folder / f"{name}{JOURNAL}")
        except OSError as error:
            raise InvalidInputError(
                f"the spool {folder} cannot be written: {error.strerror}; name another folder"
            ) from error
        self.folder, self.name = folder, name
        self._file_bytes = file_bytes
        self._files: list[_SpoolFile] = []
        self._files_made = 0
        self._read_at = 0
        self._next_at = self._next_frames = 0
        self._open: dict[str, TargetSession] = {}
        self._journal_lines = 0
        self._lock = Lock()

    # The journal

    def begin(self, target: TargetSession) -> None:
        """Note that a recording is in progress; again if its session's id was decided since.

        Raises:
            OSError: if the journal cannot be written.
        """
        with self._lock:
            facts = _begun_line(target)
            if facts != target.journal_line:
                self._open[target.key] = target
                self._append_line(facts)
                target.journal_line = facts

    def end(self, key: str) -> None:
        """Note that all of a recording is in the database.

        Raises:
            OSError: if the journal cannot be written.
        """
        with self._lock:
            if self._open.pop(key, None) is not None:
                self._append_line(["ended", key])
                if self._journal_lines > _COMPACT_FROM + 2 * len(self._open):
                    self._compact_journal()

    def _append_line(self, facts: list[object]) -> None:
        # The page cache outlives the process. If the machine fails, the last lines may be lost.
        self._journal.write(dumps(facts) + "\n")
        self._journal.flush()
        self._journal_lines += 1

    def _compact_journal(self) -> None:
        path = self.folder / f"{self.name}{JOURNAL}"
        shorter = path.with_suffix(".new")
        journal = _open_for_writing(shorter)
        journal.writelines(dumps(_begun_line(one)) + "\n" for one in self._open.values())
        journal.flush()
        shorter.replace(path)
        self._journal.close()
        self._journal, self._journal_lines = journal, len(self._open)

    # Entries

    def append(self, entries: Iterable[Entry]) -> None:
        """Write entries to disk and sync; all of them or, if that fails, none.

        Raises:
            OSError: if they cannot be written, such as on a full disk.
        """
        spool_file = self._files[-1] if self._files else None
        if (
            spool_file is None
            or spool_file.size >= self._file_bytes
            or not spool_file.path.exists()
        ):
            spool_file = self._next_file()
        entries = list(entries)
        new = {entry.key for entry in entries} - spool_file.begun
        with self._lock:
            targets = [encode_target(self._open[key]) for key in sorted(new)]
        pieces = [*targets, *encode_entries(entries)]
        with open(spool_file.path, "r+b", buffering=0, opener=open_private) as stream:
            try:
                stream.seek(spool_file.size)
                size = _write_all(stream.fileno(), pieces)
                os.fsync(stream.fileno())
            except OSError:
                with suppress(OSError):
                    stream.truncate(spool_file.size)
                raise
        spool_file.begun |= new
        with self._lock:
            spool_file.size += size
            spool_file.frames += frames_in(entries)

    def _next_file(self) -> _SpoolFile:
        if not (self.folder / f"{self.name}{LOCK}").exists():
            self._restore_folder()
        path = self.folder / f"{self.name}.{self._files_made + 1:06}{ENTRIES}"
        with open(path, "wb", opener=open_private) as stream:
            stream.write(MAGIC)
            stream.flush()
            os.fsync(stream.fileno())
        sync_folder(self.folder)
        spool_file = _SpoolFile(path, len(MAGIC))
        with self._lock:
            self._files_made += 1
            self._files.append(spool_file)
        return spool_file

    def _restore_folder(self) -> None:
        """Make the folder and its files again after somebody deleted them.

        If the folder above is gone too, a disk is away, and nothing is made in its place.
        """
        self.folder.mkdir(exist_ok=True, mode=0o700)
        with self._lock:
            self._lock_file.close()
            self._lock_file = _create_lock(self.folder, self.name)
            self._compact_journal()

    def read(self, most: int) -> list[Entry]:
        """Return the next appended entries, up to about `most` bytes; an empty list at the end.

        They count as read once `advance` is called. Until then, `read` returns them again.
        """
        with self._lock:
            spool_file = self._files[0] if self._files else None
            end = spool_file.size if spool_file is not None else 0
        if spool_file is None or self._read_at >= end:
            return []
        entries = []
        # Nothing behind damage can be read. The numbers of the next entries show what is missing.
        self._next_at = end
        with (
            suppress(FileNotFoundError),
            open(spool_file.path, "rb", opener=open_private) as stream,
        ):
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
        """Count what was read as written, and delete files that are read to their end.

        Returns:
            How many frames were lost to damage, or to somebody who deleted a file.
        """
        with self._lock:
            lost = 0
            if self._files:
                first = self._files[0]
                first.frames -= self._next_frames
                self._next_frames = 0
                if self._next_at >= first.size:
                    lost, first.frames = first.frames, 0
            self._read_at = self._next_at
            while self._files and self._read_at >= self._files[0].size:
                # The last file is appended to further while it is short.
                if len(self._files) == 1 and self._files[0].size < self._file_bytes:
                    break
                self._delete_first()
            return lost

    def is_drained(self) -> bool:
        """Return True if all that was appended counts as written."""
        with self._lock:
            return len(self._files) <= 1 and all(
                self._read_at >= spool_file.size for spool_file in self._files
            )

    def clear(self) -> None:
        """Delete the files that are read to their end, so that the next entry begins a new file."""
        with self._lock:
            while self._files and self._read_at >= self._files[0].size:
                self._delete_first()

    def _delete_first(self) -> None:
        with suppress(OSError):
            self._files.pop(0).path.unlink()
        self._read_at = self._next_at = 0

    def close(self) -> None:
        """Close the files; entries that are not written stay for the next process."""
        with self._lock:
            kept = bool(self._files) or bool(self._open)
            with suppress(OSError):  # on a full disk, its buffer cannot be written
                self._journal.close()
            if not kept:
                delete_files(self.folder, self.name)
            self._lock_file.close()

    def detach_after_fork(self) -> None:
        """Let go of the files in a forked child: lock and unwritten buffers are the parent's."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (one for one in (self._lock_file, self._journal) if not one.closed):
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def default_folder(url: str) -> Path:
    """Return the spool's folder for a database's URL: EVENTSTORE_SPOOL, if that is set.

    Otherwise it is beside an SQLite file, or in the user's state folder.
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


def _create_lock(folder: Path, name: str) -> IO[str]:
    # It gets its name once it is locked: without a lock it would pass for a dead process's.
    starting = folder / f"{name}.new"
    lock = _open_for_writing(starting)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    starting.rename(folder / f"{name}{LOCK}")
    return lock


def _open_for_writing(path: Path) -> IO[str]:
    return open(path, "w", encoding="utf-8", opener=open_private)


def _begun_line(target: TargetSession) -> list[object]:
    opened = target.opened
    note = None if opened is None else [opened.text, opened.at]
    return ["begun", target.key, target.wanted_id, target.chosen_by_user, note]


def _write_all(descriptor: int, pieces: Sequence[bytes]) -> int:
    """Write buffers one behind the other, and return how many bytes they are."""
    size = 0
    for first in range(0, len(pieces), _MOST_BUFFERS):
        some = pieces[first : first + _MOST_BUFFERS]
        wanted = sum(map(len, some))
        done = os.writev(descriptor, some)
        if done < wanted:  # such as on a disk that is nearly full
            rest = memoryview(b"".join(some))[done:]
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        size += wanted
    return size
