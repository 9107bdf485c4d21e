"""Filters of lists, checked before any SQL is made of them.

`checked_filter` reads values that come from outside: from a Python call, a command or a URL. It
checks them with pydantic, by the annotations of a class. Code that calls a class itself passes
values of the types that its attributes have, for example times in microseconds. Used by verbs/,
web/api/, archive/, and all lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
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

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.projection.facets import PROTOCOL, RESPONSE_KIND, ResponseKind
from eventstore.realtime import protocols
from eventstore.realtime.metadata import Condition, Operator
from eventstore.realtime.protocols import Protocol as SessionProtocol
from eventstore.realtime.resources.scores import ScoreCondition
from eventstore.store.filters.metadata_conditions import parse_condition, within_limits
from eventstore.store.filters.score_texts import read_labels, read_score_conditions
from eventstore.times import parse_time

MAX_LIMIT = 100
MAX_SUGGESTIONS = 1000
#: How many conditions on metadata a filter has at most. A session has at most 16 pairs, and each
#: condition is a lookup.
MAX_CONDITIONS = 32
#: The largest number of a filter; it fits the databases' integers of 64 bits.
_MOST = 2**62
_MOST_DOLLARS = 10**12
#: How many characters of the name of a wrong filter an error shows.
_LONGEST = 40

ResponseStatus = Literal["completed", "cancelled", "failed", "incomplete", "in_progress"]
#: `ended`: not `live`. `errors`: the session has errors, or responses that failed.
SessionStatus = Literal["live", "ended", "interrupted", "errors"]
SessionSort = Literal["started", "duration", "cost", "latency", "turns", "interruptions", "score"]
ResponseSort = Literal["created", "duration", "latency", "tokens", "score"]
SortDirection = Literal["asc", "desc"]
Modality = Literal["text", "audio"]
#: Conditions on facets, each as a name and a value.
Facets = Sequence[tuple[str, str]]


def read_conditions(value: Any) -> tuple[Condition, ...]:
    """Return the conditions on metadata that a value from outside names.

    Args:
        value: A mapping of keys to values, a text such as `K=V`, or a list of texts or conditions.

    Raises:
        ValueError, InvalidInputError: There are too many conditions, or one is not valid.
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
    """Return a number as text, because `{"customer": 42}` means "42".

    Other values are returned unchanged.
    """
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
    """Return a validator that leaves None unchanged, because None means "not given"."""
    return BeforeValidator(lambda value: None if value is None else validate(value))


#: Names that are not attributes of the class are refused.
_CONFIG = ConfigDict(extra="forbid")

Conditions = Annotated[tuple[Condition, ...], BeforeValidator(read_conditions)]
ScoreConditions = Annotated[tuple[ScoreCondition, ...], BeforeValidator(read_score_conditions)]
Labels = Annotated[tuple[str, ...], BeforeValidator(read_labels)]
Time = Annotated[int | None, _is_given(_at)]
#: A length of time that is given in seconds and kept in microseconds, like the columns.
Seconds = Annotated[Annotated[int, Field(ge=0, le=_MOST)] | None, _is_given(_microseconds)]
Number = Annotated[int, Field(ge=0, le=_MOST)] | None
Dollars = Annotated[float, Field(ge=0, le=_MOST_DOLLARS, allow_inf_nan=False)] | None
#: A text; bytes are refused.
Text = StrictStr | None


class HasEnds(Protocol):
    """A page, as far as the request for the next page needs it."""

    @property
    def first_id(self) -> str | None:
        """Return the id of the first entry, or None."""

    @property
    def last_id(self) -> str | None:
        """Return the id of the last entry, or None."""


@dataclass(frozen=True, kw_only=True)
class Paging:
    """Which part of a list is asked for.

    Attributes:
        limit: How many entries at most.
        after: The id of an entry; the page begins behind it.
        before: The id of an entry; the page ends before it. Not together with `after`.
        order: `desc` for the newest first, `asc` for the oldest first.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20
    after: Text = None
    before: Text = None
    order: SortDirection = "desc"

    def __post_init__(self) -> None:
        if self.after is not None and self.before is not None:
            raise InvalidInputError("give after or before, not both")

    @property
    def ascends(self) -> bool:
        """Return True if rows are read oldest first. A page before an entry is read backwards."""
        return (self.order == "asc") == (self.before is None)

    def further(self, page: HasEnds) -> dict[str, str | None]:
        """Return the arguments that ask for the page behind `page`, in the same direction.

        Args:
            page: A page that was asked for with these arguments.
        """
        if self.before is not None:
            return {"before": page.first_id}
        return {"after": page.last_id}

    @property
    def cursor(self) -> str | None:
        """Return the id of the entry beside which the page lies, or None."""
        return self.after if self.before is None else self.before


@dataclass(frozen=True, kw_only=True)
class SessionPaging(Paging):
    """Which part of a list of sessions, and how it is sorted.

    Attributes:
        sort: By which figure; `started` means the time of the first event.
    """

    sort: SessionSort = "started"


@dataclass(frozen=True, kw_only=True)
class ResponsePaging(Paging):
    """Which part of a list of responses, and how it is sorted.

    Attributes:
        sort: By which figure; `created` means the time of the response.
    """

    sort: ResponseSort = "created"


@dataclass(frozen=True, kw_only=True)
class BasicFilter:
    """The conditions that filters of sessions and of responses share. All of them must hold.

    Attributes:
        scope: A pair of session metadata. Other sessions are treated as not there.
        metadata: Conditions on metadata.
        model: The model.
        since, until: A range of time in microseconds since 1970 UTC; `until` is excluded.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG
    scope: Condition | None = None
    metadata: Conditions = ()
    model: Text = None
    since: Time = None
    until: Time = None

    def named(self) -> set[str]:
        """Return the names of the conditions that are set."""
        return {one.name for one in fields(self) if getattr(self, one.name) not in (None, ())}


@dataclass(frozen=True, kw_only=True)
class SessionFilter(BasicFilter):
    """Conditions on sessions; all of them must hold."""

    #: The conditions that need the tables `session_figures` and `session_facets`.
    FIGURES: ClassVar[tuple[str, ...]] = (
        *("tool", "reason", "language", "min_duration", "max_duration", "min_cost"),
        *("min_latency", "min_turns", "min_interruptions", "address", "protocol"),
        *("score", "label"),
    )
    status: SessionStatus | None = None
    protocol: SessionProtocol | None = None
    text: Text = None
    tool: Text = None
    reason: Text = None
    language: Text = None
    #: In microseconds; `checked_filter` takes seconds.
    min_duration: Seconds = None
    max_duration: Seconds = None
    min_cost: Dollars = None
    min_latency: Seconds = None
    min_turns: Number = None
    min_interruptions: Number = None
    score: ScoreConditions = ()
    label: Labels = ()
    #: Names and values in the URL of the session's connection: realtime/request_target.py.
    address: tuple[tuple[str, str], ...] | None = None

    def facets(self) -> Facets:
        """Return the facets that sessions must have."""
        named = _facets(tool=self.tool, reason=self.reason, language=self.language)
        of_protocol = [_IS_LIVE] if self.protocol == protocols.LIVE else []
        return [*named, *of_protocol, *(self.address or ())]

    def lacked_facets(self) -> Facets:
        """Return the facets that sessions must not have: a Realtime session has no protocol."""
        return [_IS_LIVE] if self.protocol == protocols.REALTIME else []


@dataclass(frozen=True, kw_only=True)
class ResponseFilter(BasicFilter):
    """Conditions on responses; all of them must hold."""

    status: ResponseStatus | None = None
    kind: ResponseKind | None = None
    reason: Text = None
    voice: Text = None
    modality: Modality | None = None
    conversation: Text = None
    session: Text = None
    text: Text = None
    tool: Text = None
    language: Text = None
    min_tokens: Number = None
    #: In microseconds; `checked_filter` takes seconds.
    min_latency: Seconds = None
    min_duration: Seconds = None
    score: ScoreConditions = ()
    label: Labels = ()

    def facets(self) -> Facets:
        """Return the facets that responses must have."""
        return _facets(**{"tool": self.tool, "language": self.language, RESPONSE_KIND: self.kind})


def _facets(**values: str | None) -> Facets:
    return [(name, value) for name, value in values.items() if value is not None]


_IS_LIVE = (PROTOCOL, protocols.LIVE)


@dataclass(frozen=True, kw_only=True)
class ScoreFilter(BasicFilter):
    """Conditions on scores; all of them must hold. The times are of what is scored."""

    session: Text = None
    name: Text = None
    giver: Text = None


@dataclass(frozen=True, kw_only=True)
class SuggestionFilter:
    """Which suggestions are asked for.

    Attributes:
        key: The metadata key whose values are suggested.
        prefix: What the suggestions begin with.
        limit: How many at most.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG
    key: Text = None
    prefix: StrictStr = ""
    limit: Annotated[int, Field(ge=1, le=MAX_SUGGESTIONS)] = 50


Filter = TypeVar("Filter", bound=Paging | BasicFilter | SuggestionFilter)


def checked_filter(kind: type[Filter], values: Mapping[str, Any]) -> Filter:
    """Return a filter made from values that come from outside.

    Args:
        kind: The class of the filter.
        values: By the names of the attributes.

    Raises:
        InvalidInputError: A value is wrong. The error says in one line which one, and why.
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
    """The pydantic adapters that check values by the annotations of a class, by class.

    An adapter is made when it is first needed.
    """

    def __missing__(self, kind: Any) -> TypeAdapter[Any]:
        made = self[kind] = TypeAdapter(kind)
        return made


_ADAPTERS = _Adapters()


def _refuse_unkept(value: Any) -> None:
    """Raise InvalidInputError for a text that no database can store, also one within a tuple."""
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
