"""A local folder as a place for a partitioned export. Called by update_parquet.py."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from eventstore.common.folders import sync_folder
from eventstore.errors import StorageUnavailableError
from eventstore.exports.parquet.targets import LOCK, MOST_BYTES, OWN_FOLDER, busy


class FolderTarget:
    """A local folder. It is made if it is not there.

    Args:
        folder: The folder's path.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.shown = folder, str(folder)
        self.scratch = folder / OWN_FOLDER / "writing"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs away for the block, also if this one is killed: then it ends."""
        with self._told("write into"):
            self.scratch.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with self._told("write into"):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise busy(self.shown) from error
                for left in self.scratch.iterdir():
                    left.unlink()
            yield
        finally:
            os.close(lock)

    def keep(self) -> None:
        """Do nothing: the lock is kept until it is closed."""

    def files(self, tables: Iterable[str]) -> dict[str, str]:
        """Return all files of tables by name, each with its size and the time of its change."""
        with self._told("list"):
            return {
                path.relative_to(self._folder).as_posix(): _tag(path)
                for table in tables
                for folder, _, names in os.walk(self._folder / table)
                for path in (Path(folder, name) for name in names)
            }

    def read(self, name: str) -> bytes | None:
        """Return what a file has, or None if it is not there."""
        with self._told("read"):
            try:
                with (self._folder / name).open("rb") as file:
                    return file.read(MOST_BYTES)
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, or replace it."""
        with self._told("write into"):
            partial = self.scratch / "small.partial"
            partial.write_bytes(data)
            self.put(name, partial)

    def put(self, name: str, path: Path) -> str:
        """Move a file there, or replace what is there, durably, and return its tag."""
        with self._told("write into"):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            place = self._folder / name
            is_new = not place.parent.is_dir()
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
            sync_folder(place.parent)
            if is_new:
                sync_folder(place.parent.parent)
                sync_folder(self._folder)
            return _tag(place)

    def delete(self, name: str) -> None:
        """Delete a file, and its folder if that is empty then."""
        with self._told("delete from"):
            place = self._folder / name
            place.unlink(missing_ok=True)
            with suppress(OSError):  # The folder has other files, or is not there.
                place.parent.rmdir()

    @contextmanager
    def _told(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageUnavailableError(
                f"cannot {verb} {self.shown}: {error.strerror or type(error).__name__}"
            ) from error


def _tag(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"
