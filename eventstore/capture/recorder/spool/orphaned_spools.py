"""The spool's files of processes that have ended without writing all."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from eventstore.capture.recorder.spool.spool_format import (
    MAGIC,
    Destination,
    Entry,
    destination_of,
    encode_destination,
    encode_entries,
    read_records,
)
from eventstore.common.private_files import is_plain_file, open_private
from eventstore.realtime.frames import STORE, Frame
from eventstore.times import is_time

#: How the files are called: see capture/recorder/spool/spool.py.
LOCK, JOURNAL, ENTRIES, REFUSED = ".lock", ".journal", ".spool", ".refused"
#: Characters of a journal's line, whose metadata has OpenAI's limits; a longer one is damage.
_LINE = 1024 * 1024
_OURS = re.compile(r"([0-9a-f]+-\d+-[0-9a-f]{6})(\.lock|\.journal|\.\d{6,}\.spool)")


def names(folder: Path) -> list[str]:
    """The names of all processes that have files in a folder, the oldest first."""
    with suppress(OSError):
        ours = (_OURS.fullmatch(path.name) for path in folder.iterdir() if is_plain_file(path))
        found = {match[1] for match in ours if match is not None}
        return sorted(found, key=lambda name: (len(name.split("-")[0]), name))
    return []


def take_over(folder: Path, name: str) -> IO[str] | None:
    """Lock the files of a process that has ended; None while it lives, or somebody has them.

    Close what is returned to let them go.
    """
    path = folder / f"{name}{LOCK}"
    try:
        lock = os.fdopen(open_private(str(path), os.O_RDWR), "r+")
    except FileNotFoundError:
        if name not in names(folder):
            return None  # somebody else was faster; make no lock that nobody deletes
        lock = os.fdopen(open_private(str(path), os.O_RDWR | os.O_CREAT), "r+")
    except OSError:
        return None  # it is no plain file, or another user's
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def begun_by(folder: Path, name: str) -> tuple[dict[str, Destination], set[str]]:
    """The recordings that a process has noted, by key, and the keys of those that it ended."""
    begun: dict[str, Destination] = {}
    ended: set[str] = set()
    path = folder / f"{name}{JOURNAL}"
    # What is no plain file says nothing.
    with (
        suppress(OSError),
        open(path, encoding="utf-8", errors="replace", opener=open_private) as journal,
    ):
        while line := journal.readline(_LINE):
            # The last line of a killed process, or damage.
            with suppress(ValueError, TypeError, RecursionError):
                kind, key, *more = json.loads(line)
                if kind == "begun":
                    wanted, chosen, note = more
                    begun[key] = destination_of([key, wanted, chosen])
                    begun[key].opened = None if note is None else _opened(*note)
                else:
                    ended.add(key)
    return begun, ended


def _opened(text: object, at: object) -> Frame:
    if not isinstance(text, str) or not (at is None or (isinstance(at, int) and is_time(at))):
        raise ValueError("no note")
    return Frame(STORE, text, at)


def keep_refused(
    folder: Path, name: str, destination: Destination, entries: Iterable[Entry]
) -> None:
    """Keep entries on disk that the database refuses, in a file that nothing reads by itself.

    Args:
        name: of the process, whose files these are.
        destination: where the entries were to go.

    Raises:
        OSError: they cannot be written.
    """
    path = folder / f"{name}{REFUSED}"
    with open(path, "ab", opener=open_private) as stream:
        if not stream.tell():
            stream.write(MAGIC)
        stream.write(encode_destination(destination))
        stream.writelines(encode_entries(entries))
        stream.flush()
        os.fsync(stream.fileno())


def segments(folder: Path, name: str) -> list[Path]:
    """A process's files of entries, in order."""
    return sorted(path for path in folder.glob(f"{name}.*{ENTRIES}") if is_plain_file(path))


def entries_of(path: Path, begun: dict[str, Destination]) -> Iterator[Entry | None]:
    """The entries of a file; one last None where it is damaged.

    What is cut off at its end was never synced, and so never acknowledged.

    Args:
        begun: takes the destinations that the file names and the journal does not.
    """
    with open(path, "rb", opener=open_private) as stream:
        for record, _, cut_off in read_records(stream):
            if isinstance(record, Destination):
                begun.setdefault(record.key, record)
            elif not cut_off:
                yield record


def delete(folder: Path, name: str) -> None:
    """Delete a process's files, the lock last."""
    for path in segments(folder, name):
        path.unlink(missing_ok=True)
    # A journal that was to be shorter is called new.
    for ending in (JOURNAL, ".new", LOCK):
        with suppress(OSError):  # a folder is in the place of the file
            (folder / f"{name}{ending}").unlink(missing_ok=True)
