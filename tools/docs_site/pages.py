"""Which pages the site has, and where each of them is on it."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import NamedTuple

#: The page that the site begins with.
HOME = "README.md"
#: The list of decisions is made: nobody writes it.
DECISIONS = "docs/adr"
NAVIGATION = "docs/navigation.toml"


class Entry(NamedTuple):
    """A page in the navigation.

    Attributes:
        path: Its file, seen from the repository's root.
        label: What the navigation calls it.
    """

    path: str
    label: str


class Section(NamedTuple):
    """Pages of the navigation that stand together.

    Attributes:
        title: The words above them, or "" if they stand below a page.
        parent: That page, or "" if they have a title.
        entries: The pages, in order.
    """

    title: str
    parent: str
    entries: list[Entry]


def navigation(root: Path) -> list[Section]:
    """Read docs/navigation.toml.

    Args:
        root: The repository.

    Returns:
        The sections in their order.
    """
    tables = tomllib.loads((root / NAVIGATION).read_text(encoding="utf-8"))
    sections = []
    for name, lines in tables.items():
        entries = [Entry(_from_root(file), label) for file, label in lines.items()]
        below = name.endswith(".md")
        sections.append(Section("" if below else name, _from_root(name) if below else "", entries))
    return sections


def _from_root(name: str) -> str:
    return normpath(f"docs/{name}")


def pages(root: Path) -> list[str]:
    """Return the pages of docs/ but for the decisions, seen from the repository's root."""
    found = (path.relative_to(root) for path in (root / "docs").rglob("*.md"))
    return sorted(str(path) for path in found if str(path.parent) != DECISIONS)


def decisions(root: Path) -> list[str]:
    """Return the files of decisions in the order of their numbers."""
    return sorted(str(path.relative_to(root)) for path in (root / DECISIONS).glob("*.md"))


def problems(root: Path) -> list[str]:
    """Say what docs/navigation.toml lacks or has too much.

    Args:
        root: The repository.

    Returns:
        A line for each problem; none if every page, and the list of decisions, is listed once.
    """
    sections = navigation(root)
    listed = Counter(entry.path for section in sections for entry in section.entries)
    wanted = {*pages(root), DECISIONS}
    extra = [path for path in listed if path not in wanted and not (root / path).exists()]
    return [
        *(f"{path}: add a line for it to {NAVIGATION}" for path in sorted(wanted - set(listed))),
        *(f"{path}: {NAVIGATION} lists it, and there is no such file" for path in sorted(extra)),
        *(f"{path}: {NAVIGATION} lists it {n} times" for path, n in listed.items() if n > 1),
        *(
            f"{section.parent}: {NAVIGATION} has pages below it, and does not list it"
            for section in sections
            if section.parent and section.parent not in listed
        ),
    ]


def places(root: Path) -> dict[str, str]:
    """Say where each page is on the site.

    Args:
        root: The repository.

    Returns:
        Places on the site by files of the repository. The folder of decisions is their list.
    """
    listed = [entry.path for section in navigation(root) for entry in section.entries]
    found = {path: _place(path) for path in (*pages(root), *decisions(root), *listed)}
    return {**found, HOME: "index.md", DECISIONS: "adr/index.md"}


def _place(path: str) -> str:
    folder, _, rest = path.partition("/")
    return rest if folder == "docs" and rest else PurePosixPath(path).name.lower()
