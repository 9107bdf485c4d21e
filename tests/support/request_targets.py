"""Requests that name a session, and stores that hold it."""

from __future__ import annotations

from typing import Any

from eventstore import EventStore
from eventstore.errors import InvalidInputError, NotFoundError
from eventstore.replay.server.session_request import newest_match, read_request
from support.events import Call

VOICE_LIVE = "wss://x.services.ai.azure.com/voice-live/realtime?api-version=1"


AZURE = "wss://x.openai.azure.com/openai/realtime?api-version=1"


#: Sessions, the oldest first: the address that each was opened at, its model by its server, and
#: what else is known of it.
SESSIONS: dict[str, dict[str, Any]] = {
    "realtime": {"url": "wss://h/v1/realtime?model=gpt-realtime"},
    "dated": {"url": "wss://h/v1/realtime?model=gpt-mini", "model": "gpt-mini-2025-12-15"},
    "deployed": {"url": f"{AZURE}&deployment=our-voice", "model": "gpt-realtime"},
    "call": {"url": "wss://h/v1/realtime?call_id=rtc_1"},
    "joined": {"by": "sideband", "call_id": "rtc_2"},
    "transcription": {"type": "transcription", "transcribes": "gpt-transcribe"},
    "intent": {"url": "wss://h/v1/realtime?intent=transcription"},
    "agent": {"url": f"{VOICE_LIVE}&agent-name=clerk&agent-project-name=shop"},
    "agent_2": {"url": f"{VOICE_LIVE}&agent-name=clerk&agent-project-name=bank"},
    "agent_id": {"url": f"{VOICE_LIVE}&agent-id=asst_1&project-id=p"},
    "live": {"begins": "session.started"},
    "live_url": {"url": "wss://h/v1/live/sessions", "begins": "session.started"},
    "other": {"url": "wss://h/v1/realtime?model=gpt-other"},
}


def call_of(
    name: str,
    model: str | None = None,
    type: str = "realtime",
    transcribes: str | None = None,
    begins: str = "session.created",
    **notes: str,
) -> Call:
    """A session that says its name by the reason for which it is closed."""
    call = Call().store("opened", **notes) if notes else Call()
    session: dict[str, Any] = {"type": type}
    if model is not None:
        session["model"] = model
    if transcribes is not None:
        session["audio"] = {"input": {"transcription": {"model": transcribes}}}
    return call.server(begins, session=session).store("closed", code=1000, reason=name)


def fill(store: EventStore) -> None:
    for minute, (name, facts) in enumerate(SESSIONS.items()):
        frames = call_of(name, **facts).frames
        store.append(name, [f._replace(at=(f.at or 0) + minute * 60_000_000) for f in frames])
    store.set_metadata("other", {"customer": "é/1"})


TARGETS = [
    ("/v1/realtime?model=gpt-realtime", "deployed"),
    ("/openai/v1/realtime?model=our-voice", "deployed"),
    ("/openai/realtime?api-version=2&deployment=our-voice", "deployed"),
    ("/v1/realtime?model=gpt-mini", "dated"),
    ("/v1/realtime?model=gpt-mini-2025-12-15", "dated"),
    ("/v1/realtime?call_id=rtc_1", "call"),
    ("/v1/realtime?call_id=rtc_2&model=gpt-other", "joined"),
    ("/v1/realtime?intent=transcription", "intent"),
    ("/v1/realtime?intent=transcription&model=gpt-transcribe", "transcription"),
    ("/voice-live/realtime?agent-name=clerk&agent-project-name=shop", "agent"),
    # As its own client writes it.
    (
        "/voice-live/realtime?api-version=2026-07-15&x-ms-client-sdk=azure-ai-voicelive%2F1.3.1"
        "&agent-name=clerk&agent-project-name=shop&conversation-id=c",
        "agent",
    ),
    ("/voice-live/realtime?agent-name=clerk", "agent_2"),
    ("/voice-live/realtime?agent_id=asst_1&project-id=p", "agent_id"),
    ("/voice-live/realtime", "agent_id"),
    ("/voice-live/realtime?model=gpt-other", "other"),
    ("/v1/live/sessions", "live_url"),
    ("/v1/live/sessions/live", "live"),
    ("/v1/live/sessions/live/attach", "live"),
    ("/v1/live/sessions/live/fork", "live"),
    ("/session/dated/v1/realtime?model=gpt-other", "dated"),
    ("/session/dated", "dated"),
    ("/metadata/minute=3/v1/realtime?model=gpt-realtime", None),
    ("/metadata/customer=%C3%A9%2F1/v1/realtime", "other"),
    ("/v1/realtime?metadata[customer]=%C3%A9/1?model=gpt-other", "other"),
    ("/v1/realtime?metadata[customer]=%C3%A9/1?model=gpt-realtime", None),
    ("/metadata/customer=%C3%A9%2F1/session/live/v1/realtime", "live"),
    ("/v1/realtime?call_id=rtc_3", None),
    ("/voice-live/realtime?agent-name=clerk&agent-project-name=none", None),
    ("/v1/realtime?call_id=%00", None),
    ("/v1/realtime?call_id=" + "x" * 600, None),
    ("/metadata/=1/v1/realtime", 400),
    ("/metadata/a=%FF/v1/realtime", 400),
    ("/metadata/" + "".join(f"k{n}=1/" for n in range(17)) + "v1/realtime", 400),
    ("/metadata/" + "k" * 65 + "=1/v1/realtime", 400),
    ("/metadata/a=" + "v" * 513 + "/v1/realtime", 400),
]


def found(store: EventStore, target: str) -> str | int | None:
    """The same, without a server."""
    try:
        wanted = read_request(target)
        return wanted.session or newest_match(store, wanted)
    except InvalidInputError:
        return 400
    except NotFoundError:
        return None
