"""Define the results of verifying a session: its digests, its problems, how it is encrypted.

Made by verify.py and verify_log.py; read by the command `verify` and by digest_file.py.
"""

from __future__ import annotations

from typing import NamedTuple

from eventstore.errors import DamagedError, Failure
from eventstore.segments.digest import BEGINNING


class SegmentDigest(NamedTuple):
    """A range of a session's events, and the digest of all events up to the end of the range.

    Attributes:
        first_seq, last_seq: The sequence numbers of the range's first and last event.
        sha256: The digest (SHA-256) of the events from 1 to `last_seq`.
    """

    first_seq: int
    last_seq: int
    sha256: bytes


class Problem(NamedTuple):
    """Something that is wrong with a range of a session's events.

    Attributes:
        first_seq, last_seq: The sequence numbers of the events that may be concerned.
        problem: What is wrong, in words.
    """

    first_seq: int
    last_seq: int
    problem: str


class Protection(NamedTuple):
    """How many events of a session in an encrypted store are protected in which way.

    Attributes:
        bound: Encrypted, and bound to the row's other columns: a changed time, direction or type
            is found.
        old: Encrypted as older versions did: time, direction and type are not bound to it.
        plain: Not encrypted.
    """

    bound: int = 0
    old: int = 0
    plain: int = 0


class Verified(NamedTuple):
    """The result of verifying one session.

    Attributes:
        session_id: The session.
        events: The sequence number of its last event.
        sealed: The last event that the session's own segments prove. The events after it are
            proved only by a digest that was kept elsewhere.
        segments: The digests, also those of ranges that are not sealed.
        problems: The problems, in the order of the events; empty if the session is whole.
        protection: How the events are encrypted; None if the store's keys are not named.
    """

    session_id: str
    events: int
    sealed: int
    segments: list[SegmentDigest]
    problems: list[Problem]
    protection: Protection | None = None

    @property
    def sha256(self) -> bytes:
        """Return the digest of the whole session."""
        return self.segments[-1].sha256 if self.segments else BEGINNING


def verification_failure(verified: Verified) -> Failure | None:
    """Return the first problem of a verified session as a failure, or None if it is whole."""
    if not verified.problems:
        return None
    first = verified.problems[0]
    error = DamagedError(verified.session_id, first.first_seq, first.last_seq, first.problem)
    return Failure(verified.session_id, error)
