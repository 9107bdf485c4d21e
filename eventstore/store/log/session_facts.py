"""Look up single facts of a session, such as its last event, its revision and its metadata.

Called by sessions/log.py, the recorder, queries/ and web/. This module also checks session ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Engine

from eventstore.common.arguments import check_text
from eventstore.errors import InvalidInputError, NotFoundError
from eventstore.realtime.catalogue import METADATA_SET
from eventstore.realtime.frames import STORE, Frame
from eventstore.realtime.values import MAX_KEY_BYTES, dumps
from eventstore.store.database.keys import keys_of
from eventstore.store.database.transaction import read
from eventstore.store.log.tombstones import count_erasures, refuse_erased

#: The seq of a session's last event, and how often something of the session was erased. What was
#: made of a session at one revision is not valid at another one.
Revision = tuple[int, int]

HEAD_SEQ = "SELECT head_seq, erased_at FROM streams WHERE session_id = ?"
CLOSED_AT = "SELECT closed_at FROM streams WHERE session_id = ?"
SESSION_METADATA = "SELECT key, value FROM session_metadata WHERE session_id = ?"
HAS_PAIR = "SELECT 1 FROM session_metadata WHERE session_id = ? AND key = ? AND value = ?"
COUNT_RESPONSES = "SELECT COUNT(*) FROM responses WHERE session_id = ?"


def find_last_seq(engine: Engine, session_id: str) -> int | None:
    """Return the seq of a session's last event, or None if there is no such session.

    Raises:
        ErasedError: The session was erased.
    """
    with read(engine) as tx:
        row = tx.row(HEAD_SEQ, (session_id,))
        if row is None:
            return None
        refuse_erased(tx, session_id, row[1])
    return int(row[0])


def find_revision(engine: Engine, session_id: str) -> Revision | None:
    """Return a session's revision, or None if there is no such session.

    Raises:
        ErasedError: The session was erased, or its key was dropped.
    """
    keys_of(engine).refuse_dropped(session_id)
    with read(engine) as tx:
        row = tx.row(HEAD_SEQ, (session_id,))
        if row is None:
            return None
        refuse_erased(tx, session_id, row[1])
        return int(row[0]), count_erasures(tx, session_id)


def find_revisions(engine: Engine, session_ids: Iterable[str]) -> dict[str, Revision]:
    """Return the revisions of several sessions, without those that were erased or do not exist.

    A session whose key was dropped counts as erased, because dropping the key is how an erasure
    reaches other copies of a store.
    """
    found: dict[str, Revision] = {}
    with read(engine) as tx:
        for session_id in session_ids:
            row = tx.row(HEAD_SEQ, (session_id,))
            if row is not None and row[1] is None:
                found[session_id] = int(row[0]), count_erasures(tx, session_id)
    for session_id in keys_of(engine).dropped_among(found):
        del found[session_id]
    return found


def session_exists(engine: Engine, session_id: str) -> bool:
    """Return True if there is a session with this id, or was one that is erased."""
    with read(engine) as tx:
        return tx.row(HEAD_SEQ, (session_id,)) is not None


def has_metadata_pair(engine: Engine, session_id: str, key: str, value: str) -> bool:
    """Return True if a pair of metadata was set on a session."""
    with read(engine) as tx:
        return tx.row(HAS_PAIR, (session_id, key, value)) is not None


def is_closed(engine: Engine, session_id: str) -> bool:
    """Return True if the session is marked as closed: no more frames come."""
    with read(engine) as tx:
        row = tx.row(CLOSED_AT, (session_id,))
    return row is not None and row[0] is not None


def read_session_metadata(engine: Engine, session_id: str) -> dict[str, str]:
    """Return the metadata that was set on a session."""
    with read(engine) as tx:
        return dict(tx.rows(SESSION_METADATA, (session_id,)))


def count_responses(engine: Engine, session_id: str) -> int:
    """Return how many responses a session has."""
    with read(engine) as tx:
        return int(tx.rows(COUNT_RESPONSES, (session_id,))[0][0])


def check_session_id(session_id: str) -> None:
    """Check that a text can be the id of a session.

    Raises:
        InvalidInputError: The text is empty, too long, or has control characters.
    """
    check_text("session_id", session_id)
    if not session_id or len(session_id.encode("utf-8", "replace")) > MAX_KEY_BYTES:
        raise InvalidInputError(f"a session id has 1 to {MAX_KEY_BYTES} bytes")
    if not session_id.isprintable():
        raise InvalidInputError("a session id holds no control characters")


def is_session_id(text: str) -> bool:
    """Return True if a text can be the id of a session."""
    try:
        check_session_id(text)
    except InvalidInputError:
        return False
    return True


def metadata_frame(metadata: Mapping[str, str], at: int | None) -> Frame:
    """Return the store's own event that sets metadata of a session.

    Args:
        metadata: The pairs.
        at: The time of the event, in microseconds since 1970 UTC.
    """
    event = {"type": METADATA_SET, "metadata": dict(metadata)}
    return Frame(STORE, dumps(event), at)


def no_session(session_id: str) -> NotFoundError:
    """Return the NotFoundError for a session that does not exist."""
    return NotFoundError(f"no session {session_id}; list them with: eventstore sessions")
