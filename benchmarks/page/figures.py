"""Figures that are kept: read from JSON, taken over from a run, written again.

A file is one JSON object, with a `title` and `figures`, and has one figure in a line, so that a
change of one figure is a change of one line. What a figure does not have is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parent.parent / "figures"


class Value(NamedTuple):
    """What was measured.

    Attributes:
        value: The median, or another statistic. None if only the range is known.
        least, greatest: The least and the greatest round. None if they are not known.
    """

    value: float | None
    least: float | None = None
    greatest: float | None = None


class Figure(NamedTuple):
    """A figure that is kept.

    Attributes:
        what: What it is of, as the benchmark says. No two figures of a file have the same words.
        now: What was measured last.
        unit: What stands behind the number, such as " ms"; "×" for a ratio.
        statistic: What the value is of the rounds, such as "median".
        rounds: How often it was measured; None if that is not known.
        size: How much was worked on, such as "20,000 events"; "" if that is not known.
        target: What the value shall reach; None if there is no target.
        at_most: True if the target is a limit that the value shall not exceed.
        before: What was measured before a change; None if nothing is kept of it.
        details: Other numbers of the same measurement, by their names.
        on: The day of the measurement.
        versions: Those of Python and of the databases.
        quick: True if this is of a quick run.
    """

    what: str
    now: Value
    unit: str = "×"
    statistic: str = "median"
    rounds: int | None = None
    size: str = ""
    target: float | None = None
    at_most: bool = False
    before: Value | None = None
    details: Mapping[str, float] = {}
    on: str = ""
    versions: str = ""
    quick: bool = False

    @property
    def is_missed(self) -> bool:
        """True if the figure misses its target. A range misses it if all of it does."""
        if self.target is None:
            return False
        least, greatest = self.now.least, self.now.greatest
        best = least if self.at_most else greatest
        if self.now.value is not None:
            best = self.now.value
        if best is None:
            return False
        return best > self.target if self.at_most else best < self.target


class Figures(NamedTuple):
    """The figures of one file, in their order."""

    title: str
    figures: tuple[Figure, ...]


def read(name: str, folder: Path = FOLDER) -> Figures:
    """Read the figures of a benchmark.

    Args:
        name: The name of the benchmark.
        folder: Where the files are.

    Returns:
        The figures; none if there is no such file.

    Raises:
        ValueError: The file has something else than figures, or has a figure twice.
    """
    path = folder / f"{name}.json"
    if not path.exists():
        return Figures("", ())
    found = json.loads(path.read_text(encoding="utf-8"))
    try:
        figures = tuple(_figure(**line) for line in found["figures"])
        title = str(found["title"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path.name}: no figures: {error}") from None
    for number, one in enumerate(figures):
        if any(one.what == other.what for other in figures[:number]):
            raise ValueError(f"{path.name}: there are two figures of {one.what!r}")
        if one.now == Value(None):
            raise ValueError(f"{path.name}: {one.what!r} has no value and no range")
    return Figures(title, figures)


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names of the files with figures."""
    return sorted(path.stem for path in folder.glob("*.json"))


def _figure(
    *,
    value: float | None = None,
    least: float | None = None,
    greatest: float | None = None,
    before: Mapping[str, float] | None = None,
    **others: Any,
) -> Figure:
    earlier = None if before is None else Value(**{"value": None, **before})
    return Figure(now=Value(value, least, greatest), before=earlier, **others)


def write(name: str, found: Figures, folder: Path = FOLDER) -> Path:
    """Write the figures of a benchmark, and return the path of the file."""
    path = folder / f"{name}.json"
    lines = ",\n".join(f"  {_json(_line(one))}" for one in found.figures)
    title = _json(found.title)
    path.write_text(f'{{\n "title": {title},\n "figures": [\n{lines}\n ]\n}}\n', encoding="utf-8")
    return path


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _line(one: Figure) -> dict[str, Any]:
    found: dict[str, Any] = {"what": one.what, **_numbers(one.now)}
    for name, default in Figure._field_defaults.items():
        value = getattr(one, name)
        if name == "before":
            value = None if value is None else _numbers(value)
        if value != default:
            found[name] = value
    return found


def _numbers(value: Value) -> dict[str, float]:
    return {name: number for name, number in value._asdict().items() if number is not None}


def taken_over(
    kept: Figures,
    title: str,
    rows: Iterable[Mapping[str, Any]],
    *,
    on: str,
    versions: str,
    quick: bool = False,
    to_before: bool = False,
) -> Figures:
    """Put what a run has measured in the place of what is kept.

    Args:
        kept: The figures up to now.
        title: What the benchmark says of itself.
        rows: The rows of the run's report (`benchmarks/report.py`).
        on: The day of the run.
        versions: Those of Python and of the databases.
        quick: True if the run was a quick one.
        to_before: True if what is replaced becomes the figure before. Otherwise what is kept as
            the figure before stays.

    Returns:
        The figures in the order that they had, then the new ones. What the run did not measure
        stays as it is.
    """
    figures = {one.what: one for one in kept.figures}
    for row in rows:
        old = figures.get(row["what"])
        before = None if old is None else old.now if to_before else old.before
        figures[row["what"]] = Figure(
            what=row["what"],
            now=Value(*(rounded(row.get(name)) for name in Value._fields)),
            before=before,
            details=_numbers_of(row["details"]),
            on=on,
            versions=versions,
            quick=quick,
            **{name: row[name] for name in _AS_MEASURED},
        )
    return Figures(title, tuple(figures.values()))


_AS_MEASURED = ("unit", "statistic", "rounds", "size", "target", "at_most")


def rounded(value: float | None) -> float | None:
    """Return a number with four significant digits, which is more than a measurement has."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _numbers_of(details: Mapping[str, Any]) -> dict[str, float]:
    found = {name: value for name, value in details.items() if isinstance(value, int | float)}
    return {name: rounded(value) or 0 for name, value in found.items()}


def not_measured(kept: Figures, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is kept and was not measured by a run."""
    measured = {row["what"] for row in rows}
    return [one.what for one in kept.figures if one.what not in measured]
