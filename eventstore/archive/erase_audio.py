"""Erase the audio of a session. Its frames stay, without the audio, and so do all lengths.

Called by erase.py.
"""

from __future__ import annotations

from sqlalchemy import Engine

from eventstore.archive.segment_packing import buffered_segments, segments_of_rows
from eventstore.encryption.encrypt_events import event_encrypter
from eventstore.errors import DamagedError, InvalidInputError
from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import ENCRYPTIONS
from eventstore.realtime.text.without_audio import FrameTexts, without_audio
from eventstore.segments.digest import BEGINNING
from eventstore.store.consumers.projections.projection_tables import begin_anew
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import Transaction
from eventstore.store.log.decrypted_events import decrypted_events
from eventstore.store.log.insert_events import lock_stream
from eventstore.store.log.segments.read_segments import sealed_events
from eventstore.store.log.tombstones import (
    AUDIO_ONLY,
    insert_tombstone,
    locations_of_session,
    refuse_erased,
)
from eventstore.store.readmodels.states.load_state import load_state
from eventstore.store.readmodels.write_read_models import rows_of, write_all
from eventstore.store.sessions.erase_session import (
    COUNT_RESPONSES,
    Erased,
    digest_to_keep,
    lock_to_erase,
)
from eventstore.store.sessions.project_session import SET_PROJECTED
from eventstore.store.sessions.put_segments import replace_segments
from eventstore.times import now

TEXTS = (
    "SELECT seq, at, direction, type, frame, audio_offset, audio_bytes,"
    " CASE WHEN audio_offset < 0 THEN audio END FROM events"
    " WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT ?"
)
SET_TEXTS = (
    "UPDATE events SET frame = ?, audio_offset = ?, audio = ? WHERE session_id = ? AND seq = ?"
)
EMPTY_AUDIO = "UPDATE events SET audio = ? WHERE session_id = ? AND audio_offset >= 0"

_PIECE_ROWS = 200
# The column `audio_offset` of these rows.
_OFFSET = 5


def erase_audio(engine: Engine, session_id: str, reason: str | None = None) -> Erased:
    """Remove the audio from the events of a closed session, in one transaction.

    The length of each event's audio is kept, so that the read models stay right. Sealed events
    stay sealed.

    Args:
        reason: Why, for the tombstone.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The whole session was erased before.
        InvalidInputError: The session is open, or sealed events are missing.
        DamagedError: Events cannot be read or decrypted; nothing was changed.
        DatabaseUnavailableError: The database cannot be reached; nothing was changed.
    """
    return write_retried(engine, lambda tx: _erase_audio(tx, session_id, reason))


def _erase_audio(tx: Transaction, session_id: str, reason: str | None) -> Erased:
    stream = lock_to_erase(tx, session_id)
    refuse_erased(tx, session_id, stream.erased_at)
    if stream.closed_at is None:
        raise InvalidInputError(f"session {session_id} is open; erase its audio once it is closed")
    responses = int(tx.rows(COUNT_RESPONSES, (session_id,))[0][0])
    sha256 = digest_to_keep(tx, session_id, stream.head)
    outside = locations_of_session(tx, session_id)
    if stream.sealed:
        _repack(tx, session_id, stream.sealed)
    _remove_audio_from_frames(tx, session_id)
    tx.run(EMPTY_AUDIO, (b"", session_id))
    _project(tx, session_id)
    at = insert_tombstone(tx, session_id, now(), AUDIO_ONLY, reason, stream.head, sha256, outside)
    return Erased(session_id, AUDIO_ONLY, at, stream.head, responses, sha256)


def _repack(tx: Transaction, session_id: str, sealed: int) -> None:
    """Replace a session's segments by segments without audio, which have new digests."""
    # All new segments are packed before the old ones are deleted, since they are made from these.
    rows = map(_row_without_audio, sealed_events(tx, session_id, 1, sealed, sound=False))
    plain = segments_of_rows(session_id, rows, 1, sealed, BEGINNING)
    with buffered_segments(plain, tx.cipher(session_id)) as (_, segments):
        replace_segments(tx, session_id, 1, segments)


def _row_without_audio(row: EventRow) -> EventRow:
    """Return an event without its audio. The length of the audio is kept in `audio_bytes`."""
    if row.audio_offset is not None and row.audio_offset >= 0:
        row = row._replace(audio=b"")
    texts = without_audio(_text_columns(row))
    was_whole = row.audio_offset is not None and row.audio_offset < 0
    row = row._replace(frame=texts.frame, audio_offset=texts.audio_offset)
    if not was_whole:
        return row
    size = None if texts.raw is None else len(texts.raw)
    return row._replace(audio=texts.raw, audio_bytes=size)


def _remove_audio_from_frames(tx: Transaction, session_id: str) -> None:
    """Remove audio that is still inside the frames of events that are not sealed."""
    last, cipher = 0, tx.cipher(session_id)
    encrypt = event_encrypter(cipher) if cipher is not None else None
    while True:
        stored = tx.rows(TEXTS, (session_id, last, _PIECE_ROWS))
        for old, row in zip(stored, decrypted_events(tx, session_id, stored), strict=True):
            if row.audio_offset in ENCRYPTIONS:
                raise DamagedError(session_id, row.seq, row.seq, "it cannot be decrypted")
            silent = _row_without_audio(row)
            if encrypt is not None and old[_OFFSET] in ENCRYPTIONS:
                if silent != row:
                    tx.run(SET_TEXTS, (*encrypt(*silent), session_id, row.seq))
            elif _text_columns(silent) != _text_columns(row):
                tx.run(SET_TEXTS, (*_text_columns(silent), session_id, row.seq))
        if len(stored) < _PIECE_ROWS:
            return
        last = stored[-1][0]


def _text_columns(row: EventRow) -> FrameTexts:
    """Return the columns that make up the text of an event's frame."""
    whole = row.audio_offset is not None and row.audio_offset < 0
    return FrameTexts(row.frame, row.audio_offset, row.audio if whole else None)


def _project(tx: Transaction, session_id: str) -> None:
    """Write the read models again: items hold audio of their own, which must go, too."""
    head = lock_stream(tx, session_id)
    if head is not None:
        state = load_state(tx, session_id, head.seq, head.closed_at is not None, projects=True)
        write_all(tx, state, rows_of(state, head.opened_at))
        tx.run(SET_PROJECTED, (head.seq, PROJECTOR_VERSION, session_id))
        begin_anew(tx, session_id)
