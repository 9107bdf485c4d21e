"""What verbs return that do something with several sessions: what was done, and what failed.

Called by the verbs of upkeep. Each of them has two forms: `seal(ids)` does all of its work when it
is called and returns `Results`; `iter_seal(ids)` yields what is done as it gets done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from eventstore.brief import brief
from eventstore.errors import EventStoreError, Failure, InvalidInputError, SomeFailedError
from eventstore.store.database.outages import attempt

Done = TypeVar("Done")


@dataclass(frozen=True)
class Results(Generic[Done]):
    """What a verb did with each of the sessions, or days, that it was asked for.

    One that fails stops no other: all others are done, and the failure is kept in `failed`.

    Attributes:
        done: What was done, one entry for each session, in the order in which it was done.
        failed: One `Failure` for each session with which it could not be done: its `session_id`
            and its `error`.
    """

    done: list[Done]
    failed: list[Failure]

    def raise_for_errors(self) -> Results[Done]:
        """Raise an error if anything failed.

        Returns:
            These results, so that the call can stand in a chain:
            `store.seal(ids).raise_for_errors().done`.

        Raises:
            SomeFailedError: Something failed. Its `failures` are those of `failed`, and its
                `__cause__` is the error of the first one.
        """
        if self.failed:
            raise SomeFailedError(self.failed) from self.failed[0].error
        return self


def collected(
    outcomes: Iterable[Done | Failure],
    fault: Callable[[Done], Failure | None] = lambda done: None,
) -> Results[Done]:
    """Return the results of a verb whose work is done as its outcomes are read.

    Args:
        outcomes: What was done, or what failed, one for each session.
        fault: Tells of what was done whether it is a failure even so: a session was verified, say,
            and is damaged. Such a session is in `done`, with what was found, and in `failed`.
    """
    done: list[Done] = []
    failed: list[Failure] = []
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            failed.append(outcome)
            continue
        done.append(outcome)
        found = fault(outcome)
        if found is not None:
            failed.append(found)
    return Results(done, failed)


def attempted(session_ids: Iterable[str], work: Callable[[str], Done]) -> Iterator[Done | Failure]:
    """Yield what some work gives for each session, or why it failed.

    Raises:
        EventStoreError: The whole database is away: work on the others would fail as well.
    """
    for session_id in session_ids:
        outcome = attempt(f"session {session_id}", partial(work, session_id))
        yield Failure(session_id, outcome) if isinstance(outcome, EventStoreError) else outcome


def with_names(
    session_ids: Iterable[str], outcomes: Iterable[Done | EventStoreError]
) -> Iterator[Done | Failure]:
    """Yield the outcomes of work, each error with the session that it is of."""
    for session_id, outcome in zip(session_ids, outcomes, strict=True):
        yield Failure(session_id, outcome) if isinstance(outcome, EventStoreError) else outcome


def ids_of(session_ids: str | Iterable[str]) -> list[str]:
    """Return the ids that a verb was given, one or many, as a list.

    Raises:
        InvalidInputError: It is neither an id nor several of them.
    """
    if isinstance(session_ids, str):
        return [session_ids]
    try:
        ids = list(session_ids)
    except TypeError as error:
        raise InvalidInputError(f"{brief(session_ids)} is no session id, nor several") from error
    for id_ in ids:
        if not isinstance(id_, str | bytes):  # a damaged database's id may be bytes
            raise InvalidInputError(f"{brief(id_)} is no session id; ids are text")
    return ids
