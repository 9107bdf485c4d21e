"""Find secrets in URLs, and in headers of requests that are written as lines. Pure.

Called by mask.py and secrets.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from eventstore.realtime.masking.secret_names import (
    HARMLESS_HEADERS,
    SecretSpan,
    has_digit,
    is_mixed,
    is_secret_name,
    is_secret_parameter,
    normalized_name,
)

_ADDRESS = re.compile(r"://([^\s\"'\\<>]++)")
_PARAMETER = re.compile(r"[^&;]++")
_HEADER = re.compile(r"^\s{0,8}([A-Za-z0-9_\-]{1,60}+)\s{0,4}:\s{0,8}([^\r\n]+)", re.MULTILINE)
# A part of a URL's path that comes after one of these is secret if it looks like a key.
_HOOKS = frozenset({"services", "webhooks", "webhook", "hooks", "bot", "bots"})
_LONG, _FOREIGN = 12, 20


def addresses_in(text: str) -> Iterator[SecretSpan]:
    """Yield the secrets in the URLs of a text: users and passwords, and values of secret names."""
    for found in _ADDRESS.finditer(text):
        yield from _of_address(found[1], found.start(1), whole=False)


def secrets_of_address(text: str) -> Iterator[SecretSpan]:
    """Yield what may be secret in the URL of a tool's server: user, query, long parts of the path.

    The URLs of such servers have keys under any name, so that all values of the query are secret.
    """
    for found in _ADDRESS.finditer(text):
        yield from _of_address(found[1], found.start(1), whole=True)


def without_keys(url: str) -> str:
    """Return a URL with "[removed]" in place of what may be secret in it."""
    for begin, end in sorted(secrets_of_address(url), reverse=True):
        url = f"{url[:begin]}[removed]{url[end:]}"
    return url


def secrets_of_headers(text: str) -> Iterator[SecretSpan]:
    """Yield the values of a request's headers that are written as lines: `X-Mine: value`."""
    for found in _HEADER.finditer(text):
        if normalized_name(found[1]) not in HARMLESS_HEADERS:
            yield found.span(2)


def _of_address(rest: str, start: int, whole: bool) -> Iterator[SecretSpan]:
    """Yield the secrets of one URL.

    Args:
        rest: The URL after its `://`.
        start: The place of `rest` in the text.
        whole: True to take all values of the query, whatever their names are.
    """
    head, _, fragment = rest.partition("#")
    place, _, query = head.partition("?")
    host, slash, path = place.partition("/")
    user, at, _ = host.rpartition("@")
    if not at and not host.rpartition(":")[2].isdigit() and ":" in host and "@" in path:
        user = place.rpartition("@")[0]  # a password with a slash in it
    if user:
        yield start, start + len(user)
    if slash:
        yield from _of_path(path, start + len(host) + 1, whole)
    for values, begin in ((query, len(place) + 1), (fragment, len(head) + 1)):
        named = False
        for pair in _PARAMETER.finditer(values):
            name, equals, value = pair[0].partition("=")
            named = named or bool(equals)
            if value and (whole or is_secret_parameter(name)):
                yield start + begin + pair.end() - len(value), start + begin + pair.end()
        if values and not named and whole:
            yield start + begin, start + begin + len(values)


def _of_path(path: str, begin: int, whole: bool) -> Iterator[SecretSpan]:
    """Yield the secret parts of a URL's path, by the part before them or by their shape."""
    before, is_hook = "", False
    for part in path.split("/"):
        is_hook = is_hook or before.lower() in _HOOKS
        is_bot = part.startswith("bot")
        is_named = is_hook or is_bot or is_secret_name(before)
        is_long = len(part) >= (_FOREIGN if whole or is_bot else _LONG)
        if is_long and is_mixed(part) and (whole or (is_named and has_digit(part))):
            yield begin, begin + len(part)
        before = part
        begin += len(part) + 1
