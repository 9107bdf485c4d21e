"""Bytes outside of the database that a session's segments named before, and name no more.

They were taken back, unsealed, sealed anew, or moved elsewhere. Their files stay, since a backup of
the database may name them; so they are noted, to be deleted when the session, or its audio, is
erased, or when the session itself is moved away.
"""

from __future__ import annotations

from eventstore.store.database.identity import own_folder_name
from eventstore.store.database.transaction import Transaction

_OF_SEGMENTS = (
    "INSERT INTO left_bytes (session_id, location) SELECT session_id, location FROM segments"
    # An index of PostgreSQL takes no longer text; no store's location is so long.
    " WHERE session_id = ? AND location IS NOT NULL AND LENGTH(location) < 2000 AND {}"
    " ON CONFLICT (session_id, location) DO NOTHING"
)
FROM_SEGMENTS = _OF_SEGMENTS.format("first_seq >= ?")
FROM_SEGMENT = _OF_SEGMENTS.format("first_seq = ? AND location <> COALESCE(?, '')")
LOCATIONS = "SELECT location FROM left_bytes WHERE session_id = ?"
DELETE = "DELETE FROM left_bytes WHERE session_id = ?"
DELETE_ONE = "DELETE FROM left_bytes WHERE session_id = ? AND location = ?"


def note_locations(tx: Transaction, session_id: str, first: int = 1) -> None:
    """Note where the bytes of a session's segments from a seq on are, before the segments go."""
    tx.run(FROM_SEGMENTS, (session_id, first))


def note_old_location(tx: Transaction, session_id: str, first: int, to: str | None) -> None:
    """Note where the bytes of one segment are, before it names another place, or none."""
    tx.run(FROM_SEGMENT, (session_id, first, to))


def noted_locations(tx: Transaction, session_id: str) -> list[str]:
    """Return the locations that are noted of a session and are in the store's own folder.

    Those of the database that this one was copied from are that one's to delete.

    Args:
        tx: a transaction that may write: see `own_folder`.
    """
    noted = [row[0] for row in tx.rows(LOCATIONS, (session_id,)) if isinstance(row[0], str)]
    own = own_folder_name(tx) if noted else ""
    return [one for one in noted if one.split("/")[-3:-2] == [own]]
