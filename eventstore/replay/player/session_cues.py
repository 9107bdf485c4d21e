"""Read the cues of a stored session, with secrets masked.

Called by the verbs `replay` and `follow` of verbs/log_queries.py, and by exports/waveform.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from sqlalchemy import Engine

from eventstore.common.pauses import Pause
from eventstore.errors import DatabaseUnavailableError
from eventstore.realtime.masking.mask_session import SessionMask
from eventstore.replay.player.cue import Cue
from eventstore.replay.player.cues import CUE_TYPES, CueMaker, cues
from eventstore.store.log.follow import Quiet, follow_events
from eventstore.store.log.masked_events import mask_events
from eventstore.store.log.read_events import read_events
from eventstore.store.sessions.log import Log


def session_cues(log: Log, session_id: str) -> Iterator[Cue]:
    """Yield the cues of a session: what was said, called and cut off, in the order of their times.

    Raises:
        NotFoundError: There is no such session.
    """
    events = read_events(log.engine, session_id, 1, log.last_seq(session_id), CUE_TYPES)
    return cues(mask_events(events, SessionMask()))


def followed_cues(
    engine: Engine,
    session_id: str,
    stopped: Callable[[], bool],
    away: Callable[[DatabaseUnavailableError], None],
) -> Iterator[Cue | Pause]:
    """Yield the cues of a session so far, and then each new one, until the session is closed.

    It does not sleep: it yields a `Pause` when there is nothing new.

    Args:
        stopped, away: As for `follow_events`.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased.
    """
    maker, mask = CueMaker(), SessionMask()
    for event in follow_events(engine, session_id, CUE_TYPES, stopped, away):
        if isinstance(event, Pause):
            yield event
            continue
        told = (event,) if isinstance(event, Quiet) else mask_events((event,), mask)
        for cue in chain.from_iterable(map(maker.cues_of, told)):
            if stopped():
                return
            yield cue
    for cue in maker.rest():
        # What was held back until the end of the events is not told to who does not want more.
        if stopped():
            return
        yield cue
