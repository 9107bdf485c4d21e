"""Split a frame into the columns of the log, and restore its text exactly.

Called by every append, and by everything that reads frames. A frame is stored in the columns
`frame`, `audio_offset` and `audio`. `audio_offset` says how they are joined:

* None: `frame` is the text as it was received.
* 0 or more: The base64 text of `audio` was cut out at this character of `frame`.
* `RAW_TEXT`: `audio` has the whole text as UTF-8 with surrogates, because a database's text type
  cannot hold it (NUL, lone surrogates). `frame` is empty.
* `RAW_BINARY`: `audio` has a binary message as it was received. `frame` is empty.
* `BOUND_TEXT`: `audio` has the frame, encrypted and bound to the row's other columns (see
  encryption/encrypt_events.py).
* `BOUND`: The same, for a frame with audio. Older versions wrote every frame so.
* `ENCRYPTED`: The same as still older versions wrote it, bound to the row's seq alone.

Audio is cut out only if encoding its bytes again gives exactly the same characters. So the text can
always be restored, even if the frame is no valid JSON.
"""

from __future__ import annotations

import binascii
import json
import re
from typing import Any, NamedTuple

import orjson
import pybase64

from eventstore.realtime.values import is_deeper

RAW_TEXT = -1
RAW_BINARY = -2
ENCRYPTED = -3
BOUND = -4
BOUND_TEXT = -5
#: The values of `audio_offset` in encrypted rows.
ENCRYPTIONS = frozenset({ENCRYPTED, BOUND, BOUND_TEXT})

#: The type of a frame that is no JSON object with a text as its `type`.
UNREADABLE = "eventstore.unreadable"

CLIENT, SERVER, STORE = "client", "server", "store"
DIRECTIONS = (CLIENT, SERVER, STORE)

MAX_TYPE = 128
MAX_DEPTH = 200

_APPEND_TYPES = frozenset(
    {
        "input_audio_buffer.append",
        "session.input_audio_buffer.append",
        "session.input_audio.append",
    }
)
_DELTA_TYPES = frozenset(
    {"response.audio.delta", "response.output_audio.delta", "session.output_audio.delta"}
)
# Items that are created or retrieved have audio, too. Short audio is not worth cutting out.
_ITEM_AUDIO = re.compile(r'"audio"\s*:\s*"([A-Za-z0-9+/]{256,}={0,2})"')
_ITEM_AUDIO_MIN = 300
_b64decode = pybase64.b64decode
_SPACED = re.compile(r'\s*:\s*"')
_HEAD = 400
_SMALL = 600
_AUDIO_TYPES = _APPEND_TYPES | _DELTA_TYPES

# A cache of parsed events, because all appends of a client mostly have the same text around the
# audio. Each entry: the text before the audio, its length, the type, the frame, the event.
_appends: list[tuple[str, int, str, str, dict[str, Any]]] = []
_APPENDS_KEPT = 2

FrameColumns = tuple[str, str, int | None, bytes | None, dict[str, Any] | None]


class Frame(NamedTuple):
    """One message as it crossed the wire.

    Attributes:
        direction: `client`, `server`, or `store` for what the recorder itself notes.
        text: The message's text; bytes for a binary message.
        at: When it arrived, in microseconds since 1970 UTC; None if that is not known.
            `microseconds` makes it of a `datetime` or a text.
    """

    direction: str
    text: str | bytes
    at: int | None = None


class Decoded(NamedTuple):
    """The columns of a frame, and its parsed event without audio (None if it is unreadable)."""

    type: str
    frame: str
    audio_offset: int | None
    audio: bytes | None
    event: dict[str, Any] | None


def decode(text: str | bytes) -> Decoded:
    """Split a frame into the columns of the log, and parse its event.

    This never fails, whatever the frame is. `restore` always returns the same text again.

    Args:
        text: The frame; bytes for a binary message.
    """
    return Decoded(*decode_columns(text))


def decode_columns(text: str | bytes) -> FrameColumns:
    """Do the same as `decode` and return a plain tuple, for the hot path."""
    if isinstance(text, bytes):
        return UNREADABLE, "", RAW_BINARY, text, None
    if len(text) > _SMALL:
        for prefix, length, type_, frame, event in _appends:
            if text.startswith(prefix) and text.endswith('"}'):
                audio = _canonical(text[length:-2])
                if audio is not None:
                    return type_, frame, length, audio, event
        return _cut_delta(text) or _decode_whole(text)
    decoded = _decode_whole(text)
    if decoded[0] in _AUDIO_TYPES:
        return _cut_delta(text) or decoded
    return decoded


def _decode_whole(text: str) -> FrameColumns:
    event = parse(text)
    if len(text) > _ITEM_AUDIO_MIN and event is not None and '"audio"' in text:
        match = _ITEM_AUDIO.search(text)
        if match is not None:
            cut = _cut_item(text, match.start(1), match.end(1))
            if cut is not None:
                return cut
    if "\0" in text or not (text.isascii() or _is_utf8(text)):
        raw = text.encode("utf-8", "surrogatepass")
        return event_type(event), "", RAW_TEXT, raw, event
    return event_type(event), text, None, None, event


def restore(frame: str, audio_offset: int | None, audio: bytes | None) -> str | bytes:
    """Return the frame exactly as it was received.

    Args:
        frame, audio_offset, audio: The stored columns, decrypted.

    Raises:
        ValueError: The columns contradict each other: the row is damaged.
    """
    if audio_offset is None:
        return frame
    if audio is None:
        raise ValueError("audio_offset without audio")
    if audio_offset >= 0:
        text = pybase64.b64encode_as_string(audio)
        return f"{frame[:audio_offset]}{text}{frame[audio_offset:]}"
    if audio_offset == RAW_TEXT:
        return audio.decode("utf-8", "surrogatepass")
    if audio_offset == RAW_BINARY:
        return audio
    if audio_offset in ENCRYPTIONS:
        raise ValueError("it cannot be decrypted: it was changed, or moved")
    raise ValueError(f"unknown audio_offset {audio_offset}")


def restore_bytes(frame: str, audio_offset: int | None, audio: bytes | None) -> bytes:
    """Return the frame as the bytes that crossed the wire, with the arguments of `restore`."""
    if audio_offset is None:
        return frame.encode()
    if audio_offset < 0 or audio is None:
        text = restore(frame, audio_offset, audio)
        return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    encoded = pybase64.b64encode(audio)
    return b"".join((frame[:audio_offset].encode(), encoded, frame[audio_offset:].encode()))


_seen_types: dict[str, str] = {}


def parse(text: str) -> dict[str, Any] | None:
    """Return the JSON object of a frame; None if it is none, or nested deeper than `MAX_DEPTH`."""
    try:
        event = orjson.loads(text)
    except ValueError:
        # orjson refuses lone surrogates, which servers send when two deltas split an emoji.
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            return None
    if not isinstance(event, dict):
        return None
    if len(text) > 2 * MAX_DEPTH and text.count("{") + text.count("[") > MAX_DEPTH:
        return None if is_deeper(event, MAX_DEPTH) else event
    return event


def parse_stored(
    frame: str, audio_offset: int | None, audio: bytes | None
) -> dict[str, Any] | None:
    """Return the event of a stored row, as `decode` returned it when the row was written."""
    if audio_offset is None or audio_offset >= 0:
        return parse(frame)
    if audio_offset == RAW_TEXT and audio is not None:
        return parse(audio.decode("utf-8", "surrogatepass"))
    return None


def event_type(event: dict[str, Any] | None) -> str:
    """Return the type to store for a parsed event: ASCII or storable, at most `MAX_TYPE` long."""
    type_ = event.get("type") if event is not None else None
    if not isinstance(type_, str):
        return UNREADABLE
    kept = _seen_types.get(type_)
    if kept is not None:
        return kept
    kept = type_
    if len(type_) > MAX_TYPE or "\0" in type_ or not type_.isascii():
        kept = type_[:MAX_TYPE].replace("\0", "�").encode("utf-8", "replace").decode()
    if len(_seen_types) < 1000 and len(type_) <= MAX_TYPE:
        _seen_types[type_] = kept
    return kept


def _cut_delta(text: str) -> FrameColumns | None:
    """Cut the audio out of a buffer append or an audio delta; return None if it is impossible."""
    start = _find_value(text)
    if start < 0:
        return None
    # The audio is mostly the last value. This is so if all text up to the end is base64.
    end = len(text) - 2
    audio = _canonical(text[start:end]) if text.endswith('"}') else None
    if audio is None:
        end = text.find('"', start)
        audio = _canonical(text[start:end]) if end > start else None
        if audio is None:
            return None
    frame = text[:start] + text[end:]
    if len(frame) > 4096 or "\0" in frame or not (frame.isascii() or _is_utf8(frame)):
        return None
    event = parse(frame)
    if event is None:
        return None
    # The search does not parse JSON. The parsed rest shows if the right value was cut out.
    type_ = event_type(event)
    if type_ in _APPEND_TYPES and event.get("audio") == "":
        if frame[start:] == '"}' and len(_appends) < _APPENDS_KEPT and len(event) == 2:
            _appends.append((frame[:start], start, type_, frame, event))
        return type_, frame, start, audio, event
    if type_ in _DELTA_TYPES and event.get("delta") == "":
        return type_, frame, start, audio, event
    return None


def _find_value(text: str) -> int:
    """Return where the value of `audio` or `delta` begins, after its quote, or -1."""
    # The key is mostly near the start. The whole text is searched only if it is not.
    for limit in (_HEAD, len(text)):
        key = text.find('"audio":', 0, limit)
        if key < 0 and text.find("audio.delta", 0, limit) >= 0:
            key = text.find('"delta":', 0, limit)
        if key >= 0:
            return key + 9 if text[key + 8 : key + 9] == '"' else _behind_quote(text, key + 7)
    for name in ('"audio"', '"delta"'):
        position = text.find(name)
        if position >= 0:
            return _behind_quote(text, position + len(name))
    return -1


def _behind_quote(text: str, position: int) -> int:
    match = _SPACED.match(text, position)
    return match.end() if match is not None else -1


def _cut_item(text: str, start: int, end: int) -> FrameColumns | None:
    audio = _canonical(text[start:end])
    frame = text[:start] + text[end:]
    if audio is None or "\0" in frame or not (frame.isascii() or _is_utf8(frame)):
        return None
    event = parse(frame)
    if event is None:
        return None
    return event_type(event), frame, start, audio, event


def _canonical(encoded: str) -> bytes | None:
    """Return the bytes of base64 text, or None if encoding them again would give another text."""
    try:
        audio = _b64decode(encoded, None, True)
    except (binascii.Error, ValueError):
        return None
    if 4 * len(audio) == 3 * len(encoded):
        return audio or None
    # The decoder checks the alphabet, but not the unused bits of the last group, which must be 0.
    if len(encoded) % 4 or encoded[-1] != "=":
        return None
    padded_twice = encoded[-2] == "="
    unused = "AQgw" if padded_twice else "AEIMQUYcgkosw048"
    return audio if encoded[-3 if padded_twice else -2] in unused else None


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
