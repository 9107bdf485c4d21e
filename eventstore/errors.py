"""Errors that the store raises. Each message is one line and says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eventstore.times import to_iso


class EventStoreError(Exception):
    """The base of every error that the store raises on purpose."""

    def __reduce__(self) -> tuple[object, ...]:
        """Workers send errors from process to process; their arguments are not their message's."""
        return _made_again, (type(self), *self.args), self.__dict__


class ConflictError(EventStoreError):
    """An append expected another last event than the session has.

    Attributes:
        session_id: The session's id.
        expected: The `expected_seq` that was given.
        actual: The sequence number of the session's last event.
    """

    def __init__(self, session_id: str, expected: int, actual: int) -> None:
        self.session_id, self.expected, self.actual = session_id, expected, actual
        super().__init__(
            f"session {session_id}: expected seq {expected}, but the head is {actual};"
            " read the new events and append again"
        )


class NotFoundError(EventStoreError):
    """There is no such session, response, conversation or item."""


class AmbiguousError(EventStoreError):
    """One id names resources of several sessions; name the session as well."""


class InvalidInputError(EventStoreError):
    """An argument, a filter, a file or a pair of metadata cannot be used. The message says why."""


class MissingExtraError(EventStoreError):
    """A package is needed that is not installed. The message says how to install it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; run: pip install 'realtime-eventstore[{extra}]'"
        )


class SchemaError(EventStoreError):
    """The schema of the database is missing, or older or newer than this code."""


class DamagedError(EventStoreError):
    """Events of a session cannot be read.

    Attributes:
        session_id: The session's id.
        first_seq: The sequence number of the first event that cannot be read.
        last_seq: That of the last one.
        problem: What is wrong with them.
        sound: The direction and type of events whose sound alone cannot be read; None if nothing of
            them can be.
    """

    def __init__(
        self,
        session_id: str,
        first_seq: int,
        last_seq: int,
        problem: str,
        sound: tuple[str, str] | None = None,
    ) -> None:
        self.session_id, self.first_seq, self.last_seq = session_id, first_seq, last_seq
        self.problem, self.sound = problem, sound
        events = f"the segment of events {first_seq} to {last_seq}"
        which = f"event {first_seq}" if first_seq == last_seq else events
        super().__init__(
            f"session {session_id}: {which} is damaged:"
            f" {problem}; what is whole: eventstore verify {session_id}"
        )


class BrokenHeadError(EventStoreError):
    """An append met events where it was to put its own: behind the noted head of the session.

    `EventStore.repair` mends that.

    Attributes:
        session_id: The session's id.
        head: The sequence number of its last event, as it is noted.
        last_seq: That of the last event that is there.
    """

    def __init__(self, session_id: str, head: int, last_seq: int) -> None:
        self.session_id, self.head, self.last_seq = session_id, head, last_seq
        super().__init__(
            f"session {session_id}: the head is {head}, but events are there up to {last_seq};"
            f" nothing was appended; run: eventstore repair {session_id}"
        )


class ErasedError(EventStoreError):
    """The session was erased: nothing of it is left, and nothing is appended to it again.

    Attributes:
        session_id: The session's id.
        at: When it was erased, in microseconds since 1970 UTC.
        reason: Why; None if no reason was given.
    """

    def __init__(self, session_id: str, at: int, reason: str | None, advice: str = "") -> None:
        self.session_id, self.at, self.reason = session_id, at, reason
        date = (to_iso(at) or "")[:10]
        why = f" ({reason})" if reason else ""
        super().__init__(f"session {session_id} was erased on {date}{why}{advice}")


class ErasedMeanwhileError(EventStoreError):
    """Some of a session, such as its audio, was erased while something was made of it."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"session {session_id}: some of it was erased meanwhile; nothing was written: try again"
        )


class DatabaseUnavailableError(EventStoreError):
    """The database cannot be reached, is full, is locked, or cannot be written to."""


class StorageUnavailableError(DatabaseUnavailableError):
    """The place outside of the database where a session's bytes are cannot be reached."""


class TimeLimitError(DatabaseUnavailableError):
    """A query took longer than the `time_limit` of the store."""


class MissingKeyError(DatabaseUnavailableError):
    """The database is encrypted, and the database of its keys is not named or not there."""


class MissingSessionKeyError(MissingKeyError):
    """The key of one session is not in the database of keys; those of others may be."""


class UnforeseenError(EventStoreError):
    """A fault that nobody foresaw. Its own message is left out, as it may hold what was said.

    Attributes:
        kind: The name of the exception's class.
    """

    def __init__(self, name: str, kind: str, place: str) -> None:
        self.kind = kind
        super().__init__(f"{name}: unforeseen {kind} at {place}; please report it")


class WorkerDiedError(EventStoreError):
    """The process that worked on a session ended in the middle of it, each time it was tried."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"session {session_id}: the process that worked on it was killed,"
            " or found too little memory"
        )


class Failure(NamedTuple):
    """What could not be done with one of several sessions, days or files.

    Attributes:
        name: The session's id, the day's date, or the file's name.
        error: The error that says why.
    """

    name: str
    error: EventStoreError

    @property
    def session_id(self) -> str:
        """The session's id, where it is a session that failed: the same as `name`."""
        return self.name

    @property
    def kind(self) -> str:
        """The name of the error's class, which holds no content."""
        error = self.error
        return error.kind if isinstance(error, UnforeseenError) else type(error).__name__


class SomeFailedError(EventStoreError):
    """Something was done with many, and failed with some of them.

    Attributes:
        failures: The `Failure` of each one that failed, in order.
    """

    def __init__(self, failures: Sequence[Failure]) -> None:
        self.failures = list(failures)
        first = self.failures[0]
        more = f"; and {len(failures) - 1:,} more failed" if len(failures) > 1 else ""
        super().__init__(f"{failure_line(first)}{more}")


def failure_line(failure: Failure) -> str:
    """Return a failure as one line, which names what failed."""
    told = " ".join(str(failure.error).split())
    name = str(failure.name)  # a damaged database's id may be bytes
    return told if name in told else f"{name}: {told}"


class ClosedError(EventStoreError):
    """A store was used after it was closed."""


class ForkError(EventStoreError):
    """A forked child process used what belongs to its parent, or what cannot be used in it."""


class DriftError(EventStoreError, AssertionError):
    """A client of a cassette did something else than was recorded, or the recording failed."""


def _made_again(kind: type[EventStoreError], *said: object) -> EventStoreError:
    return kind.__new__(kind, *said)
