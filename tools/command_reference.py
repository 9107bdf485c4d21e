"""Writes the commands' help as a page: `python -m tools.command_reference docs/commands.md`.

Called by `make docs`.
"""

from __future__ import annotations

from pathlib import Path

import click

from eventstore.cli.lazy_commands import ALIASES, another_name
from eventstore.cli.main import cli

HEADER = """# Commands

Made from the commands' own help by `make docs`; a test compares the two.

Each command takes `--db URL` (or `EVENTSTORE_URL`), and most take `--json`: then standard output
is exactly one JSON document (for `events` one JSON line an event, for `state --follow` one a cue).
Progress and notes go to standard error. Exit codes: 0 done, 1 the answer is no or the work failed,
2 wrong usage.
"""


def reference() -> str:
    """Return the page's text in Markdown."""
    sections = [HEADER]
    for name, command in cli.commands.items():
        context = click.Context(
            command,
            info_name=f"eventstore {name}",
            terminal_width=100,
            **cli.context_settings,
        )
        sections.append(f"## eventstore {name}\n\n```text\n{command.get_help(context)}\n```\n")
    for alias in ALIASES:
        sections.append(f"## eventstore {alias}\n\n{another_name(alias)}\n")
    return "\n".join(sections)


@click.command()
@click.argument("page", type=click.Path(path_type=Path, dir_okay=False))
def main(page: Path) -> None:
    """Write the commands' help as a page."""
    page.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
