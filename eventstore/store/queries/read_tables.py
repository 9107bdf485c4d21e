"""Read the rows of read models of many sessions, in order and in batches of bounded size.

Called by exports/parquet/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.log.session_facts import no_session
from eventstore.store.log.tombstones import refuse_erased
from eventstore.store.readmodels.encrypted_rows import decrypted_texts, score_row_key

_PIECE_ROWS = 1000

RESPONSES = (
    "SELECT session_id, response_id, at, seq, status, status_reason, model, voice, modalities,"
    " audio_format, temperature, max_output_tokens, conversation_id, interrupted, created_at,"
    " first_text_at, first_audio_at, done_at, speech_ended_at, input_tokens, output_tokens,"
    " total_tokens, resource FROM responses t"
)
ITEMS = (
    "SELECT t.session_id, t.item_id, c.conversation_id, t.position, t.type, t.role, t.status,"
    " t.response_id, t.seq, t.at, t.deleted_seq, t.said, t.resource FROM items t"
    " LEFT JOIN conversations c ON c.session_id = t.session_id AND c.position = t.conversation"
)
USAGE = (
    "SELECT session_id, usage_id, kind, response_id, item_id, at, model, reported, input_tokens,"
    " output_tokens, total_tokens, input_text, input_audio, input_image, cached_tokens,"
    " cached_text, cached_audio, cached_image, output_text, output_audio, audio_ms FROM usage t"
)
SESSIONS_IN_ORDER = (
    "SELECT session_id, item_id, conversation FROM items"
    " WHERE session_id IN ({}) AND position IS NOT NULL ORDER BY session_id, conversation, position"
)
SCORES = (
    "SELECT target, target_id, name, scorer, seq, at, number, label, resource FROM scores"
    " WHERE session_id = ? ORDER BY seq"
)
_TEXTS = {RESPONSES: (1, "responses"), ITEMS: (2, "items")}
RESPONSE_METADATA = "SELECT session_id, response_id, key, value, own FROM response_metadata t"


def check_sessions(tx: Transaction, session_ids: Sequence[str]) -> None:
    """Check that all sessions exist.

    Raises:
        NotFoundError: A session does not exist.
        ErasedError: A session was erased.
    """
    sql = f"SELECT session_id, erased_at FROM streams WHERE session_id IN ({_marks(session_ids)})"
    found = {row[0]: row[1] for row in tx.rows(sql, session_ids)}
    for session_id in session_ids:
        if session_id not in found:
            raise no_session(session_id)
        refuse_erased(tx, session_id, found[session_id])


def table_pieces(
    tx: Transaction, select: str, key: str, session_ids: Sequence[str]
) -> Iterator[list[Row]]:
    """Yield the rows of sessions in batches, in the order of the table's primary key.

    Args:
        select: The statement, of a table `t`; its first two columns are the session and `key`.
        key: The second column of the primary key.
        session_ids: The sessions.
    """
    sessions = f"t.session_id IN ({_marks(session_ids)})"
    order = f"ORDER BY t.session_id, t.{key} LIMIT {_PIECE_ROWS}"
    behind, place = "", ()
    while True:
        rows = tx.rows(f"{select} WHERE {sessions}{behind} {order}", (*session_ids, *place))
        rows = [_decrypted(tx, select, row) for row in rows]
        if rows:
            yield rows
        if len(rows) < _PIECE_ROWS:
            return
        behind, place = f" AND (t.session_id, t.{key}) > (?, ?)", rows[-1][:2]


def item_positions(tx: Transaction, session_ids: Sequence[str]) -> dict[tuple[str, str], int]:
    """Return the position of each item in its conversation, from 0, by session and item id.

    The numbers in the table have gaps, and only tell the order.
    """
    found: dict[tuple[str, str], int] = {}
    counts: Counter[tuple[str, int | None]] = Counter()
    for session_id, item_id, conversation in tx.rows(
        SESSIONS_IN_ORDER.format(_marks(session_ids)), session_ids
    ):
        found[session_id, item_id] = counts[session_id, conversation]
        counts[session_id, conversation] += 1
    return found


def read_response_metadata(
    tx: Transaction, responses: Sequence[Row]
) -> dict[tuple[str, str], dict[str, str]]:
    """Return the metadata of each response, by session and response id.

    A value of the session wins over the response's own value of the same key.

    Args:
        responses: Rows of consecutive responses, as `table_pieces` yields them.
    """
    session_ids = list(dict.fromkeys(row[0] for row in responses))
    rows = tx.rows(
        f"{RESPONSE_METADATA} WHERE t.session_id IN ({_marks(session_ids)})"
        " AND (t.session_id, t.response_id) >= (?, ?) AND (t.session_id, t.response_id) <= (?, ?)"
        " ORDER BY own DESC, key",
        (*session_ids, *responses[0][:2], *responses[-1][:2]),
    )
    found: dict[tuple[str, str], dict[str, str]] = {}
    for session_id, response_id, key, value, _ in rows:
        found.setdefault((session_id, response_id), {})[key] = value
    return found


class ScoreRow(NamedTuple):
    """A row of `scores`, decrypted.

    Attributes:
        session_id: The session.
        seq: The event that gave the score.
        at: When that which is scored came, in microseconds since 1970 UTC.
        number: The number, or 1 for true and 0 for false; None for labels and texts.
        resource: The score as JSON.
    """

    session_id: str
    seq: int
    at: int
    number: float | None
    resource: str


def score_rows(tx: Transaction, session_ids: Sequence[str]) -> Iterator[ScoreRow]:
    """Yield the scores of sessions, in the order of sessions and of the log.

    A session has a thousand at most, and its scores are read at once.
    """
    for session_id in session_ids:
        for row in tx.rows(SCORES, (session_id,)):
            key, (seq, at, number), texts = row[:4], row[4:7], row[7:]
            named = score_row_key(key)
            _, resource = decrypted_texts(tx, "scores", session_id, named, *texts)
            yield ScoreRow(session_id, seq, at, number, resource)


def _decrypted(tx: Transaction, select: str, row: Row) -> Row:
    """Return a row with its texts, which are its last columns, decrypted."""
    count, table = _TEXTS.get(select, (0, ""))
    if not count:
        return row
    return row[:-count] + decrypted_texts(tx, table, row[0], row[1], *row[-count:])


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
