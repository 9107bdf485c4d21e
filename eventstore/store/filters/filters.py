"""Filters of lists, checked before any SQL is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticSerializationError

from eventstore.common.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.realtime.metadata import Condition
from eventstore.store.filters.metadata_conditions import parse_condition, within_limits
from eventstore.times import from_value

MAX_LIMIT = 100
MAX_SUGGESTIONS = 1000
#: Conditions on metadata, of which a session has 16 pairs; each is a look-up of its own.
MAX_CONDITIONS = 32

Status = Literal["completed", "cancelled", "failed", "incomplete", "in_progress"]
#: `ended` is every session that is not `live`; `errors` has errors, or answers that failed.
SessionStatus = Literal["live", "ended", "interrupted", "errors"]


def _conditions(value: Any) -> Any:
    if value is None:
        return ()
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Sized) and len(value) > MAX_CONDITIONS:
        raise ValueError(f"at most {MAX_CONDITIONS} conditions on metadata")
    if isinstance(value, Mapping):
        return tuple(
            within_limits(Condition(str(key), "=", str(item)), f"{key}={item}")
            for key, item in value.items()
        )
    return tuple(
        parse_condition(item) if isinstance(item, str) else within_limits(item, item.key)
        for item in value
    )


def _at(value: Any) -> Any:
    try:
        return from_value(value)
    except ValueError as error:
        raise ValueError(
            f"{brief(value)} is no time; use ISO 8601 (2026-05-04T09:30:00Z) or epoch seconds"
        ) from error


def _names(value: Any) -> Any:
    if value is not None and any("\0" in text for name in value for text in name):
        raise ValueError("it holds a NUL character")
    return value


#: A filter's validator is made when the filter is first used: a command uses one or two of them.
_CONFIG = ConfigDict(frozen=True, extra="forbid", defer_build=True)

Time = Annotated[int | None, BeforeValidator(_at)]
Conditions = Annotated[tuple[Condition, ...], BeforeValidator(_conditions)]
Names = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_names)]


class Paging(BaseModel):
    """Which part of a list, newest first or oldest first.

    `limit` entries behind `after`, or those that end before `before`.
    """

    model_config = _CONFIG
    limit: int = Field(20, ge=1, le=MAX_LIMIT)
    after: str | None = None
    before: str | None = None
    order: Literal["asc", "desc"] = "desc"

    @model_validator(mode="after")
    def _one_way(self) -> Paging:
        if self.after is not None and self.before is not None:
            raise ValueError("give after or before, not both")
        return self

    @property
    def ascends(self) -> bool:
        """Whether rows are read oldest first: what stands before an entry is read backwards."""
        return (self.order == "asc") == (self.before is None)

    @property
    def cursor(self) -> str | None:
        """The entry that the page is next to."""
        return self.after if self.before is None else self.before


SessionSort = Literal["started", "duration", "cost", "latency", "turns", "interruptions"]
ResponseSort = Literal["created", "duration", "latency", "tokens"]


class SessionPaging(Paging):
    """Which part of a list of sessions, and what it is sorted by."""

    sort: SessionSort = "started"


class ResponsePaging(Paging):
    """Which part of a list of responses, and what it is sorted by."""

    sort: ResponseSort = "created"


def _microseconds(value: Any) -> Any:
    try:
        return None if value is None else round(float(value) * 1e6)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{brief(str(value))} is no number of seconds") from error


#: Given in seconds, and kept in microseconds, as the rows that are looked at have them.
Seconds = Annotated[int | None, BeforeValidator(_microseconds), Field(ge=0, le=2**62)]
Number = Annotated[int | None, Field(ge=0, le=2**62)]


class BasicFilter(BaseModel):
    """What sessions and responses have alike. Times are microseconds; `until` is exclusive."""

    model_config = _CONFIG
    #: A pair of a session's metadata: all others do not exist for who asks.
    scope: Condition | None = None
    metadata: Conditions = ()
    model: str | None = None
    since: Time = None
    until: Time = None


class SessionFilter(BasicFilter):
    """Which sessions; every condition must hold."""

    #: Those that rows of figures are looked at for.
    FIGURES: ClassVar[tuple[str, ...]] = (
        *("tool", "reason", "language", "min_duration", "max_duration", "min_cost"),
        *("min_latency", "min_turns", "min_interruptions", "address"),
    )
    status: SessionStatus | None = None
    text: str | None = None
    tool: str | None = None
    reason: str | None = None
    language: str | None = None
    min_duration: Seconds = None
    max_duration: Seconds = None
    min_cost: float | None = Field(None, ge=0, le=1e12, allow_inf_nan=False)
    min_latency: Seconds = None
    min_turns: Number = None
    min_interruptions: Number = None
    #: Names that the session's address has: see realtime/request_target.py.
    address: Names | None = None

    def facets(self) -> list[tuple[str, str]]:
        """Return the facets that sessions must have: name and value."""
        named = _facets(tool=self.tool, reason=self.reason, language=self.language)
        return named + list(self.address or ())


class ResponseFilter(BasicFilter):
    """Which responses; every condition must hold."""

    status: Status | None = None
    reason: str | None = None
    voice: str | None = None
    modality: Literal["text", "audio"] | None = None
    conversation: str | None = None
    session: str | None = None
    text: str | None = None
    tool: str | None = None
    language: str | None = None
    min_tokens: Number = None
    min_latency: Seconds = None
    min_duration: Seconds = None

    def facets(self) -> list[tuple[str, str]]:
        """Return the facets that responses must have: name and value."""
        return _facets(tool=self.tool, language=self.language)


def _facets(**values: str | None) -> list[tuple[str, str]]:
    return [(name, value) for name, value in values.items() if value is not None]


class Beginning(BaseModel):
    """What suggestions begin with, and how many there are at most."""

    model_config = _CONFIG
    key: str | None = None
    prefix: str = ""
    limit: int = Field(50, ge=1, le=MAX_SUGGESTIONS)


Filter = TypeVar("Filter", bound=BaseModel)


def checked(kind: type[Filter], values: Mapping[str, Any]) -> Filter:
    """An instance of a filter.

    Raises:
        InvalidInputError: what is wrong, in one line.
    """
    try:
        made = kind(**values)
        made.model_dump_json()
        if any(isinstance(value, str) and "\0" in value for value in dict(made).values()):
            raise InvalidInputError("a filter holds a NUL character")
        return made
    except (PydanticSerializationError, UnicodeEncodeError) as error:
        raise InvalidInputError("a filter is no text: it holds half a character") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidInputError(f"bad filter {name}: {message}") from error
