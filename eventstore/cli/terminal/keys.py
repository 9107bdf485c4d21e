"""Translates the bytes that a terminal sends for keys into names of keys. Pure."""

from __future__ import annotations

import re

_NAMES = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1b[C": "right",
    b"\x1b[D": "left",
    b"\r": "enter",
    b"\n": "enter",
    b"\x08": "backspace",
    b"\x7f": "backspace",
    b" ": "space",
}
# A control sequence, an application key, Alt with a key, or a plain byte.
_KEY = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO[ -~]|\x1b[^\x1b\[O]|[^\x1b]", re.DOTALL)


def read_keys(data: bytes, whole: bool = False) -> tuple[list[str], bytes]:
    """Split bytes from a terminal into keys.

    Args:
        data: bytes from the terminal, after those that the last call returned.
        whole: no more bytes arrive soon, so an escape at the end is the key Escape.

    Returns:
        The names of the keys, and the bytes of a key that has not arrived whole. The name of a
        letter is the letter; the name of an unknown key is empty.
    """
    keys: list[str] = []
    while data:
        match = _KEY.match(data)
        if match is not None:
            keys.append(_name(match[0]))
            data = data[match.end() :]
        elif whole or data.startswith(b"\x1b\x1b") or len(data) > 32:
            keys.append("escape")
            # An unfinished sequence is dropped whole, because its letters are no keys.
            data = data[1:] if data.startswith(b"\x1b\x1b") else b""
        else:
            break
    return keys, data


def _name(sent: bytes) -> str:
    # Keypads in application mode send the letter O instead of the bracket.
    name = _NAMES.get(sent.replace(b"\x1bO", b"\x1b["))
    if name is not None:
        return name
    return chr(sent[0]) if len(sent) == 1 and 0x20 < sent[0] < 0x7F else ""
