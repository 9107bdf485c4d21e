"""Make and open files and folders that only the user who runs the program may read.

These files hold what people said: SQLite databases, the recorder's spool, caches. New files have
the mode 0600 and new folders 0700, whatever the umask is. A symbolic link, a pipe or a device in
the place of a file is refused. Existing files keep their mode. Exports are not private files: the
user chooses their place, and they follow the umask.
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
    """Open a private file, and give it the mode 0600 if it is new.

    Example:
        >>> with open(path, "wb", opener=open_private) as file: ...

    Raises:
        OSError: The file cannot be opened, or something else than a file is in its place.
    """
    # Without O_NONBLOCK, opening a pipe would wait for its other end.
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = None
    if not flags & os.O_EXCL:
        with suppress(FileNotFoundError):
            descriptor = os.open(path, flags & ~os.O_CREAT)
    if descriptor is None:
        descriptor = os.open(path, flags, _FILE)
        if flags & os.O_CREAT:
            os.fchmod(descriptor, _FILE)  # the umask may have removed the owner's own rights
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file", path)
    return descriptor


def make_private_file(path: Path) -> None:
    """Make an empty private file, unless the path exists or its folder does not."""
    with suppress(FileExistsError, FileNotFoundError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _FILE)
        os.fchmod(descriptor, _FILE)
        os.close(descriptor)


def make_private_folder(folder: Path) -> None:
    """Make a private folder, unless it exists. Folders above it get the usual modes.

    Raises:
        OSError: The folder cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=_FOLDER)
        folder.chmod(_FOLDER)


def is_plain_file(path: Path) -> bool:
    """Return True if a path is a file, and no symbolic link, pipe, device or folder."""
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


def check_private_folder(folder: Path, kind: str) -> None:
    """Check that no other user can add or change files in a folder.

    Args:
        folder: The folder. A folder that does not exist, or cannot be read, passes the check.
        kind: What the folder is, for the error message: `"spool"`.

    Raises:
        InvalidInputError: The folder belongs to another user, or other users may write to it.
    """
    us = os.geteuid()
    try:
        link, found = folder.lstat(), folder.stat()
    except OSError:
        return  # the code that uses the folder reports this
    if found.st_uid != us or link.st_uid != us:
        raise InvalidInputError(
            f"{kind} {folder} belongs to another user, who could read and change what is in it;"
            " name another folder"
        )
    if found.st_mode & _OTHERS_WRITE:
        raise InvalidInputError(
            f"others may write to {kind} {folder}: run chmod 700 {folder}, or name another folder"
        )
