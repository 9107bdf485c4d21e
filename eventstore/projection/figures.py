"""What lists are chosen and sorted by, read off a session's state.

Turns, the slowest answer, and facets: tools, languages and reasons. `Figures.see` reads what
changed since the last time, so that the work grows with what came. What it knows is a function of
the state alone: a rebuild, which reads all at once, finds the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from eventstore.projection.address import names_of_session
from eventstore.projection.latency import answer_us
from eventstore.realtime.resources.outcomes import reason_of
from eventstore.realtime.values import column, identifier

if TYPE_CHECKING:
    from eventstore.projection.state import Item, Response, SessionState

_CALLS = ("function_call", "mcp_call")
_SPEAKERS = ("user", "assistant")
#: As long as the column is.
_LONGEST = 512
# What a language stands before in a code, and its script or region behind.
_REGION = re.compile("[-_]")
#: Steps of lengths: 2 ** 20 microseconds apart at least, and told apart by so many binary digits.
_LEAST_BITS, _STEP_BITS = 20, 6


class Facet(NamedTuple):
    """Something that a session or a response is found by.

    Attributes:
        response_id: whose it is; None for the session's.
        name: `tool`, `language`, `reason`, or what an address names: see projection/address.py.
        value: the tool's name, the language's code, the reason, or what the address names.
    """

    response_id: str | None
    name: str
    value: str


_NONE: frozenset[Facet] = frozenset()


@dataclass(slots=True)
class Figures:
    """The figures of a session.

    Attributes:
        turns: ids of the messages of user and assistant that are in conversations.
        slowest_us: the longest that an answer was waited for; None where that is not known.
        facets: the facets that there are, each with how often it is found.
        changed: those that are new or gone since `changed` was cleared.
        row: what the store was given last; None for nothing yet.
    """

    turns: set[str] = field(default_factory=set)
    slowest_us: int | None = None
    facets: Counter[Facet] = field(default_factory=Counter)
    changed: set[Facet] = field(default_factory=set)
    row: tuple[Any, ...] | None = None
    _codes: int = 0
    _address: tuple[Any, ...] = ()
    _answers: dict[str, int] = field(default_factory=dict)
    _found: dict[tuple[str, str], frozenset[Facet]] = field(default_factory=dict)

    def see(
        self, state: SessionState, items: Iterable[Item], responses: Iterable[Response]
    ) -> None:
        """Read items and responses that are new, or have changed."""
        for item in items:
            if _is_turn(item):
                self.turns.add(item.id)
            else:
                self.turns.discard(item.id)
            self._find(("item", item.id), _facets_of(item))
        for response in responses:
            self._see_answer(state, response)
            reason = reason_of(response.wire)
            facets = _NONE if reason is None else _facets(None, [("reason", reason)])
            self._find(("response", response.id), facets)
        if len(state.error_codes) != self._codes:
            self._codes = len(state.error_codes)
            codes = [("reason", code) for code in state.error_codes]
            self._find(("session", ""), _facets(None, codes))
        self._see_address(state)

    def _see_address(self, state: SessionState) -> None:
        """Read what the session's address names, if what tells that is another object now."""
        read = (state.notes, state.wire, len(state.unknown_types))
        known = self._address
        if known and known[0] is read[0] and known[1] is read[1] and known[2] == read[2]:
            return
        self._address = read
        names = names_of_session(*read[:2], state.unknown_types)
        self._find(("address", ""), _facets(None, names))

    def _find(self, by: tuple[str, str], facets: frozenset[Facet]) -> None:
        before = self._found.get(by, _NONE)
        if facets == before:
            return
        self._found[by] = facets
        for facet in facets - before:
            self.facets[facet] += 1
        for facet in before - facets:
            self.facets[facet] -= 1
            if not self.facets[facet]:
                del self.facets[facet]
        self.changed |= facets ^ before

    def _see_answer(self, state: SessionState, response: Response) -> None:
        took, before = answer_us(state, response), self._answers.pop(response.id, None)
        if took is not None:
            self._answers[response.id] = took
            if self.slowest_us is None or took >= self.slowest_us:
                self.slowest_us = took
                return
        if before is not None and before == self.slowest_us:
            self.slowest_us = max(self._answers.values(), default=None)


def length_us(state: SessionState) -> int | None:
    """Return how long a session took so far, in microseconds; None where its times are unknown.

    It is what `duration_ms` of its resource tells.
    """
    if state.first_at is None or state.last_at is None:
        return None
    return max(0, state.last_at - state.first_at + state.clock_shift)


def step_us(length: int) -> int:
    """Return the step that a length has reached: the greatest one that is not above it.

    Steps are a second apart at first and a thirty-second part of a length later, so that a session
    of an hour takes 250 of them.
    """
    lower_bits = max(_LEAST_BITS, length.bit_length() - _STEP_BITS)
    return length >> lower_bits << lower_bits


def _is_turn(item: Item) -> bool:
    """Return True if an item is a message of a user or an assistant in a conversation."""
    if item.conversation is None or not item.linked or item.deleted_seq is not None:
        return False
    return item.wire.get("type", "message") == "message" and _role(item) in _SPEAKERS


def _role(item: Item) -> Any:
    """Return the role that the item's resource has: see `view.item_resource`."""
    is_spoken = any(part.type == "input_audio" for part in item.parts.values())
    return item.wire.get("role", "user" if is_spoken else None)


def _facets_of(item: Item) -> frozenset[Facet]:
    """Return the facets that an item gives its session, and its response or the one behind it."""
    named: list[tuple[str, Any]] = [
        ("language", named)
        for part in item.parts.values()
        for code in part.languages
        for named in _with_its_language(code)
    ]
    if item.wire.get("type") in _CALLS:
        named.append(("tool", item.wire.get("name")))
    if not named:  # nearly always
        return _NONE
    of_session = _facets(None, named)
    response_id = identifier(item.response_id or item.answered_by)
    return of_session if response_id is None else of_session | _facets(response_id, named)


def _with_its_language(code: str) -> set[str]:
    """Return a language's code, and the language alone where the code has a region: en-US, en."""
    return {code, _REGION.split(code, maxsplit=1)[0]}


def _facets(response_id: str | None, named: Iterable[tuple[str, Any]]) -> frozenset[Facet]:
    values = ((name, column(value, _LONGEST)) for name, value in named)
    return frozenset(Facet(response_id, name, value) for name, value in values if value)
