"""Who is served, by the headers of a request: each listener asks the same rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.common.hosts import Visitors, is_loopback, netloc_of, parse_origin
from eventstore.errors import InvalidInputError

APP = frozenset({"https://app.example"})


@pytest.mark.parametrize(
    ("visitors", "host", "origin", "served"),
    [
        (Visitors("127.0.0.1"), "127.0.0.1:8080", None, True),
        (Visitors("127.0.0.1"), "localhost:8080", "http://localhost:3000", True),
        (Visitors("127.0.0.1"), "localhost", "http://[::1]:3000", True),
        (Visitors("::1"), "[::1]:8080", "http://127.9.9.9", True),
        (Visitors("127.0.0.1"), None, None, True),  # HTTP/1.0, which no browser speaks
        # Pages of elsewhere, and names that were rebound to this machine.
        (Visitors("127.0.0.1"), "localhost:8080", "https://evil.example", False),
        (Visitors("127.0.0.1"), "localhost:8080", "null", False),
        (Visitors("127.0.0.1"), "localhost:8080", "", False),
        (Visitors("127.0.0.1"), "localhost:8080", "https://localhost.evil.example", False),
        (Visitors("127.0.0.1"), "localhost:8080", "https://localhost@evil.example", False),
        (Visitors("127.0.0.1"), "evil.example:8080", "http://evil.example:8080", False),
        (Visitors("127.0.0.1"), "evil.example:8080", None, False),
        (Visitors("127.0.0.1"), "", None, False),
        (Visitors("127.0.0.1"), "[", "http://[", False),
        # Two headers in one, and what is no origin of a browser's.
        (Visitors("127.0.0.1"), "localhost:1", "http://localhost:1, https://evil.example", False),
        (Visitors("127.0.0.1"), "localhost:1, evil.example", None, False),
        (Visitors("127.0.0.1"), "evil.example@localhost", None, False),
        (Visitors("127.0.0.1"), "localhost", "http://localhost/@evil.example", False),
        (Visitors("127.0.0.1"), "localhost", "http://localhost#@evil.example", False),
        (Visitors("127.0.0.1"), "localhost", "http://evil.example\\@localhost", False),
        # Where others reach it, its own pages by address, or by a name that has a certificate.
        (Visitors("0.0.0.0"), "10.0.0.7:8080", "http://10.0.0.7:8080", True),
        (Visitors("0.0.0.0"), "10.0.0.7:8080", "http://10.0.0.8:8080", False),
        (Visitors("0.0.0.0"), "relay.example", None, True),
        (Visitors("0.0.0.0"), "relay.example", "http://relay.example", False),
        (Visitors("0.0.0.0", tls=True), "relay.example", "https://relay.example", True),
        (Visitors("relay.example"), "relay.example", "http://relay.example", True),
        # A listener without a name is not the origin of pages without one.
        (Visitors(""), "10.0.0.7:8080", "null", False),
        (Visitors(""), "10.0.0.7:8080", "file://", False),
        (Visitors(""), "10.0.0.7:8080", "", False),
        (Visitors(""), "10.0.0.7:8080", "http://10.0.0.7:8080", True),
        # What is allowed.
        (Visitors("127.0.0.1", allowed=APP), "localhost", "https://app.example", True),
        (Visitors("127.0.0.1", allowed=APP), "app.example", None, True),
        (Visitors("127.0.0.1", allowed=APP), "localhost", "https://app.example:444", False),
        (Visitors("127.0.0.1", allowed=APP), "localhost", "http://app.example", False),
        (Visitors("127.0.0.1", allowed=frozenset({"*"})), "any", "https://evil.example", True),
    ],
)
def test_who_is_served(
    visitors: Visitors, host: str | None, origin: str | None, served: bool
) -> None:
    assert (visitors.refusal(host, origin) is None) is served


@pytest.mark.parametrize(
    ("visitors", "origin", "site", "served"),
    [
        (Visitors("127.0.0.1"), None, "cross-site", False),
        (Visitors("127.0.0.1"), None, "same-site", True),  # a page of this machine
        (Visitors("127.0.0.1"), None, "same-origin", True),
        (Visitors("127.0.0.1"), None, "none", True),  # typed by somebody
        (Visitors("127.0.0.1"), "https://app.example", "cross-site", False),
        (Visitors("127.0.0.1"), "https://evil.example", "none", False),
        (Visitors("127.0.0.1", allowed=APP), "https://app.example", "cross-site", True),
        (Visitors("127.0.0.1", allowed=APP), None, "cross-site", False),
        (Visitors("127.0.0.1", allowed=frozenset({"*"})), None, "cross-site", True),
        (Visitors("0.0.0.0"), None, "cross-site", False),
    ],
)
def test_what_a_page_only_loads_is_not_served(
    visitors: Visitors, origin: str | None, site: str | None, served: bool
) -> None:
    assert (visitors.refusal("localhost", origin, site) is None) is served


def test_a_refusal_says_what_to_do() -> None:
    visitors = Visitors("127.0.0.1", option="--allow-origin")
    told = visitors.refusal("localhost", "https://app.example")
    assert told == "pages of other origins may not connect; allow them by --allow-origin"


@given(st.text(), st.text(), st.booleans())
def test_no_header_fails(host: str, origin: str, tls: bool) -> None:
    for listening in ("127.0.0.1", "0.0.0.0", "::"):
        Visitors(listening, tls, APP).refusal(host, origin)
    is_loopback(host)
    netloc_of(origin)


@pytest.mark.parametrize(
    ("value", "origin"),
    [
        ("https://App.example/", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:80", "http://app.example"),
        ("http://app.example:443", "http://app.example:443"),
        ("*", "*"),
    ],
)
def test_origins_are_as_browsers_write_them(value: str, origin: str) -> None:
    assert parse_origin(value) == origin


@pytest.mark.parametrize(
    "value", ["", "app.example", "ftp://a", "https://", "https://a/b", "https://a:b", "https://u@a"]
)
def test_what_is_no_origin(value: str) -> None:
    with pytest.raises(InvalidInputError, match=r"use one like https://app\.example, or \*"):
        parse_origin(value)
