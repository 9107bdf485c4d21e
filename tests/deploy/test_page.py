"""Unit: the table of docs/deploy.md that says what live calls need follows from the assumptions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
from support.deployed import ROOT

from benchmarks.assumptions import Assumptions

PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")
CALLS = (1, 100, 1_000, 10_000)
A = Assumptions()
LINES = A.line_bytes  # bytes a second of a call
FRAMES = A.frames_per_second
#: How many calls a recorder keeps up with: its thread waits for the database.
CALLS_OF_RELAY = 1e6 * A.used_share / (FRAMES * (A.append_us + A.recorder_us))

ROWS: dict[str, Callable[[int], float]] = {
    "frames a second": lambda calls: calls * FRAMES,
    "MB a second that disks write (log and tables)": lambda calls: (
        calls * LINES * (A.wal_share + A.table_share) / 1e6
    ),
    "GB on disk for a minute of calls": lambda calls: calls * LINES * A.table_share * 60 / 1e9,
    "GB for a minute of calls, once they are sealed": lambda calls: (
        calls * LINES * (A.sealed_share + A.kept_share) * 60 / 1e9
    ),
    "cores of PostgreSQL for appends": lambda calls: calls * FRAMES * A.append_us / 1e6,
    "cores of recorders": lambda calls: calls * FRAMES * A.recorder_us / 1e6,
    "cores of relays": lambda calls: calls * FRAMES * A.relay_us / 1e6,
    "relays, at most 130 calls each": lambda calls: math.ceil(calls / CALLS_OF_RELAY),
    "GB of all spools for an outage of ten minutes": lambda calls: calls * LINES * 600 / 1e9,
}


def cells(name: str) -> list[str]:
    row = re.search(rf"(?m)^\| {re.escape(name)} \|(.*)\|$", PAGE)
    assert row is not None, f"no row {name!r}"
    return [cell.strip().replace(",", "") for cell in row[1].split("|")]


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row_is_computed_from_what_was_measured(name: str) -> None:
    found = cells(name)
    assert len(found) == len(CALLS)
    for calls, cell in zip(CALLS, found, strict=True):
        if not cell:
            continue
        decimals = len(cell.partition(".")[2])
        wanted = ROWS[name](calls)
        assert abs(float(cell) - wanted) <= 0.51 * 10**-decimals, (name, calls, wanted)


def test_each_row_of_the_table_is_tried() -> None:
    table = PAGE.partition("| | a call |")[2].partition("\n\n")[0]
    names = re.findall(r"(?m)^\| ([^|]+?) \|", table)
    assert {name for name in names if not name.startswith("-")} == set(ROWS)


def test_figures_of_the_text_are_those_of_the_assumptions() -> None:
    text = " ".join(PAGE.split())
    for figure in (
        f"{FRAMES:.0f} frames and {LINES / 1000:.0f} kB of JSON lines a second",
        f"{A.append_us:.0f} µs of PostgreSQL's processors, {A.recorder_us:.0f} µs of a recorder's",
        f"and {A.relay_us:.0f} µs of a relay's",
        f"{A.wal_share} byte of write-ahead log and {A.table_share} of tables",
        f"{A.sealed_share} of it when the call is sealed, with {A.kept_share} that stays",
        f"busy for {A.used_share:.0%}".replace("%", " %"),
        f"{int(CALLS_OF_RELAY)} calls for a relay",
        f"{A.append_us + A.recorder_us:.0f} µs for a frame",
    ):
        assert figure in text, figure
