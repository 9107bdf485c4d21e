"""The words of the Live sample call, and its session's configuration: plain data, no timing."""

from typing import Any

from tools.sample_call import script
from tools.sample_call.script import Line

MODEL = "gpt-live-1"
BACKEND = "gpt-5.1"
#: Sound of a phone call, which is a sixth of the size of PCM at 24 kHz.
FORMAT: dict[str, Any] = {"type": "audio/pcmu", "rate": 8000}

WHERE, ON_ITS_WAY, PICKUP = script.WHERE, script.ON_ITS_WAY, script.PICKUP
MOMENT = Line("Sure, one moment.")
OKAY = Line("Okay.")
ANY_DAY = Line("Of course. Any weekday until six, and on Saturday until four.")
THANKS = Line("Great, thank you.")
GOODBYE = Line("You are welcome, Alex. Happy riding!")

INSTRUCTIONS = (
    "You are Robin, the phone assistant of Wheelhouse Cycles, a bicycle shop. Be warm and brief. "
    "Delegate every question about an order. The shop is on Mill Street, open Monday to Friday 9 "
    "to 18 and Saturday 10 to 16."
)
BACKEND_INSTRUCTIONS = "Look orders up with find_order, and answer in one sentence."
APPENDED = "The caller's name is Alex."
ANSWER = "Order 4417 left the shop this morning and arrives tomorrow between 9 and 12."
METADATA = {"topic": "delivery"}


def session() -> dict[str, Any]:
    """Return the session of the client's `session.start`."""
    return {
        "model": MODEL,
        "instructions": INSTRUCTIONS,
        "audio": {"format": FORMAT, "output": {"voice": script.VOICE}},
        "delegation": {
            "type": "responses",
            "responses": {
                "model": BACKEND,
                "instructions": BACKEND_INSTRUCTIONS,
                "tools": [script.TOOL],
            },
        },
    }


def resource(session_id: str) -> dict[str, Any]:
    """Return the session as the server tells it."""
    expires_at = int(script.STARTS_AT.timestamp()) + script.SESSION_SECONDS
    return {
        "id": session_id,
        "expires_at": expires_at,
        **session(),
        "status": "active",
        "input": [],
    }
