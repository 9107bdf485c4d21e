"""The wheel and the source distribution, and environments that have nothing but the wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.examples import IN_CI

ROOT = Path(__file__).resolve().parents[2]


def built(source: Path, folder: Path, *kinds: str) -> None:
    """Build distributions of a source tree into a folder, with the packages of this environment."""
    targets = [word for kind in kinds for word in ("-t", kind)]
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder), *targets]
    done = _run(command, source)
    assert done.returncode == 0, done.stderr


def only(folder: Path, pattern: str) -> Path:
    """The one file in a folder that has such a name."""
    (found,) = folder.glob(pattern)
    return found


def plain() -> dict[str, str]:
    """This process's environment, without what would let a program find the checkout or a store."""
    ours = ("PYTHON", "EVENTSTORE_", "VIRTUAL_ENV", "SOURCE_DATE_EPOCH")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def bare_environment(python: str, folder: Path, wheel: Path) -> None:
    """Make a virtual environment that has the wheel and what it requires, and nothing else.

    uv takes a tenth of pip's time, but may know nothing of the registry that pip knows.
    """
    venv = [python, "-m", "venv"]
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is not None:
        subprocess.run([*venv, "--without-pip", str(folder)], env=plain(), check=True)
        install = [
            uv,
            "pip",
            "install",
            "-q",
            "--python",
            str(folder / "bin" / "python"),
            str(wheel),
        ]
        if subprocess.run(install, env=plain(), capture_output=True, check=False).returncode == 0:
            return
    subprocess.run([*venv, "--clear", str(folder)], env=plain(), check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip"]
    done = _run([*pip, "install", "-q", str(wheel)], folder)
    if done.returncode and not IN_CI and "No matching distribution" in done.stderr:
        pytest.skip("no package registry can be reached")
    assert done.returncode == 0, done.stderr


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=plain(), capture_output=True, text=True, check=False
    )
