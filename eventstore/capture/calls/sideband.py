"""Join a WebRTC or SIP call by its id, and record what the server sends there: a sideband.

A session of GPT-Live is joined by its id as well, whatever its transport is. The server reflects
the audio of both sides to such a sideband.

`eventstore join` and Python users call `record_call`; `call_recordings.py` calls `record_at`.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    InvalidURI,
    WebSocketException,
)

from eventstore.capture.messages.frame_scanner import MESSAGE_LIMIT
from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.capture.recorder.process.remote_session import RemoteSession
from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.recorder.session_recorder import SessionRecorder
from eventstore.capture.taps.websocket_watch import ConnectionEnd, connection_end
from eventstore.errors import EventStoreError, InvalidInputError
from eventstore.realtime.frames import SERVER
from eventstore.realtime.metadata import check_metadata
from eventstore.realtime.upstream_urls import (
    OPENAI_URL,
    api_key_for,
    call_url,
    is_azure,
    joined_session,
    key_header,
    public_url,
)
from eventstore.realtime.values import MAX_VALUE_LENGTH, METADATA_PAIRS, mapping, text

#: What no sideband of a call can see; the log of each session says so.
UNSEEN = (
    "the call's audio, in both directions: it goes by WebRTC or SIP",
    "events before it joined",
    "client events that the caller's own data channel sent: only their effects show",
)
#: What no sideband of a GPT-Live session can see.
LIVE_UNSEEN = (
    "what the app sent on its own connections, but for the user's audio: only its effects show",
    "events before it joined, but for a short replay that the server may send",
    "whether the input was muted: the user's audio is reflected before that",
)

#: How often a call is joined again, and seconds to wait before each attempt at that.
_REJOINS = 5
_REJOIN_PAUSES = (0.5, 1.0, 2.0, 4.0)
#: Seconds for the server to answer the close frame when the recorder leaves a call.
_CLOSE_TIMEOUT = 2.0
_LEFT = ConnectionEnd("recorder", 1000, "")
#: Seconds between two attempts to join a call that does not exist yet: the first, and at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0
#: Refusals that stay the same however long one waits.
_FINAL_STATUSES = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.GONE})
#: Seconds until it is checked again whether the recorder has room, and seconds for the last commit.
_RECHECK, _COMMIT_TIMEOUT = 0.005, 2.0
#: Characters of a server's reason for a refusal that are reported.
_LONGEST_REASON = 300


#: The key of metadata by which a joined call is found, as by `?call_id=` of the replay server.
CALL_ID = "call_id"

AnyRecorder = Recorder | RecorderProcess
RecordedSession = SessionRecorder | RemoteSession
OnJoin = Callable[[RecordedSession], None]


class JoinedCall(NamedTuple):
    """A call that was joined.

    Attributes:
        session: Its recorded session.
        ending: How the connection ended.
    """

    session: RecordedSession
    ending: ConnectionEnd


class CallAddress(NamedTuple):
    """Where and how a call is joined.

    Attributes:
        url: The websocket's URL.
        headers: Headers of its handshake, with the key.
        tls: Which certificates to trust; None for those that the system trusts.
    """

    url: str
    headers: Mapping[str, str]
    tls: ssl.SSLContext | None = None


async def record_call(
    recorder: AnyRecorder,
    call_id: str,
    *,
    upstream: str = OPENAI_URL,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    on_join: OnJoin | None = None,
    wait: float = 0.0,
) -> JoinedCall:
    """Join a call and record each event of the server until the call ends; nothing is sent.

    Cancel it to leave the call. If the connection breaks, the call is joined again a few times, and
    the log says that events may be missing there.

    Args:
        recorder: Writes the events to a store.
        call_id: The call's id, `rtc_…`, or the id of a GPT-Live session, `live_…`.
        upstream: The base URL to use instead of `wss://api.openai.com/v1`. If it ends with
            `/live/sessions`, any id is a GPT-Live session's.
        api_key: By default the value of OPENAI_API_KEY; for Azure that of AZURE_OPENAI_API_KEY, if
            it is set.
        headers: More headers of the handshake. With Authorization or api-key, no key is needed.
        metadata: Pairs to set on the session, besides its `call_id`.
        on_join: Called with the session once the call is joined.
        wait: Seconds to try again in while the server does not know the call, such as a SIP call
            that nobody has accepted yet.

    Returns:
        The recorded session, and how the connection ended.

    Raises:
        InvalidInputError: If there is no key, the upstream is not a URL, or metadata exceed
            OpenAI's limits.
        EventStoreError: If the call cannot be joined.
    """
    address = call_address(upstream, call_id, api_key, headers)
    return await record_at(
        recorder, call_id, address, metadata=metadata, on_join=on_join, wait=wait
    )


def call_address(
    upstream: str,
    call_id: str,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> CallAddress:
    """Return where a call is joined; arguments and errors are those of `record_call`."""
    url, headers = call_url(upstream, call_id), headers or {}
    if {name.lower() for name in headers} & {"authorization", "api-key"}:
        return CallAddress(url, dict(headers))
    host = urlsplit(url).hostname
    key = api_key or api_key_for(host, os.environ)
    if not key:
        also = "AZURE_OPENAI_API_KEY or " if is_azure(host) else ""
        raise InvalidInputError(f"no key to join the call with: set {also}OPENAI_API_KEY")
    return CallAddress(url, {**headers, **key_header(host, key)})


async def record_at(
    recorder: AnyRecorder,
    call_id: str,
    address: CallAddress,
    *,
    metadata: Mapping[str, str] | None = None,
    on_join: OnJoin | None = None,
    wait: float = 0.0,
    notes: Mapping[str, str] | None = None,
) -> JoinedCall:
    """Do what `record_call` does, for a known address.

    Args:
        notes: More for the log to say of how the call is recorded.
    """
    pairs = check_metadata(metadata or {})
    if len(pairs) < METADATA_PAIRS and len(call_id) <= MAX_VALUE_LENGTH:
        pairs.setdefault(CALL_ID, call_id)
    connection = await _join_within(call_id, address, wait)
    unseen = UNSEEN if joined_session(address.url) is None else LIVE_UNSEEN
    noted = {"call_id": call_id, "url": public_url(address.url), **(notes or {})}
    try:
        session = recorder.session(pairs, notes={"by": "sideband", **noted, "unseen": list(unseen)})
    except BaseException:
        await connection.close()
        raise
    ended, is_over = _LEFT, False
    try:
        if on_join is not None:
            on_join(session)
        ended = await _listen(connection, session)
        for _ in range(_REJOINS):
            new_connection = None if ended.by == SERVER else await _join_again(address)
            if new_connection is None:
                break
            session.gap("rejoined", code=ended.code)
            ended = await _listen(new_connection, session)
        is_over = True
        await _wait_for_id(session)
    except asyncio.CancelledError:
        if not is_over:
            ended = _LEFT
        raise
    finally:
        session.close(*ended)
    return JoinedCall(session, ended)


async def _join_within(call_id: str, address: CallAddress, wait: float) -> ClientConnection:
    """Join a call that the server may not know yet.

    Raises:
        EventStoreError: If it cannot be joined, or not in time.
    """
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + wait, _FIRST_PAUSE
    while True:
        try:
            return await _DirectConnection(address)
        except (OSError, ValueError, WebSocketException) as error:
            left = until - loop.time()
            if left <= 0 or not _may_succeed_later(error):
                waited = f" within {wait:g} s" if wait and _may_succeed_later(error) else ""
                raise EventStoreError(f"cannot join {call_id}{waited}: {_why(error)}") from error
        await asyncio.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _may_succeed_later(error: Exception) -> bool:
    """Return True if a server that refused a call now may accept the same request later."""
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        return status >= HTTPStatus.BAD_REQUEST and status not in _FINAL_STATUSES
    return isinstance(error, OSError | WebSocketException) and not isinstance(error, InvalidURI)


async def _listen(connection: ClientConnection, session: RecordedSession) -> ConnectionEnd:
    """Record a connection to its end; close the connection if this is cancelled."""
    try:
        with suppress(ConnectionClosed):
            async for message in connection:
                session.record(SERVER, message)
                while session.is_pressed():
                    await asyncio.sleep(_RECHECK)
    finally:
        await connection.close()
    return connection_end(connection.protocol)


async def _wait_for_id(session: RecordedSession) -> None:
    """Wait until the session is written and has its id, for a few seconds at most.

    A recorder in another process reports no id of a session that is closed.
    """
    with suppress(EventStoreError, RuntimeError, TimeoutError):
        await asyncio.wait_for(session.committed(), _COMMIT_TIMEOUT)


async def _join_again(address: CallAddress) -> ClientConnection | None:
    """Join a call once more; return None if the call is over or the server does not answer."""
    for pause in _REJOIN_PAUSES:
        await asyncio.sleep(pause)
        try:
            return await _DirectConnection(address)
        except InvalidStatus as refused:
            if refused.response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                return None
        except (OSError, WebSocketException):
            continue
    return None


def _why(error: Exception) -> str:
    """Return why a call could not be joined, in the server's own words if it gave any."""
    if not isinstance(error, InvalidStatus):
        return str(error) or type(error).__name__
    answer = error.response
    message = (answer.body or b"").decode(errors="replace")
    with suppress(ValueError, RecursionError):
        message = text(mapping(mapping(json.loads(message)).get("error")).get("message")) or message
    phrase = f"{answer.status_code} {answer.reason_phrase}"
    message = message.strip()[:_LONGEST_REASON]
    return f"{phrase}: {message}" if message else phrase


class _DirectConnection(connect):
    """A connection that follows no redirects: a key is for one server."""

    def __init__(self, address: CallAddress) -> None:
        secure = address.url.startswith("wss:")
        super().__init__(
            address.url,
            additional_headers=address.headers,
            compression=None,
            max_size=MESSAGE_LIMIT,
            close_timeout=_CLOSE_TIMEOUT,
            ssl=(address.tls or True) if secure else None,
        )

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Return the error, so that no redirect is followed."""
        return exc
