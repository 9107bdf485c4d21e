"""Add to open sessions what goes on in them: who speaks, and what was said last.

Called by query_sessions.py for lists of live sessions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from eventstore.projection.load_keys import FOLDED_IN_ORDER
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.readmodels.encrypted_rows import decrypted_texts

Doing = Literal["user_speaking", "answering", "waiting"]

#: How many events a session's current turn is looked for in; deltas and input audio are not
#: counted.
_EVENTS = 64
_LAST_TYPES = (
    "SELECT session_id, seq, type FROM events"
    f" WHERE session_id = ? AND load_key = '{FOLDED_IN_ORDER}' ORDER BY seq DESC LIMIT {_EVENTS}"
)
_LAST_WORDS = (
    "SELECT session_id, role, item_id, said, resource FROM items"
    " WHERE session_id = ? AND said <> '' ORDER BY seq DESC LIMIT 1"
)
_SPEECH = {
    "input_audio_buffer.speech_started": True,
    "input_audio_buffer.speech_stopped": False,
    "input_audio_buffer.committed": False,
    "input_audio_buffer.cleared": False,
    "input_audio_buffer.timeout_triggered": False,
}
_ANSWER = {"response.created": True, "response.done": False}
#: Fragments of speech in GPT-Live sessions and translations, which have no events of turns. Sound
#: is sent all the time there: after some seconds of silence, no fragment is among the last events.
_FRAGMENTS: dict[str, Doing] = {
    "session.input_transcript.delta": "user_speaking",
    "session.output_transcript.delta": "answering",
}


def add_activities(tx: Transaction, sessions: list[dict[str, Any]]) -> None:
    """Add to each session's resource, under `eventstore`, the keys `doing` and `last_words`.

    `doing` is who speaks, as the server's events say it; see `doing`. `last_words` is the role and
    the text of the last finished turn, or None if nobody has said anything.
    """
    ids = [session["id"] for session in sessions]
    types: dict[str, list[tuple[int, str]]] = {}
    for session_id, seq, type_ in _for_each(tx, _LAST_TYPES, ids):
        types.setdefault(session_id, []).append((seq, type_))
    words = {
        session_id: {"role": role, "text": decrypted_texts(tx, "items", session_id, *said)[0]}
        for session_id, role, *said in _for_each(tx, _LAST_WORDS, ids)
    }
    for session in sessions:
        found = sorted(types.get(session["id"], ()))
        notes = session["eventstore"]
        notes["doing"] = doing(type_ for _, type_ in found)
        notes["last_words"] = words.get(session["id"])


def doing(types: Iterable[str]) -> Doing:
    """Return who speaks, by the types of a session's last events, in order.

    Returns:
        `user_speaking`, `answering` (a response has begun and is not done), or `waiting`. In a
        GPT-Live session, who said the last fragment.
    """
    speaking = answering = False
    said: Doing | None = None
    for type_ in types:
        speaking = _SPEECH.get(type_, speaking)
        answering = _ANSWER.get(type_, answering)
        said = _FRAGMENTS.get(type_, said)
    if said is not None:
        return said
    return "user_speaking" if speaking else "answering" if answering else "waiting"


def _for_each(tx: Transaction, sql: str, ids: list[str]) -> list[Row]:
    """Return the rows of a query of one session, for several sessions in one round trip."""
    if not ids:
        return []
    # SQLite permits an ORDER BY within a union only in a subquery.
    return tx.rows(" UNION ALL ".join([f"SELECT * FROM ({sql}) x"] * len(ids)), ids)
