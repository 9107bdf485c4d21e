"""Open a recording so that it can be read twice: once to check it, and once into the log.

Called by `import_file.py`. A file is read where it is; a pipe is copied into a temporary file.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from eventstore.errors import InvalidInputError
from eventstore.realtime.json_cursor import MAX_LINE, TOO_LONG
from eventstore.realtime.recording_lines import BOM

_READ_BYTES = 1 << 20


@contextmanager
def open_twice_readable(path: str | Path) -> Iterator[BinaryIO]:
    """Yield a file, or a copy of a pipe.

    Raises:
        InvalidInputError: If it is neither, or a pipe cannot be copied.
        OSError: If the file cannot be opened.
    """
    with Path(path).open("rb") as stream:
        kind = os.fstat(stream.fileno()).st_mode
        if stat.S_ISREG(kind):
            yield stream
            return
        if not stat.S_ISFIFO(kind):
            raise InvalidInputError(f"{path} is no file of a recording, but a device")
        with spooled(stream, str(path)) as spool:
            yield spool


@contextmanager
def spooled(stream: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Yield a copy of a stream in a temporary file.

    Args:
        stream: What is copied.
        name: Its name in errors.

    Raises:
        InvalidInputError: If its first line is too long, or there is no space for the copy.
    """
    with tempfile.TemporaryFile() as spool:
        has_lines = False
        try:
            while piece := stream.read(_READ_BYTES):
                # An array may be one line with many elements.
                is_array = not spool.tell() and piece.removeprefix(BOM).lstrip()[:1] == b"["
                has_lines = has_lines or is_array or b"\n" in piece
                spool.write(piece)
                if not has_lines and spool.tell() > MAX_LINE:
                    raise InvalidInputError(f"line 1: {TOO_LONG}; nothing was imported")
        except OSError as error:
            raise InvalidInputError(f"cannot read {name}: {error.strerror or error}") from error
        yield spool
