"""Tell by the names in JSON how to treat the values under them, as bits. Pure.

Called by mask.py, which passes the bits of a container on to all that is in it.
"""

from __future__ import annotations

from functools import lru_cache

from eventstore.realtime.masking.secret_names import (
    HARMLESS_HEADERS,
    is_secret_name,
    normalized_name,
)

# The bits, which hold for everything in a container.
SECRET = 1  # all texts are secret
HEADERS = 2  # the members are headers of a request
SCHEMA = 8  # the schema of a function: the names are those of parameters
PARAMETER = 16  # the schema of a parameter that takes a secret
LOGPROBS = 32  # a member `token` is a piece of a word, and no secret
ADDRESS = 64  # the text is the URL of a tool's server
NAMES = 128  # a list of names: no entry is the value of the name before it

NO_PAIRS = SCHEMA | NAMES

_SCHEMAS = frozenset({"properties", "patternproperties", "defs", "definitions"})
_HEADER_NAMES = frozenset(
    f"{name}headers" for name in ("", "http", "extra", "custom", "request", "default")
)
_EXAMPLES = frozenset({"default", "example", "examples", "const"})


def bits_below(bits: int, name: str) -> int:
    """Return the bits of a member's value.

    Args:
        bits: The bits of the object that has the member.
        name: The member's name.
    """
    if bits & SECRET:
        return bits
    if bits & HEADERS:
        return 0 if normalized_name(name) in HARMLESS_HEADERS else SECRET
    kind = _kind(name)
    if not kind:
        return bits & ~ADDRESS
    if bits & SCHEMA:
        return _below_schema(bits, kind)
    if kind == "secret":
        return SECRET
    if kind == "token":
        return bits if bits & LOGPROBS else SECRET
    if kind == "schema":
        return bits | SCHEMA
    return bits | _KINDS.get(kind, 0)


_KINDS = {"headers": HEADERS, "logprobs": LOGPROBS, "address": ADDRESS, "names": NAMES}


def _below_schema(bits: int, kind: str) -> int:
    if kind in ("secret", "token"):
        return bits | PARAMETER
    if kind == "schema":
        return bits & ~PARAMETER
    if kind == "example" and bits & PARAMETER:
        return SECRET
    return bits


@lru_cache(maxsize=10_000)
def _kind(name: str) -> str:
    """Return what a name says of its value, such as `secret` or `headers`; empty for nothing."""
    found = normalized_name(name)
    if found == "token":
        return "token"
    if is_secret_name(name):
        return "secret"
    if found in _HEADER_NAMES:
        return "headers"
    if found in ("logprobs", "toplogprobs"):
        return "logprobs"
    if found in _SCHEMAS:
        return "schema"
    if found in _EXAMPLES:
        return "example"
    if found in ("required", "enum"):
        return "names"
    return "address" if found == "serverurl" else ""


def is_secret_text(under: int, bits: int) -> bool:
    """Return True if a member's text is secret.

    Args:
        under: The bits of the member's value.
        bits: The bits of the object that has the member.
    """
    return bool(under & SECRET or (under & PARAMETER and not bits & PARAMETER))
