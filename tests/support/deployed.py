"""What tools/deploy/ says, parsed: commands of `eventstore` by click, variables by readers.

And backup.sh, run with the command of this checkout.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click

from eventstore.cli.main import cli
from support.postgres_tools import client_program
from support.terminal import COMMAND, environment

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "tools" / "deploy"
#: Variables of others: libpq, PostgreSQL's image, Python, and those that these files define.
OTHERS = {
    *("PGPASSFILE", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD_FILE"),
    *("PATH", "PYTHONUNBUFFERED", "WEBHOOKS_TO", "BACKUP_METRICS"),
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


def script_run(tmp_path: Path, url: str, *arguments: str, **more: str) -> dict[str, Any]:
    """Arguments of `subprocess.run` that run backup.sh, with the variables `more`."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    eventstore = programs / "eventstore"
    eventstore.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    eventstore.chmod(0o755)
    path = [str(programs), "/usr/bin", "/bin"]
    if url.startswith("postgres"):
        path.insert(0, str(Path(client_program("pg_dump")).parent))
    known = environment() | {"EVENTSTORE_URL": url, "PATH": os.pathsep.join(path)} | more
    return {"args": [DEPLOY / "backup.sh", *arguments], "env": known, "cwd": tmp_path}
