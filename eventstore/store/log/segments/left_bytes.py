"""Note the places of bytes that a session's segments named before, and do not name any more.

This happens when segments are taken back into the database, unsealed, sealed again, or moved to
another place. The files stay, because a backup of the database may name them. They are deleted when
the session or its audio is erased, or when the session is moved to another store. Called by
put_segments.py and copy_session.py; read by tombstones.py and maintenance/scrub.py.
"""

from __future__ import annotations

from eventstore.store.database.identity import own_folder_name
from eventstore.store.database.transaction import Transaction

_OF_SEGMENTS = (
    "INSERT INTO left_bytes (session_id, location) SELECT session_id, location FROM segments"
    # PostgreSQL's index takes no longer texts, and no store writes such a long location.
    " WHERE session_id = ? AND location IS NOT NULL AND LENGTH(location) < 2000 AND {}"
    " ON CONFLICT (session_id, location) DO NOTHING"
)
FROM_SEGMENTS = _OF_SEGMENTS.format("first_seq >= ?")
FROM_SEGMENT = _OF_SEGMENTS.format("first_seq = ? AND location <> COALESCE(?, '')")
LEFT_LOCATIONS = "SELECT location FROM left_bytes WHERE session_id = ?"
DELETE_LEFT_BYTES = "DELETE FROM left_bytes WHERE session_id = ?"
DELETE_LEFT_LOCATION = "DELETE FROM left_bytes WHERE session_id = ? AND location = ?"


def note_locations(tx: Transaction, session_id: str, first: int = 1) -> None:
    """Note the places of the bytes of a session's segments, before the segments are deleted.

    Args:
        first: Only segments from this seq on.
    """
    tx.run(FROM_SEGMENTS, (session_id, first))


def note_old_location(tx: Transaction, session_id: str, first: int, to: str | None) -> None:
    """Note the place of one segment's bytes, before the segment names another place.

    Args:
        first: The segment's first seq.
        to: The new place; None for the database.
    """
    tx.run(FROM_SEGMENT, (session_id, first, to))


def noted_locations(tx: Transaction, session_id: str) -> list[str]:
    """Return the noted places of a session that are in the store's own folder.

    If this database is a copy, the bytes of the original database are not this store's to delete.

    Args:
        tx: A transaction that may write; see `own_folder_name`.
    """
    noted = [row[0] for row in tx.rows(LEFT_LOCATIONS, (session_id,)) if isinstance(row[0], str)]
    own = own_folder_name(tx) if noted else ""
    return [one for one in noted if one.split("/")[-3:-2] == [own]]
