"""The states of sessions in progress that an appending process keeps in memory."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from eventstore.projection.state_size import state_size
from eventstore.store.database.connections import forks

if TYPE_CHECKING:
    from eventstore.projection.state import SessionState


class CachedState(NamedTuple):
    """A session's state after its last append by this process."""

    state: SessionState
    opened_at: int


#: What the states of a process may take: those of some thousand calls, or of a few hostile ones.
MOST_BYTES = 256 * 1024 * 1024


class StateCache:
    """States of sessions in progress. `take` hands one out to one caller; `put` gives it back.

    Their number and their bytes bound the memory of a process that never closes sessions; one that
    has more of them going on at once loads states all the time. Where they are too many, the one
    that was not used for longest is let go; where they are too large, the largest, so that a
    session of huge resources slows itself alone.

    A state that an append took and did not give back (it failed) is loaded anew from the log.
    """

    def __init__(self, size: int = 1024, most_bytes: int = MOST_BYTES) -> None:
        self._size, self._most_bytes = size, most_bytes
        self.renew()
        forks.renew_in_children(self)

    def renew(self) -> None:
        """Begin with no states; in a forked child, somebody of the parent's may hold the lock."""
        self._states: OrderedDict[str, CachedState] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        self._lock = Lock()

    def take(self, session_id: str) -> CachedState | None:
        """The session's state, which is then the caller's alone."""
        with self._lock:
            self._bytes -= self._sizes.pop(session_id, 0)
            return self._states.pop(session_id, None)

    def put(self, cached: CachedState) -> None:
        """Give a state back, after the commit that it belongs to; a closed session's is let go."""
        if cached.state.closed:
            return
        session_id, size = cached.state.session_id, state_size(cached.state, self._most_bytes)
        with self._lock:
            self._bytes += size - self._sizes.pop(session_id, 0)
            self._states[session_id], self._sizes[session_id] = cached, size
            if len(self._states) > self._size:
                self._let_go(next(iter(self._states)))
            while self._bytes > self._most_bytes:
                self._let_go(max(self._sizes, key=self._sizes.__getitem__))

    def _let_go(self, session_id: str) -> None:
        del self._states[session_id]
        self._bytes -= self._sizes.pop(session_id)
