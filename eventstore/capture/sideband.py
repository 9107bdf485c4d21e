"""Join a WebRTC or SIP call by its id, and record what the server tells there: a sideband."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from eventstore.capture.addresses import OPENAI, call_url, public_url
from eventstore.capture.frame_scanner import MESSAGE_LIMIT
from eventstore.capture.recorder import Recorder
from eventstore.capture.session_recorder import SessionRecorder
from eventstore.capture.wire import Ending, ending
from eventstore.errors import EventStoreError, InvalidInputError
from eventstore.realtime.frames import SERVER
from eventstore.realtime.values import mapping, text

#: What no sideband can see, as its sessions' logs say.
UNSEEN = (
    "the call's audio, in both directions: it goes by WebRTC or SIP",
    "events before it joined",
    "client events that the caller's own data channel sent: only their effects show",
)

#: How often a call is joined again, and seconds to wait before each attempt at that.
_REJOINS = 5
_PAUSES = (0.5, 1.0, 2.0, 4.0)
#: Seconds for the server to answer when the call is left.
_CLOSE_TIMEOUT = 2.0
_LEFT = Ending("recorder", 1000, "")


class JoinedCall(NamedTuple):
    """A call that was joined.

    Attributes:
        session: its recorded session.
        ending: how the connection ended.
    """

    session: SessionRecorder
    ending: Ending


async def record_call(
    recorder: Recorder,
    call_id: str,
    *,
    upstream: str = OPENAI,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    on_join: Callable[[SessionRecorder], None] | None = None,
) -> JoinedCall:
    """Join a call and record each event of the server until it ends; nothing is sent.

    Cancel it to leave the call. Where the connection breaks, the call is joined again a few times,
    and the log says that events may be missing there.

    Args:
        call_id: the call's, `rtc_…`.
        upstream: what stands for `wss://api.openai.com/v1`.
        api_key: by default from OPENAI_API_KEY.
        headers: more headers of the handshake. With Authorization or api-key, no key is needed.
        metadata: pairs to set on the session.
        on_join: told once the call is joined.

    Raises:
        InvalidInputError: no key, or an upstream that is no address.
        EventStoreError: the call cannot be joined.
    """
    url, sent = call_url(upstream, call_id), _headers(api_key, headers or {})
    try:
        connection = await _Join(url, sent)
    except (OSError, ValueError, WebSocketException) as error:
        raise EventStoreError(f"cannot join {call_id}: {_why(error)}") from error
    notes = {"call_id": call_id, "url": public_url(url), "unseen": list(UNSEEN)}
    session = recorder.session(metadata, notes={"by": "sideband", **notes})
    ended = _LEFT
    try:
        if on_join is not None:
            on_join(session)
        ended = await _listen(connection, session)
        for _ in range(_REJOINS):
            again = None if ended.by == SERVER else await _join_again(url, sent)
            if again is None:
                break
            session.gap("rejoined", code=ended.code)
            ended = await _listen(again, session)
    except asyncio.CancelledError:
        ended = _LEFT
        raise
    finally:
        session.close(*ended)
    return JoinedCall(session, ended)


async def _listen(connection: ClientConnection, session: SessionRecorder) -> Ending:
    """Record a connection until it is over, and close it where this is cancelled."""
    try:
        with suppress(ConnectionClosed):
            async for message in connection:
                session.record(SERVER, message)
    finally:
        await connection.close()
    return ending(connection.protocol)


async def _join_again(url: str, headers: Mapping[str, str]) -> ClientConnection | None:
    """Join a call once more; None where it is over, or nobody answers."""
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        try:
            return await _Join(url, headers)
        except InvalidStatus as refused:
            if refused.response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                return None
        except (OSError, WebSocketException):
            continue
    return None


def _headers(api_key: str | None, headers: Mapping[str, str]) -> dict[str, str]:
    if {name.lower() for name in headers} & {"authorization", "api-key"}:
        return dict(headers)
    key = api_key or os.environ.get("OPENAI_API_KEY")
    if not key:
        raise InvalidInputError("no key to join the call with: set OPENAI_API_KEY")
    return {**headers, "Authorization": f"Bearer {key}"}


def _why(error: Exception) -> str:
    """Why a call could not be joined, in the server's own words where it has any."""
    if not isinstance(error, InvalidStatus):
        return str(error) or type(error).__name__
    answer = error.response
    said = (answer.body or b"").decode(errors="replace")
    with suppress(ValueError, RecursionError):
        said = text(mapping(mapping(json.loads(said)).get("error")).get("message")) or said
    phrase = f"{answer.status_code} {answer.reason_phrase}"
    return f"{phrase}: {said.strip()}" if said.strip() else phrase


class _Join(connect):
    """Connects to where it was told to and nowhere else: a key is for one server."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        super().__init__(
            url,
            additional_headers=headers,
            compression=None,
            max_size=MESSAGE_LIMIT,
            close_timeout=_CLOSE_TIMEOUT,
        )

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follow no redirect."""
        return exc
