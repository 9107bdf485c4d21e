"""Events that were delivered twice: a proxy that goes on after a lost connection sends some again.

An event is a repetition where the server sent one before with the same `event_id` and the very
same text. What folds or plays a log counts it once. It is looked for among the deltas of the same
type and response, or item, until the response is done, and among the last few of all other events:
so a load of a state, which reads no more deltas than it needs, comes to the same answer as a fold
of every event.

Some servers give several events one id, which then names none: one that came with two texts, or
that `session.created` has as well, or the `response.created` of a delta's response.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eventstore.realtime.catalogue import AUDIO_DELTAS, DELTAS, TEXT_DELTAS
from eventstore.realtime.frames import SERVER
from eventstore.realtime.values import identifier, mapping

#: How many events back one that is no delta is recognised.
MAX_RECENT = 500
#: What a text holds that gives its event an id. One that spells the name otherwise has none.
EVENT_ID_MEMBER = '"event_id"'

#: Deltas of a response or item: where one has no effect when it comes, it may have when it comes
#: again. Those of a translation are of neither, and are known as other events are.
ITEM_DELTAS = DELTAS - {"session.output_audio.delta"}
_OF_RESPONSES = TEXT_DELTAS | AUDIO_DELTAS
_HEARD = "conversation.item.input_audio_transcription.delta"
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


#: The hash of the text that came with an id; None where there were several.
_Texts = dict[str, int | None]


@dataclass(slots=True)
class Repeats:
    """What is remembered of a session's server events, to know one that comes again.

    Attributes:
        deltas: the texts of those that came, by type and by response or item.
        recent: the texts of the last other events, oldest first.
        created: the id of the event that began a response, and its seq; under "" the session's.
        done: the seq of the event that ended a response.
        last: the seq of the last event that came again; 0 for none.
    """

    deltas: dict[tuple[str, str], _Texts] = field(default_factory=dict)
    recent: _Texts = field(default_factory=dict)
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
        """Return True if it is the server's, and was there before; remember it.

        Args:
            seq: its place in the session.
            direction: client, server or store.
            type_: its type on the wire.
            body: the parsed event.
            text: its text. Audio may be cut out of it; events of one log are to be alike in that.
            audio_bytes: how many bytes of audio were cut out.
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
        """Forget a response's deltas of texts, which are about to come from the beginning."""
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
        return _comes_again(texts, event_id, hashed)

    def _is_recent(self, seq: int, type_: str, event_id: str, hashed: int) -> bool:
        if _comes_again(self.recent, event_id, hashed):
            return type_ == "session.created" or not self._is_shared(seq, event_id, "")
        if len(self.recent) > MAX_RECENT:
            del self.recent[next(iter(self.recent))]
        return False

    def _is_shared(self, seq: int, event_id: str, response_id: str) -> bool:
        """Return True if the event that began the session or the response has the same id."""
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


def _comes_again(texts: _Texts, event_id: str, hashed: int) -> bool:
    if event_id not in texts:
        texts[event_id] = hashed
        return False
    if texts[event_id] == hashed:
        return True
    texts[event_id] = None
    return False
