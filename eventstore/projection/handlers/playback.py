"""Handle events of the server's output audio buffer: when a response was played and cut off.

Servers send these events for calls by WebRTC and SIP.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.handlers.responses import note_first_audio, response_of
from eventstore.projection.state import LogEvent, SessionState


def _playback_started(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    response = response_of(state, event, body)
    if response is None:
        return
    response.playback_started_at = event.at
    # With WebRTC and SIP, no audio delta tells when the first audio came.
    if response.first_audio_seq is None:
        note_first_audio(state, event, response)


def _playback_stopped(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    response = response_of(state, event, body)
    if response is not None:
        response.playback_stopped_at = event.at


def _playback_cleared(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    response = response_of(state, event, body)
    if response is not None:
        response.playback_stopped_at = event.at
        response.cleared_seq = event.seq
        state.interrupted.add(response.id)


HANDLERS = {
    "output_audio_buffer.started": _playback_started,
    "output_audio_buffer.stopped": _playback_stopped,
    "output_audio_buffer.cleared": _playback_cleared,
}
