"""Filters of lists, checked before any SQL is made of them.

`checked` reads what comes from outside: a Python call, a command, an address of a page. Whoever
makes a filter by its class gives it what its attributes say, times in microseconds and so on.

These are dataclasses, not pydantic's models, since each command that lists needs them: the import
of pydantic would take a fifth of the time in which such a command is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Protocol, TypeVar, get_args

from eventstore.common.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.realtime.metadata import Condition, Operator
from eventstore.store.filters.metadata_conditions import parse_condition, within_limits
from eventstore.times import parse_time

MAX_LIMIT = 100
MAX_SUGGESTIONS = 1000
#: Conditions on metadata, of which a session has 16 pairs; each is a look-up of its own.
MAX_CONDITIONS = 32
#: No number that rows are compared with is greater.
_MOST = 2**62
_MOST_DOLLARS = 10**12

Status = Literal["completed", "cancelled", "failed", "incomplete", "in_progress"]
#: `ended` is every session that is not `live`; `errors` has errors, or answers that failed.
SessionStatus = Literal["live", "ended", "interrupted", "errors"]
SessionSort = Literal["started", "duration", "cost", "latency", "turns", "interruptions"]
ResponseSort = Literal["created", "duration", "latency", "tokens"]
Order = Literal["asc", "desc"]
Modality = Literal["text", "audio"]

#: Makes an attribute of a value that comes from outside; raises ValueError for what is wrong.
Read = Callable[[Any], Any]


def read_conditions(value: Any) -> tuple[Condition, ...]:
    """Return conditions on metadata: of a mapping, of texts such as `K=V`, or of conditions.

    Raises:
        ValueError, InvalidInputError: there are too many of them, or one is none.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Sized) and len(value) > MAX_CONDITIONS:
        raise ValueError(f"at most {MAX_CONDITIONS} conditions on metadata")
    if isinstance(value, Mapping):
        value = [Condition(key, "=", _written(item)) for key, item in value.items()]
    if not isinstance(value, Iterable) or isinstance(value, bytes):
        raise ValueError(f"{brief(value)} is neither a mapping nor texts such as K=V")
    return tuple(map(_condition, value))


def _written(value: Any) -> Any:
    """Return a number as its text: who writes `{"customer": 42}` means "42"."""
    return str(value) if isinstance(value, int | float) else value


def _condition(value: Any) -> Condition:
    if isinstance(value, str):
        return parse_condition(value)
    if not isinstance(value, Condition) or value.operator not in get_args(Operator):
        raise ValueError(f"{brief(value)} is no condition on metadata")
    if not isinstance(value.key, str) or not isinstance(value.value, str):
        raise ValueError(f"{brief(value.key)}={brief(value.value)}: keys and values are text")
    return within_limits(value, f"{value.key}={value.value}")


def _at(value: Any) -> Any:
    try:
        return parse_time(value)
    except ValueError as error:
        raise ValueError(
            f"{brief(value)} is no time; use ISO 8601 (2026-05-04T09:30:00Z) or epoch seconds"
        ) from error


def _names(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((_text(name), _text(text)) for name, text in value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{brief(value)} is no text")
    return value


def _one_of(kind: Any) -> Read:
    """Return what reads one of a Literal's texts."""

    def read(value: Any) -> Any:
        choices = get_args(kind)
        if value not in choices:
            raise ValueError(f"{brief(value)} is none of {', '.join(choices)}")
        return value

    return read


def _number(value: Any, most: int) -> int | float:
    """Return a number of 0 to `most`; texts are numbers as Python reads them."""
    try:
        number: int | float = value if isinstance(value, int) else float(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{brief(value)} is no number") from error
    if not 0 <= number <= most:
        raise ValueError(f"{brief(value)} is not from 0 to {most}")
    return number


def _whole(most: int = _MOST, least: int = 0) -> Read:
    """Return what reads a whole number of these bounds."""

    def read(value: Any) -> int:
        number = _number(value, most)
        if number != int(number) or number < least:
            raise ValueError(f"{brief(value)} is no whole number from {least} to {most}")
        return int(number)

    return read


def _microseconds(value: Any) -> int:
    """Return microseconds, as rows have them, of seconds."""
    return round(_number(value, _MOST // 1_000_000) * 1_000_000)


def _dollars(value: Any) -> float:
    return float(_number(value, _MOST_DOLLARS))


class HasEnds(Protocol):
    """A page: the ids of its first entry and of its last one."""

    @property
    def first_id(self) -> str | None:
        """The id of the first entry."""

    @property
    def last_id(self) -> str | None:
        """The id of the last entry."""


@dataclass(frozen=True, kw_only=True)
class Paging:
    """Which part of a list, newest first or oldest first.

    `limit` entries behind `after`, or those that end before `before`.
    """

    READ: ClassVar[Mapping[str, Read]] = {
        "limit": _whole(MAX_LIMIT, least=1),
        "order": _one_of(Order),
    }
    limit: int = 20
    after: str | None = None
    before: str | None = None
    order: Order = "desc"

    def __post_init__(self) -> None:
        if self.after is not None and self.before is not None:
            raise InvalidInputError("give after or before, not both")

    @property
    def ascends(self) -> bool:
        """Whether rows are read oldest first: what stands before an entry is read backwards."""
        return (self.order == "asc") == (self.before is None)

    def further(self, page: HasEnds) -> dict[str, str | None]:
        """Return the arguments that ask for what lies behind a page, in the way it was asked."""
        if self.before is not None:
            return {"before": page.first_id}
        return {"after": page.last_id}

    @property
    def cursor(self) -> str | None:
        """The entry that the page is next to."""
        return self.after if self.before is None else self.before


@dataclass(frozen=True, kw_only=True)
class SessionPaging(Paging):
    """Which part of a list of sessions, and what it is sorted by."""

    READ: ClassVar[Mapping[str, Read]] = {**Paging.READ, "sort": _one_of(SessionSort)}
    sort: SessionSort = "started"


@dataclass(frozen=True, kw_only=True)
class ResponsePaging(Paging):
    """Which part of a list of responses, and what it is sorted by."""

    READ: ClassVar[Mapping[str, Read]] = {**Paging.READ, "sort": _one_of(ResponseSort)}
    sort: ResponseSort = "created"


@dataclass(frozen=True, kw_only=True)
class BasicFilter:
    """What sessions and responses have alike. Times are microseconds; `until` is exclusive."""

    READ: ClassVar[Mapping[str, Read]] = {
        "scope": lambda condition: condition,
        "metadata": read_conditions,
        "since": _at,
        "until": _at,
    }
    #: A pair of a session's metadata: all others do not exist for who asks.
    scope: Condition | None = None
    metadata: tuple[Condition, ...] = ()
    model: str | None = None
    since: int | None = None
    until: int | None = None

    def named(self) -> set[str]:
        """Return the names of the conditions that there are."""
        return {one.name for one in fields(self) if getattr(self, one.name) not in (None, ())}


@dataclass(frozen=True, kw_only=True)
class SessionFilter(BasicFilter):
    """Which sessions; every condition must hold."""

    #: Those that rows of figures are looked at for.
    FIGURES: ClassVar[tuple[str, ...]] = (
        *("tool", "reason", "language", "min_duration", "max_duration", "min_cost"),
        *("min_latency", "min_turns", "min_interruptions", "address"),
    )
    READ: ClassVar[Mapping[str, Read]] = {
        **BasicFilter.READ,
        **dict.fromkeys(("min_duration", "max_duration", "min_latency"), _microseconds),
        **dict.fromkeys(("min_turns", "min_interruptions"), _whole()),
        "status": _one_of(SessionStatus),
        "min_cost": _dollars,
        "address": _names,
    }
    status: SessionStatus | None = None
    text: str | None = None
    tool: str | None = None
    reason: str | None = None
    language: str | None = None
    #: Lengths are microseconds, and given in seconds.
    min_duration: int | None = None
    max_duration: int | None = None
    min_cost: float | None = None
    min_latency: int | None = None
    min_turns: int | None = None
    min_interruptions: int | None = None
    #: Names that the session's address has: see realtime/request_target.py.
    address: tuple[tuple[str, str], ...] | None = None

    def facets(self) -> list[tuple[str, str]]:
        """Return the facets that sessions must have: name and value."""
        named = _facets(tool=self.tool, reason=self.reason, language=self.language)
        return named + list(self.address or ())


@dataclass(frozen=True, kw_only=True)
class ResponseFilter(BasicFilter):
    """Which responses; every condition must hold."""

    READ: ClassVar[Mapping[str, Read]] = {
        **BasicFilter.READ,
        **dict.fromkeys(("min_duration", "min_latency"), _microseconds),
        "status": _one_of(Status),
        "modality": _one_of(Modality),
        "min_tokens": _whole(),
    }
    status: Status | None = None
    reason: str | None = None
    voice: str | None = None
    modality: Modality | None = None
    conversation: str | None = None
    session: str | None = None
    text: str | None = None
    tool: str | None = None
    language: str | None = None
    min_tokens: int | None = None
    #: Lengths are microseconds, and given in seconds.
    min_latency: int | None = None
    min_duration: int | None = None

    def facets(self) -> list[tuple[str, str]]:
        """Return the facets that responses must have: name and value."""
        return _facets(tool=self.tool, language=self.language)


def _facets(**values: str | None) -> list[tuple[str, str]]:
    return [(name, value) for name, value in values.items() if value is not None]


@dataclass(frozen=True, kw_only=True)
class SuggestionFilter:
    """What suggestions begin with, and how many there are at most."""

    READ: ClassVar[Mapping[str, Read]] = {"limit": _whole(MAX_SUGGESTIONS, least=1)}
    key: str | None = None
    prefix: str = ""
    limit: int = 50


Filter = TypeVar("Filter", bound=Paging | BasicFilter | SuggestionFilter)


def checked_filter(kind: type[Filter], values: Mapping[str, Any]) -> Filter:
    """Return a filter of values that come from outside.

    None is the value of what is not given, where an attribute may be None. An attribute that its
    class has no reader for is text.

    Raises:
        InvalidInputError: what is wrong, in one line.
    """
    readers: Mapping[str, Read] = kind.READ
    defaults = {one.name: one.default for one in fields(kind)}
    read: dict[str, Any] = {}
    for name, value in values.items():
        if name not in defaults:
            raise InvalidInputError(f"bad filter {brief(name)}: there is none of this name")
        if value is None and defaults[name] is None:
            continue
        try:
            reader: Read = readers.get(name, _text)
            read[name] = reader(value)
        except (ValueError, TypeError) as error:
            raise InvalidInputError(f"bad filter {name}: {error}") from error
        _refuse_unkept(read[name])
    return kind(**read)


def _refuse_unkept(value: Any) -> None:
    """Refuse texts, also those within others, that no database keeps."""
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidInputError("a filter holds a NUL character")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise InvalidInputError("a filter is no text: it holds half a character") from error
    elif isinstance(value, tuple):
        for part in value:
            _refuse_unkept(part)
