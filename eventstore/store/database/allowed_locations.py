"""Which places outside of the database a process opens: only those that its user allows.

A database may come from anywhere, and what it names may be anywhere: a folder of other programs, or
a server that learns from a request who reads. So a location is opened only below the folder of the
SQLite database itself, or below a place that the environment variable EVENTSTORE_SEGMENTS names, or
that this process was told to move bytes to. Called by locations.py before it opens anything.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from eventstore.errors import InvalidInputError

#: The environment variable that lists places: folders and URLs, separated by spaces.
VARIABLE = "EVENTSTORE_SEGMENTS"

# What has a meaning of its own in some storage's paths.
_SPECIAL = frozenset("?#%\\*[]:\0")


class AllowedLocations:
    """The places that may be opened for one database. Each engine has one.

    Args:
        folder: the folder of the database's own file; None where it has none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._given: list[str] = []

    def allow(self, base: str) -> None:
        """Allow a place for as long as this process has the database open.

        Args:
            base: what `base_url` gave.
        """
        if base not in self._given:
            self._given.append(base)

    def given(self) -> list[str]:
        """Return the places that `allow` was called with."""
        return list(self._given)

    def allows(self, location: str) -> bool:
        """Return True if bytes of a location may be read, or written there.

        Raises:
            InvalidInputError: EVENTSTORE_SEGMENTS names what is no place.
        """
        return self._is_among(location, [*self.configured(), *self._given])

    def is_configured(self, base: str) -> bool:
        """Return True if other processes of this user open a place, too."""
        return self._is_among(f"{base}/x", self.configured())

    def configured(self) -> list[str]:
        """Return the places that the user's configuration allows.

        Raises:
            InvalidInputError: EVENTSTORE_SEGMENTS names what is no place.
        """
        listed = [] if self._folder is None else [self._folder.as_uri()]
        try:
            return listed + [base_url(text) for text in os.environ.get(VARIABLE, "").split()]
        except InvalidInputError as error:
            raise InvalidInputError(f"{VARIABLE}: {error}") from error

    def _is_among(self, location: str, bases: list[str]) -> bool:
        path = local_path(location)
        if path is None:
            return any(_is_below(location, base) for base in bases)
        # Symbolic links and `..` are followed first: what counts is where the bytes are.
        real = Path(os.path.realpath(path))
        folders = (local_path(base) for base in bases)
        return any(f is not None and Path(os.path.realpath(f)) in real.parents for f in folders)


def base_url(text: str) -> str:
    """Return the URL of a place: a URL as given, or that of a folder's path.

    Raises:
        InvalidInputError: no such URL, or one with a password or a query in it.
    """
    if "://" not in text:
        if not text:
            raise InvalidInputError("name a folder, or a URL such as s3://bucket/calls")
        return Path(os.path.realpath(text)).as_uri()
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  whether it is a number
    except ValueError:
        parts = None
    if parts is None or not parts.scheme or "::" in text or not text.isprintable():
        raise InvalidInputError("not a URL for segments; use file:///calls or s3://bucket/calls")
    if parts.password is not None or parts.query or parts.fragment:
        raise InvalidInputError(
            "a URL for segments holds no password and no query; give credentials to fsspec by"
            " its own means: the environment, or its configuration"
        )
    if parts.scheme == "file" and (parts.netloc not in ("", "localhost") or not parts.path):
        raise InvalidInputError("a URL of files has three slashes: file:///calls/segments")
    return text.rstrip("/")


def local_path(url: str) -> Path | None:
    """Return the path of a file's URL, or None for any other URL.

    `file://host/…` is none: no other host's files are opened.
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
