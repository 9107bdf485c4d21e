"""Tables in Markdown, of figures that are kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from benchmarks.page.figures import Figure, Figures, Value

#: How parts of a figure's name are written on the page, if a mark does not say otherwise.
WORDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


#: What stands for the words of a row, and of a column.
_GROUPS = {"{row}": "(.+)", "{column}": "([^,:]+)"}


#: The statistic of what was measured in no rounds.
ONCE = "measured once"


class Layout(NamedTuple):
    """What a mark of the page says of its table.

    Attributes:
        name: The file of the figures.
        pattern: Which figures it has, such as "voice, {row}, {column}". `{row}` stands for any
            words, and `{column}` for any without a comma or colon; each may stand there twice.
            Without `{column}` each figure has a row; without a pattern the table has all figures.
        head: What stands above the first column.
        details: The details that have columns of their own.
        labels: What the page writes for a row, a column, a detail, or a part between commas.
    """

    name: str
    pattern: str = "{row}"
    head: str = ""
    details: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}


class _Cell(NamedTuple):
    row: str
    column: str
    figure: Figure


def table(layout: Layout, found: Figures) -> str:
    """Return the lines of a table, below a line that says how its figures were measured.

    Raises:
        ValueError: No figure has the pattern, two have one place, or a label is of nothing.
    """
    cells = _cells(layout, found)
    if not cells:
        raise ValueError(f"no figure of {layout.name}.json is like {layout.pattern!r}")
    shared = _shared_target([cell.figure for cell in cells])
    named = _Labels(layout.labels)
    details = {name: named(name) for name in layout.details}
    heads, of_columns = [layout.head], []
    for column in dict.fromkeys(cell.column for cell in cells):
        figures = {cell.row: cell.figure for cell in cells if cell.column == column}
        title = named(column) if column else ""
        for head, write in _parts(title, list(figures.values()), shared is not None, details):
            heads.append(head)
            of_columns.append((figures, write))
    lines = [heads, ["---"] * len(heads)]
    for row in dict.fromkeys(cell.row for cell in cells):
        written = [write(of[row]) if row in of else "" for of, write in of_columns]
        lines.append([named(row), *written])
    unused = set(layout.labels) - named.used
    if unused:
        raise ValueError(f"no figure of {layout.name}.json has {', '.join(sorted(unused))}")
    return f"{how_measured([cell.figure for cell in cells], shared)}\n\n{markdown(lines)}"


def _cells(layout: Layout, found: Figures) -> list[_Cell]:
    pieces = re.split(r"(\{row\}|\{column\})", layout.pattern)
    kinds = [piece for piece in pieces if piece in _GROUPS]
    pattern = re.compile("".join(_GROUPS.get(piece, re.escape(piece)) for piece in pieces))
    cells: list[_Cell] = []
    for figure in found.figures:
        if match := pattern.fullmatch(figure.what):
            parts = list(zip(kinds, match.groups(), strict=True))
            row, column = (
                ", ".join(part for kind, part in parts if kind == wanted) for wanted in _GROUPS
            )
            cell = _Cell(row, column, figure)
            if any(cell[:2] == other[:2] for other in cells):
                raise ValueError(f"{layout.name}.json has two figures at {cell[:2]}")
            cells.append(cell)
    return cells


class _Labels:
    """How names are written, and which labels were of use."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = labels
        self.used: set[str] = set()

    def __call__(self, name: str) -> str:
        if name in self._labels:
            self.used.add(name)
            return self._labels[name]
        parts = name.split(", ")
        self.used |= set(parts) & set(self._labels)
        return ", ".join(self._labels.get(part, WORDS.get(part, part)) for part in parts)


_Write = Callable[[Figure], str]


def _parts(
    title: str, figures: Sequence[Figure], in_caption: bool, details: Mapping[str, str]
) -> list[tuple[str, _Write]]:
    """Return the columns that figures have: their heads, and how their cells are written.

    Args:
        title: What all of these columns are called; "" if the table has one kind of figures.
        figures: The figures.
        in_caption: True if their target stands above the table.
        details: The details that are shown, and what stands above their columns.
    """
    now, parts = title or "measured", list[tuple[str, _Write]]()
    if any(one.before for one in figures):
        before, now = (f"{title}, {when}" if title else when for when in ("before", "now"))
        parts.append((before, _before))
    aims = [aim for one in figures if (aim := target(one._replace(now=Value(None))))]
    in_head = not in_caption and len(aims) > 1 and len(set(aims)) == 1
    if in_head:
        now += f" (target: {aims[0]})"
    parts.append((now, _marked if in_head or in_caption else _now))
    if aims and not in_head and not in_caption:
        parts.append(("target", target))
    for name, head in details.items():
        if any(name in one.details for one in figures):
            parts.append((head, partial(_detail, name)))
    return parts


def _before(one: Figure) -> str:
    return shown(one, one.before)


def _now(one: Figure) -> str:
    return shown(one, one.now)


def _marked(one: Figure) -> str:
    return f"{_now(one)}, missed" if one.is_missed else _now(one)


def _detail(name: str, one: Figure) -> str:
    return number(one.details.get(name), "", 0)


def shown(one: Figure, value: Value | None) -> str:
    """Write a value as the page does: "0.84 (0.80 to 0.90)", "0.84", or "0.80 to 0.90"."""
    if value is None:
        return ""
    digits = len(f"{one.target:g}".partition(".")[2]) if one.target is not None else 0
    middle, least, greatest = (number(part, one.unit, digits) for part in value)
    unit = "" if one.unit == "×" else one.unit
    if not least:
        return f"{middle}{unit}"
    return f"{middle}{unit} ({least} to {greatest})" if middle else f"{least} to {greatest}{unit}"


def number(value: float | None, unit: str, digits: int) -> str:
    """Write a number. A ratio has two decimals, or as many as its target; other numbers have less.

    Args:
        value: The number; None for none.
        unit: Its unit, which is not written.
        digits: How many decimals a ratio has at least.
    """
    if value is None:
        return ""
    if abs(value) >= 100 or (value == int(value) and unit != "×"):
        return f"{value:,.0f}"
    if unit == "×" and abs(value) < 10 and (abs(value) >= 0.1 or value == 0):
        return f"{value:.{max(2, digits)}f}"
    return f"{value:.2g}" if abs(value) < 0.1 else f"{value:.3g}"


def target(one: Figure) -> str:
    """Write the target of a figure, and whether the figure misses it."""
    if one.target is None:
        return ""
    words = f"at {'most' if one.at_most else 'least'} {one.target:,g}"
    unit = "" if one.unit == "×" else one.unit
    return f"{words}{unit}, missed" if one.is_missed else f"{words}{unit}"


def _shared_target(figures: Sequence[Figure]) -> str | None:
    """Return the target if it is the same for all figures; None if it is not."""
    targets = {target(one._replace(now=Value(None))) for one in figures}
    return targets.pop() if len(figures) > 1 and len(targets) == 1 else None


def how_measured(figures: Sequence[Figure], shared: str | None) -> str:
    """Say how figures were measured, such as "7 rounds of 20,000 events; median."

    Args:
        figures: Some figures.
        shared: The target that all of them have; "" or None for none.
    """
    ways = list(dict.fromkeys((_often([one]), one.statistic) for one in figures))
    statistics = _all(one.statistic for one in figures)
    sizes = _sizes(_all(one.size for one in figures))
    if len(statistics) == 1:
        often, statistic = _often(figures), statistics[0]
        first = " of ".join(part for part in (often, sizes) if part)
        if not often and statistic == ONCE:
            words = f"{ONCE}, with {sizes}" if sizes else ONCE
        else:
            words = "; ".join(part for part in (first, statistic) if part)
    else:
        words = "; ".join(" of ".join(part for part in way[::-1] if part) for way in ways)
        words += f"; with {sizes}" if sizes else ""
    if any(one.now.value is not None and one.now.least is not None for one in figures):
        words += " (least to greatest)"
    elif any(one.now.value is None for one in figures):
        words += ", or least to greatest of several runs"
    words = f"{words[:1].upper()}{words[1:]}."
    if any(one.quick for one in figures):
        words += " Of a quick run."
    return f"{words} Target: {shared}." if shared else words


def _often(figures: Iterable[Figure]) -> str:
    rounds = sorted({one.rounds for one in figures if one.rounds and one.rounds > 1})
    return f"{_or(f'{number:,}' for number in rounds)} rounds" if rounds else ""


def _all(words: Iterable[str]) -> list[str]:
    return [word for word in dict.fromkeys(words) if word]


def _sizes(sizes: Sequence[str]) -> str:
    """Join sizes, and write what they are of once: "4,000 or 20,000 events"."""
    kinds = {size.partition(" ")[2] for size in sizes}
    if len(sizes) > 1 and len(kinds) == 1:
        return f"{_or(size.partition(' ')[0] for size in sizes)} {kinds.pop()}".strip()
    return _or(sizes)


def _or(words: Iterable[str]) -> str:
    *most, last = [*words] or [""]
    return f"{', '.join(most)} or {last}" if most else last


def picked(picks: Iterable[tuple[str, str, str]], read: Callable[[str], Figures]) -> str:
    """Return a table of figures from several files.

    Args:
        picks: File, figure, and what the page calls it.
        read: Gives the figures of a file.

    Raises:
        ValueError: There is no such figure.
    """
    lines = []
    for name, what, label in picks:
        one = next((one for one in read(name).figures if one.what == what), None)
        if one is None:
            raise ValueError(f"{name}.json has no figure of {what!r}")
        lines.append([label, shown(one, one.now), target(one)])
    heads = ["", "measured", "target"]
    columns = 3 if any(line[2] for line in lines) else 2
    return markdown(line[:columns] for line in (heads, ["---"] * 3, *lines))


def targets(all_of_them: Mapping[str, Figures]) -> str:
    """Return a table of how many figures have a target, and of how many miss it, by file."""
    lines = [["benchmark", "figures with a target", "that miss it"], ["---"] * 3]
    others = 0
    for name, found in all_of_them.items():
        aimed = [one for one in found.figures if one.target is not None]
        missed = sum(one.is_missed for one in aimed)
        if missed:
            lines.append([f"`{name}`", str(len(aimed)), str(missed)])
        else:
            others += len(aimed)
    return markdown([*lines, ["all others", str(others), "0"]])


def markdown(lines: Iterable[Sequence[str]]) -> str:
    """Return the lines of a table."""
    rows = (f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in line)}|" for line in lines)
    return "\n".join(rows)
