"""An object storage as a place for a partitioned export, reached by fsspec.

Called by update_parquet.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from eventstore.errors import EventStoreError, InvalidInputError, StorageUnavailableError
from eventstore.exports.parquet.targets import LOCK, MOST_BYTES, OWN_FOLDER, busy
from eventstore.realtime.values import dumps, integer, loads, mapping, text
from eventstore.store.database.allowed_locations import base_url, local_path
from eventstore.store.log.segments.segment_bytes import WITHOUT_FOLDERS, shown_location, storage
from eventstore.times import now

#: A run that did not renew its lock for so many microseconds has ended, or was killed.
LEASE = 10 * 60 * 1_000_000
#: The lock is renewed after so many seconds, by a clock that nobody sets.
_RENEWED = 60.0
# These storages replace an object as a whole. On others, a file is written beside and moved.
_WHOLE = WITHOUT_FOLDERS | {"memory", "oci", "oss", "hf"}
# What a storage tells of an object that changes with its contents; the first one that it has.
_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "generation", "created", "mtime", "LastModified")


class ObjectTarget:
    """An object storage.

    Two runs can hold the lock for a moment if a storage cannot make an object only if it is not
    there, and the lock of a killed run has ended. `keep` finds this soon; and what one has
    overwritten has another tag, so that the next run writes it anew.

    Args:
        url: A URL of fsspec's, without credentials.

    Raises:
        InvalidInputError: It is no such URL, or fsspec cannot use it.
    """

    def __init__(self, url: str) -> None:
        url = base_url(url)
        self.shown = shown_location(url)
        self._scheme = urlsplit(url).scheme
        self._storage, self._root = storage(url)
        self._root = self._root.rstrip("/")
        self.scratch = Path()
        self._owner, self._renewed_at = uuid4().hex, 0.0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs away for the block, or until the lock has ended if this one is killed."""
        with TemporaryDirectory(prefix="eventstore-parquet-") as scratch:
            self.scratch = Path(scratch)
            self._take()
            try:
                yield
            finally:
                with suppress(Exception):  # The lock ends by itself.
                    if self._holder() == self._owner:
                        self.delete(LOCK)

    def _take(self) -> None:
        if self._make_lock():
            return
        if self._holder() is not None:
            raise busy(self.shown)
        self.delete(LOCK)
        if not self._make_lock():
            raise busy(self.shown)

    def _make_lock(self) -> bool:
        try:
            with self._told("write into"):
                self._make_folder(LOCK)
                self._storage.pipe_file(self._path(LOCK), self._lock_text(), mode="create")
        except FileExistsError:
            return False
        return self._holder() == self._owner

    def _lock_text(self) -> bytes:
        self._renewed_at = time.monotonic()
        return dumps({"owner": self._owner, "until": now() + LEASE}).encode()

    def _holder(self) -> str | None:
        """Return the run that has the lock; None if there is none, or its time is over."""
        owner, until = self._read_lock()
        return owner if now() < until <= now() + 2 * LEASE else None

    def _read_lock(self) -> tuple[str | None, int]:
        """Return which run made the lock, if it is there, and when it ends."""
        told: dict[str, Any] = {}
        with suppress(ValueError, RecursionError):
            told = mapping(loads(self.read(LOCK) or b"{}"))
        return text(told.get("owner")), integer(told.get("until")) or 0

    def keep(self) -> None:
        """Keep the lock for longer.

        Raises:
            EventStoreError: Another run has taken it.
        """
        if time.monotonic() < self._renewed_at + _RENEWED:
            return
        # The time of the other's lock does not matter: this machine's clock may be wrong.
        if self._read_lock()[0] not in (self._owner, None):
            raise EventStoreError(
                f"another export has begun to write into {self.shown}; run this one when it is done"
            )
        self.write(LOCK, self._lock_text())

    def files(self, tables: Iterable[str]) -> dict[str, str]:
        """Return all files of tables by name, each with the tag that the storage gives it."""
        found = {}
        with self._told("list"):
            self._storage.invalidate_cache()
            for table in tables:
                try:
                    listed = self._storage.find(self._path(table), detail=True)
                except FileNotFoundError:
                    continue
                for path, told in listed.items():
                    found[str(path).removeprefix(f"{self._root}/")] = _tag(told)
        return found

    def read(self, name: str) -> bytes | None:
        """Return what a file has, or None if it is not there."""
        try:
            with self._told("read"):
                self._storage.invalidate_cache()
                data: bytes = self._storage.cat_file(self._path(name), start=0, end=MOST_BYTES)
                return data
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, or replace it."""
        path = self.scratch / f"{uuid4().hex}.partial"
        path.write_bytes(data)
        self.put(name, path)

    def put(self, name: str, path: Path) -> str:
        """Move a local file there, or replace what is there, and return its tag."""
        place = self._path(name)
        with self._told("write into"):
            self._make_folder(name)
            if self._scheme in _WHOLE:
                self._storage.put_file(str(path), place)
            else:
                beside = self._path(f"{OWN_FOLDER}/{uuid4().hex}.partial")
                self._storage.put_file(str(path), beside)
                self._storage.mv(beside, place)
            path.unlink()
            self._storage.invalidate_cache()
            # A storage may tell the same in another form of one file than in a list.
            listed = self._storage.find(place.rpartition("/")[0], detail=True)
            return _tag(listed.get(place))

    def delete(self, name: str) -> None:
        """Delete a file; do nothing if it is not there."""
        with self._told("delete from"), suppress(FileNotFoundError):
            self._storage.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _make_folder(self, name: str) -> None:
        if self._scheme not in WITHOUT_FOLDERS:
            self._storage.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)

    @contextmanager
    def _told(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (EventStoreError, FileNotFoundError, FileExistsError):
            raise
        except Exception as error:  # each kind of storage has errors of its own
            # A storage's own message may contain a signed URL, so only its kind is shown.
            reason = error.strerror if isinstance(error, OSError) and error.strerror else None
            raise StorageUnavailableError(
                f"cannot {verb} {self.shown}: {reason or type(error).__name__};"
                " check that the storage is there and that this account may use it"
            ) from error


def local_folder(url: str) -> Path | None:
    """Return the folder of a `file:` URL, or None for any other URL.

    Raises:
        InvalidInputError: It is no URL, or has a password.
    """
    folder = local_path(base_url(url))
    if folder is None and urlsplit(url).scheme == "file":
        raise InvalidInputError("a URL of files has three slashes: file:///srv/tables")
    return folder


def _tag(told: Any) -> str:
    found = mapping(told)
    tag = next((found[name] for name in _TAGS if found.get(name) is not None), "")
    return f"{found.get('size')}-{str(tag).strip(chr(34))}"
