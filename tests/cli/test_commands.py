"""The list of commands: it is whole, says what each says of itself, and imports none."""

from __future__ import annotations

import inspect
import json
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from eventstore import EventStore
from eventstore.cli import commands
from eventstore.cli.lazy_commands import ALIASES, COMMAND_ENTRIES
from eventstore.cli.main import cli, run


def test_every_command_is_listed() -> None:
    modules = (
        import_module(m.name)
        for m in pkgutil.walk_packages(commands.__path__, f"{commands.__name__}.")
    )
    there = {c.name: m.__name__ for m in modules for c in getattr(m, "COMMANDS", ())}
    assert there == {
        name: f"{commands.__name__}.{place.module}" for name, place in COMMAND_ENTRIES.items()
    }


@pytest.mark.parametrize("name", COMMAND_ENTRIES)
def test_the_list_says_what_the_command_says(name: str) -> None:
    command = cli.commands[name]
    told = " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())
    assert f"{told.split('. ')[0].rstrip('.')}." == COMMAND_ENTRIES[name].summary


_LARGE = {"fastapi", "numpy", "psycopg", "rich", "sqlalchemy", "alembic"}


def _loaded(arguments: list[str], folder: Path) -> tuple[str, set[str]]:
    """What a command prints, and which modules there are when it has ended."""
    script = (
        "import sys; from eventstore.cli.main import run; code = run(sys.argv[1:]);"
        " print(); print(*sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    *told, modules = done.stdout.splitlines()
    return "\n".join(told), set(modules.split())


def test_help_imports_no_database(tmp_path: Path) -> None:
    told, modules = _loaded(["--help"], tmp_path)
    assert not _LARGE & modules
    assert "rebuild" in told


def test_a_list_imports_what_lists_need(tmp_path: Path) -> None:
    EventStore(f"sqlite:///{tmp_path}/eventstore.db").close()
    told, modules = _loaded(["sessions", "--json"], tmp_path)
    assert json.loads(told)["object"] == "list"
    assert _LARGE & modules == {"sqlalchemy"}
    rooms = {".".join(name.split(".")[:2]) for name in modules if name.startswith("eventstore.")}
    assert not {"eventstore.archive", "eventstore.capture", "eventstore.replay"} & rooms


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_an_old_name_does_the_same_and_is_marked_as_old(
    alias: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.commands[alias].callback is cli.commands[name].callback
    assert alias not in list(cli.commands)
    assert run([alias, "--help"]) == 0
    told = capsys.readouterr().out
    assert f"Usage: eventstore {alias}" in told and f"old name of `eventstore {name}`" in told
    assert run([name, "--help"]) == 0
    assert "old name" not in capsys.readouterr().out
    assert run(["--help"]) == 0
    assert f"old name of `eventstore {name}`" in capsys.readouterr().out


def test_help_has_the_whole_summary_of_each_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    summaries = [f" {name} {entry.summary} " for name, entry in COMMAND_ENTRIES.items()]
    assert [summary for summary in summaries if summary not in f"{told} "] == []
