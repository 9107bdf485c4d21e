"""The text of one member of a JSON object, exactly as it stands in the object's text. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

import orjson

from eventstore.realtime.values import dumps

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\],:]', re.DOTALL)


def member_text(text: str, key: str, value: dict[str, Any]) -> str:
    """Return the text of an object's own member that is an object itself.

    The text is read once, whatever is in it: the key may stand at many places, within the member as
    well, and what stands behind each of them may be nearly all of the text.

    Args:
        text: the text of the outer object.
        key: the name of the member.
        value: the member as it was read.

    Returns:
        Its text as it stands; the value written anew where that cannot be found.
    """
    first = _first_member(key).match(text)
    if first is not None:  # nearly always
        with suppress(ValueError, RecursionError):
            _, end = json.JSONDecoder().raw_decode(text, first.end() - 1)
            if _spells(text[first.end() - 1 : end], value):
                return text[first.end() - 1 : end]
    found = ""
    for start, end in _objects_of(text, key):
        found = text[start:end]  # of a key that is there twice, the last one counts
    return found if found and _spells(found, value) else dumps(value)


@lru_cache(maxsize=64)
def _first_member(key: str) -> re.Pattern[str]:
    """The key as envelopes have it: behind plain values, in the outermost object."""
    return re.compile(r'\s*{[^{}\[\]]{0,400}?"' + re.escape(key) + r'"\s*:\s*{')


def _objects_of(text: str, key: str) -> Iterator[tuple[int, int]]:
    """Where the values of an object's own `key` begin and end, where they are objects."""
    quoted = f'"{key}"'
    depth, start, is_key, named = 0, -1, False, False
    for match in _TOKEN.finditer(text):
        sign = match.group()
        if sign[0] == '"':
            if depth == 1 and is_key:
                named = sign == quoted or ("\\" in sign and json.loads(sign) == key)
                is_key = False
        elif sign in "{[":
            if depth == 1 and named and sign == "{":
                start = match.start()
            depth += 1
            is_key = depth == 1
            named = named and depth > 1
        elif sign in "}]":
            depth -= 1
            if depth == 1 and start >= 0:
                yield start, match.end()
                start, named = -1, False
        elif sign == "," and depth == 1:
            is_key, named = True, False


def _spells(text: str, value: dict[str, Any]) -> bool:
    # By the reader that read the value: readers differ in numbers that are too large.
    with suppress(ValueError):
        if orjson.loads(text) == value:
            return True
    return bool(json.loads(text) == value)
