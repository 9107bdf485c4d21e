"""Facets and figures of a session: what lists are chosen and sorted by. `figures` fills them in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Facet(NamedTuple):
    """Something that a session or a response is found by.

    Attributes:
        response_id: whose it is; None for the session's.
        name: `tool`, `language`, `reason`, or a name: see projection/session_names.py.
        value: the tool's name, the language's code, the reason, or what the address names.
    """

    response_id: str | None
    name: str
    value: str


#: No facets.
NO_FACETS: frozenset[Facet] = frozenset()


@dataclass(slots=True)
class Figures:
    """The figures of a session.

    Attributes:
        turns: ids of the messages of user and assistant that are in conversations.
        slowest_us: the longest that an answer was waited for; None where that is not known.
        facets: the facets that there are, each with how often it is found.
        changed: those that are new or gone since `changed` was cleared.
        row: what the store was given last; None for nothing yet.
        codes, address, answers, found: what was read last, so that only what changed is read again.
    """

    turns: set[str] = field(default_factory=set)
    slowest_us: int | None = None
    facets: Counter[Facet] = field(default_factory=Counter)
    changed: set[Facet] = field(default_factory=set)
    row: tuple[Any, ...] | None = None
    codes: int = 0
    address: tuple[Any, ...] = ()
    answers: dict[str, int] = field(default_factory=dict)
    found: dict[tuple[str, str], frozenset[Facet]] = field(default_factory=dict)

    def find(self, by: tuple[str, str], facets: frozenset[Facet]) -> None:
        """Note the facets that one item, response or the session has now."""
        before = self.found.get(by, NO_FACETS)
        if facets == before:
            return
        self.found[by] = facets
        for facet in facets - before:
            self.facets[facet] += 1
        for facet in before - facets:
            self.facets[facet] -= 1
            if not self.facets[facet]:
                del self.facets[facet]
        self.changed |= facets ^ before
