"""What the names in JSON say of all that stands under them, as bits: used by `mask.py`. Pure."""

from __future__ import annotations

from functools import lru_cache

from eventstore.realtime.masking.secret_names import (
    HARMLESS_HEADERS,
    is_secret_name,
    normalized_name,
)

# What is known of all that stands within a container, as bits.
SECRET = 1  # all texts are secret
HEADERS = 2  # entries are headers of a request
SCHEMA = 8  # a function's schema: keys are names of parameters
PARAMETER = 16  # a parameter that holds a secret
LOGPROBS = 32  # `token` is a piece of a word
ADDRESS = 64  # the text is the address of a tool's server
NAMES = 128  # a list of names, none of which is of what stands behind it

NO_PAIRS = SCHEMA | NAMES

_SCHEMAS = frozenset({"properties", "patternproperties", "defs", "definitions"})
_HEADER_NAMES = frozenset(
    f"{name}headers" for name in ("", "http", "extra", "custom", "request", "default")
)
_EXAMPLES = frozenset({"default", "example", "examples", "const"})


def bits_below(bits: int, name: str) -> int:
    """What is known of what stands under a key of an object of which `bits` is known."""
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
    """What a name says of what stands under it; empty where that is nothing."""
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
    """Whether a text is secret that stands right under a key.

    Args:
        under: what is known of what stands under that key.
        bits: what is known of the key's object.
    """
    return bool(under & SECRET or (under & PARAMETER and not bits & PARAMETER))
