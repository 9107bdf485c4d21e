"""Erase sessions, or their audio: find them, and take one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from sqlalchemy import Engine

from eventstore.archive.erase_audio import erase_audio
from eventstore.errors import (
    EventStoreError,
    Failure,
    InvalidInputError,
    NotFoundError,
)
from eventstore.store.database.keys import keys_of
from eventstore.store.database.outages import attempt
from eventstore.store.database.transaction import read
from eventstore.store.filters.choose_sessions import (
    ChosenSession,
    SessionChoice,
    choose_sessions,
    find_session,
)
from eventstore.store.filters.filters import BasicFilter, checked_filter
from eventstore.store.sessions.erase_session import Erased, erase_session

MAX_REASON = 500


def find_to_erase(
    engine: Engine, session_ids: Iterable[str], metadata: Iterable[str] = ()
) -> Iterator[ChosenSession]:
    """The sessions that are named, or else those whose metadata fulfil all conditions.

    Args:
        metadata: `K=V`, `K`, `K^=PREFIX` or `K!=V`.

    Raises:
        NotFoundError: there is no such session.
        InvalidInputError: a bad condition.
    """
    wanted = checked_filter(BasicFilter, {"metadata": tuple(metadata)})
    if wanted.metadata:
        yield from choose_sessions(engine, SessionChoice(wanted))
        return
    for session_id in dict.fromkeys(session_ids):
        found = find_session(engine, session_id)
        if found is None:
            raise NotFoundError(f"no session {session_id}; list them with: eventstore sessions")
        yield found


def find_without_key(engine: Engine) -> Iterator[ChosenSession]:
    """The sessions whose keys were dropped, but which are there: a backup brought them back.

    Raises:
        MissingKeyError: the store is encrypted, and its keys are not named.
    """
    keys = keys_of(engine)
    with read(engine) as tx:
        keys.check(tx)
    for session_id in keys.dropped():
        found = find_session(engine, session_id)
        if found is not None and found.erased_at is None:
            yield found


def erase_one(
    engine: Engine, session_id: str, audio_only: bool = False, reason: str | None = None
) -> Erased | None:
    """Erase a session, or its audio: see `erase_session` and `erase_audio`."""
    check_reason(reason)
    if audio_only:
        return erase_audio(engine, session_id, reason)
    return erase_session(engine, session_id, reason)


def erase_each(
    engine: Engine, session_ids: Sequence[str], audio_only: bool, reason: str | None
) -> Iterator[Erased | Failure]:
    """Erase sessions, or their audio; one that cannot be erased stops no other.

    Yields:
        What was erased, or why it could not be; nothing for a session that was erased before.
    """
    for session_id in session_ids:
        erasing = partial(erase_one, engine, session_id, audio_only, reason)
        done = attempt(f"session {session_id}", erasing)
        if isinstance(done, EventStoreError):
            yield Failure(session_id, done)
        elif done is not None:
            yield done


def check_reason(reason: str | None) -> None:
    """Raises InvalidInputError where a text cannot be the reason of an erasure."""
    if reason is None:
        return
    if not (isinstance(reason, str) and reason.isprintable() and 0 < len(reason) <= MAX_REASON):
        raise InvalidInputError(f"a reason is one line of 1 to {MAX_REASON} characters")
