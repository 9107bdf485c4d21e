"""Remove the secrets from a recording while it is imported; `import_file.py` calls it."""

from __future__ import annotations

from eventstore.realtime.frames import Frame
from eventstore.realtime.masking.mask_session import SessionMask


class Redaction:
    """Removes secrets from frames, which must come in order.

    Args:
        redact: False leaves all frames unchanged.

    Attributes:
        secrets: How many were removed so far.
    """

    def __init__(self, redact: bool) -> None:
        self.secrets = 0
        self._mask = SessionMask() if redact else None

    def take_out(self, frame: Frame) -> Frame:
        """Return the next frame without its secrets; the same object if it has none."""
        if self._mask is None:
            return frame
        text, secrets = self._mask.mask(frame.text)
        self.secrets += secrets
        return frame._replace(text=text) if secrets else frame
