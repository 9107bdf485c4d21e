"""How much audio of the user's a client has streamed, by its length and not by its frames. Pure."""

from __future__ import annotations

from typing import Any

from eventstore.realtime.audio import bytes_per_ms, input_format
from eventstore.realtime.values import mapping

_PADDING = "="


class InputClock:
    """Counts the length of streamed audio, by the format that the session is configured with.

    Attributes:
        ms: milliseconds so far.
    """

    def __init__(self) -> None:
        self.ms = 0.0
        self._bytes_per_ms = bytes_per_ms(None)

    def configure(self, session: dict[str, Any]) -> None:
        """Count by a session's format from now on, where it names one."""
        format_ = input_format(session)
        if format_ is not None:
            self._bytes_per_ms = bytes_per_ms(format_)

    def add(self, audio: bytes | None, event: dict[str, Any] | None) -> None:
        """Count a frame of streamed audio.

        Args:
            audio: its sound, where it was cut out of the frame.
            event: the parsed frame, which has it else.
        """
        self.ms += audio_bytes(audio, event) / self._bytes_per_ms


def audio_bytes(audio: bytes | None, event: dict[str, Any] | None) -> int:
    """Return how many bytes of sound a frame of streamed audio has."""
    if audio is not None:
        return len(audio)
    encoded = mapping(event).get("audio")
    return len(encoded.rstrip(_PADDING)) * 3 // 4 if isinstance(encoded, str) else 0
