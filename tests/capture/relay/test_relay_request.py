"""How the relay puts a client's request to the upstream, and what it says of it in the store."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.capture.relay.relay_metadata import read_metadata, session_notes, shown_query
from eventstore.capture.relay.relay_request import (
    AnswerReader,
    BadRequestError,
    HttpRequest,
    RequestReader,
    compression,
    parse_upstream,
    request_head,
    upstream_target,
)
from eventstore.errors import InvalidInputError

UPGRADE = [(b"Host", b"app"), (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]


def asked(target: str = "/v1/realtime", *more: tuple[bytes, bytes]) -> HttpRequest:
    return HttpRequest("GET", target, "1.1", [*UPGRADE, *more])


@pytest.mark.parametrize(
    ("upstream", "target", "expected"),
    [
        ("wss://api.openai.com", "/v1/realtime?model=m", "/v1/realtime?model=m"),
        ("wss://h/v1", "/v1/realtime", "/v1/realtime"),
        ("wss://h/v1/", "/v1/realtime", "/v1/realtime"),
        ("wss://h/v1", "/realtime", "/v1/realtime"),
        ("wss://x.openai.azure.com/openai", "/v1/realtime", "/openai/v1/realtime"),
        ("wss://x.openai.azure.com/openai/v1", "/v1/realtime", "/openai/v1/realtime"),
        ("wss://x.openai.azure.com/openai/v1", "/openai/v1/realtime", "/openai/v1/realtime"),
        ("https://h/a?k=v", "/b?c=d", "/a/b?k=v&c=d"),
        ("http://h?k=v", "/b", "/b?k=v"),
        ("ws://h/v1", "/v11/x", "/v1/v11/x"),
        ("ws://h/v1", "/", "/v1/"),
        ("ws://h", "/a//b;c=%2F?x=%20+&&y", "/a//b;c=%2F?x=%20+&&y"),
        ("ws://h", "/r?metadata[a]=b&model=m", "/r?model=m"),
        ("ws://h", "/r?model=m&metadata%5ba%5D=b", "/r?model=m"),
        ("ws://h", "/r?metadata=1&metadata[=2", "/r?metadata=1&metadata[=2"),
    ],
)
def test_where_a_request_goes(upstream: str, target: str, expected: str) -> None:
    assert upstream_target(parse_upstream(upstream), asked(target)) == expected


def test_a_plain_request_keeps_its_query() -> None:
    request = HttpRequest("GET", "/v1/chat/completions?metadata[a]=b", "1.1", [])
    assert upstream_target(parse_upstream("ws://h"), request) == request.target


@given(st.lists(st.sampled_from(["model=m", "a=%20", "b", "=", "c=d=e", "é"]), max_size=6))
def test_the_rest_of_a_query_stays(pieces: list[str]) -> None:
    query = "&".join(pieces)
    mixed = "&".join([*pieces[:2], "metadata[k]=v", *pieces[2:]])
    target = upstream_target(parse_upstream("ws://h"), asked(f"/r?{mixed}"))
    assert target == (f"/r?{query}" if query else "/r")


@pytest.mark.parametrize(
    ("url", "tls", "host", "port", "authority"),
    [
        ("wss://h", True, "h", 443, "h"),
        ("https://h:8443/x", True, "h", 8443, "h:8443"),
        ("ws://[::1]:90", False, "::1", 90, "[::1]:90"),
        ("http://user:sk-secret@h", False, "h", 80, "h"),
    ],
)
def test_upstreams(url: str, tls: bool, host: str, port: int, authority: str) -> None:
    upstream = parse_upstream(url)
    assert upstream[:4] == (tls, host, port, authority)
    assert "secret" not in upstream.shown


@pytest.mark.parametrize(
    "url",
    ["", "h", "h:80", "ftp://h", "ws://", "ws://h:x", "ws://h:0", "ws://h:70000", "ws://h/a b"],
)
def test_what_is_no_upstream(url: str) -> None:
    with pytest.raises(InvalidInputError, match=r"use an address like wss://api\.openai\.com"):
        parse_upstream(url)


def test_an_error_of_an_upstream_tells_no_key() -> None:
    for url in ("ftp://u:sk-secret@h", "ftp://h?key=sk-secret", "wss:// h?key=sk-secret"):
        with pytest.raises(InvalidInputError) as raised:
            parse_upstream(url)
        assert "secret" not in str(raised.value)


def test_headers_pass_in_order_and_case() -> None:
    reader = RequestReader()
    request = reader.feed(
        b"GET /v1/realtime HTTP/1.1\r\nauthorization: Bearer k\r\nHOST: app\r\nX-a: 1\r\n"
        b"connection: keep-alive, Upgrade, X-Hop\r\nX-Hop: 1\r\nupgrade: websocket\r\n"
        b"Keep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: p\r\nx-A: 2\r\n"
        b"Sec-WebSocket-Extensions: x-other; a=1, permessage-deflate; client_max_window_bits\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-EventStore-Metadata: a=b\r\n"
        b"OpenAI-Beta: realtime=v1\r\n\r\n\x81\x00"
    )
    assert request is not None and request.is_websocket
    assert reader.rest == b"\x81\x00"
    assert request_head(parse_upstream("wss://up:444"), request) == (
        b"GET /v1/realtime HTTP/1.1\r\nauthorization: Bearer k\r\nHOST: up:444\r\nX-a: 1\r\n"
        b"connection: Upgrade\r\nupgrade: websocket\r\nx-A: 2\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"OpenAI-Beta: realtime=v1\r\n\r\n"
    )


def test_other_extensions_are_not_offered() -> None:
    head = request_head(
        parse_upstream("ws://h"), asked("/r", (b"Sec-WebSocket-Extensions", b"x-a, x-b"))
    )
    assert b"xtensions" not in head


def test_a_plain_request_is_for_one_answer() -> None:
    headers = [(b"host", b"app"), (b"Transfer-Encoding", b"chunked"), (b"Upgrade", b"h2c")]
    request = HttpRequest("POST", "/v1/realtime/client_secrets", "1.1", headers)
    assert request_head(parse_upstream("ws://h"), request) == (
        b"POST /v1/realtime/client_secrets HTTP/1.1\r\nhost: h\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )


def test_the_user_of_an_upstream_authorizes_who_does_not() -> None:
    upstream = parse_upstream("ws://me:pa%40ss@h")
    assert b"Authorization: Basic bWU6cGFAc3M=" in request_head(upstream, asked())
    own = request_head(upstream, asked("/r", (b"authorization", b"Bearer k")))
    assert b"Basic" not in own and b"authorization: Bearer k" in own


@given(st.binary(max_size=300))
def test_garbage_is_a_bad_request_or_no_request_yet(data: bytes) -> None:
    with suppress(BadRequestError):
        assert RequestReader().feed(data + b"\r\n\r\n") is None


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 70_000, 431),
        (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ],
)
def test_what_cannot_be_passed_on(head: bytes, status: int) -> None:
    with pytest.raises(BadRequestError) as raised:
        RequestReader().feed(head)
    assert raised.value.status == status


def test_a_proxys_target_is_a_path() -> None:
    request = RequestReader().feed(b"GET http://h:1/a?b=c://d HTTP/1.1\r\nHost: h\r\n\r\n")
    assert request is not None and request.target == "/a?b=c://d"


def test_an_answer_is_read_from_a_copy() -> None:
    reader = AnswerReader()
    for byte in b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\n":
        reader.feed(bytes([byte]))
    assert (reader.status, reader.ended) == (401, False)
    reader.feed(b"no")
    assert reader.ended


def test_what_follows_a_101_is_kept_apart() -> None:
    reader = AnswerReader()
    reader.feed(
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n\x81\x00"
    )
    assert (reader.status, reader.rest) == (101, b"\x81\x00")
    assert compression(reader.headers) == (True, True, False)
    assert compression([]) == (False, True, True)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("model=gpt&api-key=sk-1", "model=gpt&api-key=[removed]"),
        ("api-version=1&deployment=d&sk-1", "api-version=1&deployment=d&[removed]"),
        ("token=a=b&&call_id=rtc_1", "token=[removed]&call_id=rtc_1"),
        ("", ""),
    ],
)
def test_a_query_is_shown_without_secrets(query: str, shown: str) -> None:
    assert shown_query(query) == shown


@pytest.mark.parametrize(
    ("subprotocol", "shown"),
    [
        ("realtime", "realtime"),
        ("openai-insecure-api-key.sk-1", None),
        ("xai-client-secret.1", None),
        (None, None),
    ],
)
def test_keys_in_subprotocols_are_not_noted(subprotocol: str | None, shown: str | None) -> None:
    assert session_notes("u", [], subprotocol, None, "").get("subprotocol") == shown


NAME = b"X-Eventstore-Metadata"


@pytest.mark.parametrize(
    ("values", "query", "pairs"),
    [
        ([b'{"a": "1"}'], "", {"a": "1"}),
        ([b"a=1&b=2+3"], "", {"a": "1", "b": "2 3"}),
        ([b"a=1", b'{"a":"2","c":""}'], "", {"a": "2", "c": ""}),
        ([b"a=1"], "metadata[a]=9&metadata[x%20y]=%C3%A9", {"a": "9", "x y": "é"}),
        (['{"é":"ü"}'.encode()], "", {"é": "ü"}),
    ],
)
def test_metadata(values: list[bytes], query: str, pairs: dict[str, str]) -> None:
    metadata = read_metadata(f"/r?{query}", [(NAME, value) for value in values], {})
    assert metadata == (pairs, "")


@pytest.mark.parametrize(
    ("value", "query", "told"),
    [
        (b"{bad", "", "no JSON object"),
        (b'["a"]', "", "no JSON object"),
        (b"[" * 100_000, "", "no JSON object"),
        (b'{"a":' * 100_000, "", "no JSON object"),
        (b"no pair", "", "no JSON object"),
        (b"\xff=1", "", "no JSON object"),
        (b'{"a": 1}', "", "keys and values are text"),
        (b'{"a": "\\ud800"}', "", "no text"),
        (b'{"a": "\\u0000"}', "", "NUL"),
        (b'{"' + b"k" * 65 + b'": "v"}', "", "65 characters"),
        (b"", "metadata[]=1", "0 characters"),
        (b"", "x=1?model=m&metadata[]=1", "0 characters"),
        (b"", "metadata[a]=%FF", "no UTF-8"),
    ],
)
def test_bad_metadata_is_left_out(value: bytes, query: str, told: str) -> None:
    headers = [(NAME, b"good=1"), *([(NAME, value)] if value else [])]
    metadata = read_metadata(f"/r?{query}", headers, {})
    assert metadata.pairs == {"good": "1"}
    assert told in metadata.refused


def test_metadata_beyond_sixteen_pairs_is_left_out() -> None:
    value = json.dumps({f"k{i}": "secret" for i in range(20)}).encode()
    metadata = read_metadata("/r", [(NAME, value)], {"k19": "own"})
    assert len(metadata.pairs) == 16
    assert metadata.pairs["k19"] == "own"  # whoever runs the relay has said it
    assert "a key is set by the relay" in metadata.refused
    assert "16 pairs" in metadata.refused and "secret" not in metadata.refused


def test_metadata_before_the_path_is_taken_off_every_request() -> None:
    upstream = parse_upstream("wss://h/openai")
    target = "/metadata/customer=42/v1/realtime?model=m&metadata[a]=1"
    assert upstream_target(upstream, asked(target)) == "/openai/v1/realtime?model=m"
    plain = HttpRequest("POST", target, "1.1", [(b"host", b"h")])
    assert upstream_target(upstream, plain) == "/openai/v1/realtime?model=m&metadata[a]=1"
    assert read_metadata(target, [(NAME, b"customer=1&b=2")], {}) == (
        {"customer": "42", "b": "2", "a": "1"},
        "",
    )


def test_bad_metadata_before_the_path_is_taken_off_and_left_out() -> None:
    target = "/metadata/a=%FF/=1/" + "k" * 65 + "=1/good=1/v1/realtime?metadata[b]=2?model=m"
    assert upstream_target(parse_upstream("wss://h"), asked(target)) == "/v1/realtime?model=m"
    metadata = read_metadata(target, [], {})
    assert metadata.pairs == {"good": "1", "b": "2"}
    for told in ("the path is no UTF-8", "0 characters", "65 characters"):
        assert told in metadata.refused
