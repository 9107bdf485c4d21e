"""Bytes outside of the database: in a folder, or in an object storage by fsspec.

Their name is made of their SHA-256, so that whoever reads them knows whether they are the ones.
What a location says is no secret: a URL without password or query.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from uuid import uuid4

from eventstore.errors import DatabaseUnavailableError, InvalidInputError
from eventstore.folders import sync_folder

_NAME = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})\.segment")
_NAME_LENGTH = 2 + 1 + 64 + len(".segment")
# Making a folder there would make a bucket of whatever name was mistyped.
_WITHOUT_FOLDERS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}


class BytesError(Exception):
    """Bytes that are missing, or are others than their location names; the text says where."""


def base_url(text: str) -> str:
    """Where bytes are to be put: a URL as given, or that of a folder's path.

    Raises:
        InvalidInputError: no such URL, or one with a password or a query in it.
    """
    if "://" not in text:
        if not text:
            raise InvalidInputError("name a folder, or a URL such as s3://bucket/calls")
        return Path(text).resolve().as_uri()
    parts = _split(text)
    if parts is None or "::" in text or not text.isprintable():
        raise InvalidInputError("not a URL for segments; use file:///calls or s3://bucket/calls")
    if parts.password is not None or parts.query or parts.fragment:
        raise InvalidInputError(
            "a URL for segments holds no password and no query; give credentials to fsspec by"
            " its own means: the environment, or its configuration"
        )
    if parts.scheme == "file" and (parts.netloc not in ("", "localhost") or not parts.path):
        raise InvalidInputError("a URL of files has three slashes: file:///calls/segments")
    return text.rstrip("/")


def put(base: str, data: bytes) -> str:
    """Write bytes so that they are there whole or not at all, and read them again.

    Args:
        base: what `base_url` gave.

    Returns:
        Their location.

    Raises:
        DatabaseUnavailableError: they cannot be written.
        InvalidInputError: what the URL needs is not installed.
    """
    name = hashlib.sha256(data).hexdigest()
    location = f"{base}/{name[:2]}/{name}.segment"
    path = _local(location)
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


def get(location: str) -> bytes:
    """The bytes of a location.

    Raises:
        BytesError: they are missing, or others.
        DatabaseUnavailableError: they cannot be reached.
        InvalidInputError: what the URL needs is not installed.
    """
    named = _named(location)
    if named is None:
        raise BytesError(f"{shown(location)} is no location of a segment")
    try:
        data = _read(location)
    except InvalidInputError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BytesError(f"its bytes are missing at {shown(location)}") from error
    except Exception as error:  # each kind of storage has errors of its own
        raise _unavailable("read", location, error) from error
    if hashlib.sha256(data).hexdigest() != named:
        raise BytesError(f"the bytes at {shown(location)} are others than were put there")
    return data


def delete(location: str) -> None:
    """Delete the bytes of a location; nothing where there are none.

    Other sessions' segments may be the same bytes: ask the database first. What is named otherwise
    than `put` names it is left alone: a database may come from anywhere.

    Raises:
        DatabaseUnavailableError: they cannot be deleted.
        InvalidInputError: what the URL needs is not installed.
    """
    if _named(location) is None:
        return
    path = _local(location)
    try:
        if path is not None:
            path.unlink(missing_ok=True)
        else:
            files, place = _storage(location)
            with suppress(FileNotFoundError):
                files.rm_file(place)
    except InvalidInputError:
        raise
    except Exception as error:  # each kind of storage has errors of its own
        raise _unavailable("delete", location, error) from error


def shown(location: str) -> str:
    """A location for people: without what may be a secret, whoever wrote it."""
    parts = _split(location)
    if parts is None:
        return "its location"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _named(location: str) -> str | None:
    """The SHA-256 of a location's bytes, by its name; None where it is no segment's."""
    named = _NAME.fullmatch(location[-_NAME_LENGTH:])
    if named is None or _split(location) is None or "::" in location:
        return None
    return named[1]


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  whether it is a number
    except ValueError:
        return None
    return parts if parts.scheme else None


def _local(location: str) -> Path | None:
    """The path of a file's URL; None for another URL."""
    parts = urlsplit(location)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _read(location: str) -> bytes:
    path = _local(location)
    if path is not None:
        return path.read_bytes()
    files, place = _storage(location)
    data: bytes = files.cat_file(place)
    return data


def _write_file(path: Path, data: bytes) -> None:
    folder = path.parent
    made = not folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    # Two processes may write the same bytes at once.
    partial = path.with_name(f"{path.name}.{uuid4().hex}.partial")
    try:
        with partial.open("xb") as file:
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
    files, place = _storage(location)
    if urlsplit(location).scheme not in _WITHOUT_FOLDERS:
        files.makedirs(place.rpartition("/")[0], exist_ok=True)
    partial = f"{place}.{uuid4().hex}.partial"
    try:
        files.pipe_file(partial, data)
        files.mv(partial, place)
    except BaseException:
        with suppress(Exception):  # the first error is the one to tell
            files.rm_file(partial)
        raise


def _storage(location: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise InvalidInputError(
            f"{shown(location)} needs fsspec; run: pip install 'realtime-eventstore[objects]'"
        ) from error
    try:
        files, place = url_to_fs(location)
    except (ImportError, ValueError) as error:
        kind = urlsplit(location).scheme
        raise InvalidInputError(f"fsspec cannot use {kind}:// here: {error}") from error
    return files, str(place)


def _unavailable(verb: str, location: str, error: Exception) -> DatabaseUnavailableError:
    # A storage's own message may hold a signed URL: its kind says enough.
    reason = error.strerror if isinstance(error, OSError) and error.strerror else None
    return DatabaseUnavailableError(
        f"cannot {verb} {shown(location)}: {reason or type(error).__name__};"
        " check that the storage is there and that this account may use it"
    )
