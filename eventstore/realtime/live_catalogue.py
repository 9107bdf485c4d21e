"""The catalogue of GPT-Live's event types: who sends them, and what the fold does with them.

GPT-Live (`/v1/live/sessions`) is a protocol of its own. Some of its types have the names of types
of Realtime, and mean something else: protocols.py decides which protocol a stream speaks. Called by
catalogue.py and by the fold of Live sessions. A test goes through `openai.types.live`, and fails if
a type is in none of these sets.
"""

from __future__ import annotations

LIVE_CLIENT_TYPES = frozenset(
    {
        "session.start",
        "session.update",
        "session.close",
        "session.input_audio.append",
        "session.input_audio.mute",
        "session.input_audio.unmute",
        "session.output_audio.fixture.play",
        "session.instructions.append",
        "session.thinking.append",
        "session.commentary.append",
        "decision.create",
        "decision.item.create",
        "decision.item.delete",
        "response.item.create",
        "response.create",
        "transport.dtmf.send",
    }
)

#: The user's audio: the client sends it on the session's own connection, and the server reflects it
#: to sidebands. The fold only counts its bytes.
LIVE_INPUT_AUDIO = "session.input_audio.append"

#: Each event of this type has an event of a backend's stream, in the member `event`.
NESTING_TYPE = "response.event"

#: Known types that do not change the state, and why.
LIVE_NO_EFFECT = {
    LIVE_INPUT_AUDIO: "audio is read from the log, not projected",
    "session.input_audio.mute": "a wish; session.input_audio.muted answers",
    "session.input_audio.unmute": "a wish; session.input_audio.unmuted answers",
    "session.output_audio.fixture.play": "a wish; session.output_audio.fixture.playing answers",
    "session.close": "a wish; session.closed answers",
    "decision.create": "a question; decision.event answers",
    "decision.item.create": "a wish; decision.item.created answers",
    "decision.item.delete": "a wish; decision.item.deleted answers",
    "transport.dtmf.send": "a wish; transport.dtmf.sent answers",
    "response.create": "a wish; response.event answers",
}

#: Types that change the state of a Live session, without the store's own.
LIVE_FOLDED = frozenset(
    {
        "session.start",
        "session.started",
        "session.update",
        "session.updated",
        "session.closed",
        "session.paused",
        "session.resumed",
        "session.usage.updated",
        "session.input_transcript.delta",
        "session.output_transcript.delta",
        "session.output_audio.delta",
        "session.output_audio.fixture.playing",
        "session.output_audio.fixture.played",
        "session.input_audio.muted",
        "session.input_audio.unmuted",
        "session.instructions.append",
        "session.instructions.appended",
        "session.thinking.append",
        "session.thinking.appended",
        "session.commentary.append",
        "session.commentary.appended",
        "session.delegation.created",
        "response.event",
        "response.item.create",
        "decision.event",
        "decision.item.created",
        "decision.item.deleted",
        "transport.ringing",
        "transport.answered",
        "transport.failed",
        "transport.dtmf.received",
        "transport.dtmf.sent",
        "error",
        "info",
    }
)

#: Types that sessions of Realtime, or translations, have as well, with another meaning.
SHARED_WITH_REALTIME = frozenset(
    {
        "session.update",
        "session.updated",
        "session.close",
        "session.closed",
        "session.usage.updated",
        "session.input_transcript.delta",
        "session.output_transcript.delta",
        "session.output_audio.delta",
        "response.create",
        "error",
        "info",
    }
)
#: Types that only Live sessions have.
LIVE_ONLY = frozenset(LIVE_FOLDED | LIVE_NO_EFFECT.keys()) - SHARED_WITH_REALTIME
