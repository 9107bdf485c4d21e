"""Read untrusted JSON values, and write JSON text that every database can store.

Called wherever events and resources are read. Each reader returns a value of the wanted type, or
None or an empty value, and never raises.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson

MAX_INTEGER = 2**63 - 1
MAX_KEY_BYTES = 128

#: The limits of `metadata` in OpenAI's API reference: pairs, and characters of a key and a value.
METADATA_PAIRS, MAX_KEY_LENGTH, MAX_VALUE_LENGTH = 16, 64, 512


# A cache of ids that fit a database key, because the same ids come again and again.
_identifiers: set[str] = set()


def mapping(value: Any) -> dict[str, Any]:
    """Return the value if it is an object, otherwise an empty dict."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """Return the value if it is an array, otherwise an empty list."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """Return the value if it is text, otherwise None."""
    return value if isinstance(value, str) else None


def text_entries(value: Any) -> list[str]:
    """Return the entries of an array that are texts, or an empty list if it is no array."""
    return [entry for entry in sequence(value) if isinstance(entry, str)]


def non_empty(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an object without nulls, empty objects and empty arrays."""
    return {key: value for key, value in fields.items() if value not in (None, {}, [])}


def one_of(value: Any, allowed: frozenset[str]) -> str | None:
    """Return the value if it is one of the allowed texts, otherwise None."""
    return value if isinstance(value, str) and value in allowed else None


def integer(value: Any) -> int | None:
    """Return the value if it is a whole number that a BIGINT column can hold, otherwise None."""
    if type(value) is int:  # nearly always
        return value if -MAX_INTEGER <= value <= MAX_INTEGER else None
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and -MAX_INTEGER <= value <= MAX_INTEGER:
        return value
    return None


def non_negative_integer(value: Any) -> int:
    """Return the value if it is a positive whole number, otherwise 0."""
    number = integer(value)
    return number if number is not None and number > 0 else 0


def number(value: Any) -> float | None:
    """Return the value if it is a finite number, otherwise None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if result - result == 0 else None


def identifier(value: Any) -> str | None:
    """Return an id in a form that fits a database key, or None if the value is no id.

    An id of more than 128 bytes becomes `sha256:` and its SHA-256. Only the key is changed:
    resources keep the id as it was.
    """
    if not isinstance(value, str) or not value:
        return None
    if value in _identifiers:
        return value
    if value.isascii() and len(value) <= MAX_KEY_BYTES and "\0" not in value:
        if len(_identifiers) > 10_000:
            _identifiers.clear()
        _identifiers.add(value)
        return value
    clean = storable(value)
    if len(clean.encode()) <= MAX_KEY_BYTES:
        return clean
    return "sha256:" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def storable(value: str) -> str:
    """Return a text in a form that every database can store.

    Surrogate pairs are joined. NUL and lone surrogates are replaced by U+FFFD.
    """
    if "\0" in value:
        value = value.replace("\0", "�")
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def is_storable(value: str) -> bool:
    """Return True if a text has neither NUL nor surrogates, so that every database can store it."""
    return "\0" not in value and (value.isascii() or storable(value) is value)


def storable_json(value: Any) -> Any:
    """Return a JSON value with all of its texts and keys made `storable`."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(key): storable_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable_json(item) for item in value]
    return value


def column_text(value: Any, limit: int = 256) -> str | None:
    """Return a text as a column has it, storable and cut at `limit` characters; None if no text."""
    return storable(value)[:limit] if isinstance(value, str) else None


def metadata_pairs(value: Any) -> dict[str, str]:
    """Return the pairs of a metadata object that are within OpenAI's limits."""
    if not isinstance(value, dict) or not value:
        return {}
    pairs: dict[str, str] = {}
    for key, item in value.items():
        if len(pairs) == METADATA_PAIRS:
            break
        if (
            isinstance(item, str)
            and 0 < len(key) <= MAX_KEY_LENGTH
            and len(item) <= MAX_VALUE_LENGTH
        ):
            pairs[storable(key)] = storable(item)
    return pairs


_CONTAINERS = (dict, list)
#: How deeply a value may be nested that orjson writes. Where lists of more than 204 levels (128
#: before 3.12) follow one another, it writes behind the end of its buffer, which ends the process.
_ORJSON_LEVELS = 100


def dumps(value: Any) -> str:
    """Return JSON text that every database can store, of a value that came from parsed JSON."""
    if not isinstance(value, _CONTAINERS) or not _too_deep_for_orjson(value):
        with suppress(TypeError, ValueError):
            return orjson.dumps(value).decode()
    try:
        # Only the slow encoder writes lone surrogates (as escapes) and integers over 64 bits.
        return json.dumps(_finite(value), ensure_ascii=True, separators=(",", ":"), default=str)
    except RecursionError:
        return _dumps_deep(value)


def is_deeper(value: Any, levels: int) -> bool:
    """Return True if a JSON value is nested in more levels than `levels`."""
    level = [value]
    for _ in range(levels):
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, _CONTAINERS)
        ]
        if not level:
            return False
    return True


def _too_deep_for_orjson(value: Any) -> bool:
    """Return True if a JSON value is nested in more than about `_ORJSON_LEVELS` levels.

    The garbage collector lists what containers hold many times as fast as a loop. It does not track
    texts and numbers, nor dicts of nothing else, which the count therefore leaves out.
    """
    level = [value]
    for _ in range(_ORJSON_LEVELS):
        held = filter(gc.is_tracked, gc.get_referents(*level))
        level = [child for child in held if isinstance(child, _CONTAINERS)]
        if not level:
            return False
    return True


def _dumps_deep(value: Any) -> str:
    """Return JSON text of a value that is nested too deeply for the encoders, which recurse.

    Open containers are kept on a stack, so that the depth has no limit and the time is linear.
    """
    written: list[str] = []
    # Each entry has the children that are left, and the closing bracket.
    begun: list[tuple[Iterator[Any], str]] = []
    pending: Any = value
    while True:
        if isinstance(pending, dict):
            written.append("{")
            begun.append((iter(pending.items()), "}"))
        elif isinstance(pending, list):
            written.append("[")
            begun.append((iter(pending), "]"))
        else:
            written.append(dumps(pending))
        while begun:
            children, closing = begun[-1]
            try:
                pending = next(children)
            except StopIteration:
                written.append(closing)
                begun.pop()
                continue
            if written[-1] not in ("{", "["):
                written.append(",")
            if closing == "}":
                key, pending = pending
                written.append(f"{dumps(key)}:")
            break
        else:
            return "".join(written)


def _finite(value: Any) -> Any:
    """Return a value with None for NaN and infinities, which JSON does not have."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value


def loads(text_: str | bytes) -> Any:
    """Return the value of JSON text. Lone surrogates, which `dumps` writes, are read as well.

    Raises:
        ValueError: The text is no JSON. NaN and infinities are none.
        RecursionError: The text is nested about a thousand levels deep. The store keeps no such
            values.
    """
    try:
        return orjson.loads(text_)
    except ValueError:
        return json.loads(text_, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def script_json(value: Any) -> str:
    """Return JSON text for a script element of HTML, which cannot end it or begin a comment."""
    escaped = dumps(value).replace("&", "\\u0026")
    return escaped.replace("<", "\\u003c").replace(">", "\\u003e")
