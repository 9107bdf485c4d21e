"""Sign webhooks, and read their secrets, as Standard Webhooks says (standardwebhooks.com). Pure.

Called to verify OpenAI's webhooks (capture/calls/webhooks.py), and to sign the store's own
(feed/webhooks/).
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode

from eventstore.errors import InvalidInputError

_PREFIX = "whsec_"
_SHORTEST_KEY = 16


def parse_secret(text: str, hint: str) -> bytes:
    """Return the key of a webhook's secret, such as `whsec_…`.

    Args:
        text: The secret. Without the prefix it is the key itself.
        hint: Where a secret comes from, for the error.

    Raises:
        InvalidInputError: It is not a secret. The message does not contain it.
    """
    text = text.strip()
    try:
        encoded = text.removeprefix(_PREFIX)
        key = b64decode(encoded, validate=True) if text.startswith(_PREFIX) else text.encode()
    except ValueError:  # not base64, or half a character
        key = b""
    if len(key) < _SHORTEST_KEY:
        raise InvalidInputError(f"the webhook's secret is none: {hint}")
    return key


def signature(key: bytes, webhook_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a webhook, as its header has it."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}"
