"""What lists are chosen and sorted by, read off a session's state.

Turns, the slowest answer, and facets: tools, languages and reasons. `see` reads what
changed since the last time, so that the work grows with what came. What it knows is a function of
the state alone: a rebuild, which reads all at once, finds the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from eventstore.projection.facets import NO_FACETS, Facet, Figures
from eventstore.projection.latency import answer_us
from eventstore.projection.session_names import names_of_session
from eventstore.projection.state import Item, Response, SessionState
from eventstore.realtime.resources.outcomes import reason_of
from eventstore.realtime.values import column_text, identifier

_CALLS = ("function_call", "mcp_call")
_SPEAKERS = ("user", "assistant")
#: As long as the column is.
_LONGEST = 512
# What a language stands before in a code, and its script or region behind.
_REGION = re.compile("[-_]")
#: Steps of lengths: 2 ** 20 microseconds apart at least, and told apart by so many binary digits.
_LEAST_BITS, _STEP_BITS = 20, 6


def update_figures(
    figures: Figures, state: SessionState, items: Iterable[Item], responses: Iterable[Response]
) -> None:
    """Read items and responses that are new, or have changed."""
    for item in items:
        if _is_turn(item):
            figures.turns.add(item.id)
        else:
            figures.turns.discard(item.id)
        figures.find(("item", item.id), _facets_of(item))
    for response in responses:
        _see_answer(figures, state, response)
        reason = reason_of(response.wire)
        facets = NO_FACETS if reason is None else _facets(None, [("reason", reason)])
        figures.find(("response", response.id), facets)
    if len(state.error_codes) != figures.codes:
        figures.codes = len(state.error_codes)
        codes = [("reason", code) for code in state.error_codes]
        figures.find(("session", ""), _facets(None, codes))
    _see_address(figures, state)


def _see_address(figures: Figures, state: SessionState) -> None:
    """Read what the session's address names, if what tells that is another object now."""
    read = (state.notes, state.wire, len(state.unknown_types))
    known = figures.address
    if known and known[0] is read[0] and known[1] is read[1] and known[2] == read[2]:
        return
    figures.address = read
    names = names_of_session(*read[:2], state.unknown_types)
    figures.find(("address", ""), _facets(None, names))


def _see_answer(figures: Figures, state: SessionState, response: Response) -> None:
    took, before = answer_us(state, response), figures.answers.pop(response.id, None)
    if took is not None:
        figures.answers[response.id] = took
        if figures.slowest_us is None or took >= figures.slowest_us:
            figures.slowest_us = took
            return
    if before is not None and before == figures.slowest_us:
        figures.slowest_us = max(figures.answers.values(), default=None)


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
    """Return the role that the item's resource has: see `resources.item_resource`."""
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
        return NO_FACETS
    of_session = _facets(None, named)
    response_id = identifier(item.response_id or item.answered_by)
    return of_session if response_id is None else of_session | _facets(response_id, named)


def _with_its_language(code: str) -> set[str]:
    """Return a language's code, and the language alone where the code has a region: en-US, en."""
    return {code, _REGION.split(code, maxsplit=1)[0]}


def _facets(response_id: str | None, named: Iterable[tuple[str, Any]]) -> frozenset[Facet]:
    values = ((name, column_text(value, _LONGEST)) for name, value in named)
    return frozenset(Facet(response_id, name, value) for name, value in values if value)
