"""A few ratios in two minutes, beside those that the repository keeps: `make bench-check`.

It is for whoever has changed what runs for each frame, and fails if something became much slower.
The bounds are wide, because machines and their moments differ: what counts as news is a third.
`--keep` writes what was measured to `kept.json`, for a change that is meant to have that effect.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks import append, encryption, rebuild, sessions, start
from benchmarks.databases import BACKENDS, Databases, databases
from benchmarks.options import Options
from benchmarks.report import Report, machine
from benchmarks.rounds import progress

KEPT = Path(__file__).with_name("kept.json")
#: What is left of a kept ratio, at least; of a ratio that is to be small, the reciprocal.
BOUND = 0.67
#: How large the sessions are, in events, and how often each figure is measured.
EVENTS, ROUNDS = 6_000, 5


class Verdict(NamedTuple):
    """A figure that was measured, beside the one that is kept.

    Attributes:
        what: What it is of.
        value, least, greatest: The median of the rounds, the least and the greatest.
        kept: The ratio in the repository; None for a new figure.
        bound: What the median must reach, or must not exceed; None for a new figure.
        is_slower: True if it does not hold.
    """

    what: str
    value: float
    least: float
    greatest: float
    kept: float | None
    bound: float | None
    is_slower: bool


def main() -> int:
    """Measure and compare; 1 if a figure is much worse than the kept one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.check", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep what is measured")
    parser.add_argument("--db", action="append", choices=BACKENDS, help="this database alone")
    parser.add_argument("--dir", type=Path, help="where to make databases")
    given = parser.parse_args()
    begun = time.monotonic()
    with databases(given.dir, tuple(given.db or BACKENDS)) as made:
        reports = measure(made, Options(backends=tuple(given.db or BACKENDS), folder=given.dir))
    rows = [
        {**row, "what": f"{report.name}: {row['what']}"}
        for report in reports
        for row in report.rows
    ]
    found = verdicts(rows, json.loads(KEPT.read_text())["figures"] if KEPT.exists() else {})
    show(found)
    progress(f"{len(found)} figures in {time.monotonic() - begun:.0f} s")
    if given.keep:
        KEPT.write_text(json.dumps(kept_of(rows, machine()), indent=1) + "\n")
        progress("written:", KEPT)
        return 0
    return 1 if any(one.is_slower for one in found) else 0


def measure(made: Databases, options: Options) -> list[Report]:
    """Measure what a user's time goes into: appends, rebuilds, encryption, and commands."""
    options = options._replace(repeats=ROUNDS)
    appended = Report("append", "append, as a share of the bare limit")
    rebuilt = Report("rebuild", "rebuild, as a share of orjson.loads")
    sealed = Report("encryption", "encryption, as a share of a store without keys")
    for kind in ("voice", "text"):
        append.measure(made, options, appended, kind, (100,), EVENTS)
        rebuild.measure(made, options, rebuilt, kind, EVENTS)
    encryption.measure(made, options, sealed, "text", sessions.text(EVENTS // 2))
    return [appended, rebuilt, sealed, start.run(made, options)]


def verdicts(rows: Sequence[Mapping[str, Any]], kept: Mapping[str, float]) -> list[Verdict]:
    """Compare rows of reports with the ratios that are kept, by what they are of."""
    found = []
    for row in rows:
        what, value, at_most = row["what"], row["value"], row["at_most"]
        before = kept.get(what)
        bound = None if before is None else before / BOUND if at_most else before * BOUND
        is_slower = bound is not None and (value > bound if at_most else value < bound)
        found.append(Verdict(what, value, row["least"], row["greatest"], before, bound, is_slower))
    return found


def kept_of(rows: Sequence[Mapping[str, Any]], with_what: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is written to `kept.json`: the ratios, and with what they were measured."""
    names = ("at", "commit", "cores", "python", "sqlite", "packages")
    return {
        **{name: with_what[name] for name in names if name in with_what},
        "events": EVENTS,
        "rounds": ROUNDS,
        "figures": {row["what"]: round(row["value"], 3) for row in rows},
    }


def show(found: Sequence[Verdict]) -> None:
    """Print the figures on standard output."""
    table = Table(title_justify="left", highlight=False)
    for column in ("figure", "now", "min – max", "kept", "bound", ""):
        table.add_column(column, overflow="fold")
    for one in found:
        table.add_row(
            one.what,
            f"{one.value:.2f}",
            f"{one.least:.2f} – {one.greatest:.2f}",
            "new" if one.kept is None else f"{one.kept:.2f}",
            "" if one.bound is None else f"{one.bound:.2f}",
            "[red]slower[/]" if one.is_slower else "[green]ok[/]",
        )
    Console(width=max(120, Console().width)).print(table)


if __name__ == "__main__":
    raise SystemExit(main())
