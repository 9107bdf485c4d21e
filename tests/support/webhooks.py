"""Be OpenAI: webhooks of incoming calls, signed as it signs them."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from itertools import count
from typing import Any

import httpx

from eventstore.capture.calls.webhooks import parse_secret, signature

SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
_ids = count(1)


def incoming(call_id: str = "rtc_1", **headers: str) -> bytes:
    """The body of a webhook; SIP headers as `x_customer="42"`, or none."""
    told = [{"name": name.replace("_", "-"), "value": value} for name, value in headers.items()]
    return body_of(data={"call_id": call_id, "sip_headers": told})


def body_of(type_: str = "realtime.call.incoming", **fields: Any) -> bytes:
    event = {"object": "event", "id": "evt_1", "type": type_, "created_at": 1, **fields}
    return json.dumps(event).encode()


def signed(
    body: bytes, webhook_id: str | None = None, age: float = 0.0, secret: str = SECRET
) -> dict[str, str]:
    """The headers of a webhook, each with an id of its own unless one is given."""
    webhook_id = webhook_id or f"wh_{next(_ids)}"
    at = str(int(time.time() - age))
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": at,
        "webhook-signature": signature(parse_secret(secret), webhook_id, at, body),
    }


def post(url: str, body: bytes, headers: dict[str, str] | None = None) -> int:
    """Send a webhook; the status of its answer."""
    given = signed(body) if headers is None else headers
    return httpx.post(url, content=body, headers=given, timeout=20).status_code


def live_incoming(
    session_id: str = "live_x1", type_: str = "live.transport.incoming", **headers: str
) -> bytes:
    """The body of a webhook of a GPT-Live session that waits to be accepted, by SIP."""
    told = [{"name": name.replace("_", "-"), "value": value} for name, value in headers.items()]
    return body_of(type_, data={"session_id": session_id, "type": "sip", "sip_headers": told})


def live_connected(session_id: str = "live_x1") -> bytes:
    """The body of a webhook of a GPT-Live session that has begun, by WebRTC."""
    return body_of("live.transport.connected", data={"session_id": session_id, "type": "webrtc"})
