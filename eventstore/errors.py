"""Errors that the store raises. Each message is one line and says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eventstore.times import to_iso


class EventStoreError(Exception):
    """Base of every error that the store raises on purpose."""

    def __reduce__(self) -> tuple[object, ...]:
        """Workers send errors from process to process; their arguments are not their message's."""
        return _made_again, (type(self), *self.args), self.__dict__


class ConflictError(EventStoreError):
    """An append expected another head than the stream has.

    Attributes:
        expected: the `expected_seq` that was given.
        actual: the stream's head.
    """

    def __init__(self, session_id: str, expected: int, actual: int) -> None:
        self.session_id, self.expected, self.actual = session_id, expected, actual
        super().__init__(
            f"session {session_id}: expected seq {expected}, but the head is {actual};"
            " read the new events and append again"
        )


class NotFoundError(EventStoreError):
    """No such session, response or item."""


class AmbiguousError(EventStoreError):
    """One id names resources of several sessions."""


class InvalidInputError(EventStoreError):
    """An argument, filter, file or metadata pair that cannot be used."""


class MissingExtraError(EventStoreError):
    """A package that only some installations have is not there."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; run: pip install 'realtime-eventstore[{extra}]'"
        )


class SchemaError(EventStoreError):
    """The database's schema is missing, older or newer than this code."""


class DamagedError(EventStoreError):
    """Events that cannot be read.

    Attributes:
        session_id, first_seq, last_seq: which they are.
        problem: what is wrong with them.
        sound: the direction and type of those whose sound alone cannot be read; None for all.
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
    """An append met events behind the head of its session, where it was to put its own.

    Attributes:
        session_id: which it is.
        head: what its stream says.
        last_seq: of the last event that is there.
    """

    def __init__(self, session_id: str, head: int, last_seq: int) -> None:
        self.session_id, self.head, self.last_seq = session_id, head, last_seq
        super().__init__(
            f"session {session_id}: the head is {head}, but events are there up to {last_seq};"
            f" nothing was appended; run: eventstore repair {session_id}"
        )


class ErasedError(EventStoreError):
    """A session that was erased: nothing of it is left, and nothing is appended to it again.

    Attributes:
        session_id: which it was.
        at: when, in microseconds since 1970 UTC.
        reason: why; None where none was given.
    """

    def __init__(self, session_id: str, at: int, reason: str | None, advice: str = "") -> None:
        self.session_id, self.at, self.reason = session_id, at, reason
        date = (to_iso(at) or "")[:10]
        why = f" ({reason})" if reason else ""
        super().__init__(f"session {session_id} was erased on {date}{why}{advice}")


class ErasedMeanwhileError(EventStoreError):
    """Some of a session, its audio say, was erased while something was made of it."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"session {session_id}: some of it was erased meanwhile; nothing was written: try again"
        )


class DatabaseUnavailableError(EventStoreError):
    """The database cannot be reached, is full, locked or read-only."""


class StorageUnavailableError(DatabaseUnavailableError):
    """The place outside of the database where one session's bytes are cannot be reached."""


class TimeLimitError(DatabaseUnavailableError):
    """A query took longer than whoever opened the store allows."""


class MissingKeyError(DatabaseUnavailableError):
    """The database is encrypted, and its keys are not at hand."""


class MissingSessionKeyError(MissingKeyError):
    """The key of one session is not in the database of keys; those of others may be."""


class UnforeseenError(EventStoreError):
    """A fault that nobody foresaw, told without what its own message holds: that may be content.

    Attributes:
        kind: the name of the exception's class.
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
    """Something was done with all that it could be done with, and with some it could not.

    Attributes:
        failures: each of those, in order.
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
    """A forked child process used what belongs to its parent, or what the fork left unusable."""


class DriftError(EventStoreError, AssertionError):
    """What used a cassette did otherwise than recorded, or recording it failed."""


def _made_again(kind: type[EventStoreError], *said: object) -> EventStoreError:
    return kind.__new__(kind, *said)
