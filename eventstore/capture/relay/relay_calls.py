"""Record the WebRTC calls that a relay sees created, by a sideband.

An app creates a call by `POST /v1/realtime/calls`, which the relay passes on. The `Location` header
of the answer names the call (OpenAI's API reference, "Create call"). A session of GPT-Live is
created by `POST /v1/live/sessions`, or forked by `POST /v1/live/sessions/{id}/fork`. The body of
the answer has its id. `relay_connection.py` calls `join_created`.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable
from urllib.parse import unquote_plus, urlsplit

from eventstore.capture.calls.call_recordings import CallToRecord, CallUpdate, TooManyCallsError
from eventstore.capture.calls.sideband import CallAddress
from eventstore.capture.relay.relay_metadata import noted_trace, read_metadata
from eventstore.capture.relay.relay_request import (
    AnswerReader,
    HttpRequest,
    Upstream,
    header,
    upstream_target,
)
from eventstore.capture.relay.relay_shared import RelayState
from eventstore.capture.relay.relay_tee import CallEnd
from eventstore.capture.taps.websocket_watch import ConnectionEnd
from eventstore.realtime.upstream_urls import api_key_of_provider, key_header, public_url
from eventstore.realtime.values import loads, mapping

#: Seconds to wait until a call that was just created can be joined.
_JOIN_TIMEOUT = 30.0
_CREATION_PATH = re.compile(r"(.*/live/sessions)(?:/[^/]+/fork)?/?")
_LIVE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_CALL_PATH = re.compile(r".*/realtime/calls/([A-Za-z0-9_.:-]{1,128})/?")
#: Headers that authenticate a request; the sideband sends the same.
_CREDENTIALS = ("authorization", "api-key", "openai-organization", "openai-project")
_PARAMETERS = frozenset({"api-version", "api-key"})
_CLIENT_SECRET = re.compile(r"bearer\s+ek_", re.IGNORECASE)
_LONGEST_USER_AGENT = 256
_REASONS = {1006: "the connection was lost"}


def join_created(
    shared: RelayState, number: int, request: HttpRequest, reader: AnswerReader
) -> bool:
    """Start to record the call that an answer says was created, if it says so.

    Args:
        number: The connection's number, for messages.
        request: The request that asked for the call.
        reader: The reader of the answer.

    Returns:
        False if more of the answer must come before it is known.
    """
    if reader.status is None:
        return False
    is_live = request.creates_live_session and 200 <= reader.status < 300
    call_id = created_session(reader) if is_live else created_call(reader)
    if call_id is None:
        return not is_live or reader.ended
    metadata = read_metadata(request.target, request.headers, dict(shared.metadata))
    agent = header(request.headers, b"user-agent") or ""
    notes = {"user_agent": agent[:_LONGEST_USER_AGENT], "metadata_refused": metadata.refused}
    address = sideband_address(shared.upstream, request, call_id, shared.tls)
    given_notes = {name: value for name, value in notes.items() if value}
    given_notes |= noted_trace(request.headers)
    call = CallToRecord(call_id, address, metadata.pairs, _JOIN_TIMEOUT, given_notes)
    is_client_secret = _CLIENT_SECRET.match(address.headers.get("authorization", "")) is not None
    try:
        shared.created.start(call, _reporter(shared, number, address, is_client_secret))
    except TooManyCallsError:
        shared.on_event(number, f"{call_id} is not recorded: there are too many at once")
    return True


def created_session(reader: AnswerReader) -> str | None:
    """Return the id of the GPT-Live session that an answer's body names, or None if it names none.

    None is also returned while the body is not whole.
    """
    if not reader.body.rstrip().endswith(b"}"):
        return None
    try:
        body = mapping(loads(reader.body))
    except (ValueError, RecursionError):
        return None
    session_id = mapping(body.get("session")).get("id")
    is_id = isinstance(session_id, str) and _LIVE_ID.fullmatch(session_id)
    return session_id if is_id else None


def created_call(reader: AnswerReader) -> str | None:
    """Return the id of the call that an answer says was created, or None if it names none."""
    if reader.status is None or not 200 <= reader.status < 300:
        return None
    try:
        path = urlsplit(header(reader.headers, b"location") or "").path
    except ValueError:
        return None
    # The host that it names does not matter: the relay has one upstream, and the key is for that.
    found = _CALL_PATH.fullmatch(path)
    return found[1] if found else None


def sideband_address(
    upstream: Upstream, request: HttpRequest, call_id: str, tls: ssl.SSLContext | None
) -> CallAddress:
    """Return where the call that a request created is joined, with the request's credentials.

    If these are a client secret, which may join no call, they are replaced by the key that the
    relay's own environment has for this provider, if it has one.
    """
    path, _, query = request.target.partition("?")
    pieces = [p for p in query.split("&") if _name_of(p) in _PARAMETERS]
    if created := _CREATION_PATH.fullmatch(path):
        path = f"{created[1]}/{call_id}/attach"
    else:
        path, pieces = path.rstrip("/").removesuffix("/calls"), [*pieces, f"call_id={call_id}"]
    target = f"{path}?{'&'.join(pieces)}" if pieces else path
    joining = HttpRequest("GET", target, "1.1", [])
    scheme = "wss" if upstream.tls else "ws"
    url = f"{scheme}://{upstream.authority}{upstream_target(upstream, joining)}"
    headers = {
        name: value
        for name in _CREDENTIALS
        if (value := header(request.headers, name.encode())) is not None
    }
    if "authorization" not in headers and upstream.authorization is not None:
        headers["authorization"] = upstream.authorization.decode("latin-1")
    own = api_key_of_provider(upstream.host, os.environ)
    if own is not None and _CLIENT_SECRET.match(headers.get("authorization", "")):
        headers = key_header(upstream.host, own)
    return CallAddress(url, headers, tls)


def _name_of(piece: str) -> str:
    return unquote_plus(piece.partition("=")[0]).lower()


def _reporter(
    shared: RelayState, number: int, address: CallAddress, is_client_secret: bool
) -> Callable[[CallUpdate], None]:
    """Return a function that reports in words what happens to a call."""

    def report(update: CallUpdate) -> None:
        name = f"{update.session_id}: " if update.session_id else ""
        if update.kind == "joined":
            shared.counts.sessions += 1
            shared.on_event(number, f"begins: {public_url(address.url)}")
        elif update.kind == "failed":
            why = update.why
            if is_client_secret and not shared.warned_of_client_secret:
                shared.warned_of_client_secret = True
                why += "; a client secret may join no call: set OPENAI_API_KEY for the relay"
            shared.on_event(number, f"{update.call_id} is not recorded: {why}")
        else:
            by, code, reason = update.ending or ConnectionEnd("recorder", 1000, "")
            closing = CallEnd(by or "server", code, reason or _REASONS.get(code, ""))
            shared.on_event(number, f"{name}ends: {update.call_id}, {closing}")

    return report
