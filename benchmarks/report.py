"""Figures beside their targets: a table for people, JSON for machines."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.rounds import Ratio, progress

# Asked for at the start: what is measured is the code as it was then, not as it is at the end.
COMMIT = subprocess.run(
    ["git", "describe", "--always", "--dirty"],
    cwd=Path(__file__).parent,
    capture_output=True,
    text=True,
    check=False,
).stdout.strip()


class Report:
    """What a benchmark found."""

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        self.title = title
        self.rows: list[dict[str, Any]] = []
        self.notes: dict[str, Any] = {}

    def add(
        self,
        what: str,
        found: Ratio | float,
        target: float | None = None,
        at_most: bool = False,
        unit: str = "×",
        **details: Any,
    ) -> None:
        """Add a figure.

        Args:
            target: what it should reach; None for information only.
            at_most: the target is a limit, not a goal.
            details: what else to keep, such as the absolute times.
        """
        value = found.median if isinstance(found, Ratio) else found
        good = None if target is None else (value <= target if at_most else value >= target)
        row: dict[str, Any] = {"what": what, "value": value, "unit": unit}
        if isinstance(found, Ratio):
            row |= {"low": found.low, "high": found.high}
        row |= {"target": target, "at_most": at_most, "ok": good, "details": details}
        self.rows.append(row)
        progress(
            f"{self.name}: {what}: {_short(value)}{unit}"
        )  # not lost where a long run is cut short

    def print(self) -> None:
        """Print the table on standard output."""
        table = Table(title=self.title, title_justify="left", highlight=False)
        for column in ("figure", "median", "min – max", "target", "", "details"):
            table.add_column(column, overflow="fold")
        for row in self.rows:
            spread = f"{row['low']:.3g} – {row['high']:.3g}" if "low" in row else ""
            sign = "≤" if row["at_most"] else "≥"
            target = "" if row["target"] is None else f"{sign} {row['target']:g}"
            verdict = {True: "[green]ok[/]", False: "[red]short[/]", None: ""}[row["ok"]]
            details = ", ".join(f"{k} {_short(v)}" for k, v in row["details"].items())
            value = f"{_short(row['value'])}{row['unit']}"
            table.add_row(row["what"], value, spread, target, verdict, details)
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


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
