"""Apply a retention policy: rule after rule, session after session. Called by `retain`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.archive.erase import erase_one
from eventstore.archive.policy import Policy, RetentionRule
from eventstore.archive.seal import seal_session
from eventstore.errors import ErasedError, EventStoreError
from eventstore.store.database.outages import attempt
from eventstore.store.filters.choose_sessions import (
    NOT_SEALED,
    WITH_AUDIO,
    SessionChoice,
    choose_sessions,
)
from eventstore.store.filters.filters import BasicFilter

_UNDONE = {"seal": NOT_SEALED, "archive": NOT_SEALED, "erase": None, "erase-audio": WITH_AUDIO}


class RuleApplied(NamedTuple):
    """What one rule did.

    Attributes:
        rule: The rule.
        sessions: How many sessions were sealed or erased.
        events, responses: How many events and responses these sessions hold.
        failed: How many sessions could not be sealed or erased.
    """

    rule: RetentionRule
    sessions: int
    events: int
    responses: int
    failed: int


def apply_policy(
    engine: Engine,
    policy: Policy,
    at: int,
    failed: Callable[[str, EventStoreError], None],
    dry_run: bool = False,
) -> Iterator[RuleApplied]:
    """Apply the rules in their order, each to the closed sessions that are old enough.

    A session on which the rule has been applied before is left alone, so a policy can be applied
    every day.

    Args:
        at: The time at which ages are measured, in microseconds since 1970 UTC.
        failed: Called with each session that could not be sealed or erased, and the error. The
            other sessions go on.
        dry_run: Change nothing, and yield what would be done.

    Yields:
        What each rule did, when it is done.

    Raises:
        DatabaseUnavailableError: The database cannot be reached. What was done before stays.
    """
    gone: list[SessionChoice] = []
    for rule in policy.rule:
        filters, before = BasicFilter(metadata=rule.metadata), at - rule.older_than
        choice = SessionChoice(filters, closed_before=before, undone=_UNDONE[rule.do])
        sessions = events = responses = failures = 0
        for chosen in choose_sessions(engine, choice, gone):
            session_id = chosen.session_id
            applying = partial(_apply, engine, rule, session_id)
            error = None if dry_run else attempt(f"session {session_id}", applying)
            if isinstance(error, ErasedError):
                continue  # another process erased the session meanwhile
            if error is not None:
                failures += 1
                failed(session_id, error)
                continue
            sessions += 1
            events += chosen.events
            responses += chosen.responses
        yield RuleApplied(rule, sessions, events, responses, failures)
        if dry_run and rule.do == "erase":
            gone.append(choice)


def _apply(engine: Engine, rule: RetentionRule, session_id: str) -> None:
    if rule.do in ("seal", "archive"):
        seal_session(engine, session_id)
    else:
        erase_one(engine, session_id, rule.do == "erase-audio", rule.reason)
