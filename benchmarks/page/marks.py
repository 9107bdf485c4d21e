"""Where docs/benchmarks.md has its tables: between marks, which readers of the page do not see.

A mark is a comment of HTML at the beginning of a line. The table goes below it, up to a line
`<!-- end -->`. There are three kinds:

    <!-- figures append: voice, {row}, {column}
    head: voice session
    details: events/s
    log = log alone
    -->

is a table of the figures of `figures/append.json` that are called so (`tables.Layout`). All lines
but the first can be left out: `<!-- figures append -->` has all figures, one in a row.

    <!-- figures
    relay: postgresql: lateness = How late the relay is
    -->

is a table of figures from several files: the file, the figure, and what the page calls it.
`<!-- targets -->` is a table of how many figures miss their targets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.page import figures, tables
from benchmarks.page.figures import Figures
from benchmarks.page.tables import Layout

_BEGIN = re.compile(r"(?m)^<!-- (?:figures|targets)\b.*$")
_MARK = re.compile(
    r"(?ms)^(?P<mark><!-- (?P<kind>figures|targets)\b(?P<words>.*?)-->\n)"
    r"(?P<table>.*?)^<!-- end -->$"
)
_Read = Callable[[str], Figures]


def written(page: str, folder: Path = figures.FOLDER) -> str:
    """Return a page with the tables of the figures that are kept.

    Args:
        page: The page's text in Markdown.
        folder: Where the figures are.

    Returns:
        The text, with new tables between its marks.

    Raises:
        ValueError: A mark has no end, or names what there is no figure of.
    """

    def read(name: str) -> Figures:
        return figures.read(name, folder)

    def one(match: re.Match[str]) -> str:
        if inner := _BEGIN.search(match["table"]):
            raise ValueError(f"no end stands before this mark: {inner[0]}")
        if match["kind"] == "targets":
            made = tables.targets({name: read(name) for name in figures.names(folder)})
        else:
            made = _table(match["words"], read)
        return f"{match['mark']}\n{made}\n\n<!-- end -->"

    if lost := _BEGIN.search(_MARK.sub("", page)):
        raise ValueError(f"a mark without an end: {lost[0]}")
    return _MARK.sub(one, page)


def _table(words: str, read: _Read) -> str:
    first, *lines = [line.strip() for line in words.splitlines()] or [""]
    lines = [line for line in lines if line]
    if not first:
        return tables.picked([_pick(line) for line in lines], read)
    layout = layout_of(first, lines)
    return tables.table(layout, read(layout.name))


def layout_of(first: str, lines: list[str]) -> Layout:
    """Read what a mark says of its table.

    Args:
        first: Its first line, such as "append: voice, {row}".
        lines: The lines below it.

    Raises:
        ValueError: A line is none of those that a mark can have.
    """
    name, _, pattern = first.partition(": ")
    layout = Layout(name, pattern or "{row}")
    labels: dict[str, str] = {}
    for line in lines:
        if line.startswith("head: "):
            layout = layout._replace(head=line.removeprefix("head: "))
        elif line.startswith("details: "):
            layout = layout._replace(details=tuple(line.removeprefix("details: ").split(", ")))
        else:
            what, label = _halves(line)
            labels[what] = label
    return layout._replace(labels=labels)


def _pick(line: str) -> tuple[str, str, str]:
    what, label = _halves(line)
    name, _, figure = what.partition(": ")
    return name, figure, label


def _halves(line: str) -> tuple[str, str]:
    left, between, right = line.rpartition(" = ")
    if not between:
        raise ValueError(f"no line of a mark: {line}")
    return left, right


def shown(page: str) -> set[str]:
    """Return the names of the files that a page has tables of."""
    found: set[str] = set()
    for match in _MARK.finditer(page):
        first = match["words"].split("\n")[0].strip()
        if match["kind"] == "figures" and first:
            found.add(first.partition(": ")[0])
    return found


def outside(page: str) -> list[str]:
    """Return the lines of tables that are not between marks."""
    return [line for line in _MARK.sub("", page).splitlines() if line.startswith("|")]
