"""Cache the states of open sessions in memory, for appends. Used by sessions/append.py."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from eventstore.common.memory_size import machine_memory
from eventstore.projection.state_size import state_size
from eventstore.store.database.connections import forks

if TYPE_CHECKING:
    from eventstore.projection.state import SessionState


class CachedState(NamedTuple):
    """A session's state after the last append of this process.

    Attributes:
        state: The state.
        opened_at: When its stream was opened, in microseconds since 1970 UTC.
    """

    state: SessionState
    opened_at: int


#: The bytes that all states of a process may have: a share of the machine's memory, and at least so
#: many. The state of a voice call of five minutes has 0.8 MB.
_SHARE, _LEAST_BYTES = 16, 256 * 1024 * 1024


def most_cache_bytes() -> int:
    """Return how many bytes all states of a process may have on this machine."""
    return max(_LEAST_BYTES, machine_memory() // _SHARE)


class StateCache:
    """A cache of states. `take` hands a state to one caller alone, and `put` gives it back.

    The number of states and their bytes are limited, so that a process that never closes sessions
    has bounded memory. If there are too many, the least recently used state is dropped. If they are
    too large, the largest is dropped, so that a session with huge resources only slows itself down.
    If an append fails, it does not give its state back, and the next append loads it from the log.

    Args:
        size: How many states at most.
        most_bytes: How many bytes all states may have, by default `most_cache_bytes`.
    """

    def __init__(self, size: int = 10_000, most_bytes: int | None = None) -> None:
        self._size, self._most_bytes = size, most_bytes or most_cache_bytes()
        self.renew()
        forks.renew_in_children(self)

    def renew(self) -> None:
        """Start with no states. In a forked child, a thread of the parent may hold the old lock."""
        self._states: OrderedDict[str, CachedState] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        self._lock = Lock()

    def take(self, session_id: str) -> CachedState | None:
        """Remove a session's state from the cache and return it, or None."""
        with self._lock:
            self._bytes -= self._sizes.pop(session_id, 0)
            return self._states.pop(session_id, None)

    def put(self, cached: CachedState) -> None:
        """Give a state back after the commit that it belongs to.

        The state of a closed session is dropped.
        """
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
