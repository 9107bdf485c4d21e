"""Secrets in addresses, and in headers of requests that are written as lines. Pure."""

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
# In an address, what follows such a part of the path is a secret where it looks like one.
_HOOKS = frozenset({"services", "webhooks", "webhook", "hooks", "bot", "bots"})
_LONG, _FOREIGN = 12, 20


def addresses_in(text: str) -> Iterator[SecretSpan]:
    """Yield what is secret in the addresses in a text: users, and values by their names."""
    for found in _ADDRESS.finditer(text):
        yield from _of_address(found[1], found.start(1), whole=False)


def secrets_of_address(text: str) -> Iterator[SecretSpan]:
    """Yield what may be secret in the address of a tool's server: its user, query and long names.

    Keys of such servers stand in their addresses under any name, so that no value stays.
    """
    for found in _ADDRESS.finditer(text):
        yield from _of_address(found[1], found.start(1), whole=True)


def secrets_of_headers(text: str) -> Iterator[SecretSpan]:
    """Yield the values of a request's headers that are written as lines: `X-Mine: value`."""
    for found in _HEADER.finditer(text):
        if normalized_name(found[1]) not in HARMLESS_HEADERS:
            yield found.span(2)


def _of_address(rest: str, start: int, whole: bool) -> Iterator[SecretSpan]:
    """Yield what is secret in what follows the `://` of an address.

    Args:
        rest: the address behind its scheme.
        start: where that stands in the text.
        whole: take all values, whatever their names are.
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
    """Yield the parts of an address's path that are secret by the part before, or by their look."""
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
