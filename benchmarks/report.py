"""Figures beside their targets: a table for people, JSON for machines."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.databases import Databases, driver_connection
from benchmarks.rounds import Measured, progress

# Asked for at the start: what is measured is the code as it was then, not as it is at the end.
COMMIT = subprocess.run(
    ["git", "describe", "--always", "--dirty"],
    cwd=Path(__file__).parent,
    capture_output=True,
    text=True,
    check=False,
).stdout.strip()


class Report:
    """What a benchmark found.

    Attributes:
        name: The benchmark's name.
        title: What its figures are.
        size: How much each figure is measured with, such as "20,000 events".
        rows: The figures.
        notes: What else is to be known, such as the settings of databases.
    """

    def __init__(self, name: str, title: str, size: str = "") -> None:
        self.name = name
        self.title = title
        self.size = size
        self.rows: list[dict[str, Any]] = []
        self.notes: dict[str, Any] = {}

    def add(
        self,
        what: str,
        found: Measured | float,
        target: float | None = None,
        at_most: bool = False,
        unit: str = "×",
        *,
        size: str | None = None,
        **details: Any,
    ) -> None:
        """Add a figure.

        Args:
            what: What it is of, in words that no other figure of the benchmark has.
            found: What was measured, in several rounds or once.
            target: What it should reach; None for information only.
            at_most: The target is a limit, not a goal.
            unit: What stands behind the number.
            size: How much was worked on, if it is not the report's size.
            details: What else to keep, such as the absolute times.
        """
        row: dict[str, Any] = {"what": what, "unit": unit}
        if isinstance(found, Measured):
            row |= found._asdict()
        else:
            row |= {"value": found, "rounds": 1, "statistic": "measured once"}
        value = row["value"]
        good = None if target is None else (value <= target if at_most else value >= target)
        row |= {"size": self.size if size is None else size}
        row |= {"target": target, "at_most": at_most, "ok": good, "details": details}
        self.rows.append(row)
        progress(
            f"{self.name}: {what}: {_short(value)}{unit}"
        )  # not lost where a long run is cut short

    def print(self) -> None:
        """Print the table on standard output."""
        table = Table(title=self.title, title_justify="left", highlight=False)
        for column in ("figure", "value", "min – max", "of", "target", "", "details"):
            table.add_column(column, overflow="fold")
        for row in self.rows:
            spread = f"{row['least']:.3g} – {row['greatest']:.3g}" if "least" in row else ""
            sign = "≤" if row["at_most"] else "≥"
            target = "" if row["target"] is None else f"{sign} {row['target']:g}"
            verdict = {True: "[green]ok[/]", False: "[red]short[/]", None: ""}[row["ok"]]
            details = ", ".join(f"{k} {_short(v)}" for k, v in row["details"].items())
            value = f"{_short(row['value'])}{row['unit']}"
            table.add_row(row["what"], value, spread, _of(row), target, verdict, details)
        Console(width=max(120, Console().width)).print(table)

    def write(self, folder: Path) -> Path:
        """Write the JSON; where."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        found = {
            "benchmark": self.name,
            "title": self.title,
            "machine": machine(),
            "figures": self.rows,
            "notes": self.notes,
        }
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False, default=str) + "\n")
        return path


def machine() -> dict[str, Any]:
    """Where and with what the figures were measured."""
    packages = ("sqlalchemy", "psycopg", "orjson", "eventsourcing", "pydantic")
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _lines("/proc/cpuinfo")
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": COMMIT,
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "packages": {name: version(name) for name in packages},
    }


def versions(made: Databases) -> str:
    """Return the versions that figures are kept with: Python's and those of the databases."""
    found = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    if made.server is not None:
        with driver_connection(made.server.url("postgres")) as connection:
            row = connection.execute("SHOW server_version").fetchone()
        found.append(f"PostgreSQL {row[0].split()[0]}")
    return ", ".join(found)


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def _of(row: Mapping[str, Any]) -> str:
    """Say what a figure is of: "median of 7 rounds of 20,000 events"."""
    often = f"{row['statistic']} of {row['rounds']:,} rounds" if row["rounds"] > 1 else ""
    return " of ".join(part for part in (often, row["size"]) if part)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
