"""Reads transcripts, and keeps the last ones, so that further pages need not read the session.

To make a transcript, the whole state of a session is read. A model reads it page by page. Called by
asking.py.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any, NamedTuple

from eventstore.exports.transcript import Turn, transcript_turns
from eventstore.store.database.engine_options import prices_of
from eventstore.verbs.queries import Queries

#: How many transcripts are kept, with how many characters together, and for how many seconds.
MOST, MOST_CHARACTERS, KEPT_SECONDS = 16, 32_000_000, 300.0
# What a turn takes beside its text.
_CHARACTERS_OF_A_TURN = 500


class Transcript(NamedTuple):
    """What was said in a session.

    Attributes:
        session: The session's resource.
        turns: Its turns, in order.
    """

    session: Any
    turns: Sequence[Turn]


def read_whole(queries: Queries, session_id: str) -> tuple[dict[str, Any], Sequence[Turn]]:
    """Return the state of a session and its turns. The state is read once for both.

    Args:
        queries: The verbs that read, limited to the sessions that the asker may see.
        session_id: The session's id.

    Raises:
        NotFoundError: There is no such session for the asker.
        ErasedError: The session was erased.
    """
    state = dict(queries.state(session_id))
    errors = queries.reader.masked_events(session_id, type="error")
    return state, transcript_turns(state, errors, prices_of(queries.engine))


class _Kept(NamedTuple):
    revision: object
    transcript: Transcript
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

    def read(self, queries: Queries, session_id: str) -> Transcript:
        """Return the transcript of a session, as `read_whole` reads it.

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
                return found.transcript
        state, turns = read_whole(queries, session_id)
        transcript = Transcript(state["session"], turns)
        size = sum(_CHARACTERS_OF_A_TURN + len(turn.text) + len(turn.unheard) for turn in turns)
        if size > MOST_CHARACTERS:
            return transcript
        until = time.monotonic() + KEPT_SECONDS
        with self._lock:
            self._kept[session_id] = _Kept(revision, transcript, size, until)
            self._kept.move_to_end(session_id)
            while len(self._kept) > MOST or self._size() > MOST_CHARACTERS:
                self._kept.popitem(last=False)
        return transcript

    def _size(self) -> int:
        return sum(kept.size for kept in self._kept.values())

    def _drop_old(self) -> None:
        now = time.monotonic()
        for session_id in [one for one, kept in self._kept.items() if kept.until < now]:
            del self._kept[session_id]
