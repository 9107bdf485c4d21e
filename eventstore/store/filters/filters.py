"""Filters of lists, checked before any SQL is made of them.

`checked_filter` reads what comes from outside: a Python call, a command, an address of a page. It
checks values by pydantic, as the annotations say. Code that makes a filter by its class gives it
what its attributes hold: times and lengths are integers of microseconds there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar, get_args

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    TypeAdapter,
    ValidationError,
)

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
#: So many characters of the name of a filter that is wrong are shown.
_LONGEST = 40

Status = Literal["completed", "cancelled", "failed", "incomplete", "in_progress"]
#: `ended` is every session that is not `live`; `errors` has errors, or answers that failed.
SessionStatus = Literal["live", "ended", "interrupted", "errors"]
SessionSort = Literal["started", "duration", "cost", "latency", "turns", "interruptions"]
ResponseSort = Literal["created", "duration", "latency", "tokens"]
Order = Literal["asc", "desc"]
Modality = Literal["text", "audio"]


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


def _microseconds(value: Any) -> Any:
    try:
        return round(float(value) * 1_000_000)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{brief(value)} is no number of seconds") from error


def _is_given(validate: Callable[[Any], Any]) -> BeforeValidator:
    """Return a validator that leaves None as it is, which stands for a value that is not given."""
    return BeforeValidator(lambda value: None if value is None else validate(value))


#: An attribute that a class does not have is refused.
_CONFIG = ConfigDict(extra="forbid")

Conditions = Annotated[tuple[Condition, ...], BeforeValidator(read_conditions)]
Time = Annotated[int | None, _is_given(_at)]
#: Given in seconds, and kept in microseconds, as rows have them.
Seconds = Annotated[Annotated[int, Field(ge=0, le=_MOST)] | None, _is_given(_microseconds)]
Number = Annotated[int, Field(ge=0, le=_MOST)] | None
Dollars = Annotated[float, Field(ge=0, le=_MOST_DOLLARS, allow_inf_nan=False)] | None
#: Bytes are no text.
Text = StrictStr | None


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

    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20
    after: Text = None
    before: Text = None
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

    sort: SessionSort = "started"


@dataclass(frozen=True, kw_only=True)
class ResponsePaging(Paging):
    """Which part of a list of responses, and what it is sorted by."""

    sort: ResponseSort = "created"


@dataclass(frozen=True, kw_only=True)
class BasicFilter:
    """What sessions and responses have alike. Times are microseconds; `until` is exclusive."""

    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG
    #: A pair of a session's metadata: all others do not exist for who asks.
    scope: Condition | None = None
    metadata: Conditions = ()
    model: Text = None
    since: Time = None
    until: Time = None

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
    status: SessionStatus | None = None
    text: Text = None
    tool: Text = None
    reason: Text = None
    language: Text = None
    #: Lengths are microseconds, and given in seconds.
    min_duration: Seconds = None
    max_duration: Seconds = None
    min_cost: Dollars = None
    min_latency: Seconds = None
    min_turns: Number = None
    min_interruptions: Number = None
    #: Names that the session's address has: see realtime/request_target.py.
    address: tuple[tuple[str, str], ...] | None = None

    def facets(self) -> list[tuple[str, str]]:
        """Return the facets that sessions must have: name and value."""
        named = _facets(tool=self.tool, reason=self.reason, language=self.language)
        return named + list(self.address or ())


@dataclass(frozen=True, kw_only=True)
class ResponseFilter(BasicFilter):
    """Which responses; every condition must hold."""

    status: Status | None = None
    reason: Text = None
    voice: Text = None
    modality: Modality | None = None
    conversation: Text = None
    session: Text = None
    text: Text = None
    tool: Text = None
    language: Text = None
    min_tokens: Number = None
    #: Lengths are microseconds, and given in seconds.
    min_latency: Seconds = None
    min_duration: Seconds = None

    def facets(self) -> list[tuple[str, str]]:
        """Return the facets that responses must have: name and value."""
        return _facets(tool=self.tool, language=self.language)


def _facets(**values: str | None) -> list[tuple[str, str]]:
    return [(name, value) for name, value in values.items() if value is not None]


@dataclass(frozen=True, kw_only=True)
class SuggestionFilter:
    """What suggestions begin with, and how many there are at most."""

    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG
    key: Text = None
    prefix: StrictStr = ""
    limit: Annotated[int, Field(ge=1, le=MAX_SUGGESTIONS)] = 50


Filter = TypeVar("Filter", bound=Paging | BasicFilter | SuggestionFilter)


def checked_filter(kind: type[Filter], values: Mapping[str, Any]) -> Filter:
    """Return a filter of values that come from outside.

    Raises:
        InvalidInputError: A value is wrong; the error says in one line which one, and why.
    """
    try:
        made: Filter = _ADAPTERS[kind].validate_python(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidInputError(f"bad filter {name[:_LONGEST]}: {message}") from error
    for one in fields(made):
        _refuse_unkept(getattr(made, one.name))
    return made


class _Adapters(dict[Any, TypeAdapter[Any]]):
    """What checks values by the annotations of a class; each is made at its first use."""

    def __missing__(self, kind: Any) -> TypeAdapter[Any]:
        made = self[kind] = TypeAdapter(kind)
        return made


_ADAPTERS = _Adapters()


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
