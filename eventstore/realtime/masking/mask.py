"""Replace secrets by `[removed]`: in frames, in JSON values and in words.

Called by queries and exports, by the search index, by cassettes, reseeds and redaction. secrets.py
and secret_names.py tell what is a secret. In a frame, all other characters stay as they are. Time
grows with the length of the input, whatever its depth: no function calls itself for each level of
JSON, and JSON within texts is read only down to a limit. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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
from eventstore.realtime.masking.secret_words import (
    WORD_LISTS,
    may_have_lists,
    split_in_json,
    split_secrets,
    words_of_list,
)
from eventstore.realtime.masking.secrets import has_key_shape, may_hold, secrets_in
from eventstore.realtime.text.object_text import member_spans

_OPENING = re.compile(r'[{\[]\s*+["{\[]|\A\s*+"')
_BASE64 = re.compile(r"[A-Za-z0-9+/]{256,}+={0,2}")
#: How deep JSON within texts is read. A text that is nested deeper is masked as a whole.
_LEVELS = 8
_FEW_DIGITS = 4
_SHORTEST = 7
_AUDIO, _HEAD = 2000, 400
_BLOCK = 256


class Masked(NamedTuple):
    """A frame without its secrets.

    Attributes:
        text: The frame. It is the same object as the input if nothing in it is secret.
        secrets: How many secrets were replaced.
    """

    text: str | bytes
    secrets: int


class _Found(NamedTuple):
    """A place to mask.

    Attributes:
        start, stop: The start and the end of the place.
        instead: The text to put there.
    """

    start: int
    stop: int
    instead: str = REMOVED


def mask_frame(text: str | bytes) -> Masked:
    """Mask the secrets of a frame, and leave every other character as it is.

    Args:
        text: The frame. Broken JSON is read as far as possible. Bytes are read if they are UTF-8.
    """
    if isinstance(text, bytes):
        try:
            clean, count = mask_frame(text.decode())
        except UnicodeDecodeError:
            return Masked(text, 0)
        return Masked(clean.encode() if isinstance(clean, str) else clean, count)
    if len(text) > _AUDIO and ('"audio' in text or "audio.delta" in text[:_HEAD]):
        return _mask_around_audio(text)
    found = _in_frame(text)
    return Masked(_with(text, found), len(found)) if found else Masked(text, 0)


def mask_value(value: Any) -> Any:
    """Return a JSON value without its secrets.

    Args:
        value: Parsed JSON of any depth, such as a resource. It is not changed.
    """
    if isinstance(value, str):
        return mask_words(value)
    if not isinstance(value, dict | list):
        return value
    root: list[Any] = [value]
    # Each task replaces one entry of a container by a masked copy. The stack avoids recursion.
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
                is_list = name in WORD_LISTS and isinstance(entry, list)
                made[clean] = _without_split_secrets(entry) if is_list else entry
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
    """Return a text without secrets: keys of a known shape, and values of secret names in JSON.

    Args:
        text: The text.
        bits: What the names around the text say of it (see mask_names.py).
    """
    if len(text) < _SHORTEST:
        return text
    # Most texts of a resource are ids and words such as `in_progress`. This is a quick check.
    if len(text) < _BLOCK and text.isidentifier() and text.isascii():
        return REMOVED if has_key_shape(text) else text
    if not bits & (ADDRESS | HEADERS) and not may_hold(text):
        return text
    found = _merged(_in_words(text, bits, 1))
    return _with(text, found) if found else text


def secret_spans(text: str) -> list[SecretSpan]:
    """Return the places of secrets in a text, in order. JSON in the text may be cut off."""
    if not may_hold(text):
        return []
    return [(found.start, found.stop) for found in _merged(_in_words(text, 0, 1))]


def replace_member(text: str, name: str, instead: str, within: str | None = None) -> str:
    """Return the text of an event with a member that is a text replaced, such as its `delta`.

    Args:
        text: The text of the event.
        name: The name of the member.
        instead: The text to put there, without quotes.
        within: The member that has the event, if it is in another one.
    """
    holders = [(0, len(text))] if within is None else list(member_spans(text, within))
    found = [
        _Found(begin + start + 1, begin + stop - 1, instead)
        for begin, end in holders
        if text[begin : begin + 1] == "{" or within is None
        for start, stop in member_spans(text[begin:end], name)
        if text[begin + start] == '"'
    ]
    return _with(text, found)


def mask_entry(name: str, text: str) -> str:
    """Return the value of a name, such as of a pair of metadata, without secrets."""
    return REMOVED if text and is_secret_name(name) else mask_words(text)


def _without_split_secrets(entries: list[Any]) -> list[Any]:
    """Return a list of words without secrets that are split over several of them."""
    words = words_of_list(entries)
    found: dict[int, list[_Found]] = {}
    for index, span in split_secrets(words, secret_spans):
        found.setdefault(index, []).append(_Found(*span))
    return [
        {**entry, "text": _with(words[index], _merged(found[index]))} if index in found else entry
        for index, entry in enumerate(entries)
    ]


@lru_cache(maxsize=10_000)
def _clean_name(name: str) -> str:
    return mask_words(name)


def _put(
    made: Any, place: Any, bits: int, secret: bool, fresh: bool, tasks: list[tuple[Any, Any, int]]
) -> None:
    """Mask an entry of a container, or add a task that does it if the entry is a container.

    Args:
        made: The container.
        place: The key or the index of the entry.
        bits: What the names around the entry say of it.
        secret: True if the entry is secret.
        fresh: True if the entry's own name says so. A number is secret only then.
        tasks: The stack of tasks.
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


# Places of secrets in texts


def _in_frame(text: str) -> list[_Found]:
    """Return the secrets of a frame, or of a resource as JSON, in order."""
    found = list(_in_json(text, 0)) if may_hold(text) else []
    if may_have_lists(text):
        found += (_Found(*span) for span in split_in_json(text, secret_spans))
    return _merged(found) if found else found


def _in_json(text: str, level: int) -> Iterator[_Found]:
    """Yield the secrets of a JSON text.

    Args:
        text: The text.
        level: In how many other texts this text is nested.
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
                # In a nested text, a text in place of the number would need escaped quotes.
                yield _Found(start, end, "0" if level else f'"{REMOVED}"')
        elif kind in "{[":
            outer.append(here)
            here = OpenContainer(here.below, is_object=kind == "{")
        else:
            here = outer.pop() if outer else OpenContainer(0, is_object=False)


def _is_secret_number(here: OpenContainer, digits: int) -> bool:
    """Return True if the name of a number says that it is secret, and the number is long enough."""
    is_fresh = is_secret_text(here.below, here.bits) > here.bits & SECRET
    return here.is_object and is_fresh and digits >= _FEW_DIGITS


def _is_named(here: OpenContainer, raw: str) -> bool:
    """Return True if the text before it in a list says that a text is secret."""
    if here.is_object or here.bits & NO_PAIRS or not here.last:
        return False
    return is_named_before(here.last, unescape(raw)[0])


def _in_text(raw: str, start: int, bits: int, level: int) -> Iterator[_Found]:
    """Yield the secrets within a text of JSON.

    Args:
        raw: The text with its escapes.
        start: The place of the text.
        bits: What the names around the text say of it.
        level: In how many other texts the outer text is nested.
    """
    content, place = unescape(raw)
    for found in _in_words(content, bits, level + 1):
        yield _Found(start + place(found.start), start + place(found.stop), found.instead)


def _in_words(text: str, bits: int, level: int) -> Iterator[_Found]:
    """Yield the secrets of a text of words, and of JSON that is in it."""
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


def _merged(found: Iterable[_Found]) -> list[_Found]:
    """Return places in order. Places that overlap become one."""
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
    """Mask a frame with audio. The audio is cut out first, since it is long and has no words."""
    _, frame, offset, _, _ = decode_columns(text)
    if offset is None or offset < 0:
        frame, offset = text, len(text)
    cut = len(text) - len(frame)
    found = [
        one._replace(
            start=one.start + cut * (one.start >= offset), stop=one.stop + cut * (one.stop > offset)
        )
        for one in _in_frame(frame)
    ]
    return Masked(_with(text, found), len(found)) if found else Masked(text, 0)
