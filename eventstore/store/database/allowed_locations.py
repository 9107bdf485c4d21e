"""Check which places outside of the database this process may open.

A database can come from anybody, and it can name any place: a folder of other programs, or a server
that learns from a request who reads. So a location is opened only if it is below the folder of the
SQLite database itself, below a place in the environment variable EVENTSTORE_SEGMENTS, or below a
place that this process was told to move bytes to. log/segments/segment_bytes.py asks before it
opens anything.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.realtime.values import is_storable

#: The environment variable with the allowed places: folders and URLs, separated by spaces.
LOCATIONS_VARIABLE = "EVENTSTORE_SEGMENTS"

# Characters that have a special meaning in the paths of some storage.
_SPECIAL = frozenset("?#%\\*[]:\0")


class AllowedLocations:
    """The places that may be opened for one database. Each engine has one.

    Args:
        folder: The folder of the database's own file; None if it has no file.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._given: list[str] = []

    def allow(self, base: str) -> None:
        """Allow a place for as long as this process has the database open.

        Args:
            base: A URL as `base_url` returns it.
        """
        if base not in self._given:
            self._given.append(base)

    def given(self) -> list[str]:
        """Return the places that `allow` was called with."""
        return list(self._given)

    def allows(self, location: str) -> bool:
        """Return True if the bytes of a location may be read or written.

        Raises:
            InvalidInputError: EVENTSTORE_SEGMENTS contains something that is not a place.
        """
        return self._is_among(location, [*self.configured(), *self._given])

    def is_configured(self, base: str) -> bool:
        """Return True if the user's configuration allows a place, for other processes as well.

        Raises:
            InvalidInputError: EVENTSTORE_SEGMENTS contains something that is not a place.
        """
        return self._is_among(f"{base}/x", self.configured())

    def configured(self) -> list[str]:
        """Return the places that the user's configuration allows.

        Raises:
            InvalidInputError: EVENTSTORE_SEGMENTS contains something that is not a place.
        """
        listed = [] if self._folder is None else [self._folder.as_uri()]
        try:
            return listed + [
                base_url(text) for text in os.environ.get(LOCATIONS_VARIABLE, "").split()
            ]
        except InvalidInputError as error:
            raise InvalidInputError(f"{LOCATIONS_VARIABLE}: {error}") from error

    def _is_among(self, location: str, bases: list[str]) -> bool:
        path = local_path(location)
        if path is None:
            return any(_is_below(location, base) for base in bases)
        # Symbolic links and `..` are resolved first, because the place of the bytes is what counts.
        real = Path(os.path.realpath(path))
        folders = (local_path(base) for base in bases)
        return any(f is not None and Path(os.path.realpath(f)) in real.parents for f in folders)


def base_url(text: str | Path) -> str:
    """Return the URL of a place: a URL as given, or that of a folder's path.

    Raises:
        InvalidInputError: The text is not such a URL, or the URL has a password or a query.
    """
    if not isinstance(text, str | Path) or "\0" in str(text) or not is_storable(str(text)):
        raise InvalidInputError(f"{brief(text)} is no place for files; name a folder or a URL")
    text = str(text)
    if "://" not in text:
        if not text:
            raise InvalidInputError("name a folder, or a URL such as s3://bucket/calls")
        return Path(os.path.realpath(text)).as_uri()
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  this raises if the port is not a number
    except ValueError:
        parts = None
    if parts is None or not parts.scheme or "::" in text or not text.isprintable():
        raise InvalidInputError("not a URL of files; use file:///srv/calls or s3://bucket/calls")
    if parts.password is not None or parts.query or parts.fragment:
        raise InvalidInputError(
            "a URL of files holds no password and no query; give credentials to fsspec by"
            " its own means: the environment, or its configuration"
        )
    if parts.scheme == "file" and (parts.netloc not in ("", "localhost") or not parts.path):
        raise InvalidInputError("a URL of files has three slashes: file:///srv/calls")
    return text.rstrip("/")


def local_path(url: str) -> Path | None:
    """Return the path of a `file:` URL, or None for any other URL.

    The result for `file://host/…` is None: files of other hosts are not opened.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    path = unquote(parts.path)
    is_local = parts.scheme == "file" and parts.netloc in ("", "localhost")
    return Path(path) if is_local and path and "\0" not in path else None


def _is_below(location: str, base: str) -> bool:
    rest = location.removeprefix(f"{base}/")
    if rest == location or _SPECIAL.intersection(rest):
        return False
    return all(name not in ("", ".", "..") for name in rest.split("/"))
