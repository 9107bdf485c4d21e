"""Walk through the text of JSON, token by token, where its places count: the one scanner for that.

A parser gives values; whoever masks, empties or copies a part of a text needs to know where it
stands. Called by mask.py, object_text.py and without_audio.py. Text may be broken or hostile:
it is read once, in a time that grows with its length, and nothing raises. Pure.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

#: Expressions for a text in its quotes, and for a number.
STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
NUMBER = r"-?[0-9][0-9.eE+\-]*+"

#: Kinds of tokens: the name of a member, and values. A bracket is a kind by itself.
NAME, TEXT, NUMERAL = "name", "text", "numeral"

# The sign behind a text belongs to its match, so that there are half as many of them.
_TOKEN = re.compile(
    rf'"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"(?:\s*+([:,]))?)?|[{{}}\[\]:,]|({NUMBER})', re.DOTALL
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def json_tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the tokens of JSON text: `NAME`, `TEXT`, `NUMERAL`, or a bracket.

    What is no JSON is passed over: words without quotes, signs where none can stand. A text without
    an end goes to the end of all.

    Returns:
        Each token's kind and its place; that of a name or a text is within its quotes.
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
    """Return what a text of JSON says, and where each character of that stands in the text.

    Args:
        raw: the text within its quotes, as it is escaped.
    """
    if "\\" not in raw:
        return raw, int
    pieces: list[str] = []
    # Where pieces without escapes begin, in what the text says and in the text.
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
