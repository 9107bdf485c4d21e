"""The states of sessions in progress that an appending process keeps in memory."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from eventstore.projection.state import SessionState
from eventstore.store import forks


class Cached(NamedTuple):
    """A session's state after its last append by this process."""

    state: SessionState
    opened_at: int


class StateCache:
    """States of sessions in progress. `take` hands one out to one caller; `put` gives it back.

    The size bounds the memory of a process that never closes sessions; one that has more of them
    going on at once loads states all the time.

    A state that an append took and did not give back (it failed) is loaded anew from the log.
    """

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self.renew()
        forks.renew_in_children(self)

    def renew(self) -> None:
        """Begin with no states; in a forked child, somebody of the parent's may hold the lock."""
        self._states: OrderedDict[str, Cached] = OrderedDict()
        self._lock = Lock()

    def take(self, session_id: str) -> Cached | None:
        """The session's state, which is then the caller's alone."""
        with self._lock:
            return self._states.pop(session_id, None)

    def put(self, cached: Cached) -> None:
        """Give a state back, after the commit that it belongs to; a closed session's is let go."""
        if cached.state.closed:
            return
        with self._lock:
            self._states[cached.state.session_id] = cached
            if len(self._states) > self._size:
                self._states.popitem(last=False)
