"""What a place must do into which a partitioned export puts its files.

Each file is replaced as a whole: readers see the old one or the new one. The places are in
folder_target.py and object_target.py; update_parquet.py uses them.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from eventstore.errors import EventStoreError

#: The folder of a target that has what is not for readers. None of its files ends with `.parquet`,
#: and Spark leaves out folders whose names begin so.
OWN_FOLDER = "_eventstore"
MANIFEST, LOCK = f"{OWN_FOLDER}/manifest.json", f"{OWN_FOLDER}/lock"
#: No manifest is larger. So much is read at most of what another program may have put there.
MOST_BYTES = 512 * 1024 * 1024


class Target(Protocol):
    """A place for the files of an export. Names are paths within it, with `/`.

    Attributes:
        shown: The place for people, without anything that may be a secret.
        scratch: A local folder for files that are being written, while the place is locked.
    """

    shown: str
    scratch: Path

    def locked(self) -> AbstractContextManager[None]:
        """Keep other runs away for the block.

        Raises:
            EventStoreError: Another run is writing there.
        """

    def keep(self) -> None:
        """Keep the lock for longer.

        Raises:
            EventStoreError: Another run has taken it.
        """

    def files(self, tables: Iterable[str]) -> dict[str, str]:
        """Return all files of tables by name, each with a tag that changes with its contents."""

    def read(self, name: str) -> bytes | None:
        """Return what a file has, or None if it is not there."""

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, or replace it."""

    def put(self, name: str, path: Path) -> str:
        """Move a local file there, or replace what is there, and return its tag."""

    def delete(self, name: str) -> None:
        """Delete a file; do nothing if it is not there."""


def busy(shown: str) -> EventStoreError:
    """Return the error that another run is writing to a place."""
    return EventStoreError(f"another export is writing into {shown}; run this one when it is done")
