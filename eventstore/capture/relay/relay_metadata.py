"""What a relayed request says of its session: metadata, and notes without secrets. Pure.

`relay_connection.py` and `relay_calls.py` call it when a session begins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_plus

from eventstore.errors import InvalidInputError
from eventstore.realtime.metadata import check_metadata
from eventstore.realtime.request_target import read_target
from eventstore.realtime.trace_context import TRACEPARENT, TRACESTATE, trace_notes
from eventstore.realtime.upstream_urls import PUBLIC_PARAMETERS
from eventstore.realtime.values import METADATA_PAIRS

_HEADER, _USER_AGENT = b"x-eventstore-metadata", b"user-agent"
_REMOVED = "[removed]"
_SECRET_PROTOCOL = re.compile(r"key|secret|token", re.IGNORECASE)
_LONGEST_NOTE = 256


class Metadata(NamedTuple):
    """A session's metadata, as its request states them.

    Attributes:
        pairs: The pairs within OpenAI's limits.
        refused: Why others were left out, in words; empty if none was.
    """

    pairs: dict[str, str]
    refused: str


def is_metadata_header(name: bytes) -> bool:
    """Return True if a header carries metadata for the relay."""
    return name.lower() == _HEADER


def read_metadata(
    target: str, headers: Iterable[tuple[bytes, bytes]], own: dict[str, str]
) -> Metadata:
    """Return a request's metadata: of its headers `X-Eventstore-Metadata`, then of path and query.

    Args:
        target: The request's path and query: see `read_target`.
        headers: The value of such a header is a JSON object of texts, or `key=value&key2=value2`.
        own: Pairs that the relay itself sets, and no request replaces.
    """
    pairs, refused = dict(own), list[str]()
    for key, value in _stated_pairs(target, headers, refused):
        try:
            checked = check_metadata([(key, value)])
            _ = (key + value).encode()
        except InvalidInputError as error:
            refused.append(str(error))
        except UnicodeEncodeError:
            refused.append("a pair is no text")
        else:
            if own.get(key, value) != value:
                refused.append("a key is set by the relay")
            elif len({**pairs, **checked}) > METADATA_PAIRS:
                refused.append(f"there are more than {METADATA_PAIRS} pairs")
            else:
                pairs.update(checked)
    return Metadata(pairs, "; ".join(dict.fromkeys(refused)))


def _stated_pairs(
    target: str, headers: Iterable[tuple[bytes, bytes]], refused: list[str]
) -> Iterator[tuple[str, Any]]:
    for name, value in headers:
        if is_metadata_header(name):
            try:
                yield from _header_pairs(value)
            except ValueError:
                refused.append("the header is no JSON object of texts, nor key=value")
    read = read_target(target)
    yield from read.metadata
    refused += read.unread


def _header_pairs(value: bytes) -> Iterable[tuple[str, Any]]:
    text = value.decode().strip()
    if not text.startswith("{"):
        return parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict")
    try:
        return list(dict(json.loads(text)).items())
    except RecursionError as error:
        raise ValueError("too deep") from error


def shown_query(query: str) -> str:
    """Return a query without the values of parameters that may be secret: `a=[removed]`."""
    return "&".join(map(_shown_piece, filter(None, query.split("&"))))


def _shown_piece(piece: str) -> str:
    name, equals, _ = piece.partition("=")
    if not equals:
        return _REMOVED
    return piece if unquote_plus(name).lower() in PUBLIC_PARAMETERS else f"{name}={_REMOVED}"


def shown_subprotocol(chosen: str | None) -> str | None:
    """Return the subprotocol that a server chose, or None if it carries a key."""
    if chosen is None or _SECRET_PROTOCOL.search(chosen):
        return None
    return chosen[:_LONGEST_NOTE]


def noted_trace(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return what a session's `opened` event says of the trace that its request is part of.

    Args:
        headers: Those of the request. What is no valid `traceparent` is not noted.
    """
    values: dict[str, list[str]] = {TRACEPARENT: [], TRACESTATE: []}
    for name, value in headers:
        found = values.get(name.decode("latin-1").lower())
        if found is not None:
            found.append(value.decode("latin-1"))
    return trace_notes(values[TRACEPARENT], values[TRACESTATE])


def session_notes(
    url: str,
    headers: Sequence[tuple[bytes, bytes]],
    subprotocol: str | None,
    request_id: str | None,
    refused: str,
) -> dict[str, str]:
    """Return what a session's `opened` event says of how it was recorded.

    Args:
        url: The upstream's URL without secrets.
        headers: Those of the request, of which the user agent and the trace are noted.
        subprotocol: The subprotocol that the server chose.
        request_id: The `x-request-id` of the upstream's answer.
        refused: Why metadata were left out.
    """
    agents = [value.decode("latin-1") for name, value in headers if name.lower() == _USER_AGENT]
    notes = {
        "by": "relay",
        "url": url,
        "user_agent": ", ".join(agents)[:_LONGEST_NOTE],
        "subprotocol": shown_subprotocol(subprotocol),
        "request_id": request_id and request_id[:_LONGEST_NOTE],
        "metadata_refused": refused,
        **noted_trace(headers),
    }
    return {name: value for name, value in notes.items() if value}
