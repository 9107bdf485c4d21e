"""Write, read and delete segments' bytes outside of the database: in a folder or an object storage.

Object storages are reached by fsspec. The name of the bytes contains their SHA-256, so that a
reader can check them. Locations are shown to people and stored in the database; they have no
password and no query. Called by archive/move_segments.py, read_segments.py and
maintenance/scrub.py.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit
from uuid import uuid4

from eventstore.common.folders import sync_folder
from eventstore.common.private_files import make_private_folder, open_private
from eventstore.errors import (
    DatabaseUnavailableError,
    InvalidInputError,
    StorageUnavailableError,
)
from eventstore.store.database.allowed_locations import (
    LOCATIONS_VARIABLE,
    AllowedLocations,
    local_path,
)

#: The name of a file in a folder of segments that lists the stores that may delete there.
OWNER = "OWNER"

_NAME = re.compile(r"/[0-9a-f]{2}/([0-9a-f]{64})\.segment")
_NO_PATH = re.compile(r"[?#]|::")
_NAME_LENGTH = 2 + 1 + 64 + len(".segment")
#: On these storages, creating a folder could create a bucket with a mistyped name.
WITHOUT_FOLDERS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}


class BytesError(Exception):
    """Bytes are missing or changed, or they may not be opened or deleted. The text says where."""


def put(base: str, data: bytes) -> str:
    """Write bytes atomically, read them again, and return their location.

    Args:
        base: The URL of a place as `allowed_locations.base_url` returns it, with the name of the
            store's own folder.
        data: The bytes.

    Raises:
        DatabaseUnavailableError: The bytes cannot be written.
        InvalidInputError: A package that the URL needs is not installed.
    """
    name = hashlib.sha256(data).hexdigest()
    location = f"{base}/{name[:2]}/{name}.segment"
    path = local_path(location)
    try:
        if path is not None:
            _write_file(path, data)
        else:
            _write_object(location, data)
        if _read(location) != data:
            raise OSError(errno.EIO, "it gave back other bytes")
    except InvalidInputError:
        raise
    except Exception as error:  # each kind of storage has errors of its own
        raise _unavailable("write", location, error) from error
    return location


def get(location: str, allowed: AllowedLocations) -> bytes:
    """Return the bytes at a location.

    Args:
        location: As `put` returned it.
        allowed: The places that may be opened.

    Raises:
        BytesError: The bytes are missing or changed, or their place may not be opened.
        StorageUnavailableError: The bytes cannot be reached.
        InvalidInputError: A package that the URL needs is not installed.
    """
    _check_allowed(location, allowed)
    named = _sha256_in_name(location)
    try:
        data = _read(location)
    except InvalidInputError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BytesError(f"its bytes are missing at {shown_location(location)}") from error
    except Exception as error:  # each kind of storage has errors of its own
        raise _unavailable("read", location, error, StorageUnavailableError) from error
    if hashlib.sha256(data).hexdigest() != named:
        raise BytesError(f"the bytes at {shown_location(location)} are others than were put there")
    return data


def delete(location: str, allowed: AllowedLocations, own: str) -> None:
    """Delete the bytes at a location if they belong to this store; do nothing if there are none.

    They belong to the store if their folder has the name of the store's own folder, or if a file
    `OWNER` in that folder lists that name. Segments of two sessions can have the same bytes, so the
    caller first checks that no other segment names the location.

    Args:
        location: As `put` returned it.
        allowed: The places that may be opened.
        own: The name of the store's own folder; see identity.py.

    Raises:
        BytesError: The bytes were left, because they may belong to another store or their place may
            not be opened; or `put` cannot have returned the location.
        DatabaseUnavailableError: The bytes cannot be deleted.
        InvalidInputError: A package that the URL needs is not installed.
    """
    _check_allowed(location, allowed)
    folder = location[: -_NAME_LENGTH - 1]
    try:
        if not _exists(location):
            return
        if folder.rpartition("/")[2] != own and own not in _owners(folder):
            where = shown_location(folder)
            raise BytesError(
                f"{shown_location(location)} is left: other stores may use it. If none does, write"
                f" the line {own} into {where}/{OWNER}, and run the same command again"
            )
        _delete(location)
    except (InvalidInputError, BytesError):
        raise
    except Exception as error:  # each kind of storage has errors of its own
        raise _unavailable("delete", location, error) from error


def is_location(text: object) -> bool:
    """Return True if a value can be a segment's location. Stores put bytes only to such places."""
    return isinstance(text, str) and _sha256_in_name(text) is not None


def is_same_location(one: str, other: str) -> bool:
    """Return True if two locations are the same place, which can be written in several ways."""
    paths = local_path(one), local_path(other)
    if paths[0] is None or paths[1] is None:
        # A storage can have several schemes, such as s3 and s3a.
        return one == other or _without_scheme(one) == _without_scheme(other)
    return os.path.realpath(paths[0]) == os.path.realpath(paths[1])


def _without_scheme(location: str) -> str:
    return location.partition("://")[2]


def shown_location(location: str) -> str:
    """Return a location to show to people, without anything that may be a secret."""
    parts = _split(location)
    if parts is None:
        return "its location"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _check_allowed(location: str, allowed: AllowedLocations) -> None:
    """Raise BytesError if a location cannot be a segment's, or may not be opened."""
    if _sha256_in_name(location) is None:
        raise BytesError(f"{shown_location(location)} is no location of a segment")
    if not allowed.allows(location):
        folder = shown_location(location[: -_NAME_LENGTH - 1])
        raise BytesError(
            f"its bytes are at {shown_location(location)}, where nothing is opened unless you allow"
            f" it: {LOCATIONS_VARIABLE}={folder}"
        )


def _sha256_in_name(location: str) -> str | None:
    """Return the SHA-256 in a location's name, or None if it cannot be a segment's location."""
    named = _NAME.fullmatch(location[-_NAME_LENGTH - 1 :])
    # Text behind a `?` or a `#` is not part of the path that would be opened. Some storages drop
    # control characters, so that they would open another path than the one that was checked.
    if named is None or _split(location) is None or _NO_PATH.search(location):
        return None
    if not location.isprintable():
        return None
    return named[1]


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  whether it is a number
    except ValueError:
        return None
    return parts if parts.scheme else None


def _owners(folder: str) -> list[str]:
    """Return the names of stores in a folder's file `OWNER`."""
    try:
        return _read(f"{folder}/{OWNER}").decode("utf-8", "replace").split()
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read(location: str) -> bytes:
    path = local_path(location)
    if path is not None:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is no file")
            return file.read()
    files, place = storage(location)
    data: bytes = files.cat_file(place)
    return data


def _exists(location: str) -> bool:
    path = local_path(location)
    if path is not None:
        return path.exists()
    files, place = storage(location)
    return bool(files.exists(place))


def _delete(location: str) -> None:
    path = local_path(location)
    if path is not None:
        path.unlink(missing_ok=True)
        return
    files, place = storage(location)
    with suppress(FileNotFoundError):
        files.rm_file(place)


def _write_file(path: Path, data: bytes) -> None:
    folder = path.parent
    made = not folder.is_dir()
    make_private_folder(folder)
    # Two processes may write the same bytes at the same time.
    partial = path.with_name(f"{path.name}.{uuid4().hex}.partial")
    try:
        with open(partial, "xb", opener=open_private) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(folder)
    if made:
        sync_folder(folder.parent)
        sync_folder(folder.parent.parent)


def _write_object(location: str, data: bytes) -> None:
    files, place = storage(location)
    if urlsplit(location).scheme not in WITHOUT_FOLDERS:
        files.makedirs(place.rpartition("/")[0], exist_ok=True)
    partial = f"{place}.{uuid4().hex}.partial"
    try:
        files.pipe_file(partial, data)
        files.mv(partial, place)
    except BaseException:
        with suppress(Exception):  # The first error is the one to report.
            files.rm_file(partial)
        raise


def storage(location: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise InvalidInputError(
            f"{shown_location(location)} needs fsspec; run:"
            " pip install 'realtime-eventstore[objects]'"
        ) from error
    try:
        files, place = url_to_fs(location)
    except (ImportError, ValueError) as error:
        kind = urlsplit(location).scheme
        raise InvalidInputError(f"fsspec cannot use {kind}:// here: {error}") from error
    return files, str(place)


def _unavailable(
    verb: str,
    location: str,
    error: Exception,
    kind: type[DatabaseUnavailableError] = DatabaseUnavailableError,
) -> DatabaseUnavailableError:
    # A storage's own message may contain a signed URL, so only the kind of error is shown.
    reason = error.strerror if isinstance(error, OSError) and error.strerror else None
    return kind(
        f"cannot {verb} {shown_location(location)}: {reason or type(error).__name__};"
        " check that the storage is there and that this account may use it"
    )
