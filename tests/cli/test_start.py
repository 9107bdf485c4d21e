"""What a command imports before it answers: looked at in a fresh process, by `sys.modules`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.calls import voice_call
from support.terminal import environment

from eventstore import EventStore

#: Runs a command, and tells on standard error which of the packages were imported.
_LOOK = """
import json, sys
from eventstore.cli.main import run
code = run(json.loads(sys.argv[1]))
loaded = sorted(set(json.loads(sys.argv[2])) & set(sys.modules))
print(json.dumps({"code": code, "loaded": loaded, "count": len(sys.modules)}), file=sys.stderr)
"""
#: What no list of an SQLite store needs, whatever else it does.
SELDOM = [
    *("psycopg", "sqlalchemy.dialects.postgresql", "alembic", "mako", "genai_prices"),
    *("numpy", "soundfile", "soxr", "miniaudio", "matplotlib", "pyarrow", "zstandard", "yaml"),
    *("fastapi", "starlette", "uvicorn", "jinja2", "websockets", "h11", "prometheus_client"),
    *("cryptography", "opentelemetry", "fsspec", "trustme"),
    *("eventstore.projection.fold", "eventstore.store.sessions.append"),
]
#: What is imported when a command is known, and not before.
LATER = [
    *("sqlalchemy", "sqlite3", "orjson", "pybase64", "rich", "hashlib", "logging", "asyncio"),
    *("importlib.metadata", "decimal", "pathlib", "urllib.parse", "dataclasses"),
    *("eventstore.errors", "eventstore.event_store", "eventstore.cli.options"),
]


def _loaded(*arguments: str, folder: Path) -> list[str]:
    words = [json.dumps(arguments), json.dumps(SELDOM + LATER)]
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, *words],
        **{"cwd": folder, "env": environment(), "capture_output": True, "timeout": 60},
        check=True,
    )
    told = json.loads(done.stderr)
    assert told["code"] == 0 and done.stdout
    loaded: list[str] = told["loaded"]
    return loaded


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_what_needs_no_store_imports_click_alone(own_folder: Path, arguments: list[str]) -> None:
    assert _loaded(*arguments, folder=own_folder) == []


@pytest.mark.parametrize("arguments", [["sessions"], ["sessions", "--json"], ["metadata"]])
def test_a_list_imports_what_it_needs(own_folder: Path, arguments: list[str]) -> None:
    with EventStore("sqlite:///eventstore.db") as store:
        store.append("sess_1", voice_call().frames)
        store.set_metadata("sess_1", {"customer": "42"})
    loaded = _loaded(*arguments, folder=own_folder)
    assert "sqlalchemy" in loaded and set(loaded).isdisjoint(SELDOM)
    assert ("rich" in loaded) is ("--json" not in arguments)
