"""Keep each function call together with its output: neither is sent without the other.

Called by reseed.py.
"""

from __future__ import annotations

from eventstore.replay.reseed.item_seeds import Seed


def paired(seeds: list[Seed], why: str = "a function's output without its call") -> list[Seed]:
    """Return the seeds without function calls that have no output, and outputs without a call.

    Args:
        why: The reason that is given for an output without its call.
    """
    waiting: dict[str, int] = {}
    both: set[int] = set()
    for position, seed in enumerate(seeds):
        item = seed.item or {}
        if item.get("type") == "function_call":
            waiting[item["call_id"]] = position
        elif item.get("type") == "function_call_output":
            call = waiting.pop(item["call_id"], None)
            if call is not None:
                both |= {call, position}
    return [
        seed if position in both else _without_partner(seed, why)
        for position, seed in enumerate(seeds)
    ]


def _without_partner(seed: Seed, why: str) -> Seed:
    kind = (seed.item or {}).get("type")
    if kind == "function_call":
        return Seed(seed.item_id, None, ("a function call without its output",))
    if kind == "function_call_output":
        return Seed(seed.item_id, None, (why,))
    return seed


def last_seeds(seeds: list[Seed], count: int) -> list[Seed]:
    """Return the seeds from which the last items are created, so many at most."""
    created = [position for position, seed in enumerate(seeds) if seed.item is not None]
    return seeds[created[-count] :] if len(created) > count else seeds
