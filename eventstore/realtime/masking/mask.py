"""Mask secrets: in frames, where every other character stays as it is, in values and in words.

Whatever is made to be handed on goes through here, and so do cassettes and recordings that are
made without secrets. What is secret is told by `secrets.py`. Time grows with the length of what is
masked, whatever its depth: nothing here calls itself for each level, and texts within texts are
read to a bound. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from eventstore.realtime.frames import decode_columns
from eventstore.realtime.json_scanner import NAME, NUMERAL, TEXT, json_tokens, unescape
from eventstore.realtime.masking.mask_names import (
    ADDRESS,
    HEADERS,
    NO_PAIRS,
    SECRET,
    bits_below,
    is_secret_text,
)
from eventstore.realtime.masking.secret_addresses import secrets_of_address, secrets_of_headers
from eventstore.realtime.masking.secret_names import REMOVED, SecretSpan, is_secret_name
from eventstore.realtime.masking.secret_pairs import (
    OpenContainer,
    has_secret_name,
    is_named_before,
    pair_role,
)
from eventstore.realtime.masking.secrets import has_key_shape, may_hold, secrets_in
from eventstore.realtime.text.object_text import member_spans

_OPENING = re.compile(r'[{\[]\s*+["{\[]|\A\s*+"')
_BASE64 = re.compile(r"[A-Za-z0-9+/]{256,}+={0,2}")
#: Texts within texts are read so deep; what goes deeper is no data that anybody reads.
_LEVELS = 8
_FEW_DIGITS = 4
_SHORTEST = 7
_AUDIO, _HEAD = 2000, 400
_BLOCK = 256


class Masked(NamedTuple):
    """A frame without its secrets.

    Attributes:
        text: the frame; the very same text where nothing in it is secret.
        secrets: how many were taken out.
    """

    text: str | bytes
    secrets: int


class _Found(NamedTuple):
    """A place to mask.

    Attributes:
        start, stop: the place.
        instead: what to put there.
    """

    start: int
    stop: int
    instead: str = REMOVED


def mask_frame(text: str | bytes) -> Masked:
    """Mask the secrets of a frame, and leave every other character as it is.

    Args:
        text: a frame; JSON that is broken is read as far as it goes. Of bytes, only UTF-8 is read.
    """
    if isinstance(text, bytes):
        try:
            clean, count = mask_frame(text.decode())
        except UnicodeDecodeError:
            return Masked(text, 0)
        return Masked(clean.encode() if isinstance(clean, str) else clean, count)
    if len(text) > _AUDIO and ('"audio' in text or "audio.delta" in text[:_HEAD]):
        return _mask_around_audio(text)
    found = _merged(_in_json(text, 0)) if may_hold(text) else []
    return Masked(_with(text, found), len(found)) if found else Masked(text, 0)


def mask_value(value: Any) -> Any:
    """Return a JSON value without its secrets; the very same value where it has none.

    Args:
        value: what a resource is made of: parsed JSON, of any depth. It is not changed.
    """
    if isinstance(value, str):
        return mask_words(value)
    if not isinstance(value, dict | list):
        return value
    root: list[Any] = [value]
    # Each task replaces an entry of its holder by a masked one.
    tasks: list[tuple[Any, Any, int]] = [(root, 0, 0)]
    while tasks:
        holder, place, bits = tasks.pop()
        inner = holder[place]
        if isinstance(inner, dict):
            made: Any = {}
            holder[place] = made
            is_named = has_secret_name(inner)
            for name, entry in inner.items():
                below, clean = bits_below(bits, name), _clean_name(name)
                if is_named and pair_role(name) == "value":
                    below = SECRET
                made[clean] = entry
                fresh = not bits & SECRET
                _put(made, clean, below, is_secret_text(below, bits), fresh, tasks)
        else:
            holder[place] = made = list(inner)
            for index, entry in enumerate(inner):
                named = (
                    not bits & NO_PAIRS and index > 0 and is_named_before(made[index - 1], entry)
                )
                _put(made, index, bits, bool(bits & SECRET) or named, False, tasks)
    return root[0]


def mask_words(text: str, bits: int = 0) -> str:
    """Return a text without the secrets in it: keys by their shape, and JSON's by their names."""
    if len(text) < _SHORTEST:
        return text
    # Most texts of a resource are ids and words like `in_progress`: a look is enough.
    if len(text) < _BLOCK and text.isidentifier() and text.isascii():
        return REMOVED if has_key_shape(text) else text
    if not bits & (ADDRESS | HEADERS) and not may_hold(text):
        return text
    found = _merged(_in_words(text, bits, 1))
    return _with(text, found) if found else text


def secret_spans(text: str) -> list[SecretSpan]:
    """Return where secrets stand in words and in JSON, which may be cut off, in order."""
    if not may_hold(text):
        return []
    return [(found.start, found.stop) for found in _merged(_in_words(text, 0, 1))]


def replace_delta(text: str, instead: str) -> str:
    """Return the text of an event with another text as its `delta`."""
    spans = [span for span in member_spans(text, "delta") if text[span[0]] == '"']
    return _with(text, [_Found(start + 1, stop - 1, instead) for start, stop in spans])


def mask_entry(name: str, text: str) -> str:
    """Return the text that stands under a name, such as a pair of metadata, without secrets."""
    return REMOVED if text and is_secret_name(name) else mask_words(text)


@lru_cache(maxsize=10_000)
def _clean_name(name: str) -> str:
    return mask_words(name)


def _put(
    made: Any, place: Any, bits: int, secret: bool, fresh: bool, tasks: list[tuple[Any, Any, int]]
) -> None:
    """Mask an entry of a container, or leave that to a task.

    Args:
        secret: what stands here is.
        fresh: it stands right under the name that says so, where a number is secret as well.
    """
    entry = made[place]
    if isinstance(entry, str):
        if secret:
            made[place] = REMOVED if entry else entry
        else:
            made[place] = mask_words(entry, bits)
    elif isinstance(entry, dict | list):
        tasks.append((made, place, bits))
    elif secret and fresh and type(entry) in (int, float) and len(str(entry)) >= _FEW_DIGITS:
        made[place] = REMOVED


# Where secrets stand in texts


def _in_json(text: str, level: int) -> Iterator[_Found]:
    """Yield the secrets of a JSON text.

    Args:
        level: how many texts this one stands in.
    """
    outer: list[OpenContainer] = []
    here = OpenContainer(0, is_object=False)
    for kind, start, end in json_tokens(text):
        if kind == NAME:
            raw = text[start:end]
            name, _ = unescape(raw)
            here.below = SECRET if here.begins_secret(name) else bits_below(here.bits, name)
            if end - start >= _SHORTEST:
                yield from _in_text(raw, start, 0, level)
        elif kind == TEXT:
            raw = text[start:end]
            if not is_secret_text(here.below, here.bits) and not _is_named(here, raw):
                if end - start >= _SHORTEST:
                    yield from _in_text(raw, start, here.below, level)
                if (held := here.reads(raw, (start, end))) is not None:
                    yield _Found(*held)
            elif raw and raw != REMOVED:
                yield _Found(start, end)
        elif kind == NUMERAL:
            if _is_secret_number(here, end - start):
                # Within a text, quotes would have to be escaped as that text is.
                yield _Found(start, end, "0" if level else f'"{REMOVED}"')
        elif kind in "{[":
            outer.append(here)
            here = OpenContainer(here.below, is_object=kind == "{")
        else:
            here = outer.pop() if outer else OpenContainer(0, is_object=False)


def _is_secret_number(here: OpenContainer, digits: int) -> bool:
    """Whether a number stands right under the name that says that it is secret."""
    is_fresh = is_secret_text(here.below, here.bits) > here.bits & SECRET
    return here.is_object and is_fresh and digits >= _FEW_DIGITS


def _is_named(here: OpenContainer, raw: str) -> bool:
    """Whether a text in a list is secret by the text before it."""
    if here.is_object or here.bits & NO_PAIRS or not here.last:
        return False
    return is_named_before(here.last, unescape(raw)[0])


def _in_text(raw: str, start: int, bits: int, level: int) -> Iterator[_Found]:
    """Yield the secrets within a text of JSON.

    Args:
        raw: the text, as it is escaped.
        start: where it stands.
        bits: what is known of it.
    """
    content, place = unescape(raw)
    for found in _in_words(content, bits, level + 1):
        yield _Found(start + place(found.start), start + place(found.stop), found.instead)


def _in_words(text: str, bits: int, level: int) -> Iterator[_Found]:
    """Yield the secrets of words, and of JSON in them."""
    if len(text) >= _BLOCK and _BASE64.fullmatch(text):
        return
    if bits & HEADERS:
        yield from (_Found(*span) for span in secrets_of_headers(text))
    if bits & ADDRESS:
        yield from (_Found(*span) for span in secrets_of_address(text))
    opening = _OPENING.search(text)
    is_json = opening is not None and opening.start() == 0
    yield from (_Found(*span) for span in secrets_in(text, is_json))
    if opening is None or not may_hold(text):
        return
    if level >= _LEVELS:
        yield _Found(0, len(text))
        return
    begin = opening.start()
    for found in _in_json(text[begin:] if begin else text, level):
        yield _Found(found.start + begin, found.stop + begin, found.instead)


def _merged(found: Iterator[_Found]) -> list[_Found]:
    """Places in order, those that touch or overlap as one."""
    merged: list[_Found] = []
    for one in sorted(set(found)):
        if one.start == one.stop:
            continue
        if merged and one.start < merged[-1].stop:
            last = merged[-1]
            merged[-1] = last._replace(stop=max(last.stop, one.stop))
        else:
            merged.append(one)
    return merged


def _with(text: str, found: list[_Found]) -> str:
    pieces, end = [], 0
    for start, stop, instead in found:
        pieces += [text[end:start], instead]
        end = stop
    return "".join(pieces) + text[end:]


def _mask_around_audio(text: str) -> Masked:
    """Mask a frame that carries audio, which is cut out first: it is long, and no words."""
    _, frame, offset, _, _ = decode_columns(text)
    if offset is None or offset < 0:
        frame, offset = text, len(text)
    if not may_hold(frame):
        return Masked(text, 0)
    cut = len(text) - len(frame)
    found = [
        one._replace(
            start=one.start + cut * (one.start >= offset), stop=one.stop + cut * (one.stop > offset)
        )
        for one in _merged(_in_json(frame, 0))
    ]
    return Masked(_with(text, found), len(found)) if found else Masked(text, 0)
