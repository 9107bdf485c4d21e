"""Files that have no name: only this process's descriptors lead to them, and they end with it.

Whatever ends the process, SIGKILL too, ends the files. Folders in which servers of former versions
kept sound under names are removed by `sweep`.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import IO

# How former versions named their folders.
_FORMER = "eventstore-sound-*"


class NamelessFile:
    """A temporary file without a name.

    It is closed when nothing refers to it any more. `empty` deletes its content before that.
    """

    def __init__(self) -> None:
        # On Linux it never has a name (O_TMPFILE); elsewhere it has one until it is open.
        self.stream: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __del__
        self.is_emptied = False

    def __del__(self) -> None:
        self.stream.close()

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return os.fstat(self.stream.fileno()).st_size

    @property
    def disk_bytes(self) -> int:
        """Bytes that it takes on the disk; holes take none."""
        return os.fstat(self.stream.fileno()).st_blocks * 512

    def empty(self) -> None:
        """Delete the content, also for those who are reading it."""
        self.is_emptied = True
        os.ftruncate(self.stream.fileno(), 0)

    def read(self, offset: int, size: int) -> bytes:
        """Read bytes at a place; none are left once it is emptied."""
        return os.pread(self.stream.fileno(), size, offset)


def sweep() -> None:
    """Remove folders of sound that former versions left in the temporary folder.

    Only folders of this process's user are removed; links are not followed.
    """
    for folder in Path(tempfile.gettempdir()).glob(_FORMER):
        try:
            found = folder.lstat()
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
