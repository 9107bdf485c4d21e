"""What tools/deploy/ says, parsed: commands of `eventstore` by click, variables by readers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import click

from eventstore.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "tools" / "deploy"
#: Variables of others: libpq, PostgreSQL's image, Python, and those that these files define.
OTHERS = {
    *("PGPASSFILE", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD_FILE"),
    *("PATH", "PYTHONUNBUFFERED", "WEBHOOKS_TO"),
}


def parse_command(words: Sequence[str]) -> click.Context:
    """The parsed arguments of a command line of `eventstore`, without the program's name.

    Raises:
        click.UsageError: There is no such command or option, or an argument is wrong or missing.
    """
    name, *arguments = words
    if name not in cli.commands:
        raise click.UsageError(f"no command {name}")
    return cli.commands[name].make_context(name, arguments)


@cache
def variables_in_code() -> frozenset[str]:
    """The variables of the environment that the package reads."""
    texts = (path.read_text("utf-8") for path in (ROOT / "eventstore").rglob("*.py"))
    return frozenset(name for text in texts for name in re.findall(r"EVENTSTORE_[A-Z_]+", text))


def unknown_variables(names: Iterable[str]) -> set[str]:
    """Those names of variables that neither the package nor somebody else knows."""
    return set(names) - variables_in_code() - OTHERS
