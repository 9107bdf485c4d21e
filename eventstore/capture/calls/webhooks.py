"""Verify OpenAI's webhooks, and read the incoming call that one names. Pure.

They are signed as Standard Webhooks says (standardwebhooks.com): `webhook-signature` holds `v1,`
and the base64 of the HMAC-SHA256 over id, time and body, joined by dots. Several signatures are
separated by spaces. `incoming_calls.py` calls this.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from eventstore.common.standard_webhooks import parse_secret as read_secret
from eventstore.common.standard_webhooks import signature
from eventstore.realtime.masking.mask import mask_words
from eventstore.realtime.values import MAX_VALUE_LENGTH, loads, mapping, sequence

#: Seconds that a webhook's time may differ from ours.
TOLERANCE = 300
#: Bytes that a webhook may have. OpenAI's have a few thousand.
MAX_WEBHOOK_BYTES = 64 * 1024
#: SIP headers that always become metadata, under these keys unless others are named.
FROM, TO = "from", "to"

#: Types of events that name a call, and where its id is. An incoming call of GPT-Live has two: the
#: older one for webhooks that were made before the newer.
_CALL, _LIVE_SESSION = "call_id", "session_id"
_NAMED = {
    "realtime.call.incoming": _CALL,
    "live.call.incoming": _LIVE_SESSION,
    "live.transport.incoming": _LIVE_SESSION,
    "live.transport.connected": _LIVE_SESSION,
}
_TIME = re.compile("[0-9]{1,12}")
_ID = re.compile("[!-~]{1,256}")
_CALL_ID = re.compile("[A-Za-z0-9_.:-]{1,128}")
#: Signatures and SIP headers of one webhook that are read at most.
_MOST_SIGNATURES, _MOST_HEADERS = 16, 256
#: SIP's compact names of headers (RFC 3261, 7.3.3).
_LONG_NAMES = {"f": FROM, "t": TO}
#: Headers that hold an address, such as `"Alice" <sip:+1555@example.com>;tag=a`.
_ADDRESSES = frozenset({FROM, TO})
_NAME = re.compile(r'^\s*"(?:[^"\\]|\\.)*"')
_ADDRESS = re.compile(r"<([^<>]*)>")
_PASSWORD = re.compile(r"^(sips?:[^:@]*):[^@]*@", re.IGNORECASE)


class BadWebhookError(Exception):
    """A webhook that is refused; the message says why, in a few fixed words."""


class IncomingCall(NamedTuple):
    """A call that waits to be accepted, or a session of GPT-Live that has just begun.

    Attributes:
        call_id: The call's id, `rtc_…`, or the session's, `live_…`.
        headers: Names in lower case and values of the headers of its SIP INVITE, in order.
        is_live: Whether it is a session of GPT-Live.
    """

    call_id: str
    headers: tuple[tuple[str, str], ...]
    is_live: bool = False


def parse_secret(text: str) -> bytes:
    """Return the key of a webhook's secret, such as `whsec_…`.

    Raises:
        InvalidInputError: If it is not a secret. The message does not contain it.
    """
    return read_secret(text, "use the whsec_… that OpenAI showed when you made it")


def check(key: bytes, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """Verify that a webhook is genuine and not old, and return its id.

    Args:
        key: The key of the secret.
        headers: A mapping whose keys are in lower case, or that ignores case.
        now: The time in seconds since 1970 UTC.

    Raises:
        BadWebhookError: If it is not genuine, or its time differs by more than 5 minutes.
    """
    webhook_id, timestamp, signatures = (
        headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not (signatures and _ID.fullmatch(webhook_id) and _TIME.fullmatch(timestamp)):
        raise BadWebhookError("it has no signature with an id and a time")
    expected = signature(key, webhook_id, timestamp, body).encode()
    found = signatures.split(maxsplit=_MOST_SIGNATURES)[:_MOST_SIGNATURES]
    # All are compared, each in constant time, so that the time taken reveals nothing.
    matches = [hmac.compare_digest(expected, one.encode("utf-8", "replace")) for one in found]
    if not any(matches):
        raise BadWebhookError("its signature is not that of this secret")
    if abs(now - int(timestamp)) > TOLERANCE:
        raise BadWebhookError("its time is more than 5 minutes off")
    return webhook_id


def read_call(body: bytes) -> IncomingCall | None:
    """Return the call that a webhook names, or None if its event is of another type.

    Raises:
        BadWebhookError: If it cannot be read.
    """
    try:
        event = mapping(loads(body))
    except (ValueError, RecursionError) as error:
        raise BadWebhookError("its body is no JSON") from error
    type_ = event.get("type")
    named = _NAMED.get(type_) if isinstance(type_, str) else None
    if named is None:
        return None
    data = mapping(event.get("data"))
    call_id = data.get(named)
    if not isinstance(call_id, str) or not _CALL_ID.fullmatch(call_id):
        raise BadWebhookError("its call has no id")
    sip_headers = (mapping(one) for one in sequence(data.get("sip_headers"))[:_MOST_HEADERS])
    pairs = ((one.get("name"), one.get("value")) for one in sip_headers)
    return IncomingCall(
        call_id,
        tuple(
            (_LONG_NAMES.get(name.lower(), name.lower()), value)
            for name, value in pairs
            if isinstance(name, str) and isinstance(value, str)
        ),
        named == _LIVE_SESSION,
    )


def call_metadata(headers: Iterable[tuple[str, str]], keys: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata that a call's SIP headers give, within OpenAI's limits.

    Args:
        headers: Names in lower case, and values, which the caller may have written.
        keys: The key of metadata for each header's name. If a header is repeated, the first
            counts.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        key = keys.get(name)
        shown = _address(value) if name in _ADDRESSES else value
        shown = _plain_text(shown)
        if key is not None and key not in found and shown:
            found[key] = shown
    return found


def _address(value: str) -> str:
    """Return the address in a header, without the name beside it and without its parameters."""
    # A name in quotes may hold anything, even an address.
    value = _NAME.sub("", value[: 4 * MAX_VALUE_LENGTH])
    named = _ADDRESS.search(value)
    address = named[1] if named else value
    return _PASSWORD.sub(r"\1@", address.partition(";")[0].strip())


def _plain_text(value: str) -> str:
    """Return a text without control characters and keys, and cut to OpenAI's limit."""
    value = value[: 4 * MAX_VALUE_LENGTH]
    plain = "".join(c if c.isprintable() else " " for c in value)
    return mask_words(plain).strip()[:MAX_VALUE_LENGTH]
