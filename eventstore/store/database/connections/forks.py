"""What a forked child process gets of the stores that its parent had opened: docs/adr/0020.

Everything that holds a connection, a lock or a thread registers here, by a weak reference. At a
fork, in this order:

1. In the parent, before the fork: no call of a database's driver begins any more, those of SQLite
   that go on get some seconds to end, and each owner may `prepare_fork`.
2. In the child: each transaction in progress is left to the parent (`User.leave`), each owner
   takes up what is its own (`renew`), and then each may look at what all of them left
   (`after_renewal`).
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
#: Seconds that a fork waits for calls of SQLite in other threads, at most.
_PATIENCE = 5.0
_LOOK_AGAIN = 0.001


class Renewable(Protocol):
    """What has connections, locks, threads or caches that a forked child must not share."""

    def renew(self) -> None:
        """Take up, in a forked child, what is the child's own."""


class ConnectionUser:
    """Who uses a connection at the moment.

    Attributes:
        is_local: whether it uses SQLite, whose code runs in this process.
        thread: the thread that uses it.
        calling: whether that thread is inside a call of the database's driver. Set it, then look
            whether a fork is `pending`; no call begins while one is.
    """

    def __init__(self, is_local: bool) -> None:
        self.is_local, self.thread, self.calling = is_local, get_ident(), False

    def leave(self) -> None:
        """Leave the connection to the parent process, in a forked child."""

    def pause(self, seconds: float) -> None:
        """Wait between two calls; another thread may fork meanwhile."""
        self.calling = False
        time.sleep(seconds)
        self.calling = True
        wait_for_fork(self)


class Fork:
    """A fork that goes on: who makes it, and what is set when it is made."""

    def __init__(self) -> None:
        self.thread, self.made = get_ident(), Event()


#: The fork that goes on; None for none.
pending: Fork | None = None
_one = Lock()
# Plain sets: another thread may add to them while they are listed, which a WeakSet does not bear.
_owners: set[ref[Renewable]] = set()
_users: set[ConnectionUser] = set()
_interrupted: set[ConnectionUser] = set()
#: Note a user, and that it is one no longer.
add_user, remove_user = _users.add, _users.discard


def renew_in_children(owner: Renewable) -> None:
    """Have an object take up what is its own in each forked child, as long as the object lives."""
    _owners.add(ref(owner, _owners.discard))


def wait_for_fork(user: ConnectionUser) -> None:
    """Wait before a call, while another thread forks."""
    while (fork := pending) is not None and fork.thread != user.thread:
        user.calling = False
        fork.made.wait()
        user.calling = True


@contextmanager
def connection_call(is_local: bool) -> Iterator[ConnectionUser]:
    """Use a connection that is no `Transaction`'s, as if it were all one call."""
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
    global pending
    _one.acquire()
    pending = Fork()
    end = time.monotonic() + _PATIENCE
    while _in_calls() and time.monotonic() < end:
        time.sleep(_LOOK_AGAIN)
    _do_each("prepare_fork")


def _in_calls() -> set[ConnectionUser]:
    """The users of SQLite in other threads that are inside a call of its library."""
    here = get_ident()
    return {u for u in list(_users) if u.calling and u.is_local and u.thread != here}


def _in_parent() -> None:
    global pending
    if pending is not None:
        pending.made.set()
    pending = None
    _one.release()


def _in_child() -> None:
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
    """Call the method of that name of each owner that has one."""
    for one in list(_owners):
        work = getattr(one(), name, None)
        if work is not None:
            _do(work)


def _do(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:  # one store's trouble is no other's
        _LOGGER.exception("a store cannot follow a fork")


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
