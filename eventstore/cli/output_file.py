"""Opens the output of a command: standard output, or a file that appears when it is complete.

Called by the command `export`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from eventstore.cli.terminal.harmless import harmless_json


class _Terminal:
    """A terminal as a stream, which escapes control characters by `harmless_json`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        """Write bytes of UTF-8. A call must not end in the middle of a character."""
        self._stream.write(harmless_json(data.decode("utf-8", "replace")).encode())
        return len(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        """Write each line."""
        for line in lines:
            self.write(line)


def _harmless(stream: BinaryIO) -> BinaryIO:
    """Return a stream that escapes control characters if it is a terminal; else the stream."""
    return cast("BinaryIO", _Terminal(stream)) if stream.isatty() else stream


@contextmanager
def output_stream(output: str | None) -> Iterator[BinaryIO]:
    """Open the output of a command for the block.

    Args:
        output: A file, which is written under the name `FILE.partial` and renamed at the end; or a
            device or a pipe, which is written directly; None for standard output.
    """
    if output is None:
        yield _harmless(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    path = Path(os.path.realpath(output))
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:  # a device or a pipe
            yield _harmless(stream)
        return
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as stream:
            yield stream
        if path.exists():
            shutil.copymode(path, partial)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
