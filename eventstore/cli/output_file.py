"""Where a command's result goes: standard output, or a file that is whole when it is there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def output_stream(output: str | None) -> Iterator[BinaryIO]:
    """A stream to write to.

    Args:
        output: a file, written beside its place and put there at the end; a device or a pipe is
            written as it is. None for standard output.
    """
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output).resolve()
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:  # a device, a pipe
            yield stream
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
