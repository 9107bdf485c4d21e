"""Count how much audio a client has streamed, by its length in milliseconds. Pure.

Used for the recording by causality.py, and for the live client by connection.py.
"""

from __future__ import annotations

from typing import Any

from eventstore.realtime.audio import bytes_per_ms, input_format
from eventstore.realtime.values import mapping

_PADDING = "="


class InputClock:
    """Counts the length of streamed audio, by the format in the session's configuration.

    Attributes:
        ms: The length so far, in milliseconds.
    """

    def __init__(self) -> None:
        self.ms = 0.0
        self._bytes_per_ms = bytes_per_ms(None)

    def configure(self, session: dict[str, Any]) -> None:
        """Use the input format of a session's configuration from now on, if it states one."""
        format_ = input_format(session)
        if format_ is not None:
            self._bytes_per_ms = bytes_per_ms(format_)

    def add(self, audio: bytes | None, event: dict[str, Any] | None) -> None:
        """Add a frame of streamed audio.

        Args:
            audio: The audio's bytes, if they were cut out of the frame.
            event: The parsed frame, which has the audio otherwise.
        """
        self.ms += audio_bytes(audio, event) / self._bytes_per_ms


def audio_bytes(audio: bytes | None, event: dict[str, Any] | None) -> int:
    """Return how many bytes of audio a frame of streamed audio has; arguments as in `add`."""
    if audio is not None:
        return len(audio)
    encoded = mapping(event).get("audio")
    return len(encoded.rstrip(_PADDING)) * 3 // 4 if isinstance(encoded, str) else 0
