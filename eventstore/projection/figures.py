"""Compute a session's figures and facets from its state, for lists that filter and sort by them.

Called by store/readmodels/figure_rows.py. The figures are the turns, the slowest answer and the
length; the facets are tools, languages, reasons, names, protocols and kinds of responses.
`update_figures` reads only the items and responses that changed, so that its work grows with the
new events alone. The result depends on the state alone, so that a rebuild, which reads everything
at once, gets the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from eventstore.projection.facets import NO_FACETS, PROTOCOL, RESPONSE_KIND, Facet, Figures
from eventstore.projection.latency import answer_us
from eventstore.projection.session_names import names_of_session
from eventstore.projection.state import Item, Response, SessionState
from eventstore.realtime.protocols import LIVE
from eventstore.realtime.resources.outcomes import reason_of
from eventstore.realtime.values import column_text, identifier

_CALLS = ("function_call", "mcp_call")
_SPEAKERS = ("user", "assistant")
#: The length of the column for values of facets, in characters.
_LONGEST = 512
# Separates the language from the script or the region in a code such as `en-US`.
_REGION = re.compile("[-_]")
#: Steps are at least 2 ** 20 microseconds, and keep the 6 highest binary digits of a length.
_LEAST_BITS, _STEP_BITS = 20, 6


def update_figures(
    figures: Figures, state: SessionState, items: Iterable[Item], responses: Iterable[Response]
) -> None:
    """Update a session's figures from the items and responses that are new or have changed.

    Args:
        figures: The figures to change.
        state: The session's state.
        items, responses: The items and the responses that changed since the last call.
    """
    for item in items:
        if _is_turn(item):
            figures.turns.add(item.id)
        else:
            figures.turns.discard(item.id)
        figures.find(("item", item.id), _facets_of(item))
    for response in responses:
        _see_answer(figures, state, response)
        figures.find(("response", response.id), _facets_of_response(response))
    if len(state.error_codes) != figures.codes:
        figures.codes = len(state.error_codes)
        codes = [("reason", code) for code in state.error_codes]
        figures.find(("session", ""), _facets(None, codes))
    _see_address(figures, state)


def _see_address(figures: Figures, state: SessionState) -> None:
    """Update the facets of the session's names, if the state has new values to read them from.

    The fold replaces `notes` and `wire` when they change, so comparing identities is enough.
    """
    read = (state.notes, state.wire, state.protocol)
    known = figures.address
    if known and known[0] is read[0] and known[1] is read[1] and known[2] == read[2]:
        return
    figures.address = read
    names = _facets(None, names_of_session(*read))
    if state.protocol == LIVE:
        names |= _facets(None, [(PROTOCOL, LIVE)])
    figures.find(("address", ""), names)


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
    """Return the length of a session until now in microseconds, or None if its times are unknown.

    It is the same length as `duration_ms` of the session's resource.
    """
    if state.first_at is None or state.last_at is None:
        return None
    return max(0, state.last_at - state.first_at + state.clock_shift)


def step_us(length: int) -> int:
    """Round a length in microseconds down to a step.

    The row of an open session keeps its length as a step, so that not every event changes the row.
    Steps are about a second apart at first, and later a thirty-second part of the length: a session
    of an hour passes 250 of them.
    """
    lower_bits = max(_LEAST_BITS, length.bit_length() - _STEP_BITS)
    return length >> lower_bits << lower_bits


def _is_turn(item: Item) -> bool:
    """Return True if an item is a message of a user or an assistant in a conversation."""
    if item.conversation is None or not item.linked or item.deleted_seq is not None:
        return False
    if item.live is not None and (item.live.kind != "speech" or item.live.backchannel):
        return False
    return item.wire.get("type", "message") == "message" and _role(item) in _SPEAKERS


def _role(item: Item) -> Any:
    """Return the role of an item as its resource has it (see `resources.item_resource`)."""
    is_spoken = any(part.type == "input_audio" for part in item.parts.values())
    return item.wire.get("role", "user" if is_spoken else None)


def _facets_of(item: Item) -> frozenset[Facet]:
    """Return the facets that an item gives to its session and to a response.

    The response is the one that the item belongs to, or the one that answered a user's item.
    """
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


def _facets_of_response(response: Response) -> frozenset[Facet]:
    """Return the facets that a response gives to its session, and those that it has itself."""
    reason = reason_of(response.wire)
    facets = NO_FACETS if reason is None else _facets(None, [("reason", reason)])
    response_id = identifier(response.id)
    if response.live is None or response_id is None:
        return facets
    return facets | _facets(response_id, [(RESPONSE_KIND, response.live.kind)])


def _with_its_language(code: str) -> set[str]:
    """Return the code of a language, and the code without its region: `{"en-US", "en"}`."""
    return {code, _REGION.split(code, maxsplit=1)[0]}


def _facets(response_id: str | None, named: Iterable[tuple[str, Any]]) -> frozenset[Facet]:
    values = ((name, column_text(value, _LONGEST)) for name, value in named)
    return frozenset(Facet(response_id, name, value) for name, value in values if value)
