"""Where a command's result goes: standard output, or a file that is whole when it is there."""

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
    """A terminal that lines of JSON and pages are written to: see `harmless_json`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        """Write bytes of UTF-8; one call has whole characters."""
        self._stream.write(harmless_json(data.decode("utf-8", "replace")).encode())
        return len(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        """Write each of these."""
        for line in lines:
            self.write(line)


def _harmless(stream: BinaryIO) -> BinaryIO:
    """A stream itself, which is exact; a terminal as one that nothing written to it steers."""
    return cast("BinaryIO", _Terminal(stream)) if stream.isatty() else stream


@contextmanager
def output_stream(output: str | None) -> Iterator[BinaryIO]:
    """A stream to write to.

    Args:
        output: a file, written beside its place and put there at the end; a device or a pipe is
            written as it is. None for standard output.
    """
    if output is None:
        yield _harmless(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    path = Path(os.path.realpath(output))
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:  # a device, a pipe
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
