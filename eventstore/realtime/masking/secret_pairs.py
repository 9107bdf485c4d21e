"""Find secrets whose name is a value beside them, as in `{"name": "api_key", "value": …}`.

Lists such as `["--token", …]` are recognised, too. Called by mask.py, for parsed values and for
JSON texts that it reads token by token. Pure.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from eventstore.realtime.masking.secret_names import is_secret_name, normalized_name
from eventstore.realtime.masking.secrets import looks_random

_NAMES = frozenset(
    {
        *("name", "key", "k", "header", "headername", "field", "fieldname", "variable", "param"),
        *("parameter", "parametername", "envvar"),
    }
)
# The `choice` of a decision is no such value, though a `name` is beside it. It is one of the
# options that the app listed in its question, as in `{"name": "password_reset", "choice": "done"}`.
# The question has the option too, without a name. A key of a known shape is masked there as
# everywhere.
_VALUES = frozenset({"value", "values", "val", "v"})
_LONGEST_NAME = 64
_NAME = re.compile(r"-{0,2}[A-Za-z0-9_\-]{2,64}+:?")


@lru_cache(maxsize=10_000)
def pair_role(key: str) -> str:
    """Return `name` or `value` if a member's name means one of them, or an empty text."""
    found = normalized_name(key)
    return "name" if found in _NAMES else "value" if found in _VALUES else ""


def is_name_of_secret(text: str) -> bool:
    """Return True if a text is, as a whole, the name of a secret."""
    return len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None and is_secret_name(text)


def has_secret_name(inner: dict[str, Any]) -> bool:
    """Return True if the `name` of an object says that its `value` is secret."""
    return any(
        isinstance(entry, str) and pair_role(name) == "name" and is_name_of_secret(entry)
        for name, entry in inner.items()
    )


def is_named_before(before: Any, text: Any) -> bool:
    """Return True if a text of a list is secret because of the text before it: `["X-Api-Key", …]`.

    The text must look like a secret as well, because lists of names are common.
    """
    return (
        isinstance(before, str)
        and isinstance(text, str)
        and is_name_of_secret(before)
        and looks_random(text)
    )


class OpenContainer:
    """An object or a list of a JSON text whose end was not read yet.

    Args:
        bits: The bits of everything in it (see mask_names.py).
        is_object: True for an object, False for a list.

    Attributes:
        below: The bits of the value of the member that was read last.
        last: The text of a list that was read last.
    """

    __slots__ = ("_held", "_is_named", "_part", "below", "bits", "is_object", "last")

    def __init__(self, bits: int, is_object: bool) -> None:
        self.bits = self.below = bits
        self.is_object = is_object
        self.last = self._part = ""
        self._is_named = False
        self._held: tuple[int, int] | None = None

    def begins_secret(self, key: str) -> bool:
        """Note the name of the next member; return True if its value is secret by a pair."""
        self._part = pair_role(key)
        return self._is_named and self._part == "value"

    def reads(self, raw: str, span: tuple[int, int]) -> tuple[int, int] | None:
        """Note a text that was read.

        Args:
            raw: The text with its escapes.
            span: The place of the text.

        Returns:
            The place of the object's `value` that was read before, if this text is the `name` that
            says that the value is secret; otherwise None.
        """
        if not self.is_object:
            self.last = raw if len(raw) <= _LONGEST_NAME else ""
        elif self._part == "value":
            self._held = span
        elif self._part == "name" and is_name_of_secret(raw):
            self._is_named = True
            return self._held
        return None
