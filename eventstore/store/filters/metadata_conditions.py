"""Conditions on metadata of sessions and responses, as filters have them."""

from __future__ import annotations

from eventstore.common.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.realtime.metadata import Condition
from eventstore.realtime.values import METADATA_KEY, METADATA_VALUE


def parse_condition(text: str) -> Condition:
    """A condition from `K=V`, `K!=V`, `K^=PREFIX` or `K`.

    Raises:
        InvalidInputError: no key, or one beyond the limits of metadata.
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
    """The same condition.

    Args:
        text: how it was written, to say so.

    Raises:
        InvalidInputError: no key, or a key or value beyond the limits of metadata.
    """
    key, _, value = condition
    if not key or len(key) > METADATA_KEY or len(value) > METADATA_VALUE or "\0" in key + value:
        raise InvalidInputError(
            f"metadata filter {brief(text)}: use K=V, K!=V, K^=PREFIX or K, a key of 1 to"
            f" {METADATA_KEY} characters and a value of at most {METADATA_VALUE}"
        )
    return condition
