"""Read the objects in a YAML file one by one: those of a list, or of the lists in its one mapping.

Only plain data are made. An alias counts as much as the value that it repeats: a few aliases inside
each other could stand for more than any memory holds. `recording_file.py` calls it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from eventstore.errors import InvalidInputError
from eventstore.realtime.json_cursor import MAX_LINE, TOO_LONG
from eventstore.realtime.recording_lines import BadLine, first_byte

#: Values that one object may have, including those that its aliases repeat.
MOST_VALUES = 1_000_000
_MOST_ANCHORS = 100_000  # anchors that are kept of a file
_MOST_LEVELS = 200  # levels; a frame that is nested deeper is not projected either
# What PyYAML raises for a scalar that its tag does not fit: `!!bool maybe`, `!!int ""`.
_SCALAR_ERRORS = (ValueError, LookupError, TypeError, AttributeError, RecursionError)

# How cassettes begin: if such a file cannot be read, the error is about its YAML.
_LIKELY = re.compile(r"---|%YAML|- |version:|interactions:")
_FIRST_LINE = re.compile(r"(---|%YAML)\b.*|- ?[\w\"'{-].*|[\w\"' -]{1,60}:( .*)?", re.DOTALL)


def looks_like(head: str) -> bool:
    """Return True if a text begins as a YAML file with objects does."""
    plain = (line for line in head.splitlines() if line.strip() and not line.startswith("#"))
    first = next(plain, "").rstrip()
    if _FIRST_LINE.fullmatch(first) is None:
        return False
    _, value = next(values(BytesIO(head.encode("utf-8", "replace"))), (0, None))
    return isinstance(value, dict) or (value is not None and _LIKELY.match(first) is not None)


def values(stream: BinaryIO) -> Iterator[tuple[int, Any | BadLine]]:
    """Yield the objects with their numbers; a BadLine ends them if the rest cannot be read."""
    import yaml  # it takes long to import, and few files are YAML

    first_byte(stream)
    number = 0
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    bounded = _Bounded(stream)
    try:
        events = yaml.parse(bounded, Loader=loader)
        for value in _Builder(yaml, events).objects():
            number += 1
            bounded.left = MAX_LINE
            yield number, value
    except (yaml.YAMLError, InvalidInputError, *_SCALAR_ERRORS) as error:
        message = " ".join(str(error).split())[:200] or "a value that its tag is not for"
        number += 1
        yield number, BadLine(number, f"no YAML ({message}); what follows it cannot be read")


def beside_lists(stream: BinaryIO) -> Iterator[tuple[str, Any]]:
    """Yield the members of a YAML file that is one mapping, except its lists, as name and value."""
    import yaml

    first_byte(stream)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    bounded = _Bounded(stream)
    with suppress(yaml.YAMLError, InvalidInputError, *_SCALAR_ERRORS):
        for member in _Builder(yaml, yaml.parse(bounded, Loader=loader)).beside_lists():
            bounded.left = MAX_LINE
            if member is not None:
                yield member


class _Bounded:
    """A stream that gives no more bytes for one object than a line may have.

    Attributes:
        left: Bytes that may still be read for the object.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.left = MAX_LINE
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Read up to so many bytes.

        Raises:
            InvalidInputError: If the object is too long.
        """
        piece = self._stream.read(size)
        self.left -= len(piece)
        if self.left < 0:
            raise InvalidInputError(TOO_LONG)
        return piece


class _Built(NamedTuple):
    """A value, and how many values it counts as."""

    value: Any
    size: int


class _Builder:
    """Builds values from the parser's events of a YAML file.

    Args:
        yaml: The module.
        events: The parser's events, in order.
    """

    def __init__(self, yaml: Any, events: Iterator[Any]) -> None:
        self._yaml, self._events = yaml, events
        self._scalars = yaml.SafeLoader("")
        self._named: dict[str, _Built] = {}

    def objects(self) -> Iterator[Any]:
        """Yield the elements of the file's list, or of the lists in its mapping."""
        yaml = self._yaml
        for event in self._events:
            if isinstance(event, yaml.SequenceStartEvent):
                yield from self._elements()
            elif isinstance(event, yaml.MappingStartEvent):
                yield from self._lists()

    def beside_lists(self) -> Iterator[tuple[str, Any] | None]:
        """Yield the members of the file's mapping; None for each element of a list in it."""
        yaml = self._yaml
        if not any(isinstance(event, yaml.MappingStartEvent) for event in islice(self._events, 3)):
            return
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                return
            name = str(self._build(event).value)[:100]
            event = next(self._events)
            if isinstance(event, yaml.SequenceStartEvent):
                yield from (None for _ in self._elements())
            else:
                yield name, self._build(event).value

    def _elements(self) -> Iterator[Any]:
        for event in self._events:
            if isinstance(event, self._yaml.SequenceEndEvent):
                return
            yield self._build(event).value

    def _lists(self) -> Iterator[Any]:
        yaml = self._yaml
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                return
            self._build(event)  # the member's name
            event = next(self._events)
            if isinstance(event, yaml.SequenceStartEvent):
                yield from self._elements()
            else:
                self._build(event)

    def _build(self, event: Any, depth: int = 0) -> _Built:
        """Build the value that begins with an event."""
        yaml = self._yaml
        if isinstance(event, yaml.AliasEvent):
            built = self._named.get(event.anchor)
            if built is None:
                raise InvalidInputError(f"an alias of nothing: {event.anchor[:40]}")
            return built
        if depth > _MOST_LEVELS:
            raise InvalidInputError(f"nested in more than {_MOST_LEVELS} levels")
        if isinstance(event, yaml.ScalarEvent):
            built = _Built(self._scalar(event), 1 + len(event.value) // 100)
        elif isinstance(event, yaml.SequenceStartEvent):
            built = self._sequence(depth)
        else:
            built = self._mapping(depth)
        if event.anchor is not None and len(self._named) < _MOST_ANCHORS:
            self._named[event.anchor] = built
        return built

    def _sequence(self, depth: int) -> _Built:
        made, size = [], 1
        for event in self._events:
            if isinstance(event, self._yaml.SequenceEndEvent):
                break
            value, more = self._build(event, depth + 1)
            size = _checked_sum(size, more)
            made.append(value)
        return _Built(made, size)

    def _mapping(self, depth: int) -> _Built:
        made: dict[str, Any] = {}
        size = 1
        for event in self._events:
            if isinstance(event, self._yaml.MappingEndEvent):
                break
            key = self._build(event, depth + 1).value
            value, more = self._build(next(self._events), depth + 1)
            size = _checked_sum(size, more)
            made[key if isinstance(key, str) else str(key)[:100]] = value
        return _Built(made, size)

    def _scalar(self, event: Any) -> Any:
        """Return a scalar's value; a date stays text, as in JSON."""
        node_type = self._yaml.ScalarNode
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._scalars.resolve(node_type, event.value, event.implicit)
        if tag.endswith((":str", ":timestamp", ":value", ":merge")):
            return event.value
        value = self._scalars.construct_object(node_type(tag, event.value), deep=True)
        self._scalars.constructed_objects.clear()  # otherwise it would keep every object
        return value


def _checked_sum(size: int, more: int) -> int:
    if size + more > MOST_VALUES:
        raise InvalidInputError(f"more than {MOST_VALUES:,} values in one object")
    return size + more
