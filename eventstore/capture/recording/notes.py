"""What a recorder notes in a session's log, as events of the store's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eventstore.realtime.audio import SampleRates
from eventstore.realtime.frames import STORE, Frame
from eventstore.realtime.values import dumps, non_empty

OPENED = "eventstore.session.opened"
GAP = "eventstore.session.gap"
CLOSED = "eventstore.session.closed"
CLOCK = "eventstore.session.clock"
REDACTED = "eventstore.session.redacted"
SAME_CALL = "eventstore.session.same_call"
SAMPLE_RATES = "eventstore.session.sample_rates"


def opened(key: str, metadata: Mapping[str, str], notes: Mapping[str, Any], at: int) -> Frame:
    """A recording began.

    Args:
        key: names this recording, whatever its session's id.
        metadata: pairs to set on the session.
        notes: how it is recorded: by, url, …
        at: when, in microseconds since 1970 UTC.
    """
    event: dict[str, Any] = {"type": OPENED, "recording": key, **notes}
    if metadata:
        event["metadata"] = dict(metadata)
    return Frame(STORE, dumps(event), at)


def gap(reason: str, facts: Mapping[str, Any], at: int | None) -> Frame:
    """Something is missing at this place of the log."""
    return Frame(STORE, dumps({"type": GAP, "reason": reason, **facts}), at)


def clock(jump: int, at: int) -> Frame:
    """The wall clock jumped, and the times of the log did not.

    Args:
        jump: by how much, in microseconds; less than 0 where it was set back.
        at: when that was seen, by the clock of the log.
    """
    return Frame(STORE, dumps({"type": CLOCK, "jump_ms": jump / 1000}), at)


def redacted(secrets: int, at: int | None) -> Frame:
    """Return the note that so many secrets were taken out of the frames before it."""
    return Frame(STORE, dumps({"type": REDACTED, "secrets": secrets}), at)


def sample_rates(rates: SampleRates, at: int | None) -> Frame:
    """Return the note that the session's PCM has these rates, whatever its server says.

    Args:
        rates: what was told; one that is None is left out.
        at: when the session's first frame came.
    """
    return Frame(STORE, dumps({"type": SAMPLE_RATES, **non_empty(rates._asdict())}), at)


def same_call(session_id: str, only_here: Iterable[str]) -> Frame:
    """Another session is a recording of the same call, and its usage is counted there.

    Args:
        session_id: the other session, which was opened first.
        only_here: the ids of usage that no recording opened before has.
    """
    event = {"type": SAME_CALL, "session": session_id, "only_here": sorted(only_here)}
    return Frame(STORE, dumps(event), None)


def closed(by: str | None, code: int | None, reason: str | None, at: int | None) -> Frame:
    """No more will come: who closed the connection, and the code and reason of the close frame."""
    event = {"type": CLOSED, "by": by, "code": code, "reason": reason}
    return Frame(STORE, dumps(event), at)
