"""Escapes the characters in JSON that could control a terminal. The JSON stays equal."""

from __future__ import annotations

import re
from typing import Any

from eventstore.realtime.values import dumps

# Control characters, marks that change the direction of text, separators of lines, and lone
# surrogates. Line feeds are left out: in JSON, they stand between values only.
_STEERING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def harmless_json(text: str) -> str:
    """Return a JSON text with escapes in place of characters that could steer a terminal.

    The JSON stays equal: outside of its strings, only tabs of these characters may occur, and
    `dumps` writes none.
    """
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def json_line(value: Any) -> str:
    """Return a value as JSON for a terminal, in one line."""
    return harmless_json(dumps(value))
