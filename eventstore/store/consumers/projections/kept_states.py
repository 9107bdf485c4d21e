"""Keep the states of open sessions in memory, so many and of so many bytes, the latest used.

A state that is not kept any more is folded from its session's log again. So a limit costs time and
never a row. Called inline (inline.py) and by workers (catch_up.py).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from eventstore.common.memory_size import memory_size
from eventstore.store.consumers.projections.projected_rows import KeyedRows, bytes_of

#: How many states a process keeps, how many bytes they may have with their rows, and how many one
#: of them may have.
MOST_STATES, MOST_BYTES, MOST_EACH = 1_000, 64 * 1024 * 1024, 16 * 1024 * 1024


@dataclass(slots=True)
class KeptState:
    """What is known of a session between two times that a projection runs on it.

    Attributes:
        seq: The last event that the state has.
        state: The projection's state.
        rows: The rows that are written, where they are at hand.
        state_size: How many bytes the state had when it was measured.
        measured_seq: The seq at which that was; 0 before.
    """

    seq: int
    state: Any
    rows: KeyedRows = field(default_factory=dict)
    state_size: int = 0
    measured_seq: int = 0

    def measure(self) -> None:
        """Measure the state, unless the session has less than twice the events of the last time.

        So a state that grows with its session is measured a few times in all.
        """
        if self.seq >= 2 * self.measured_seq:
            self.state_size = memory_size(self.state, MOST_EACH)
            self.measured_seq = self.seq


class KeptStates:
    """States by projection and session. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[KeptState, int]] = OrderedDict()
        #: How many bytes they have with their rows, as measured.
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, name: str, session_id: str) -> KeptState | None:
        """Return the state of a session, which is kept no more; None if there is none."""
        with self._lock:
            return self._take((name, session_id))

    def put(self, name: str, session_id: str, kept: KeptState) -> None:
        """Keep a state, unless it is too large; those that were not used for longest go."""
        size = kept.state_size + bytes_of(kept.rows)
        with self._lock:
            self._take((name, session_id))  # Another thread may have put one in the meantime.
            if size > MOST_EACH:
                return
            self._kept[name, session_id] = kept, size
            self.size += size
            while len(self._kept) > MOST_STATES or self.size > MOST_BYTES:
                self._take(next(iter(self._kept)))

    def forget(self, session_id: str) -> None:
        """Keep no state of a session, which was erased."""
        with self._lock:
            for key in [key for key in self._kept if key[1] == session_id]:
                self._take(key)

    def _take(self, key: tuple[str, str]) -> KeptState | None:
        kept, size = self._kept.pop(key, (None, 0))
        self.size -= size
        return kept
