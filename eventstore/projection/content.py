"""The content of an item in a session's state: its parts, their audio, and how it was heard.

The classes of state.py have these; the handlers of projection/handlers change them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eventstore.projection.repeats import Texts
from eventstore.projection.timed_words import WordTiming, WordTimingKey, by_start_time


@dataclass(slots=True)
class AudioSpan:
    """Where the audio of a content part is in the log: its events, bytes and number of deltas."""

    first_seq: int
    last_seq: int
    bytes: int = 0
    chunks: int = 0


@dataclass(slots=True)
class ContentPart:
    """A content part of an item, as the events about the part describe it.

    Attributes:
        seen_seq, typed_seq: The first event of the part, and the one that told its `type`.
        text, transcript: The final text or transcript, or None while the part is not finished.
        text_deltas, transcript_deltas: The deltas of a generated part that is not finished.
        heard_deltas, partial: What a transcription of the user's speech said until now: its
            deltas, or the whole text so far as some servers send it.
        timed: The words whose times the server told.
        languages: The languages of the transcript.
        audio: The generated audio of the part.
        error, usage: The error or the usage of the transcription.
    """

    seen_seq: int
    type: str | None = None
    typed_seq: int = 0
    text: str | None = None
    transcript: str | None = None
    text_deltas: list[str] = field(default_factory=list)
    transcript_deltas: list[str] = field(default_factory=list)
    heard_deltas: list[str] = field(default_factory=list)
    partial: str | None = None
    timed: dict[WordTimingKey, WordTiming] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    audio: AudioSpan | None = None
    error: dict[str, Any] | None = None
    usage: Any = None

    def transcript_so_far(self) -> str | None:
        """Return the transcript of an unfinished part until now, or None if there is none."""
        if self.partial is not None:
            return self.partial
        deltas = self.heard_deltas + self.transcript_deltas
        if not deltas and self.type == "input_audio":
            return " ".join(timed.text.strip() for timed in by_start_time(self.timed)) or None
        return "".join(deltas) if deltas else None

    def text_so_far(self) -> str | None:
        """Return the text of an unfinished part until now, or None if there is none."""
        return "".join(self.text_deltas) if self.text_deltas else None


@dataclass(slots=True)
class Speech:
    """The user's speech of one turn, between events of the input audio buffer.

    Attributes:
        first_seq, committed_seq: The events between which the audio was appended.
        start_ms, end_ms: The speech on the session's input clock, as VAD found it.
        bytes, bytes_per_ms: The size of the audio, which is counted if VAD told no times.
    """

    first_seq: int
    start_ms: int | None = None
    end_ms: int | None = None
    bytes: int = 0
    bytes_per_ms: float | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    committed_seq: int | None = None
    committed_at: int | None = None


@dataclass(slots=True)
class Truncation:
    """The server's report that the user heard an item's audio only up to `audio_end_ms`."""

    seq: int
    at: int | None
    content_index: int
    audio_end_ms: int


@dataclass(slots=True)
class GrowingText:
    """What was found for the last delta, and holds for the next one of the same text.

    Attributes:
        type: The type of the deltas on the wire.
        response_id, item_id, content_index: As the deltas name them.
        deltas: The list to which a delta is added.
        texts: The deltas that came, by which repetitions are recognised.
        shared: Event ids that prove no repetition.
    """

    type: str
    response_id: str
    item_id: str
    content_index: Any
    deltas: list[str]
    texts: Texts
    shared: tuple[str, ...]
