"""What a scripted server hears: where speech begins and ends, counted in samples alone."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

#: Speech is looked for in windows of so many milliseconds.
_WINDOW_MS = 20
#: The mean of a window's absolute samples above which it is loud.
_LOUD = 500
#: Milliseconds of loud windows that begin speech, and of quiet ones that end it.
_BEGINS_MS, _ENDS_MS = 100, 300


@dataclass
class Hearing:
    """Finds speech in PCM of 16 bits, however it is cut into chunks.

    Attributes:
        rate: samples a second.
        heard_ms: how much audio has come.
        speaking: whether speech has begun and has not ended.
    """

    rate: int = 24000
    heard_ms: int = 0
    speaking: bool = False
    _left: bytes = b""
    _loud_ms: int = field(default=0)
    _quiet_ms: int = field(default=0)

    def hear(self, pcm: bytes) -> list[tuple[str, int]]:
        """Take in more audio; gives `("started", ms)` and `("stopped", ms)` as they occur."""
        data, size = self._left + pcm, 2 * self.rate * _WINDOW_MS // 1000
        whole = len(data) - len(data) % size
        self._left = data[whole:]
        found = []
        for place in range(0, whole, size):
            found += self._window(array("h", data[place : place + size]))
        return found

    def _window(self, samples: array[int]) -> list[tuple[str, int]]:
        loud = sum(map(abs, samples)) > _LOUD * len(samples)
        self._loud_ms = self._loud_ms + _WINDOW_MS if loud else 0
        self._quiet_ms = 0 if loud else self._quiet_ms + _WINDOW_MS
        self.heard_ms += _WINDOW_MS
        if not self.speaking and self._loud_ms >= _BEGINS_MS:
            self.speaking = True
            return [("started", self.heard_ms - self._loud_ms)]
        if self.speaking and self._quiet_ms >= _ENDS_MS:
            self.speaking = False
            return [("stopped", self.heard_ms)]
        return []
