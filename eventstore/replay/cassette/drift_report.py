"""Write the message for a person whose test no longer sends what its cassette holds. Pure.

Called by cassette.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from eventstore.replay.cassette.cassette_file import CassetteLine
from eventstore.replay.serving.connection import Outcome
from eventstore.replay.serving.matching import ORDERED_RULES, Drift, MatchRule

_HEADINGS = {
    "differs": "sent a frame that is not the recorded one",
    "unexpected": "sent a frame that was not recorded",
    "missing": "did not send a frame that was recorded",
}


def failing_drifts(outcome: Outcome, rule: MatchRule) -> list[Drift]:
    """Return the drifts for which a connection fails: the one that closed it, or all forbidden.

    Args:
        outcome: What the connection did.
        rule: How frames are matched; it decides which drift is allowed.
    """
    if outcome.refused is not None:
        return [outcome.refused]
    if rule in ORDERED_RULES:
        return outcome.drift
    return [drift for drift in outcome.drift if rule == "type" and drift.kind == "unexpected"]


def describe_drifts(
    name: str, connection: int, lines: Sequence[CassetteLine], drifts: Sequence[Drift]
) -> str:
    """Return the message of one connection: its place in the cassette, and the differences.

    Args:
        name: The cassette's file.
        connection: The connection's number in the cassette, from 1.
        lines: The connection's lines.
        drifts: What the client did differently; at least one.
    """
    first = drifts[0]
    place = name
    if first.seq is not None:
        place += f":{lines[first.seq - 1].number}"
    told = [f"connection {connection} {_HEADINGS.get(first.kind, first.kind)}: {place}"]
    for drift in drifts:
        told += _difference(drift, lines)
    return "\n".join(told)


def _difference(drift: Drift, lines: Sequence[CassetteLine]) -> list[str]:
    line = f"line {lines[drift.seq - 1].number}" if drift.seq is not None else "no line"
    if drift.kind == "missing":
        return [f"  {line}: {drift.type} never came"]
    if drift.kind == "unexpected":
        recorded = [f", but {line} has {where.expected}" for where in drift.differences]
        return [f"  {drift.type} came{''.join(recorded) or ', which no line is left for'}"]
    told = [f"  {line}: {drift.type}"]
    for path, expected, came in drift.differences:
        told += [f"    {path}", f"      expected: {expected}", f"      came:     {came}"]
    return told
