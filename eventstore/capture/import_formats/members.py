"""The members by which other tools name a message, its direction and its time. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from eventstore.errors import InvalidInputError
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.realtime.object_text import member_text
from eventstore.realtime.values import dumps
from eventstore.times import arrival_in_any_unit

#: Members that hold the direction of a message.
DIRECTION_KEYS = (
    *("direction", "dir", "source", "sender", "from", "origin", "side", "operation"),
    *("type", "kind"),
)
#: Members that hold the time of a message.
TIME_KEYS = (
    *("at", "timestamp", "time", "ts", "datetime", "date", "created_at", "received_at"),
    "@timestamp",
)
# Others that do: eventTime, time_ms, createdAt, log_ts. A timeout is none, nor a realtime.
_TIME_NAME = re.compile(
    r"((?<!run)(?<!real)(?<!up)time(_?stamp)?|(created|received|sent|logged|recorded)_?at"
    r"|(^|_)ts|(^|_)date)(_?(ms|us|ns|utc|iso|millis|seconds))?$",
    re.IGNORECASE,
)
_MEMBERS, _LONGEST_NAME = 50, 40
#: Members that hold the message itself.
MESSAGE_KEYS = ("data", "event", "frame", "message", "payload", "body", "content", "raw", "json")

_CLIENT_WORDS = frozenset(
    {"client", "sent", "send", "write", "out", "outgoing", "outbound", "tx", "user", "upstream"}
    | {"client_to_server", "c2s", ">", "->", ">>", "→", "⬆", "↑"}
)
_SERVER_WORDS = frozenset(
    {"server", "received", "receive", "recv", "read", "in", "incoming", "inbound", "rx", "openai"}
    | {"downstream", "server_to_client", "s2c", "<", "<-", "<<", "←", "⬇", "↓"}
)


def direction_word(value: object) -> str | None:
    """Return the direction that a word or an arrow says, seen from the client; None for no such."""
    if not isinstance(value, str) or len(value) > 32:
        return None
    word = value.strip().lower().replace("-to-", "_to_").replace(" to ", "_to_")
    if word in _CLIENT_WORDS:
        return CLIENT
    return SERVER if word in _SERVER_WORDS else None


def first_direction(value: Mapping[str, Any]) -> str | None:
    """Return the direction that an entry names, under whichever key."""
    found = (direction_word(value.get(key)) for key in DIRECTION_KEYS)
    return next(filter(None, found), None)


def has_wire_type(value: Mapping[str, Any]) -> bool:
    """Return True if an object's type is of the wire: all have a dot, save `error` and `ping`."""
    type_ = value.get("type")
    return isinstance(type_, str) and "." in type_


class Time(NamedTuple):
    """A time that a file has.

    Attributes:
        at: in microseconds since 1970 UTC; None where there is none, or none that is understood.
        unread: the value that was not understood; None where there is no such.
    """

    at: int | None
    unread: Any = None


def read_time(value: Any) -> Time:
    """Read a time of another tool: ISO 8601, or a number since 1970 in whatever unit."""
    if value is None or value == "":
        return Time(None)
    try:
        return Time(arrival_in_any_unit(value))
    except ValueError:
        return Time(None, value)


def time_keys(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of an entry's members that hold a time, by their names: the usual first."""
    yield from (key for key in TIME_KEYS if key in value)
    for key in islice(value, _MEMBERS):
        if key not in TIME_KEYS and len(key) <= _LONGEST_NAME and _TIME_NAME.search(key):
            yield key


def first_time(value: Mapping[str, Any]) -> Time:
    """Return the time of an entry: the first that is understood, under whichever key."""
    unread = None
    for key in time_keys(value):
        time = read_time(value.get(key))
        if time.at is not None:
            return time
        unread = time.unread if unread is None else unread
    return Time(None, unread)


def message_key(value: Mapping[str, Any]) -> str | None:
    """Return the key under which an entry has its message; None where it has none."""
    return next((key for key in MESSAGE_KEYS if isinstance(value.get(key), dict | str)), None)


def message_of(value: dict[str, Any], key: str, text: str | None) -> str:
    """Return the text of the message under a key: a text as it is, an object as it stands.

    Raises:
        InvalidInputError: it is neither.
    """
    message = value.get(key)
    if isinstance(message, str):
        return message
    if not isinstance(message, dict):
        raise InvalidInputError(f"its {key} is neither an object nor a text")
    try:
        return dumps(message) if text is None else member_text(text, key, message)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"its {key} cannot be written as JSON") from error
