"""The cursor by which a receiver far away acknowledges what it has, and what it moves.

A feed over HTTP cannot see what has arrived. So it says after its deliveries, by a cursor, how far
it is in each session of which it has delivered something; whoever connects again hands the last
cursor back, to whichever server, and the checkpoints are moved by it. Called by `web/api/feed.py`.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from eventstore.realtime.values import dumps, is_storable, loads, mapping
from eventstore.store.consumers.news import settle
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import Transaction

#: For each session the last event that was received, and True if its end was.
Places = Mapping[str, tuple[int, bool]]
#: How many characters a cursor has at most, and its text before it is packed.
_MOST_PACKED, _MOST_TEXT = 16_384, 1_000_000
#: A cursor moves a checkpoint forward alone, and no farther than its session goes.
ACKNOWLEDGE = (
    "UPDATE checkpoints SET seq = ?, version = CASE WHEN version > ? THEN version ELSE ? END,"
    " tries = 0, retry_at = NULL, error = NULL, failed_at = CASE WHEN ? = (SELECT s.head_seq"
    " FROM streams s WHERE s.session_id = checkpoints.session_id) THEN NULL ELSE failed_at END"
    " WHERE session_id = ? AND consumer = ? AND (seq < ? OR (seq = ? AND version < ?))"
    " AND EXISTS (SELECT 1 FROM streams s WHERE s.session_id = checkpoints.session_id"
    " AND s.head_seq >= ?)"
)


def cursor(consumer: str, places: Places) -> str:
    """Return the cursor that acknowledges these places of a subscription, as text of a header."""
    told = {"of": consumer, "at": [[id_, seq, int(end)] for id_, (seq, end) in places.items()]}
    return base64.urlsafe_b64encode(zlib.compress(dumps(told).encode(), 9)).decode()


def read_cursor(text: str, consumer: str) -> dict[str, tuple[int, bool]]:
    """Return the places of a cursor; none if it is another subscription's, or is damaged.

    Without them, what was delivered comes again: that is always safe.
    """
    if len(text) > _MOST_PACKED:
        return {}
    try:
        unpacked = zlib.decompressobj().decompress(base64.urlsafe_b64decode(text), _MOST_TEXT)
        told = mapping(loads(unpacked.decode()))
    except (ValueError, RecursionError, binascii.Error, zlib.error):
        return {}
    listed = told.get("at")
    if told.get("of") != consumer or not isinstance(listed, list):
        return {}
    return {one[0]: (one[1], one[2] == 1) for one in listed if _is_place(one)}


def _is_place(told: Any) -> bool:
    if not isinstance(told, list) or len(told) != 3 or not isinstance(told[0], str):
        return False
    return type(told[1]) is int and 0 < told[1] < 2**53 and is_storable(told[0])


def acknowledge(engine: Engine, consumer: str, places: Places) -> None:
    """Move the checkpoints of a subscription to places that its receiver has acknowledged."""

    def move(tx: Transaction) -> None:
        rows = []
        for id_, (seq, end) in sorted(places.items()):
            ended = int(end)
            rows.append((seq, ended, ended, seq, id_, consumer, seq, seq, ended, seq))
        tx.run_many(ACKNOWLEDGE, rows)

    if places:
        write_retried(engine, move)
        settle(engine, list(places))
