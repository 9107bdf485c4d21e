"""Addresses as they may be written down, and where a call is joined."""

from __future__ import annotations

import pytest

from eventstore import InvalidInputError
from eventstore.capture.addresses import call_url, public_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "wss://api.openai.com/v1/realtime?model=gpt-realtime",
            "wss://api.openai.com/v1/realtime?model=gpt-realtime",
        ),
        ("wss://user:sk-1@a.example:8443/v1?key=sk-2#sk-3", "wss://a.example:8443/v1"),
        (
            "wss://a.openai.azure.com/openai/realtime?api-version=1&deployment=d&api-key=sk-1",
            "wss://a.openai.azure.com/openai/realtime?api-version=1&deployment=d",
        ),
        (
            "ws://[::1]:8080/v1/realtime?call_id=rtc_1&intent=transcription&sk-1&token=",
            "ws://[::1]:8080/v1/realtime?call_id=rtc_1&intent=transcription",
        ),
        ("wss://a/?model=a%26key%3Dsk-1", "wss://a/?model=a%26key%3Dsk-1"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert public_url(url) == shown


@pytest.mark.parametrize(
    ("upstream", "url"),
    [
        ("wss://api.openai.com/v1", "wss://api.openai.com/v1/realtime?call_id=rtc_1"),
        ("https://a.example/openai/v1/", "wss://a.example/openai/v1/realtime?call_id=rtc_1"),
        ("http://127.0.0.1:8/v1?a=b", "ws://127.0.0.1:8/v1/realtime?a=b&call_id=rtc_1"),
    ],
)
def test_where_a_call_is_joined(upstream: str, url: str) -> None:
    assert call_url(upstream, "rtc_1") == url


def test_a_call_id_cannot_add_parameters() -> None:
    assert call_url("ws://a", "x&y=z#?").endswith("/realtime?call_id=x%26y%3Dz%23%3F")


@pytest.mark.parametrize(
    "upstream", ["", "api.openai.com", "ftp://a", "wss://", "ws://a:b", "ws://["]
)
def test_what_is_no_address_is_refused(upstream: str) -> None:
    with pytest.raises(InvalidInputError, match="use an address like"):
        call_url(upstream, "rtc_1")


def test_a_refusal_tells_no_key() -> None:
    for upstream in ("ftp://user:sk-1@a", "ftp://a?key=sk-1"):
        with pytest.raises(InvalidInputError) as refused:
            call_url(upstream, "rtc_1")
        assert "sk-1" not in str(refused.value)


def test_a_call_needs_an_id() -> None:
    with pytest.raises(InvalidInputError, match="rtc_"):
        call_url("ws://a", " ")
