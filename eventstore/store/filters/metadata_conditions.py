"""Parse conditions on metadata, such as `customer=42`, and check their size.

Called by filters.py.
"""

from __future__ import annotations

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.realtime.metadata import Condition
from eventstore.realtime.values import MAX_KEY_LENGTH, MAX_VALUE_LENGTH


def parse_condition(text: str) -> Condition:
    """Return the condition in a text: `K=V`, `K!=V`, `K^=PREFIX` or `K`.

    Raises:
        InvalidInputError: There is no key, or a part exceeds the limits of metadata.
    """
    key, operator, value = text, "has", ""
    position = text.find("=")
    if position >= 0:
        value = text[position + 1 :]
        marked = position > 0 and text[position - 1] in "!^"
        operator = text[position - 1] + "=" if marked else "="
        key = text[: position - 1] if marked else text[:position]
    return within_limits(Condition(key, operator, value), text)  # type: ignore[arg-type]


def within_limits(condition: Condition, text: str) -> Condition:
    """Return a condition if its key and value are within the limits of metadata.

    Args:
        condition: The condition.
        text: How it was written, for the error message.

    Raises:
        InvalidInputError: There is no key, or a part exceeds the limits.
    """
    key, _, value = condition
    if not key or len(key) > MAX_KEY_LENGTH or len(value) > MAX_VALUE_LENGTH or "\0" in key + value:
        raise InvalidInputError(
            f"metadata filter {brief(text)}: use K=V, K!=V, K^=PREFIX or K, a key of 1 to"
            f" {MAX_KEY_LENGTH} characters and a value of at most {MAX_VALUE_LENGTH}"
        )
    return condition
