"""Readers for untrusted JSON: each gives the wanted type or None, and never raises."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson

MAX_INTEGER = 2**63 - 1
MAX_KEY_BYTES = 128

#: OpenAI's limits on metadata.
METADATA_PAIRS, METADATA_KEY, METADATA_VALUE = 16, 64, 512


# Ids come again and again; those found fit for a key need no second look.
_identifiers: set[str] = set()


def mapping(value: Any) -> dict[str, Any]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """The value where it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """The value where it is text, else None."""
    return value if isinstance(value, str) else None


def text_entries(value: Any) -> list[str]:
    """The texts of an array; none where the value is no array."""
    return [entry for entry in sequence(value) if isinstance(entry, str)]


def non_empty(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of an object that say something: no nulls, empty objects or empty arrays."""
    return {key: value for key, value in fields.items() if value not in (None, {}, [])}


def one_of(value: Any, allowed: frozenset[str]) -> str | None:
    """The value where it is one of these texts, else None."""
    return value if isinstance(value, str) and value in allowed else None


def integer(value: Any) -> int | None:
    """The value where it is a whole number that a BIGINT holds, else None."""
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
    """The value where it is a whole number from 0, else 0."""
    number = integer(value)
    return number if number is not None and number > 0 else 0


def number(value: Any) -> float | None:
    """The value where it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if result - result == 0 else None


def identifier(value: Any) -> str | None:
    """An id that fits a database key: ids over 128 bytes become their SHA-256.

    The resource keeps the id as it was; only the key is shortened.
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
    """Text that every database takes: halves of emoji joined, NUL and lone halves replaced."""
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
    """Return True if a database's text column can hold the value: no NUL, no half a character."""
    return "\0" not in value and (value.isascii() or storable(value) is value)


def storable_json(value: Any) -> Any:
    """A JSON value whose texts and keys are `storable`."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(key): storable_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable_json(item) for item in value]
    return value


def column_text(value: Any, limit: int = 256) -> str | None:
    """Text for a typed column: storable and cut at `limit` characters."""
    return storable(value)[:limit] if isinstance(value, str) else None


def metadata_pairs(value: Any) -> dict[str, str]:
    """The pairs of a wire metadata object that are within OpenAI's limits."""
    if not isinstance(value, dict) or not value:
        return {}
    pairs: dict[str, str] = {}
    for key, item in value.items():
        if len(pairs) == METADATA_PAIRS:
            break
        if isinstance(item, str) and 0 < len(key) <= METADATA_KEY and len(item) <= METADATA_VALUE:
            pairs[storable(key)] = storable(item)
    return pairs


def dumps(value: Any) -> str:
    """JSON text that every database takes, for values that came from parsed JSON."""
    with suppress(TypeError, ValueError):
        return orjson.dumps(value).decode()
    try:
        # Lone surrogates and integers over 64 bits: the slow encoder writes them as escapes.
        return json.dumps(_finite(value), ensure_ascii=True, separators=(",", ":"), default=str)
    except RecursionError:
        return _dumps_deep(value)


def is_deeper(value: Any, levels: int) -> bool:
    """Return True if a value from JSON is nested in more than so many levels."""
    level = [value]
    for _ in range(levels):
        inner: list[Any] = []
        for container in level:
            children = container.values() if isinstance(container, dict) else container
            inner.extend(child for child in children if isinstance(child, dict | list))
        if not inner:
            return False
        level = inner
    return True


def _dumps_deep(value: Any) -> str:
    """Return JSON text of a value that is nested deeper than the encoders recurse.

    The containers that are begun are on a stack of their own, so that the depth has no limit and
    the time is linear.
    """
    written: list[str] = []
    # Each entry: what separates the next child from the one before, the children, the closing sign.
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
    """The value with null for NaN and infinities, which JSON does not have."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value


def loads(text_: str | bytes) -> Any:
    """Return the value of JSON text, such as `dumps` writes; lone surrogates are read as well.

    Raises:
        ValueError: it is no JSON, NaN and infinities included.
        RecursionError: it is nested about a thousand levels deep, which `dumps` never writes of
            what the store keeps.
    """
    try:
        return orjson.loads(text_)
    except ValueError:
        return json.loads(text_, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def script_json(value: Any) -> str:
    """JSON that ends no script element, and begins no comment in one."""
    escaped = dumps(value).replace("&", "\\u0026")
    return escaped.replace("<", "\\u003c").replace(">", "\\u003e")
