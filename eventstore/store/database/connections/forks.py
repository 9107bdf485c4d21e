"""What happens to open databases when the process forks: docs/adr/0020.

Every object with a connection, a lock or a thread registers here, by a weak reference. A fork takes
these steps:

1. In the parent, before the fork: no call of a database driver begins any more. Calls of SQLite
   that are running get some seconds to end. Then `prepare_fork` of each registered object is
   called, if it has one.
2. In the child: each open transaction is left to the parent (`ConnectionUser.leave`). Then `renew`
   of each object is called, and then `after_renewal`, if it has one.

Used by transaction.py, pool.py, wal.py, keys.py and the cache of states.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, get_ident
from typing import Protocol
from weakref import ref

_LOGGER = logging.getLogger("eventstore")
#: How long a fork waits for calls of SQLite in other threads, in seconds.
_PATIENCE = 5.0
_LOOK_AGAIN = 0.001


class Renewable(Protocol):
    """An object with connections, locks, threads or caches that a forked child must not share."""

    def renew(self) -> None:
        """Replace what belongs to the parent process; called in a forked child."""


class ConnectionUser:
    """A transaction, or other work, that uses a connection at the moment.

    Attributes:
        is_local: True if it uses SQLite, whose code runs in this process.
        thread: The id of the thread.
        calling: True while the thread is inside a call of the driver. It is set before `pending` is
            read, so that no call begins during a fork.
    """

    def __init__(self, is_local: bool) -> None:
        self.is_local, self.thread, self.calling = is_local, get_ident(), False

    def leave(self) -> None:
        """Give the connection up to the parent process; called in a forked child."""

    def pause(self, seconds: float) -> None:
        """Wait between two calls of the driver. Another thread may fork in the meantime.

        Args:
            seconds: How long.
        """
        self.calling = False
        time.sleep(seconds)
        self.calling = True
        wait_for_fork(self)


class Fork:
    """A fork that is in progress.

    Attributes:
        thread: The id of the thread that forks.
        made: Set when the fork is done.
    """

    def __init__(self) -> None:
        self.thread, self.made = get_ident(), Event()


#: The fork that is in progress, or None.
pending: Fork | None = None
_one = Lock()
# Sets, not a WeakSet: another thread may add to them while they are iterated over.
_owners: set[ref[Renewable]] = set()
_users: set[ConnectionUser] = set()
_interrupted: set[ConnectionUser] = set()
#: Register a user of a connection, and remove it again.
add_user, remove_user = _users.add, _users.discard


def renew_in_children(owner: Renewable) -> None:
    """Register an object whose `renew` is called in each forked child, while the object lives."""
    _owners.add(ref(owner, _owners.discard))


def wait_for_fork(user: ConnectionUser) -> None:
    """Wait, before a call of the driver, until a fork of another thread is done."""
    while (fork := pending) is not None and fork.thread != user.thread:
        user.calling = False
        fork.made.wait()
        user.calling = True


@contextmanager
def connection_call(is_local: bool) -> Iterator[ConnectionUser]:
    """Register work on a connection outside of a `Transaction`, as one long call of the driver."""
    user = ConnectionUser(is_local)
    add_user(user)
    user.calling = True
    wait_for_fork(user)
    try:
        yield user
    finally:
        remove_user(user)


def interrupted() -> bool:
    """Return True if the fork interrupted a call of SQLite in another thread of the parent."""
    return bool(_interrupted)


def _before() -> None:
    """Stop new calls of drivers, and wait for the running ones; called before a fork."""
    global pending
    _one.acquire()
    pending = Fork()
    end = time.monotonic() + _PATIENCE
    while _in_calls() and time.monotonic() < end:
        time.sleep(_LOOK_AGAIN)
    _do_each("prepare_fork")


def _in_calls() -> set[ConnectionUser]:
    """Return the users of SQLite in other threads that are inside a call."""
    here = get_ident()
    return {u for u in list(_users) if u.calling and u.is_local and u.thread != here}


def _in_parent() -> None:
    """Let calls begin again; called in the parent after a fork."""
    global pending
    if pending is not None:
        pending.made.set()
    pending = None
    _one.release()


def _in_child() -> None:
    """Replace what belongs to the parent; called in the child after a fork."""
    global pending, _one
    pending, _one = None, Lock()
    users = list(_users)
    _interrupted.update(_in_calls())
    _users.clear()
    for user in users:
        _do(user.leave)
    _do_each("renew")
    _do_each("after_renewal")
    _interrupted.clear()


def _do_each(name: str) -> None:
    """Call the method `name` of each registered object that has it."""
    for one in list(_owners):
        work = getattr(one(), name, None)
        if work is not None:
            _do(work)


def _do(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:  # The other stores are still renewed.
        _LOGGER.exception("a store cannot follow a fork")


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
