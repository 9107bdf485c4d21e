"""Writes the customer's side of the sample call, its turns and microphone, and keeps its state.

Called by `make_call.py` and `replies.py`. Times are in seconds from the call's start, except where
`ms` says milliseconds.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tools.sample_call import script
from tools.sample_call.script import Line
from tools.sample_call.tokens import Ledger, heard, pieces, transcription_usage
from tools.sample_call.voices import Pcm, chunks, encode, milliseconds
from tools.sample_call.wire import Wire

APPEND_MS = 40
# The server detects speech in windows of this length, and needs so many windows with speech.
VAD_WINDOW_MS = 32
VAD_WINDOWS_TO_START = 3
ROUND_TRIP = 0.06
# Seconds between events that the server sends in one burst.
TICK = 0.0008


@dataclass
class Call:
    """The state of the call while it is composed.

    Attributes:
        wire: collects the frames.
        ledger: counts the tokens.
        conversation_id: the conversation's id.
        mic_at: when the microphone begins to send.
        placed: the customer's clips, each with the time at which it begins.
        last_item: the id of the conversation's last item; None if it has none.
    """

    wire: Wire
    ledger: Ledger
    conversation_id: str
    mic_at: float
    placed: list[tuple[float, Pcm]] = field(default_factory=list)
    last_item: str | None = None

    def append_item(self, item_id: str) -> str | None:
        """Add an item at the conversation's end, and return the id of the item before it."""
        before, self.last_item = self.last_item, item_id
        return before


@dataclass(frozen=True)
class Heard:
    """A customer's turn as the server detected it."""

    item_id: str
    started_at: float
    stopped_at: float


def listen(call: Call, at: float, line: Line, clip: Pcm, transcript_after: float) -> Heard:
    """Write a customer's turn: its detection, commit, item, and later its transcript.

    Args:
        call: the call.
        at: when the customer begins to speak.
        line: the words.
        clip: the sound.
        transcript_after: seconds from the turn's detected end to its transcript.
    """
    call.placed.append((at, clip))
    onset = _window((at - call.mic_at) * 1000)
    end = _window((at - call.mic_at) * 1000 + milliseconds(clip) - 1) + VAD_WINDOW_MS
    end += -(-script.SILENCE_MS // VAD_WINDOW_MS) * VAD_WINDOW_MS
    start = onset - script.PREFIX_PADDING_MS
    wire, known_at = call.wire, onset + VAD_WINDOWS_TO_START * VAD_WINDOW_MS
    started_at = call.mic_at + known_at / 1000 + ROUND_TRIP + wire.jitter(0.02)
    stopped_at = call.mic_at + end / 1000 + ROUND_TRIP + wire.jitter(0.02)
    item_id = wire.new_id("item", started_at)
    wire.server(
        started_at, "input_audio_buffer.speech_started", audio_start_ms=start, item_id=item_id
    )
    wire.server(stopped_at, "input_audio_buffer.speech_stopped", audio_end_ms=end, item_id=item_id)
    previous = call.append_item(item_id)
    now = stopped_at + TICK
    wire.server(now, "input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)
    content = [{"type": "input_audio", "transcript": None}]
    item = {
        "id": item_id,
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": content,
    }
    announce(call, now + TICK, item, previous)
    call.ledger.put(item_id, audio=heard(end - start))
    _transcribe(call, stopped_at + transcript_after, item_id, line.text, end - start)
    return Heard(item_id, started_at, stopped_at)


def announce(call: Call, at: float, item: dict[str, Any], previous: str | None) -> None:
    """Write the events of an item that is complete at once."""
    call.wire.server(at, "conversation.item.added", previous_item_id=previous, item=item)
    call.wire.server(at + TICK, "conversation.item.done", previous_item_id=previous, item=item)


def _window(ms: float) -> int:
    """Return the start of the detection window that contains a moment, in ms of the input."""
    return int(ms // VAD_WINDOW_MS) * VAD_WINDOW_MS


def _transcribe(call: Call, at: float, item_id: str, text: str, ms: float) -> None:
    """Write the transcript of a customer's turn, in pieces and then whole."""
    kind = "conversation.item.input_audio_transcription."
    place = {"item_id": item_id, "content_index": 0}
    for piece in pieces(text):
        at += 0.006 + call.wire.jitter(0.012)
        call.wire.server(
            at, kind + "delta", **place, delta=piece, obfuscation=call.wire.obfuscation(piece)
        )
    bill = transcription_usage(ms, text)
    call.wire.server(at + 0.03, kind + "completed", **place, transcript=text, usage=bill)


def microphone(call: Call, until: float) -> None:
    """Write the customer's whole input, with its silence, in frames of `APPEND_MS`.

    Args:
        call: the call, with the clips of all turns.
        until: when the microphone ends.
    """
    frames = round((until - call.mic_at) * 1000 / APPEND_MS)
    track = np.zeros(frames * APPEND_MS * script.RATE // 1000, dtype=np.int16)
    for at, clip in call.placed:
        start = round((at - call.mic_at) * script.RATE)
        track[start : start + len(clip)] = clip
    for number, frame in enumerate(chunks(track, APPEND_MS), 1):
        at = call.mic_at + number * APPEND_MS / 1000 + call.wire.jitter(0.003)
        call.wire.client(at, "input_audio_buffer.append", audio=encode(frame))
