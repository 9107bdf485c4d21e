"""The list of commands: it is whole, says what each says of itself, and imports none."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import eventstore.cli
from eventstore.cli.commands import PLACES
from eventstore.cli.main import cli


def test_every_command_is_listed() -> None:
    modules = (
        import_module(f"eventstore.cli.{m.name}")
        for m in pkgutil.iter_modules(eventstore.cli.__path__)
        if m.name != "commands"
    )
    there = {c.name: m.__name__ for m in modules for c in getattr(m, "COMMANDS", ())}
    assert there == {name: f"eventstore.cli.{place.module}" for name, place in PLACES.items()}


@pytest.mark.parametrize("name", PLACES)
def test_the_list_says_what_the_command_says(name: str) -> None:
    command = cli.commands[name]
    told = " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())
    assert f"{told.split('. ')[0].rstrip('.')}." == PLACES[name].summary


def test_help_imports_no_database() -> None:
    script = (
        "import sys; from eventstore.cli.main import run; run(['--help']);"
        " print(sorted({'sqlalchemy', 'psycopg', 'fastapi', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
    assert "rebuild" in done.stdout
