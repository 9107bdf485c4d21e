"""Scripts that are written without spaces between words. Pure."""

from __future__ import annotations

from unicodedata import east_asian_width

_HANGUL = range(0xAC00, 0xD7A4)
# Thai and Lao, Myanmar, Khmer.
_SOUTHEAST = (range(0x0E00, 0x0F00), range(0x1000, 0x10A0), range(0x1780, 0x1800))


def is_unspaced(char: str) -> bool:
    """Return True if a word may end behind this character without a space: 天, か or ไ."""
    if char < "\u0e00":
        return False
    code = ord(char)
    if any(code in block for block in _SOUTHEAST):
        return True
    return east_asian_width(char) in "WF" and code not in _HANGUL
