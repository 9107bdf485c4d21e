"""Acceptance: what the Containerfile does, without a container: a wheel, a venv, another user.

The wheel is built of the files that `.containerignore` lets into the image, and of no others. It is
installed into a virtual environment of its own, without this checkout on any path; the packages
that it needs are those of the test's environment. Then a user who is not root, and who may write
into one folder alone, runs what an image and the units run: init, import, serve with its health
check, backup, restore, and a relay.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.deployed import DEPLOY, ROOT
from support.postgres import as_user, folder_for, free_port

PATIENCE = 120


def copy_context(target: Path) -> None:
    """Copy what `.containerignore` lets through. Its lines are checked in test_containerfile.py."""
    for line in (ROOT / ".containerignore").read_text("utf-8").splitlines():
        if not line.startswith("!"):
            continue
        source, copy = ROOT / line[1:], target / line[1:]
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, copy)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built in the context of an image."""
    pytest.importorskip("hatchling")
    context = tmp_path_factory.mktemp("context")
    copy_context(context)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
    done = subprocess.run(build, cwd=context, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [made] = (context / "dist").glob("*.whl")
    return made


def nobody() -> pwd.struct_passwd | None:
    """Who runs it, None for the user of this process, who is not root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


class Installed:
    """The installed package, and the user who runs it.

    Attributes:
        data: The one folder that the user may write to.
        program: The command.
    """

    def __init__(self, folder: Path, data: Path, python: Path, user: pwd.struct_passwd | None):
        self.data, self.python, self._user = data, python, user
        self.program = folder / "venv" / "bin" / "eventstore"
        known = {"PATH": f"{self.program.parent}:/usr/bin:/bin", "HOME": str(data)}
        known |= {"EVENTSTORE_URL": f"sqlite:///{data}/eventstore.db", "PYTHONUNBUFFERED": "1"}
        known |= {"EVENTSTORE_SPOOL": f"{data}/spool", "TMPDIR": str(data)}
        self.common: dict[str, Any] = {"cwd": data, "env": known, **as_user(user)}

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **self.common
        )

    def run(self, *words: str | Path) -> str:
        """What a command prints, which must succeed."""
        process = self.start(*words)
        told, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, told
        return told

    def __call__(self, *arguments: str) -> str:
        return self.run(self.program, *arguments)


def python_for(user: pwd.struct_passwd | None, folder: Path) -> Path:
    """A Python of this version that the user may run."""
    names = [Path(sys.executable).resolve(), Path(f"/usr/bin/python3.{sys.version_info.minor}")]
    for python in names:
        ask = [python, "-c", "import sqlite3, ssl, venv"]
        try:
            done = subprocess.run(ask, cwd=folder, check=False, **as_user(user))
        except OSError:
            continue
        if done.returncode == 0:
            return python
    pytest.skip("no Python of this version that a user who is not root may run")


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Iterator[Installed]:
    """The wheel in a virtual environment that root owns and the user may not write to."""
    user = nobody()
    folder, data = folder_for(None), folder_for(user)
    folder.chmod(0o755)
    try:
        python = python_for(user, data)
        subprocess.run([python, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        version = f"python3.{sys.version_info.minor}"
        site = folder / "venv" / "lib" / version / "site-packages"
        target = ["--python", folder / "venv" / "bin" / "python", "install", "-q"]
        pip = [sys.executable, "-m", "pip", *target, "--no-deps", "--no-index", wheel]
        subprocess.run(pip, check=True)
        # Lines of a .pth file are folders; what those have of .pth files is not read. So the
        # checkout, which the test's environment may have as an editable package, is not found.
        (site / "needed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        made = Installed(folder, data, folder / "venv" / "bin" / "python", user)
        ask = "import sqlalchemy, psycopg, eventstore; print(eventstore.__file__)"
        process = made.start(made.python, "-c", ask)
        told, _ = process.communicate(timeout=PATIENCE)
        if process.returncode:
            pytest.skip(f"the packages cannot be read by that user: {told[-200:]}")
        assert Path(told.strip()).is_relative_to(site), told
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)


def test_it_is_a_user_with_few_rights(installed: Installed) -> None:
    ask = "import os; print(os.geteuid(), os.access({!r}, os.W_OK))"
    place = str(installed.program.parent)
    user, writes = installed.run(installed.python, "-c", ask.format(place)).split()
    if os.geteuid() == 0:  # else it is this process's own user
        assert (int(user), writes) == (pwd.getpwnam("nobody").pw_uid, "False")
    assert int(user) != 0


def test_it_makes_a_store_backs_it_up_and_restores_it(installed: Installed) -> None:
    assert "Created the schema" in installed("init")
    sample = "from eventstore.demo import call_lines; print(*call_lines(), sep='\\n')"
    lines = installed.run(installed.python, "-c", sample)
    (installed.data / "call.jsonl").write_text(lines)
    (installed.data / "call.jsonl").chmod(0o644)
    installed("import", "call.jsonl", "--metadata", "customer=42")
    done = json.loads(installed("backup", "backup.db", "--json"))["store"]
    assert done["sessions"] == 1 and done["events"] > 1000
    restored = f"sqlite:///{installed.data}/backup.db"
    assert "1 session verified" in installed("verify", "--all", "--db", restored)
    assert installed("export", "--all", "--db", restored) == installed("export", "--all")
    for path in installed.data.glob("*.db"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("command", ["serve", "record"])
def test_what_listens_is_healthy_and_ends_by_the_signal_of_the_image(
    installed: Installed, command: str
) -> None:
    port = free_port()
    upstream = () if command == "serve" else ("--upstream", "ws://127.0.0.1:1", "--grace", "1")
    process = installed.start(installed.program, command, "--listen", str(port), *upstream)
    check = [sys.executable, str(DEPLOY / "healthcheck.py"), str(port)]
    try:
        end = time.monotonic() + PATIENCE
        while subprocess.run(check, check=False).returncode:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)  # as STOPSIGNAL says
        told, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, told
    assert subprocess.run(check, check=False).returncode == 1
