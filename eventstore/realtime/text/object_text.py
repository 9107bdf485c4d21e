"""Where a member stands in the text of a JSON object, and its text exactly as it is. Pure."""

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
    for start, end in member_spans(text, key):
        found = text[start:end] if text[start] == "{" else found
    return found if found and _spells(found, value) else dumps(value)


@lru_cache(maxsize=64)
def _first_member(key: str) -> re.Pattern[str]:
    """The key as envelopes have it: behind plain values, in the outermost object."""
    return re.compile(r'\s*{[^{}\[\]]{0,400}?"' + re.escape(key) + r'"\s*:\s*{')


def member_spans(text: str, key: str) -> Iterator[tuple[int, int]]:
    """Yield where the values of an object's own member begin and end; of two, the last one counts.

    Args:
        text: the text of the object, which is JSON.
        key: the name of the member.
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
    # By the reader that read the value: readers differ in numbers that are too large.
    with suppress(ValueError):
        if orjson.loads(text) == value:
            return True
    return bool(json.loads(text) == value)
