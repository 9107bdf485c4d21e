"""Recognise characters of scripts that are written without spaces between words. Pure.

Called by search, which cuts such text into pairs of characters, and by the estimate of heard text.
"""

from __future__ import annotations

from unicodedata import east_asian_width

_HANGUL = (
    range(0x1100, 0x1200),
    range(0x3130, 0x3190),
    range(0xA960, 0xA980),
    range(0xAC00, 0xD800),
)
_SOUTHEAST = (
    range(0x0E00, 0x0F00),  # Thai, Lao
    range(0x1000, 0x10A0),  # Burmese, Shan, Mon
    range(0x1780, 0x1800),  # Khmer
    range(0x1950, 0x19E0),  # Tai Le, New Tai Lue
    range(0x1A20, 0x1AB0),  # Tai Tham
    range(0x1B00, 0x1B80),  # Balinese
    range(0xA980, 0xAA00),  # Javanese, further Burmese
    range(0xAA60, 0xAAE0),  # further Burmese, Tai Viet
)


def is_unspaced(char: str) -> bool:
    """Return True if a word may end after this character without a space, as after 天, か or ไ."""
    if char < "\u0e00":
        return False
    code = ord(char)
    if any(code in block for block in _SOUTHEAST):
        return True
    return east_asian_width(char) in "WF" and not is_hangul(char)


def is_hangul(char: str) -> bool:
    """Return True if a character is Korean (Hangul): a syllable such as 배, or a part of one."""
    return char >= "\u1100" and any(ord(char) in block for block in _HANGUL)
