"""The members by which other tools name a message, its direction and its time. Pure.

Most readers, and `offsets.py`, look them up here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from eventstore.errors import InvalidInputError
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.realtime.text.object_text import member_text
from eventstore.realtime.values import dumps
from eventstore.times import parse_arrival_in_any_unit, relative_count

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
# More names of such members: eventTime, time_ms, createdAt, log_ts; but not timeout or realtime.
_TIME_NAME = re.compile(
    r"((?<!run)(?<!real)(?<!up)time(_?stamp)?|(created|received|sent|logged|recorded)_?at"
    r"|(^|_)ts|(^|_)date)(_?(ms|us|ns|utc|iso|millis|seconds))?$",
    re.IGNORECASE,
)
# Names of times that count from the start of the recording: offset_ms, elapsedSeconds, t.
_OFFSET_NAME = re.compile(
    r"(t|(time_?)?(offset|elapsed)|rel(ative)?|since_?start|ms|seconds)"
    r"(_?(time|at))?(_?(ms|s|millis(econds)?|secs?|seconds))?",
    re.IGNORECASE,
)
# Endings of names that say the unit of a number; other units than these two are not read.
_UNIT_NAMES = (
    (re.compile(r"(ms|millis(econds)?)$", re.IGNORECASE), 1_000),
    (re.compile(r"(_s|secs?|seconds)$", re.IGNORECASE), 1_000_000),
    (re.compile(r"([a-z_](us|ns)|micros(econds)?|nanos(econds)?)$", re.IGNORECASE), None),
)
# A time without its date: 8:26:41 PM, 20:26:41.250.
_TIME_OF_DAY = re.compile(
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(:(?P<second>\d\d([.,]\d{1,9})?))?(\s?(?P<half>[ap])\.?m\.?)?",
    re.IGNORECASE | re.ASCII,
)
_MOST_MEMBERS, _LONGEST_NAME = 50, 40
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
    """Return the direction that a word or an arrow names, or None if it names none.

    Words are read from the client's view: `sent`, `out` and `>` are the client's.
    """
    if not isinstance(value, str) or len(value) > 32:
        return None
    word = value.strip().lower().replace("-to-", "_to_").replace(" to ", "_to_")
    if word in _CLIENT_WORDS:
        return CLIENT
    return SERVER if word in _SERVER_WORDS else None


def first_direction(value: Mapping[str, Any]) -> str | None:
    """Return the direction that an entry names, under any of the usual keys, or None."""
    found = (direction_word(value.get(key)) for key in DIRECTION_KEYS)
    return next(filter(None, found), None)


def has_wire_type(value: Mapping[str, Any]) -> bool:
    """Return True if an object's type is one of the Realtime protocol: these have a dot.

    The exceptions are `error` and `ping`.
    """
    type_ = value.get("type")
    return isinstance(type_, str) and "." in type_


class Offset(NamedTuple):
    """A time that counts from the start of the recording, or from the start of another clock.

    Attributes:
        value: The time as it is in the file.
        number: The time as a number.
        unit: Microseconds of one, if the name says it. If it is None, the whole file decides.
        is_of_day: Whether it counts from a midnight.
    """

    value: Any
    number: Decimal | int
    unit: int | None
    is_of_day: bool = False


class FileTime(NamedTuple):
    """A time in a file.

    Attributes:
        at: Microseconds since 1970 UTC; None if there is no time, or it is not understood.
        unread: The value that was not understood, or None. It is an `Offset` if it counts from
            another start than 1970.
    """

    at: int | None
    unread: Any = None


def read_time(value: Any, name: str = "") -> FileTime:
    """Return a time of another tool: ISO 8601, or a number since 1970 in any unit.

    Args:
        value: The time.
        name: Its name in the file, which may say its unit.
    """
    if value is None or value == "":
        return FileTime(None)
    try:
        return FileTime(parse_arrival_in_any_unit(value))
    except ValueError:
        return FileTime(None, _offset(value, name))


def _offset(value: Any, name: str) -> Any:
    """Return a value that is not a time as an `Offset`, or unchanged if it is not one either."""
    of_day = _seconds_of_day(value)
    if of_day is not None:
        return Offset(value, of_day, 1_000_000, is_of_day=True)
    number = relative_count(value)
    named = next((unit for ending, unit in _UNIT_NAMES if ending.search(name)), 0)
    if number is None or named is None:
        return value
    return Offset(value, number, named or None)


def _seconds_of_day(value: Any) -> Decimal | None:
    """Return the seconds since midnight of a time without a date; None if it is not one."""
    found = _TIME_OF_DAY.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    hour, minute = int(found["hour"]), int(found["minute"])
    second = Decimal((found["second"] or "0").replace(",", "."))
    half = (found["half"] or "").lower()
    if hour > (12 if half else 23) or (half and not hour) or minute > 59 or second >= 60:
        return None
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return (hour * 60 + minute) * 60 + second


def time_keys(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of an entry's members that hold a time; the usual names come first."""
    yield from (key for key in TIME_KEYS if key in value)
    names = [key for key in islice(value, _MOST_MEMBERS) if len(key) <= _LONGEST_NAME]
    yield from (key for key in names if key not in TIME_KEYS and _TIME_NAME.search(key))
    yield from (key for key in names if is_offset_name(key) and not _TIME_NAME.search(key))


def is_offset_name(name: str) -> bool:
    """Return True if a member of this name counts from the start of a recording."""
    return _OFFSET_NAME.fullmatch(name) is not None


def first_time(value: Mapping[str, Any]) -> FileTime:
    """Return the first time of an entry that is understood, else its best offset.

    An offset from the start is better than a time of day, which is often in whole seconds.
    """
    unread = None
    for key in time_keys(value):
        time = read_time(value.get(key), key)
        if time.at is not None:
            return time
        if unread is None or _sureness(time.unread) > _sureness(unread):
            unread = time.unread
    return FileTime(None, unread)


def _sureness(unread: Any) -> int:
    return 2 - unread.is_of_day if isinstance(unread, Offset) else 0


def message_key(value: Mapping[str, Any]) -> str | None:
    """Return the key of an entry's message, or None if it has none."""
    return next((key for key in MESSAGE_KEYS if isinstance(value.get(key), dict | str)), None)


def message_of(value: dict[str, Any], key: str, text: str | None) -> str:
    """Return the text of the message under a key: a string unchanged, an object as it is written.

    Args:
        text: The text of the whole entry, or None if the file is not JSON.

    Raises:
        InvalidInputError: If it is neither a string nor an object.
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
