"""Files and folders that only the user who runs the program may read: the store, the spool, caches.

They hold what people said. So they are made with modes 0600 and 0700, whatever the umask is, and
are opened as the plain files that they are: a symbolic link, a pipe or a device in the place of one
is refused. What is there already keeps its mode. Exports are the user's own, and follow the umask.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from eventstore.errors import InvalidInputError

_FILE, _FOLDER = 0o600, 0o700
_OTHERS, _OTHERS_WRITE = 0o077, 0o022


def open_private(path: str, flags: int) -> int:
    """Open a private file; for `open(…, opener=private)`. One that is made gets mode 0600.

    Raises:
        OSError: it cannot be opened, or something else than a file is in its place.
    """
    # Without O_NONBLOCK, a pipe would be waited for.
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = None
    if not flags & os.O_EXCL:
        with suppress(FileNotFoundError):
            descriptor = os.open(path, flags & ~os.O_CREAT)
    if descriptor is None:
        descriptor = os.open(path, flags, _FILE)
        if flags & os.O_CREAT:
            os.fchmod(descriptor, _FILE)  # a umask may take more away than is good
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file", path)
    return descriptor


def make_private_file(path: Path) -> None:
    """Make an empty private file, unless something is there."""
    with suppress(FileExistsError, FileNotFoundError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _FILE)
        os.fchmod(descriptor, _FILE)
        os.close(descriptor)


def make_private_folder(folder: Path) -> None:
    """Make a private folder, unless it is there. Folders above it are made as usual.

    Raises:
        OSError: it cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=_FOLDER)
        folder.chmod(_FOLDER)


def is_plain_file(path: Path) -> bool:
    """Return True if a file is there, and no link, pipe, device or folder."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def is_open_to_others(path: Path) -> bool:
    """Return True if other users than the owner may read or write a file."""
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError:
        return False


def check_private_folder(folder: Path, what: str) -> None:
    """See that nobody else can put files into a folder, or change those in it.

    Args:
        what: it is, for the error.

    Raises:
        InvalidInputError: it belongs to another user, or others may write to it.
    """
    us = os.geteuid()
    try:
        link, found = folder.lstat(), folder.stat()
    except OSError:
        return  # it is not there, or cannot be read: whoever uses it tells that
    if found.st_uid != us or link.st_uid != us:
        raise InvalidInputError(
            f"{what} {folder} belongs to another user, who could read and change what is in it;"
            " name another folder"
        )
    if found.st_mode & _OTHERS_WRITE:
        raise InvalidInputError(
            f"others may write to {what} {folder}: run chmod 700 {folder}, or name another folder"
        )
