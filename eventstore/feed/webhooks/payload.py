"""What a webhook says, and the headers that sign it. Pure.

Shapes and headers are those of Standard Webhooks (standardwebhooks.com): `type`, `timestamp` and
`data`, and an id that stays the same when the webhook is sent again.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256
from typing import Any, Literal, get_args

from eventstore.common.standard_webhooks import signature
from eventstore.common.urls import page_of_session
from eventstore.errors import InvalidInputError
from eventstore.feed.delivery import Delivery, Of
from eventstore.realtime.values import dumps
from eventstore.times import to_iso

#: What a webhook can be sent on.
On = Literal["response.done", "session.ended"]
_TYPES: dict[str, On] = {"response": "response.done", "session": "session.ended"}
_OF: dict[frozenset[str], Of] = {
    frozenset({"response.done"}): "responses",
    frozenset({"session.ended"}): "sessions",
    frozenset({"response.done", "session.ended"}): "endings",
}


def subscription_of(on: str | Collection[str]) -> Of:
    """Return what a subscription has to be of, for webhooks on these events.

    Args:
        on: The events, or their names with commas between them.

    Raises:
        InvalidInputError: Webhooks cannot be sent on them.
    """
    try:
        named = [on] if isinstance(on, str) else on
        return _OF[frozenset(part.strip() for one in named for part in one.split(","))]
    except (AttributeError, KeyError, TypeError) as error:
        raise InvalidInputError(f"on: use one or several of {', '.join(get_args(On))}") from error


def body_of(delivery: Delivery, at: int, link: str | None) -> bytes:
    """Return the body of a webhook.

    Args:
        delivery: The response or the session.
        at: The time, in microseconds since 1970 UTC.
        link: Where the store's pages are, such as `https://calls.example.com`; None leaves the link
            out.
    """
    told: dict[str, Any] = {
        "type": _TYPES[delivery.kind],
        "timestamp": to_iso(at),
        "data": delivery.resource,
    }
    if link is not None:
        told["link"] = page_of_session(link, delivery.session_id)
    return dumps(told).encode()


def id_of(name: str, delivery: Delivery) -> str:
    """Return the id of a webhook: the same one each time that this delivery is sent.

    Args:
        name: The name of the webhooks' subscription.
    """
    return webhook_id_of(name, delivery.session_id, delivery.seq, delivery.kind)


def webhook_id_of(name: str, session_id: str, seq: int, kind: str) -> str:
    """Return the id of a webhook by what tells its delivery from others."""
    place = dumps([name, session_id, seq, kind])
    return f"msg_{sha256(place.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def headers_of(key: bytes, webhook_id: str, at: int, body: bytes) -> dict[str, str]:
    """Return the headers of a webhook.

    Args:
        key: The key that signs it.
        at: The time of this attempt, in microseconds since 1970 UTC.
    """
    timestamp = str(at // 1_000_000)
    return {
        "content-type": "application/json",
        "user-agent": "realtime-eventstore",
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature(key, webhook_id, timestamp, body),
    }
