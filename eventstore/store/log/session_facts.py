"""What a session is named by, what it notes of itself, and how much of it there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Engine

from eventstore.common.arguments import check_text
from eventstore.errors import InvalidInputError, NotFoundError
from eventstore.realtime.frames import STORE, Frame
from eventstore.realtime.values import MAX_KEY_BYTES, dumps
from eventstore.store.database.keys import keys_of
from eventstore.store.database.transaction import read
from eventstore.store.log.tombstones import count_erasures, refuse_erased

#: The seq of a session's last event, and how often something of it was erased. What was made of a
#: session while it had another version is void.
Revision = tuple[int, int]

HEAD = "SELECT head_seq, erased_at FROM streams WHERE session_id = ?"
CLOSED_AT = "SELECT closed_at FROM streams WHERE session_id = ?"
METADATA = "SELECT key, value FROM session_metadata WHERE session_id = ?"
HAS_PAIR = "SELECT 1 FROM session_metadata WHERE session_id = ? AND key = ? AND value = ?"
COUNT_RESPONSES = "SELECT COUNT(*) FROM responses WHERE session_id = ?"


def find_last_seq(engine: Engine, session_id: str) -> int | None:
    """The seq of a session's last event, None where there is no such session.

    Raises:
        ErasedError: it was erased.
    """
    with read(engine) as tx:
        row = tx.row(HEAD, (session_id,))
        if row is None:
            return None
        refuse_erased(tx, session_id, row[1])
    return int(row[0])


def find_revision(engine: Engine, session_id: str) -> Revision | None:
    """The seq of a session's last event, and how often something of it was erased.

    Raises:
        ErasedError: it was erased, or its key was dropped.
    """
    keys_of(engine).refuse_dropped(session_id)
    with read(engine) as tx:
        row = tx.row(HEAD, (session_id,))
        if row is None:
            return None
        refuse_erased(tx, session_id, row[1])
        return int(row[0]), count_erasures(tx, session_id)


def find_revisions(engine: Engine, session_ids: Iterable[str]) -> dict[str, Revision]:
    """Return the revisions of several sessions, without those that were erased or do not exist.

    A session whose key was dropped counts as erased: that is how an erase reaches other copies of
    a store.
    """
    found: dict[str, Revision] = {}
    with read(engine) as tx:
        for session_id in session_ids:
            row = tx.row(HEAD, (session_id,))
            if row is not None and row[1] is None:
                found[session_id] = int(row[0]), count_erasures(tx, session_id)
    for session_id in keys_of(engine).dropped_among(found):
        del found[session_id]
    return found


def session_exists(engine: Engine, session_id: str) -> bool:
    """Whether there is a session of an id, or was."""
    with read(engine) as tx:
        return tx.row(HEAD, (session_id,)) is not None


def has_metadata_pair(engine: Engine, session_id: str, key: str, value: str) -> bool:
    """Return True if a pair of metadata was set on a session."""
    with read(engine) as tx:
        return tx.row(HAS_PAIR, (session_id, key, value)) is not None


def is_closed(engine: Engine, session_id: str) -> bool:
    """Whether it was noted that nothing more comes to a session."""
    with read(engine) as tx:
        row = tx.row(CLOSED_AT, (session_id,))
    return row is not None and row[0] is not None


def read_metadata(engine: Engine, session_id: str) -> dict[str, str]:
    """The metadata that was set on a session."""
    with read(engine) as tx:
        return dict(tx.rows(METADATA, (session_id,)))


def count_responses(engine: Engine, session_id: str) -> int:
    """How many responses a session has."""
    with read(engine) as tx:
        return int(tx.rows(COUNT_RESPONSES, (session_id,))[0][0])


def check_session_id(session_id: str) -> None:
    """Raises InvalidInputError where text cannot be a session's id."""
    check_text("session_id", session_id)
    if not session_id or len(session_id.encode("utf-8", "replace")) > MAX_KEY_BYTES:
        raise InvalidInputError(f"a session id has 1 to {MAX_KEY_BYTES} bytes")
    if not session_id.isprintable():
        raise InvalidInputError("a session id holds no control characters")


def is_session_id(text: str) -> bool:
    """Whether a text can be a session's id."""
    try:
        check_session_id(text)
    except InvalidInputError:
        return False
    return True


def metadata_frame(metadata: Mapping[str, str], at: int | None) -> Frame:
    """The store's own event that sets a session's metadata."""
    event = {"type": "eventstore.session.metadata", "metadata": dict(metadata)}
    return Frame(STORE, dumps(event), at)


def no_session(session_id: str) -> NotFoundError:
    """Return the error that says that there is no such session."""
    return NotFoundError(f"no session {session_id}; list them with: eventstore sessions")
