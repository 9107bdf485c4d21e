"""The spool files of processes that have ended without writing all of their entries.

`recover.py` reads them; `spool.py` and `writer.py` use the same names and functions for their own
files.
"""

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
    Entry,
    TargetSession,
    encode_entries,
    encode_target,
    parse_target,
    read_records,
)
from eventstore.common.private_files import is_plain_file, open_private
from eventstore.realtime.frames import STORE, Frame
from eventstore.times import is_time

#: Endings of the files' names: see capture/recorder/spool/spool.py.
LOCK, JOURNAL, ENTRIES, REFUSED = ".lock", ".journal", ".spool", ".refused"
#: Characters of a journal's line at most: metadata has OpenAI's limits. A longer line is damage.
_LONGEST_LINE = 1024 * 1024
_OWN_NAME = re.compile(r"([0-9a-f]+-\d+-[0-9a-f]{6})(\.lock|\.journal|\.\d{6,}\.spool)")


def process_names(folder: Path) -> list[str]:
    """Return the names of all processes that have files in a folder, the oldest first."""
    with suppress(OSError):
        matches = (
            _OWN_NAME.fullmatch(path.name) for path in folder.iterdir() if is_plain_file(path)
        )
        found = {match[1] for match in matches if match is not None}
        return sorted(found, key=lambda name: (len(name.split("-")[0]), name))
    return []


def take_over(folder: Path, name: str) -> IO[str] | None:
    """Lock the files of a process that has ended, and return the lock; close it to release them.

    Returns:
        None if the process is alive, somebody else has the lock, or it is not a plain file of ours.
    """
    path = folder / f"{name}{LOCK}"
    try:
        lock = os.fdopen(open_private(str(path), os.O_RDWR), "r+")
    except FileNotFoundError:
        if name not in process_names(folder):
            return None  # another process has deleted all files; a new lock would stay for ever
        lock = os.fdopen(open_private(str(path), os.O_RDWR | os.O_CREAT), "r+")
    except OSError:
        return None  # it is not a plain file, or belongs to another user
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def read_journal(folder: Path, name: str) -> tuple[dict[str, TargetSession], set[str]]:
    """Return the recordings that a process has begun, by key, and the keys of those that ended."""
    begun: dict[str, TargetSession] = {}
    ended: set[str] = set()
    path = folder / f"{name}{JOURNAL}"
    # A journal that is not a plain file is ignored.
    with (
        suppress(OSError),
        open(path, encoding="utf-8", errors="replace", opener=open_private) as journal,
    ):
        while line := journal.readline(_LONGEST_LINE):
            # The last line may be cut off by a kill; any other bad line is damage.
            with suppress(ValueError, TypeError, RecursionError):
                kind, key, *more = json.loads(line)
                if kind == "begun":
                    wanted, chosen, note = more
                    begun[key] = parse_target([key, wanted, chosen])
                    begun[key].opened = None if note is None else _opened_note(*note)
                else:
                    ended.add(key)
    return begun, ended


def _opened_note(text: object, at: object) -> Frame:
    if not isinstance(text, str) or not (at is None or (isinstance(at, int) and is_time(at))):
        raise ValueError("no note")
    return Frame(STORE, text, at)


def keep_refused(folder: Path, name: str, target: TargetSession, entries: Iterable[Entry]) -> None:
    """Keep entries on disk that the database refuses, in a file that no program reads by itself.

    Args:
        name: the name of the process, whose files these are.
        target: where the entries were to go.

    Raises:
        OSError: if they cannot be written.
    """
    path = folder / f"{name}{REFUSED}"
    with open(path, "ab", opener=open_private) as stream:
        if not stream.tell():
            stream.write(MAGIC)
        stream.write(encode_target(target))
        stream.writelines(encode_entries(entries))
        stream.flush()
        os.fsync(stream.fileno())


def spool_files(folder: Path, name: str) -> list[Path]:
    """Return a process's files of entries, in order."""
    return sorted(path for path in folder.glob(f"{name}.*{ENTRIES}") if is_plain_file(path))


def read_entries(path: Path, begun: dict[str, TargetSession]) -> Iterator[Entry | None]:
    """Yield the entries of a file, and one last None if it is damaged.

    A record that is cut off at the file's end was never synced, and so never acknowledged: it is
    not damage.

    Args:
        begun: receives the targets that the file names and the journal does not.
    """
    with open(path, "rb", opener=open_private) as stream:
        for record, _, cut_off in read_records(stream):
            if isinstance(record, TargetSession):
                begun.setdefault(record.key, record)
            elif not cut_off:
                yield record


def delete_files(folder: Path, name: str) -> None:
    """Delete a process's files, the lock last."""
    for path in spool_files(folder, name):
        path.unlink(missing_ok=True)
    # A journal that was being shortened ends in `.new`.
    for ending in (JOURNAL, ".new", LOCK):
        with suppress(OSError):  # somebody has put a folder there
            (folder / f"{name}{ending}").unlink(missing_ok=True)
