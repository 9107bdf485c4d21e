"""Read the cues of a stored session, with secrets masked.

Called by `EventStore.replay` and exports/waveform.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from eventstore.realtime.masking.mask_session import SessionMask
from eventstore.replay.player.cue import Cue
from eventstore.replay.player.cues import CUE_TYPES, cues
from eventstore.store.log.masked_events import mask_events
from eventstore.store.log.read_events import read_events
from eventstore.store.sessions.log import Log


def session_cues(log: Log, session_id: str) -> Iterator[Cue]:
    """Yield the cues of a session: what was said, called and cut off, in the order of the events.

    Raises:
        NotFoundError: There is no such session.
    """
    events = read_events(log.engine, session_id, 1, log.last_seq(session_id), CUE_TYPES)
    return cues(mask_events(events, SessionMask()), whole=True)
