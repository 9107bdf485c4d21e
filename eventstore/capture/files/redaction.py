"""Take the secrets out of a recording while it is imported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eventstore.capture.recording.notes import redacted
from eventstore.realtime.frames import Frame
from eventstore.realtime.masking.mask_session import SessionMask


class Redaction:
    """Takes secrets out of frames, which come in their order.

    Args:
        redact: False leaves all frames as they are.

    Attributes:
        secrets: how many were taken out so far.
    """

    def __init__(self, redact: bool) -> None:
        self.secrets = 0
        self._mask = SessionMask() if redact else None

    def take_out(self, frame: Frame) -> Frame:
        """Return the next frame without its secrets; the very same where it has none."""
        if self._mask is None:
            return frame
        text, secrets = self._mask.mask(frame.text)
        self.secrets += secrets
        return frame._replace(text=text) if secrets else frame

    def with_note(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield frames that go through `take_out`, and behind them how many secrets they had."""
        before = self.secrets
        yield from frames
        if self.secrets > before:
            # Without a time, so that of two imports at once the second finds its own note there.
            yield redacted(self.secrets - before, None)
