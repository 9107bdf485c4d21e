"""Recognise events that were delivered twice, by a proxy that reconnects and sends some again.

Called by the fold, by the sound's time line, by replays and by verify, which count a repeated event
once (docs/adr/0030). An event is a repetition if the server sent an event with the same `event_id`
and exactly the same text before. Two sets of earlier events are searched:

- for a delta, the deltas of the same type and response (or item), until the response is done;
- for any other event, the last 500 events that are no deltas.

Both sets are complete in a load of a state as well, which skips most deltas. So a load comes to
the same result as a fold of every event.

Some servers give one id to several events. Such an id proves nothing: an id that came with two
different texts, the id of `session.created`, or the id of the `response.created` of a delta's
response.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eventstore.realtime.catalogue import AUDIO_DELTAS, DELTAS, TEXT_DELTAS
from eventstore.realtime.frames import SERVER
from eventstore.realtime.values import identifier, mapping

#: How many events that are no deltas are remembered.
MAX_RECENT = 500
#: The text of the member's name. An event that writes the name with escapes counts as without id.
EVENT_ID_MEMBER = '"event_id"'

#: Deltas of a response or an item. Their handlers call `is_repeated` themselves, and only for
#: deltas that have an effect. A translation's audio belongs to no item, so it is not among them.
ITEM_DELTAS = DELTAS - {"session.output_audio.delta"}
_OF_RESPONSES = TEXT_DELTAS | AUDIO_DELTAS
_HEARD = "conversation.item.input_audio_transcription.delta"
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


#: The hash of the text that came with each event id; None if several texts came.
Texts = dict[str, int | None]


@dataclass(slots=True)
class Repeats:
    """The server events of a session that are remembered to recognise repetitions.

    Attributes:
        deltas: The texts of deltas, by type and by the id of the response or item.
        recent: The texts of the last other events, oldest first.
        created: The `event_id` and the seq of the event that began each response. The empty id
            stands for the session.
        done: The seq of the event that ended each response.
        last: The seq of the last repeated event, or 0.
    """

    deltas: dict[tuple[str, str], Texts] = field(default_factory=dict)
    recent: Texts = field(default_factory=dict)
    created: dict[str, tuple[str, int]] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    last: int = 0

    def is_repeated(
        self,
        seq: int,
        direction: str,
        type_: str,
        body: dict[str, Any],
        text: str,
        audio_bytes: int = 0,
    ) -> bool:
        """Return True if an event is the server's and was delivered before; remember the event.

        Args:
            seq: The event's seq.
            direction: `client`, `server` or `store`.
            type_: The event's type on the wire.
            body: The parsed event.
            text: The event's text. Audio is either cut out of all events of a log, or of none.
            audio_bytes: How many bytes of audio were cut out.
        """
        if direction != SERVER:
            return False
        event_id = body.get("event_id")
        if not isinstance(event_id, str) or EVENT_ID_MEMBER not in text:
            event_id = ""
        hashed = hash((text, audio_bytes)) if event_id else 0
        if type_ in ITEM_DELTAS:
            again = event_id != "" and self._is_known_delta(seq, type_, event_id, body, hashed)
        else:
            again = event_id != "" and self._is_recent(seq, type_, event_id, hashed)
            if not again:
                self._note(seq, type_, event_id, body)
        if again:
            self.last = seq
        return again

    def forget_texts(self, response_id: str) -> None:
        """Forget a response's deltas of text, because a load reads them again from the first."""
        for type_ in TEXT_DELTAS:
            self.deltas.pop((type_, response_id), None)

    def _is_known_delta(
        self, seq: int, type_: str, event_id: str, body: dict[str, Any], hashed: int
    ) -> bool:
        of = identifier(body.get("response_id")) or identifier(body.get("item_id")) or ""
        if self.done.get(of, seq) < seq or self._is_shared(seq, event_id, of):
            return False
        texts = self.deltas.get((type_, of))
        if texts is None:
            texts = self.deltas[type_, of] = {}
        return comes_again(texts, event_id, hashed)

    def _is_recent(self, seq: int, type_: str, event_id: str, hashed: int) -> bool:
        if comes_again(self.recent, event_id, hashed):
            return type_ == "session.created" or not self._is_shared(seq, event_id, "")
        if len(self.recent) > MAX_RECENT:
            del self.recent[next(iter(self.recent))]
        return False

    def _is_shared(self, seq: int, event_id: str, response_id: str) -> bool:
        """Return True if the event that began the session or the response has this id, too."""
        for of in ("", response_id):
            created = self.created.get(of)
            if created is not None and created[0] == event_id and created[1] < seq:
                return True
        return False

    def _note(self, seq: int, type_: str, event_id: str, body: dict[str, Any]) -> None:
        if type_ == "session.created":
            self.created.setdefault("", (event_id, seq))
        elif type_ == _TRANSCRIBED:
            self.deltas.pop((_HEARD, identifier(body.get("item_id")) or ""), None)
        elif type_ in ("response.created", "response.done"):
            id_ = identifier(mapping(body.get("response")).get("id"))
            if id_ is None:
                return
            if type_ == "response.created":
                self.created.setdefault(id_, (event_id, seq))
                return
            self.done.setdefault(id_, seq)
            for growing in _OF_RESPONSES:
                self.deltas.pop((growing, id_), None)


def comes_again(texts: Texts, event_id: str, hashed: int) -> bool:
    """Return True if an event id came with the same text before; remember it otherwise.

    Args:
        texts: What came before.
        event_id: The event's id, which is not empty.
        hashed: The hash of its text.
    """
    if event_id not in texts:
        texts[event_id] = hashed
        return False
    if texts[event_id] == hashed:
        return True
    texts[event_id] = None
    return False
