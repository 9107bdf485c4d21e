"""Tell apart why usage is not in a cost: it has no known price, or its server did not tell it.

Called by usage_entries.py, and by what shows usage to people: commands, pages and the HTML export.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from eventstore.realtime.values import mapping

#: The counts of an entry of usage, in the order in which people are told them.
COUNTS = ("responses", "transcriptions", "sessions", "paused_sessions", "decisions")


class LeftOut(NamedTuple):
    """Usage that a cost does not contain, for one reason.

    Attributes:
        counts: How many responses, transcriptions and so on; only those that there are.
        models: The models.
    """

    counts: dict[str, int]
    models: list[str]


class NotInCost(NamedTuple):
    """What a cost does not contain.

    Attributes:
        without_price: Usage of models without a known price.
        untold: Usage that the server has not told: a session that goes on, or a recording that
            ended too early.
    """

    without_price: LeftOut
    untold: LeftOut


def not_in_cost(unpriced: Mapping[str, Any]) -> NotInCost:
    """Return what a cost does not contain, from the field `unpriced` of an entry of usage."""
    untold = mapping(unpriced.get("untold"))
    counts = {name: unpriced.get(name, 0) - untold.get(name, 0) for name in COUNTS}
    names = untold.get("models", [])
    models = [model for model in unpriced["models"] if model not in names]
    return NotInCost(
        LeftOut({name: count for name, count in counts.items() if count}, models),
        LeftOut({name: untold[name] for name in COUNTS if name in untold}, names),
    )
