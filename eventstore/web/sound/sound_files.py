"""Temporary files without a name, which the operating system deletes when the process ends.

That holds for any end of the process, also for SIGKILL. Used by `sound_cache.py`. `sweep`, which
`web/running.py` calls, removes the folders of former versions, whose files had names.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import IO

# The names of former versions' folders.
_FORMER = "eventstore-sound-*"


class NamelessFile:
    """A temporary file without a name.

    It is closed when no variable refers to it any more. `empty` deletes its content before that.

    Attributes:
        stream: The open file, to write its content.
        is_emptied: True if `empty` was called.
    """

    def __init__(self) -> None:
        # On Linux the file never has a name (O_TMPFILE); elsewhere it has one until it is open.
        self.stream: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __del__
        self.is_emptied = False

    def __del__(self) -> None:
        self.stream.close()

    @property
    def size(self) -> int:
        """The file's length in bytes."""
        return os.fstat(self.stream.fileno()).st_size

    @property
    def disk_bytes(self) -> int:
        """How many bytes the file takes on the disk. Holes in a sparse file take none."""
        return os.fstat(self.stream.fileno()).st_blocks * 512

    def empty(self) -> None:
        """Delete the content at once, also for responses that are reading it."""
        self.is_emptied = True
        os.ftruncate(self.stream.fileno(), 0)

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes from an offset; none once the file is emptied.

        Args:
            offset: Where to begin, in bytes from the start of the file.
            size: How many bytes to read at most.
        """
        return os.pread(self.stream.fileno(), size, offset)


def sweep() -> None:
    """Remove the sound folders that former versions left in the system's temporary folder.

    Only folders of this process's user are removed; links are not followed.
    """
    for folder in Path(tempfile.gettempdir()).glob(_FORMER):
        try:
            found = folder.lstat()
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
