"""Check metadata of sessions and responses, and describe conditions on it for filters.

Called by the verbs and routes that set metadata, by the relay, and by filters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.realtime.values import MAX_KEY_LENGTH, MAX_VALUE_LENGTH, METADATA_PAIRS

Operator = Literal["=", "!=", "^=", "has"]


class Condition(NamedTuple):
    """A condition on metadata.

    Attributes:
        key: The key of the pair.
        operator: `=` for equal to the value, `!=` for another value or none, `^=` for a value that
            begins with it, `has` for any value.
        value: The value, or what it begins with.
    """

    key: str
    operator: Operator
    value: str = ""


def check_metadata(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return metadata as a dict, after checking that it is within OpenAI's limits.

    Raises:
        InvalidInputError: There are more than 16 pairs, a key has more than 64 characters, a value
            more than 512, or one of them has a NUL character or is no text.
    """
    try:
        metadata = dict(pairs)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"metadata is {brief(pairs)}; give a mapping of texts") from error
    if len(metadata) > METADATA_PAIRS:
        raise InvalidInputError(
            f"metadata has {len(metadata)} pairs; at most {METADATA_PAIRS} are allowed"
        )
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise InvalidInputError(f"metadata {key!r}: keys and values are text")
        if not 0 < len(key) <= MAX_KEY_LENGTH:
            raise InvalidInputError(
                f"metadata key {key[:20]!r}… has {len(key)} characters; use 1 to {MAX_KEY_LENGTH}"
            )
        if len(value) > MAX_VALUE_LENGTH:
            raise InvalidInputError(
                f"metadata value of {key!r} has {len(value)} characters;"
                f" at most {MAX_VALUE_LENGTH} are allowed"
            )
        if "\0" in key or "\0" in value:
            raise InvalidInputError(f"metadata {key!r} holds a NUL character")
    return metadata
