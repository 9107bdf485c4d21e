"""Find a member in the text of a JSON object, and return its text exactly as it is. Pure.

Called by what reads recordings, whose envelopes contain events, by the masking of deltas, and by
the replay server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

import orjson

from eventstore.realtime.json_scanner import NAME, json_tokens, unescape
from eventstore.realtime.values import dumps

_COLON = re.compile(r"\s*:\s*")


def member_text(text: str, key: str, value: dict[str, Any]) -> str:
    """Return the text of a member that is an object, exactly as the outer object has it.

    The text is read once, so that the time is linear even if the key stands at many places.

    Args:
        text: The text of the outer object.
        key: The name of the member.
        value: The member's parsed value.

    Returns:
        The member's text. If it cannot be found, the value is written as JSON again.
    """
    first = _first_member(key).match(text)
    if first is not None:  # nearly always
        with suppress(ValueError, RecursionError):
            _, end = json.JSONDecoder().raw_decode(text, first.end() - 1)
            if _spells(text[first.end() - 1 : end], value):
                return text[first.end() - 1 : end]
    found = ""
    for start, end in member_spans(text, key):
        found = text[start:end] if text[start] == "{" else found
    return found if found and _spells(found, value) else dumps(value)


@lru_cache(maxsize=64)
def _first_member(key: str) -> re.Pattern[str]:
    """Return an expression for the key in an envelope, where only plain values stand before it."""
    return re.compile(r'\s*{[^{}\[\]]{0,400}?"' + re.escape(key) + r'"\s*:\s*{')


def member_spans(text: str, key: str) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each value that an object has for a member's name.

    JSON may repeat a name. Parsers take the last value.

    Args:
        text: The text of the object, which is JSON.
        key: The name of the member. Members of inner objects are not searched.
    """
    depth, start = 0, -1
    for kind, begin, end in json_tokens(text):
        if depth == 1 and kind in (NAME, "}"):
            if start >= 0:
                value = text[start : begin - (kind == NAME)].rstrip().removesuffix(",").rstrip()
                yield start, start + len(value)
            start = -1
            if kind == NAME and unescape(text[begin:end])[0] == key:
                colon = _COLON.match(text, end + 1)
                start = -1 if colon is None else colon.end()
        depth += (kind in "{[") - (kind in "}]")


def _spells(text: str, value: dict[str, Any]) -> bool:
    # Either parser may have read the value, and they differ in numbers that are too large.
    with suppress(ValueError):
        if orjson.loads(text) == value:
            return True
    return bool(json.loads(text) == value)
