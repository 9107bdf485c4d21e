"""The notes that a recorder writes into a session's log, as `eventstore.session.…` events.

The recorder, `import` and `same_call.py` make them; the projection reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eventstore.realtime.audio import SampleRates
from eventstore.realtime.catalogue import (
    CLOCK,
    CLOSED,
    GAP,
    OPENED,
    REDACTED,
    SAME_CALL,
    SAMPLE_RATES,
)
from eventstore.realtime.frames import STORE, Frame
from eventstore.realtime.values import dumps, non_empty


def opened(key: str, metadata: Mapping[str, str], notes: Mapping[str, Any], at: int) -> Frame:
    """Return the note that a recording began.

    Args:
        key: The recording's key, whatever the session's id is.
        metadata: Pairs to set on the session.
        notes: How it is recorded, such as `{"by": "relay", "url": …}`.
        at: When, in microseconds since 1970 UTC.
    """
    event: dict[str, Any] = {"type": OPENED, "recording": key, **notes}
    if metadata:
        event["metadata"] = dict(metadata)
    return Frame(STORE, dumps(event), at)


def gap(reason: str, facts: Mapping[str, Any], at: int | None) -> Frame:
    """Return the note that something is missing at this place of the log."""
    return Frame(STORE, dumps({"type": GAP, "reason": reason, **facts}), at)


def clock(jump: int, at: int) -> Frame:
    """Return the note that the wall clock jumped while the log's times did not.

    Args:
        jump: By how much, in microseconds; negative if the clock was set back.
        at: When that was noticed, by the log's clock.
    """
    return Frame(STORE, dumps({"type": CLOCK, "jump_ms": jump / 1000}), at)


def redacted(secrets: int, at: int | None) -> Frame:
    """Return the note that so many secrets were removed from the frames before it."""
    return Frame(STORE, dumps({"type": REDACTED, "secrets": secrets}), at)


def sample_rates(rates: SampleRates, at: int | None) -> Frame:
    """Return the note that the session's PCM has these rates, whatever its server says.

    Args:
        rates: The rates that were named; a rate that is None is left out.
        at: When the session's first frame came.
    """
    return Frame(STORE, dumps({"type": SAMPLE_RATES, **non_empty(rates._asdict())}), at)


def same_call(session_id: str, only_here: Iterable[str]) -> Frame:
    """Return the note that another session of the same call counts this one's usage.

    Args:
        session_id: The other session, which was opened first.
        only_here: The ids of usage that no earlier recording of the call has.
    """
    event = {"type": SAME_CALL, "session": session_id, "only_here": sorted(only_here)}
    return Frame(STORE, dumps(event), None)


def closed(by: str | None, code: int | None, reason: str | None, at: int | None) -> Frame:
    """Return the note that the session ended, with the code and reason of the close frame.

    Args:
        by: Who closed the connection: client, server or recorder; None if it was cut off.
    """
    event = {"type": CLOSED, "by": by, "code": code, "reason": reason}
    return Frame(STORE, dumps(event), at)
