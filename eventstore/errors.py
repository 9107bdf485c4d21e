"""The errors that the store raises on purpose. Each message is one line and says what to do.

Every package imports this module. The command line prints the message of an `EventStoreError`, and
the HTTP API answers with it; any other exception is a bug (see common/unforeseen.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eventstore.times import to_iso


class EventStoreError(Exception):
    """The base class of every error that the store raises on purpose."""

    def __reduce__(self) -> tuple[object, ...]:
        """Return what pickle needs to copy the error to another process, as workers do.

        Exceptions are usually pickled by calling the class with `args`. That fails here: `args` is
        the message, and the constructors of the subclasses take other arguments.
        """
        return _without_init, (type(self), *self.args), self.__dict__


class ConflictError(EventStoreError):
    """The `expected_seq` of an append is not the session's head.

    Attributes:
        session_id: The session.
        expected: The `expected_seq` that the caller gave.
        actual: The session's head: the seq of its last event.
    """

    def __init__(self, session_id: str, expected: int, actual: int) -> None:
        self.session_id, self.expected, self.actual = session_id, expected, actual
        super().__init__(
            f"session {session_id}: expected seq {expected}, but the head is {actual};"
            " read the new events and append again"
        )


class NotFoundError(EventStoreError):
    """The session, response or item that was asked for does not exist."""


class AmbiguousError(EventStoreError):
    """An id was given without its session, and several sessions have a resource with that id."""


class InvalidInputError(EventStoreError):
    """An argument, a filter, a file or a pair of metadata cannot be used."""


class MissingExtraError(EventStoreError):
    """An optional package is not installed.

    Args:
        package: The package's name.
        extra: The extra of this project that installs the package.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; run: pip install 'realtime-eventstore[{extra}]'"
        )


class SchemaError(EventStoreError):
    """The database's schema is missing, or is older or newer than this code."""


class DamagedError(EventStoreError):
    """Stored events are damaged and cannot be read.

    Attributes:
        session_id: The session.
        first_seq, last_seq: The first and the last damaged event.
        problem: What is wrong with the events.
        sound: The direction and the type of the events whose audio is damaged, if nothing but
            audio is damaged. None if the events cannot be read at all.
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
    """The log has events with higher seqs than the session's head, so nothing can be appended.

    `EventStore.repair` corrects the head.

    Attributes:
        session_id: The session.
        head: The head that the session's row in `streams` has.
        last_seq: The seq of the last event that is in the log.
    """

    def __init__(self, session_id: str, head: int, last_seq: int) -> None:
        self.session_id, self.head, self.last_seq = session_id, head, last_seq
        super().__init__(
            f"session {session_id}: the head is {head}, but events are there up to {last_seq};"
            f" nothing was appended; run: eventstore repair {session_id}"
        )


class ErasedError(EventStoreError):
    """The session was erased, so it can neither be read nor appended to.

    Attributes:
        session_id: The session.
        at: The time at which it was erased, in microseconds since 1970 UTC.
        reason: The reason that was given, or None.
    """

    def __init__(self, session_id: str, at: int, reason: str | None, advice: str = "") -> None:
        self.session_id, self.at, self.reason = session_id, at, reason
        date = (to_iso(at) or "")[:10]
        why = f" ({reason})" if reason else ""
        super().__init__(f"session {session_id} was erased on {date}{why}{advice}")


class ErasedMeanwhileError(EventStoreError):
    """A part of the session, such as its audio, was erased while a file was made from it."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"session {session_id}: some of it was erased meanwhile; nothing was written: try again"
        )


class DatabaseUnavailableError(EventStoreError):
    """The database cannot be reached, or it is full, locked or read-only."""


class StorageUnavailableError(DatabaseUnavailableError):
    """The folder or object storage that holds a session's segments cannot be reached."""


class TimeLimitError(DatabaseUnavailableError):
    """A query took longer than the time limit with which the store was opened."""


class MissingKeyError(DatabaseUnavailableError):
    """The database is encrypted, and its keys were not named, or another database was named."""


class MissingSessionKeyError(MissingKeyError):
    """The key of one session is missing in the database of keys; other sessions may have theirs."""


class UnforeseenError(EventStoreError):
    """An exception that the store does not expect, described without its message.

    The message is left out because it may contain what was said in a call.

    Attributes:
        kind: The name of the exception's class.
    """

    def __init__(self, name: str, kind: str, place: str) -> None:
        self.kind = kind
        super().__init__(f"{name}: unforeseen {kind} at {place}; please report it")


class WorkerDiedError(EventStoreError):
    """The worker process died while it worked on a session, each time that this was tried."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"session {session_id}: the process that worked on it was killed,"
            " or found too little memory"
        )


class ProjectionError(EventStoreError):
    """A projection of one's own raised an error, took too long, or returned no rows.

    The message of what it raised is left out, because it may contain what was said in a call.

    Attributes:
        projection: The name of the projection.
        kind: The name of the exception's class.
    """

    def __init__(self, projection: str, session_id: str, kind: str, told: str) -> None:
        self.projection, self.kind = projection, kind
        super().__init__(f"session {session_id}: the projection {projection} {told}")


class Failure(NamedTuple):
    """One of several sessions, days or files with which a verb failed.

    Attributes:
        name: The session's id, the day's date, or the file's name.
        error: The error that says why it failed.
    """

    name: str
    error: EventStoreError

    @property
    def session_id(self) -> str:
        """The session's id if the verb failed with a session: the same as `name`."""
        return self.name

    @property
    def kind(self) -> str:
        """The name of the error's class, for logs and counters, which must have no content."""
        error = self.error
        if isinstance(error, UnforeseenError | ProjectionError):
            return error.kind
        return type(error).__name__


class SomeFailedError(EventStoreError):
    """A verb over several sessions, days or files failed with some of them and did the others.

    Attributes:
        failures: The failures, in the order in which they happened.
    """

    def __init__(self, failures: Sequence[Failure]) -> None:
        self.failures = list(failures)
        first = self.failures[0]
        more = f"; and {len(failures) - 1:,} more failed" if len(failures) > 1 else ""
        super().__init__(f"{failure_line(first)}{more}")


def failure_line(failure: Failure) -> str:
    """Return a failure as one line of text that names the session, day or file."""
    told = " ".join(str(failure.error).split())
    name = str(failure.name)  # a damaged database's id may be bytes
    return told if name in told else f"{name}: {told}"


class ClosedError(EventStoreError):
    """The store was used after it was closed."""


class ForkError(EventStoreError):
    """A forked child process used a database connection that it cannot share with its parent."""


class DriftError(EventStoreError, AssertionError):
    """A program that used a cassette did something else than recorded, or recording failed."""


def _without_init(kind: type[EventStoreError], *args: object) -> EventStoreError:
    return kind.__new__(kind, *args)
