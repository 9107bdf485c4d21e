"""Make changes of a folder durable. Called by the recorder's spool and for segments in files."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Write a folder's list of files to the disk (`fsync`), so that it survives a power failure.

    The contents of the files are not written by this: they need an `fsync` of their own.

    Raises:
        OSError: The folder cannot be opened or written.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
