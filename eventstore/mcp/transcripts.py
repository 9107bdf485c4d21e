"""Keeps the transcripts that were read last, so that further pages need not read the session.

To make a transcript, the whole state of a session is read. A model reads it page by page. Called by
asking.py.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from eventstore.exports.transcript import Turn
from eventstore.verbs.queries import Queries

#: How many transcripts are kept, with how many characters together, and for how many seconds.
MOST, MOST_CHARACTERS, KEPT_SECONDS = 16, 32_000_000, 300.0
# What a turn takes beside its text.
_CHARACTERS_OF_A_TURN = 500


class _Kept(NamedTuple):
    revision: object
    turns: Sequence[Turn]
    size: int
    until: float


class Transcripts:
    """The transcripts that were read last. Threads may share it.

    A transcript is given only to those who may see its session, and only while the session has
    neither new events nor fewer.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def read(self, queries: Queries, session_id: str) -> Sequence[Turn]:
        """Return the turns of a session.

        Args:
            queries: The verbs that read, limited to the sessions that the asker may see.
            session_id: The session's id.

        Raises:
            NotFoundError: There is no such session for the asker.
            ErasedError: The session was erased.
        """
        revision = queries.revision(session_id)  # first, so that what comes meanwhile is not missed
        with self._lock:
            self._drop_old()
            found = self._kept.get(session_id)
            if found is not None and found.revision == revision:
                self._kept.move_to_end(session_id)
                return found.turns
        turns = queries.transcript(session_id)
        size = sum(_CHARACTERS_OF_A_TURN + len(turn.text) + len(turn.unheard) for turn in turns)
        if size > MOST_CHARACTERS:
            return turns
        until = time.monotonic() + KEPT_SECONDS
        with self._lock:
            self._kept[session_id] = _Kept(revision, turns, size, until)
            self._kept.move_to_end(session_id)
            while len(self._kept) > MOST or self._size() > MOST_CHARACTERS:
                self._kept.popitem(last=False)
        return turns

    def _size(self) -> int:
        return sum(kept.size for kept in self._kept.values())

    def _drop_old(self) -> None:
        now = time.monotonic()
        for session_id in [one for one, kept in self._kept.items() if kept.until < now]:
            del self._kept[session_id]
