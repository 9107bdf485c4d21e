"""Find the sessions that are to be erased, and erase them or their audio one after the other.

Called by `EventStore.erase`, the command `erase`, and retain.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from sqlalchemy import Engine

from eventstore.archive.erase_audio import erase_audio
from eventstore.errors import (
    EventStoreError,
    Failure,
    InvalidInputError,
)
from eventstore.store.database.keys import keys_of
from eventstore.store.database.outages import attempt
from eventstore.store.database.transaction import read
from eventstore.store.filters.choose_sessions import (
    ChosenSession,
    SessionChoice,
    choose_sessions,
    find_any_session,
)
from eventstore.store.filters.filters import BasicFilter, checked_filter
from eventstore.store.log.session_facts import no_session
from eventstore.store.sessions.erase_session import Erased, erase_session

MAX_REASON = 500


def find_to_erase(
    engine: Engine, session_ids: Iterable[str], metadata: Iterable[str] = ()
) -> Iterator[ChosenSession]:
    """Yield the sessions to erase: those that fulfil all conditions, or those that are named.

    Args:
        session_ids: Sessions by id. They are not read if there are conditions.
        metadata: Conditions on the metadata: `K=V`, `K`, `K^=PREFIX` or `K!=V`.

    Raises:
        NotFoundError: There is no session with a given id.
        InvalidInputError: A condition is in none of these forms.
    """
    filters = checked_filter(BasicFilter, {"metadata": tuple(metadata)})
    if filters.metadata:
        yield from choose_sessions(engine, SessionChoice(filters))
        return
    for session_id in dict.fromkeys(session_ids):
        found = find_any_session(engine, session_id)
        if found is None:
            raise no_session(session_id)
        yield found


def find_without_key(engine: Engine) -> Iterator[ChosenSession]:
    """Yield the sessions that are in the store although their keys were dropped.

    Erasing an encrypted session drops its key. Such a session is there again if the database was
    restored from an older backup.

    Raises:
        MissingKeyError: The store is encrypted, and its keys are not named.
    """
    keys = keys_of(engine)
    with read(engine) as tx:
        keys.check(tx)
    for session_id in keys.dropped():
        found = find_any_session(engine, session_id)
        if found is not None and found.erased_at is None:
            yield found


def erase_one(
    engine: Engine, session_id: str, audio_only: bool = False, reason: str | None = None
) -> Erased | None:
    """Erase a session, or only its audio.

    Args:
        audio_only: Erase only the audio, as `erase_audio` does; otherwise all, as `erase_session`.
        reason: Why, for the tombstone: one line.

    Returns:
        What was erased, or None if the session had been erased before.

    Raises:
        InvalidInputError: The reason is not one line of text, or `erase_audio` refuses.
    """
    check_reason(reason)
    if audio_only:
        return erase_audio(engine, session_id, reason)
    return erase_session(engine, session_id, reason)


def erase_each(
    engine: Engine, session_ids: Iterable[str], audio_only: bool, reason: str | None
) -> Iterator[Erased | Failure]:
    """Erase sessions, or only their audio. A session that cannot be erased stops no other.

    Yields:
        What was erased, or the failure. A session that had been erased before yields nothing.
    """
    for session_id in session_ids:
        erasing = partial(erase_one, engine, session_id, audio_only, reason)
        done = attempt(f"session {session_id}", erasing)
        if isinstance(done, EventStoreError):
            yield Failure(session_id, done)
        elif done is not None:
            yield done


def check_reason(reason: str | None) -> None:
    """Raise InvalidInputError if a text cannot be the reason in a tombstone."""
    if reason is None:
        return
    if not (isinstance(reason, str) and reason.isprintable() and 0 < len(reason) <= MAX_REASON):
        raise InvalidInputError(f"a reason is one line of 1 to {MAX_REASON} characters")
