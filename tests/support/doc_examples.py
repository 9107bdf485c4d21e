"""The examples of a page of docs: its fenced blocks, their commands, and what these print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    line: int
    text: str


class Step(NamedTuple):
    """A command of a console block, and what is shown below it."""

    command: str
    shown: list[str]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    fence, start, kept = "", 0, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        opening = re.fullmatch(r"(`{3,})(\w*)", line.strip())
        if not fence and opening:
            fence, start, kept = opening[1], number, [opening[2]]
        elif fence and line.strip() == fence:
            yield Block(kept[0], start, "\n".join(kept[1:]) + "\n")
            fence = ""
        elif fence:
            kept.append(line)
    assert not fence, f"{page}: the block of line {start} has no end"


def steps(text: str) -> list[Step]:
    """The commands of a console block."""
    found: list[Step] = []
    for line in text.splitlines():
        if found and found[-1].command.endswith("\\"):
            found[-1] = Step(found[-1].command[:-1] + line.strip(), [])
        elif line.startswith("$ "):
            found.append(Step(line[2:], []))
        else:
            assert found, f"{line!r} is shown before any command"
            found[-1].shown.append(line)
    return found


def is_shown(shown: list[str], printed: str) -> bool:
    """Whether what is shown stands for what was printed."""
    lines = [line.rstrip() for line in printed.splitlines()]
    return re.fullmatch(pattern_of(shown), "".join(f"{line}\n" for line in lines)) is not None


def pattern_of(shown: list[str]) -> str:
    """The regular expression of what is shown."""
    return "".join(
        r"(?:.*\n)*?"
        if line.strip() == "…"
        else re.escape(line.rstrip()).replace("…", ".*") + r"\n"
        for line in shown
    )
