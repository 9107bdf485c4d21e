"""Keep answers small and plain: cut long texts, end pages early, put errors in one line. Pure.

Everything that a tool answers goes through this module. A model's context is small, and a frame, an
item or a list of instructions may have megabytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from eventstore.realtime.masking.mask import mask_words
from eventstore.realtime.values import dumps, is_deeper, loads, storable, storable_json

#: How many bytes of JSON or text one answer has at most. tools/hearing.py limits sound.
MAX_ANSWER_BYTES = 60_000
#: Bytes that are left for what stands around the entries of a page.
_AROUND = 4_000
PAGE_BYTES = MAX_ANSWER_BYTES - _AROUND
_LONGEST_ERROR = 600
# How many levels a value may have that is given whole: parsers of clients have limits, too.
_DEEPEST = 40
# The limits that are tried one after the other, until a value fits: characters of a text, entries
# of a list or an object, and levels.
_LIMITS = ((4000, 200, 12), (1500, 60, 10), (400, 30, 8), (100, 12, 6), (40, 6, 4))

# Spaces of all kinds but the usual one and the line feed; and characters that control a terminal,
# that turn the direction of what stands around them, or that nobody sees although they spell words.
# The joiners of Persian, of Indian scripts and of emoji are none of these.
_SPACES = "\t\x0b-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_UNSEEN = (
    "\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2061-\u206f\ufff9-\ufffb\ufffe\uffff"
    "\U000e0000-\U000e007f"
)
_SPACE, _HIDDEN = re.compile(f"[{_SPACES}]"), re.compile(f"[{_UNSEEN}]")
# Spaces stay in JSON, save those that end a line for some readers.
_ESCAPED = re.compile(f"[{_UNSEEN}\x85\u2028\u2029]")


class Piece(NamedTuple):
    """A part of a long text.

    Attributes:
        text: The characters of the part.
        left: How many characters follow behind it.
    """

    text: str
    left: int


def piece(text: str, begin: int, most: int) -> Piece:
    """Return at most `most` characters of a text, from the character `begin` on."""
    part = text[begin : begin + most]
    return Piece(part, max(0, len(text) - begin - len(part)))


def size_of(value: Any) -> int:
    """Return how many bytes a value has as JSON."""
    return len(_as_json(value).encode("utf-8", "replace"))


def _as_json(value: Any) -> str:
    """Return JSON in which characters that nobody sees are written as escapes."""
    text = dumps(value)
    return _ESCAPED.sub(lambda found: json.dumps(found[0])[1:-1], text)


def fitting(value: Any, budget: int = PAGE_BYTES) -> Any:
    """Return a JSON value that has at most so many bytes: the value itself, or a shortened one.

    Where something was left out, a text says how much. The value is shortened evenly, so that one
    long text does not hide what stands beside it.

    Args:
        value: A JSON value.
        budget: How many bytes it may have.
    """
    if size_of(value) <= budget and not is_deeper([value], _DEEPEST):
        return value
    for longest, entries, levels in _LIMITS:
        shortened = _shortened(value, longest, entries, levels)
        if size_of(shortened) <= budget:
            return shortened
    return "[left out: too large for an answer]"


def _shortened(value: Any, longest: int, entries: int, levels: int) -> Any:
    if isinstance(value, str):
        part = piece(value, 0, longest)
        return f"{part.text}… [{part.left:,} more characters]" if part.left else value
    if isinstance(value, dict):
        if not levels:
            return f"[an object with {len(value):,} members]"
        kept = list(value.items())[:entries]
        made = {key[:200]: _shortened(one, longest, entries, levels - 1) for key, one in kept}
        if len(value) > entries:
            made["…"] = f"[{len(value) - entries:,} more members]"
        return made
    if isinstance(value, list):
        if not levels:
            return f"[a list of {len(value):,} entries]"
        items = [_shortened(one, longest, entries, levels - 1) for one in value[:entries]]
        return items + [f"[{len(value) - entries:,} more entries]"] * (len(value) > entries)
    return value


def that_fit(entries: Sequence[Any], budget: int = PAGE_BYTES) -> list[Any]:
    """Return the first entries that have at most so many bytes together: one at least.

    An entry that alone has more is shortened.
    """
    kept: list[Any] = []
    left = budget
    for entry in entries:
        left -= size_of(entry) + 1
        if left < 0:
            break
        kept.append(entry)
    return kept or [fitting(entry, budget) for entry in entries[:1]]


def json_answer(value: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a JSON object as text, and as it is when that text is read again.

    Lone surrogates, NUL and infinities are replaced. A client's parser would refuse them, and so
    would the writer of the protocol's messages.
    """
    text = _as_json(storable_json(value))
    read: dict[str, Any] = loads(text)
    return text, read


def plain_text(text: str) -> str:
    """Return a text that every client can read: without lone surrogates and control characters.

    Line feeds stay. Characters that turn the direction of a line, or that nobody sees although they
    spell words, are replaced as well.
    """
    text = storable(text)
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub("�", _SPACE.sub(" ", text))


def one_line(text: str) -> str:
    """Return a text in one line, so that what was said cannot look like lines of ours."""
    return " ".join(plain_text(text).split())


def error_line(message: str) -> str:
    """Return the message of an error in one line of limited length, with secrets masked."""
    line = one_line(mask_words(storable(message)))
    return line if len(line) <= _LONGEST_ERROR else f"{line[:_LONGEST_ERROR]}…"
