"""The data by which lists of sessions are filtered and sorted: facets and figures.

projection/figures.py computes them; store/readmodels/figure_rows.py writes them to tables.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

#: The kind of a response of GPT-Live: said by the assistant, or made by a delegation's backend.
ResponseKind = Literal["spoken", "delegated"]


class Facet(NamedTuple):
    """A pair of a name and a value by which a session or a response is found.

    Attributes:
        response_id: The response that has the facet, or None for a facet of the session.
        name: `tool`, `language`, `reason`, `PROTOCOL`, `RESPONSE_KIND`, or a kind of name (see
            projection/session_names.py).
        value: The tool's name, the code of the language, the reason, the protocol, the kind of the
            response, or the name.
    """

    response_id: str | None
    name: str
    value: str


#: The facet of a session that is not of Realtime. A Realtime session has no such facet, so that it
#: has no row more.
PROTOCOL = "protocol"
#: The facet of each response of a GPT-Live session: `spoken` or `delegated`.
RESPONSE_KIND = "kind"
NO_FACETS: frozenset[Facet] = frozenset()


@dataclass(slots=True)
class Figures:
    """The figures and the facets of a session.

    Attributes:
        turns: The ids of the user's and the assistant's messages that are in conversations.
        slowest_us: The slowest answer in microseconds, or None if no answer was measured.
        facets: Each facet, with the number of items and responses that have it.
        changed: The facets that were added or removed since the tables were written.
        row: The row of figures that the tables have, or None if they have none.
        codes: How many codes of errors were read.
        address: The values from which the session's names were read.
        answers: The time that each response took, in microseconds, by response id.
        found: The facets by their source: `("item", id)`, `("response", id)` and so on.
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
        """Set the facets of one source, in place of the facets that it had before.

        Args:
            by: The source, such as `("item", "item_123")`.
            facets: All facets that the source has now.
        """
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
