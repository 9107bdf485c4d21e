"""Add to open sessions what goes on in them: who speaks, and what was said last.

Called by query_sessions.py for lists of live sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from eventstore.projection.live.turns import SAID_PREFIX
from eventstore.projection.load_keys import FOLDED_IN_ORDER
from eventstore.realtime.protocols import LIVE, REALTIME, Protocol
from eventstore.realtime.values import integer, loads, mapping
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.readmodels.encrypted_rows import decrypted_texts
from eventstore.times import now

Doing = Literal["user_speaking", "answering", "waiting"]


class LastEvent(NamedTuple):
    """One of the last events of a session.

    Attributes:
        type: Its type.
        at: When it arrived, in microseconds since 1970 UTC; None if unknown.
    """

    type: str
    at: int | None = None


#: How many events a session's current turn is looked for in; deltas and input audio are not
#: counted.
_EVENTS = 64
_LAST_EVENTS = (
    "SELECT session_id, seq, type, at FROM events"
    f" WHERE session_id = ? AND load_key = '{FOLDED_IN_ORDER}' ORDER BY seq DESC LIMIT {_EVENTS}"
)
#: What nobody said is not read: messages of the system or of the app, and answers outside the
#: conversation.
_LAST_WORDS = (
    "SELECT session_id, role, item_id, said, resource FROM items"
    " WHERE session_id = ? AND said <> '' AND role NOT IN ('system', 'developer')"
    " AND conversation IS NOT NULL{speech} ORDER BY seq DESC LIMIT {most}"
)
#: In a GPT-Live session, history and what a backend read or wrote have the same roles as speech.
_SPEECH_ONLY = f" AND substr(item_id, 1, {len(SAID_PREFIX)}) = '{SAID_PREFIX}'"
_LAST_WORDS_OF: dict[Protocol, str] = {
    REALTIME: _LAST_WORDS.format(speech="", most=1),
    # Some of the last items may be backchannels, which are no turns.
    LIVE: _LAST_WORDS.format(speech=_SPEECH_ONLY, most=8),
}
_SPEECH = {
    "input_audio_buffer.speech_started": True,
    "input_audio_buffer.speech_stopped": False,
    "input_audio_buffer.committed": False,
    "input_audio_buffer.cleared": False,
    "input_audio_buffer.timeout_triggered": False,
}
_ANSWER = {"response.created": True, "response.done": False}
#: Fragments of speech in GPT-Live sessions and translations, which have no events of turns.
_FRAGMENTS: dict[str, Doing] = {
    "session.input_transcript.delta": "user_speaking",
    "session.output_transcript.delta": "answering",
}
#: Who said a fragment counts as speaking until so many microseconds later, by the session's later
#: events.
_SPEAKS_FOR = 2_000_000
#: The same by the clock of this machine, which may differ from the recorder's. It is needed
#: because a session by WebRTC may have no events while nobody speaks.
_SPEAKS_FOR_BY_CLOCK = 5_000_000


def add_activities(tx: Transaction, sessions: list[dict[str, Any]]) -> None:
    """Add to each session's resource, under `eventstore`, the keys `doing` and `last_words`.

    `doing` is who speaks; see `doing`. `last_words` is the role and the text of the last turn of
    the user or the assistant, or None if nobody has said anything.
    """
    ids = [session["id"] for session in sessions]
    events: dict[str, list[tuple[int, LastEvent]]] = {}
    for session_id, seq, *event in _for_each(tx, _LAST_EVENTS, ids):
        events.setdefault(session_id, []).append((seq, LastEvent(*event)))
    words = _last_words(tx, sessions)
    read_at = now()
    for session in sessions:
        notes = session["eventstore"]
        found = [event for _, event in sorted(events.get(session["id"], ()))]
        paused = mapping(notes.get("live")).get("paused") is True
        notes["doing"] = "waiting" if paused else doing(found, read_at)
        notes["last_words"] = words.get(session["id"])


def doing(events: Sequence[LastEvent], now: int) -> Doing:
    """Return who speaks, by a session's last events, in order.

    Args:
        events: The events.
        now: The time of this machine's clock, in microseconds since 1970 UTC.

    Returns:
        `user_speaking`, `answering` (a response has begun and is not done), or `waiting`. In a
        GPT-Live session, who said a fragment within the last seconds.
    """
    speaking = answering = False
    said: LastEvent | None = None
    for event in events:
        speaking = _SPEECH.get(event.type, speaking)
        answering = _ANSWER.get(event.type, answering)
        said = event if event.type in _FRAGMENTS else said
    if said is not None:
        return "waiting" if _is_silent_since(said, events, now) else _FRAGMENTS[said.type]
    return "user_speaking" if speaking else "answering" if answering else "waiting"


def _is_silent_since(said: LastEvent, events: Iterable[LastEvent], now: int) -> bool:
    if said.at is None:
        return False
    latest = max(event.at for event in events if event.at is not None)
    return latest - said.at >= _SPEAKS_FOR or now - said.at >= _SPEAKS_FOR_BY_CLOCK


def _last_words(tx: Transaction, sessions: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the role and the text of the last turn of each session, by its id."""
    ids: dict[Protocol, list[str]] = {REALTIME: [], LIVE: []}
    for session in sessions:
        ids[LIVE if session["eventstore"].get("protocol") == LIVE else REALTIME].append(
            session["id"]
        )
    found: dict[str, tuple[bool, int, dict[str, Any]]] = {}
    for protocol, of_protocol in ids.items():
        for session_id, role, item_id, *texts in _for_each(
            tx, _LAST_WORDS_OF[protocol], of_protocol
        ):
            said, resource = decrypted_texts(tx, "items", session_id, item_id, *texts)
            # Of a Realtime session one item is read, and nothing but its words is asked.
            item = mapping(loads(resource)) if protocol == LIVE else {}
            notes = mapping(item.get("eventstore"))
            if protocol == LIVE and notes.get("kind") != "speech":
                continue
            # A turn comes before a backchannel, and then the latest one before others.
            rank = not notes.get("backchannel"), integer(notes.get("seq")) or 0
            told = {"role": role, "text": said}
            if session_id not in found or rank > found[session_id][:2]:
                found[session_id] = (*rank, told)
    return {session_id: told for session_id, (*_, told) in found.items()}


def _for_each(tx: Transaction, sql: str, ids: list[str]) -> list[Row]:
    """Return the rows of a query of one session, for several sessions in one round trip."""
    if not ids:
        return []
    # SQLite permits an ORDER BY within a union only in a subquery.
    return tx.rows(" UNION ALL ".join([f"SELECT * FROM ({sql}) x"] * len(ids)), ids)
