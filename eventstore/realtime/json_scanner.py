"""Scan JSON text token by token, with the place of each token in the text.

Called by mask.py, object_text.py and without_audio.py, which mask, copy or empty a part of a text
and leave all other characters as they are. A parser does not tell places. The text may be broken or
hostile: it is read once, in a time that grows with its length, and nothing raises. Pure.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

#: Regular expressions for a text with its quotes, and for a number.
STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
NUMBER = r"-?[0-9][0-9.eE+\-]*+"

#: Kinds of tokens: the name of a member, a text, a number. A bracket is its own kind.
NAME, TEXT, NUMERAL = "name", "text", "numeral"

# A match of a text includes the colon or comma behind it, which halves the number of matches.
_TOKEN = re.compile(
    rf'"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"(?:\s*+([:,]))?)?|[{{}}\[\]:,]|({NUMBER})', re.DOTALL
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def json_tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the tokens of JSON text: names, texts, numbers and brackets.

    Anything that is no JSON is skipped, such as words without quotes. A text without a closing
    quote reaches up to the end.

    Yields:
        The kind of each token, and its start and end. A name or a text is without its quotes.

    Example:
        >>> list(json_tokens('{"n": 1}'))
        [('{', 0, 1), ('name', 2, 3), ('numeral', 6, 7), ('}', 7, 8)]
    """
    outer: list[bool] = []
    in_object = is_name = False
    for token in _TOKEN.finditer(text):
        start, end = token.span(1)
        if start >= 0:
            yield (NAME if is_name else TEXT), start, end
            sign = token[2]
            if sign is not None:
                is_name = sign == "," and in_object
            continue
        sign = token[0]
        if sign == ",":
            is_name = in_object
        elif sign == ":":
            is_name = False
        elif sign in "{[":
            outer.append(in_object)
            in_object = is_name = sign == "{"
            yield sign, *token.span()
        elif sign in "}]":
            in_object = outer.pop() if outer else False
            is_name = False
            yield sign, *token.span()
        else:
            yield NUMERAL, *token.span()


def unescape(raw: str) -> tuple[str, Callable[[int], int]]:
    """Return a JSON text without its escapes, and a function that finds places in the raw text.

    Args:
        raw: The text within its quotes, with its escapes.

    Returns:
        The text, and a function that returns the place in `raw` for a place in the text.
    """
    if "\\" not in raw:
        return raw, int
    pieces: list[str] = []
    # The starts of pieces without escapes, in the text and in the raw text.
    ours, theirs = [0], [0]
    length = end = 0
    for escape in _ESCAPE.finditer(raw):
        code, sign = escape.groups()
        before = raw[end : escape.start()]
        pieces += [before, chr(int(code, 16)) if code else _ESCAPED.get(sign, sign)]
        end = escape.end()
        length += len(before) + 1
        ours.append(length)
        theirs.append(end)
    pieces.append(raw[end:])

    def place(position: int) -> int:
        index = bisect_right(ours, position) - 1
        return theirs[index] + position - ours[index]

    return "".join(pieces), place
