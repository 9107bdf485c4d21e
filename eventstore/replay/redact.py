"""Take keys and passwords out of frames, and leave every other character as it is. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

#: What stands in place of a secret.
REMOVED = "[removed]"

# A text that never ends goes up to the frame's end: to look for its end anew at each quote in it
# would take the square of its length.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[{}\[\]:,]', re.DOTALL)
_QUOTED = f'"{REMOVED}"'
# Names without case, dashes and underscores; those that end like this hold a secret.
_SECRET = (
    "authorization",
    "apikey",
    "subscriptionkey",
    "accesstoken",
    "authtoken",
    "refreshtoken",
    "idtoken",
    "sessiontoken",
    "secret",
    "secrets",
    "secretkey",
    "privatekey",
    "accesskey",
    "apikeys",
    "password",
    "passphrase",
    "credential",
    "credentials",
    "cookie",
    "cookies",
)
# Within a function's schema, keys are the names of parameters.
_SCHEMAS = frozenset({"parameters", "properties"})
# Nearly no frame has any of these, and most frames are long: a quick look saves the slow one.
_HINTS = (
    *("authorization", "api", "subscription", "token", "secret", "passw", "passphrase", "cookie"),
    *("credential", "private", "access", "headers", "\\u00"),
)


def redact(text: str | bytes) -> str | bytes:
    """A frame with "[removed]" in place of each text under a key that names a secret.

    Such are `authorization`, `api_key`, `access_token`, `client_secret` (and the `value` in it),
    `password`, `cookie` and the like, however they are spelled, with all texts that are within
    them, and all headers of a tool.

    Args:
        text: a frame; JSON that is broken is read as far as it goes.
    """
    if isinstance(text, bytes):
        try:
            return _redact(text.decode()).encode()
        except UnicodeDecodeError:
            return text
    return _redact(text)


def _redact(text: str) -> str:
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return text
    pieces, end = [], 0
    for start, stop in _secrets(text):
        pieces += [text[end:start], _QUOTED]
        end = stop
    return "".join(pieces) + text[end:]


def _secrets(text: str) -> Iterator[tuple[int, int]]:
    """Where the texts stand that are secret, with their quotes."""
    path: list[str | None] = []  # the key that is open in each object; None for an array
    at_key = False
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in ("{", "["):
            path.append("" if mark == "{" else None)
            at_key = mark == "{"
        elif mark in ("}", "]"):
            del path[-1:]
            at_key = False
        elif mark == ":":
            at_key = False
        elif mark == ",":
            at_key = bool(path) and path[-1] is not None
        elif at_key:
            path[-1] = _name(mark)
        elif _is_secret(path):
            yield token.span()


def _name(quoted: str) -> str:
    try:
        name = str(json.loads(quoted, strict=False))
    except ValueError:
        name = quoted[1:-1]
    return name.lower().replace("-", "").replace("_", "")


def _is_secret(path: list[str | None]) -> bool:
    """Whether a text is secret, by the keys that lead to it."""
    keys = [key for key in path if key is not None]
    if not keys:
        return False
    within = keys if _SCHEMAS.isdisjoint(keys) else keys[-1:]
    if any(key.endswith(_SECRET) for key in within):
        return True
    # A function's schema may have a parameter "headers": only a tool's own are meant.
    return any(path[i : i + 3] == ["tools", None, "headers"] for i in range(len(path) - 2))
