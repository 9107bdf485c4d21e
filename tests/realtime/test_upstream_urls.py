"""Addresses as they may be written down, and where a call is joined."""

from __future__ import annotations

import pytest

from eventstore import InvalidInputError
from eventstore.capture.calls.sideband import call_address
from eventstore.realtime.upstream_urls import (
    api_key_of_provider,
    call_url,
    joined_session,
    live_upstream,
    parse_call_url,
    public_url,
)


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
        ("wss://api.openai.com", "wss://api.openai.com/v1/realtime?call_id=rtc_1"),
        ("wss://a.example/mine/realtime", "wss://a.example/mine/realtime?call_id=rtc_1"),
        *(
            (f"https://a{azure}", f"wss://a{host}/openai/v1/realtime?call_id=rtc_1")
            for host in (".openai.azure.com", ".services.ai.azure.com", ".OpenAI.Azure.com")
            for azure in (
                host,
                f"{host}/openai",
                f"{host}/openai/v1",
                f"{host}/openai/v1/",
                f"{host}/openai/v1/realtime",
            )
        ),
    ],
)
def test_where_a_call_is_joined(upstream: str, url: str) -> None:
    assert call_url(upstream, "rtc_1") == url


@pytest.mark.parametrize(
    ("upstream", "session_id", "url"),
    [
        (
            "wss://api.openai.com/v1",
            "live_1",
            "wss://api.openai.com/v1/live/sessions/live_1/attach",
        ),
        ("https://api.openai.com", "live_1", "wss://api.openai.com/v1/live/sessions/live_1/attach"),
        ("ws://a/v1/realtime?b=c", "live_1", "ws://a/v1/live/sessions/live_1/attach?b=c"),
        ("ws://a/v1/live/sessions/", "odd/#?", "ws://a/v1/live/sessions/odd%2F%23%3F/attach"),
        ("ws://a/v1/live/sessions", "rtc_1", "ws://a/v1/live/sessions/rtc_1/attach"),
        (
            "https://a.openai.azure.com",
            "live_1",
            "wss://a.openai.azure.com/openai/v1/live/sessions/live_1/attach",
        ),
    ],
)
def test_where_a_gpt_live_session_is_joined(upstream: str, session_id: str, url: str) -> None:
    assert call_url(upstream, session_id) == url
    assert call_url(live_upstream(upstream), session_id) == url
    assert joined_session(url) == session_id
    assert parse_call_url(url) == (live_upstream(upstream), session_id)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "wss://a/v1/live/sessions",
        "wss://a/v1/live/sessions/live_1",
        "wss://a/v1/live/sessions/live_1/fork",
        "wss://a/v1/live/sessions//attach",
        "wss://a/v1/realtime?call_id=rtc_1",
        "wss://[",
    ],
)
def test_other_addresses_join_no_gpt_live_session(url: str) -> None:
    assert joined_session(url) is None


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


@pytest.mark.parametrize(
    ("address", "found"),
    [
        (
            "wss://a.openai.azure.com/openai/v1/realtime?call_id=rtc_1",
            ("wss://a.openai.azure.com/openai/v1/realtime", "rtc_1"),
        ),
        (
            "https://a.example/v1/realtime?a=b&call_id=x%26y&c=d#e",
            ("https://a.example/v1/realtime?a=b&c=d", "x&y"),
        ),
        ("rtc_1", None),
        ("wss://a.example/v1/realtime", None),
        ("wss://a.example/v1/realtime?call_id=a&call_id=b", None),
        ("ftp://a.example/?call_id=a", None),
        ("wss://[", None),
    ],
)
def test_a_whole_address_names_a_call(address: str, found: tuple[str, str] | None) -> None:
    assert parse_call_url(address) == found


def test_a_key_is_for_its_own_provider() -> None:
    keys = {"OPENAI_API_KEY": "openai", "AZURE_OPENAI_API_KEY": "azure"}
    assert api_key_of_provider("api.openai.com", keys) == "openai"
    assert api_key_of_provider("eu.api.openai.com", keys) == "openai"
    assert api_key_of_provider("a.openai.azure.com", keys) == "azure"
    for other in ("127.0.0.1", "api.x.ai", "api.openai.com.example", "xapi.openai.com"):
        assert api_key_of_provider(other, keys) is None
    assert api_key_of_provider("a.openai.azure.com", {"OPENAI_API_KEY": "openai"}) is None


def test_azure_takes_its_key_in_a_header_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "openai-secret")
    azure = "https://a.openai.azure.com"
    assert call_address(azure, "rtc_1").headers == {"api-key": "openai-secret"}
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-secret")
    assert call_address(azure, "rtc_1").headers == {"api-key": "azure-secret"}
    assert call_address(azure, "rtc_1", "given").headers == {"api-key": "given"}
    entra = {"Authorization": "Bearer entra"}
    assert call_address(azure, "rtc_1", headers=entra).headers == entra
    # Whose name only begins like Azure's gets neither key in that way.
    for elsewhere in ("wss://api.openai.com", "wss://a.openai.azure.com.example"):
        assert call_address(elsewhere, "rtc_1").headers == {"Authorization": "Bearer openai-secret"}
    monkeypatch.delenv("AZURE_OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(InvalidInputError, match="AZURE_OPENAI_API_KEY or OPENAI_API_KEY"):
        call_address(azure, "rtc_1")
