"""Acceptance: the wheel alone does what a new user tries, in a new environment elsewhere.

`PYTHONS="python3.12 python3.13"` names interpreters to try it with as well.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from support.distributions import ROOT, bare_environment, only, plain
from support.made_once import made_once

from eventstore.common.version import VERSION
from eventstore.demo.__main__ import DEMO_SESSION

PYTHONS = [sys.executable, *os.environ.get("PYTHONS", "").split()]
SAMPLE = "from eventstore.demo import call_lines; print(*call_lines(), sep='\\n')"
#: What needs an extra, and how the environment has to be for it. SESSION is the sample call's.
NEEDS_EXTRA = {
    "plot": "eventstore audio SESSION --plot call.png",
    "parquet": "eventstore export SESSION --format parquet -o tables",
    "otel": "eventstore export SESSION --format otel --endpoint http://127.0.0.1:9",
    "objects": "eventstore offload SESSION --to memory://calls",
    "mcp": "eventstore mcp",
    "encryption": "eventstore --keys sqlite:///keys.db import call.jsonl",
    "tls": "eventstore replay SESSION --serve 0 --tls",
}

Eventstore = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session", params=PYTHONS, ids=lambda python: Path(python).name)
def bare(
    request: pytest.FixtureRequest, dist: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The programs of an environment that has the wheel and what it requires."""
    wheel = only(dist, "*.whl")
    name = f"bare-{Path(request.param).name}"

    def make(folder: Path) -> None:
        bare_environment(request.param, folder, wheel)

    return made_once(tmp_path_factory, name, make) / "bin"


def execute(bare: Path, folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment in a folder."""
    program, *words = shlex.split(command.replace("SESSION", DEMO_SESSION))
    return subprocess.run(
        [str(bare / program), *words],
        cwd=folder,
        env={**plain(), "EVENTSTORE_SEGMENTS": "memory://calls"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def run(bare: Path, tmp_path: Path) -> Eventstore:
    """Runs a program of the environment in an empty folder."""
    return lambda command: execute(bare, tmp_path, command)


@pytest.fixture
def store(bare: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The sample call, and a store that has it sealed, in the folder."""

    def make(folder: Path) -> None:
        write_sample(bare, folder)
        for command in ("eventstore import call.jsonl", "eventstore seal SESSION"):
            assert execute(bare, folder, command).returncode == 0

    made = made_once(tmp_path_factory, f"sealed-{bare.parent.name}", make)
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)


def write_sample(bare: Path, folder: Path) -> None:
    """Write the sample call to `call.jsonl`, as the first steps do."""
    done = execute(bare, folder, f"python -c {shlex.quote(SAMPLE)}")
    (folder / "call.jsonl").write_text(done.stdout)


def test_the_first_steps_of_a_new_user(bare: Path, run: Eventstore, tmp_path: Path) -> None:
    write_sample(bare, tmp_path)

    def prints(command: str, wanted: str) -> None:
        done = run(command)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert re.search(wanted, done.stdout), done.stdout

    prints("eventstore --version", rf"^eventstore, version {re.escape(VERSION)}\n$")
    prints("eventstore init", "Created the schema")
    prints("eventstore import call.jsonl --metadata customer=42", f"{DEMO_SESSION} .*imported")
    prints("eventstore sessions", f"{DEMO_SESSION} .*customer=42")
    prints("eventstore responses --text saddle", r"\[saddle\]")
    prints("eventstore replay SESSION --instant", "ends|closed|interrupted")
    prints("eventstore export SESSION --format html -o call.html", "^$")
    assert "<title>" in (tmp_path / "call.html").read_text()
    prints("python -m eventstore.demo --help", "^Usage: ")
    prints("python -c 'import eventstore; print(eventstore.__file__)'", "site-packages")


@pytest.mark.usefixtures("store")
def test_pages_and_health_are_served(bare: Path, tmp_path: Path) -> None:
    command = [str(bare / "eventstore"), "serve", "--listen", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=tmp_path, env=plain(), text=True, **pipes) as server:
        try:
            assert server.stdout is not None
            (url,) = re.findall(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
            for path, wanted in (
                ("/healthz", ""),
                ("/", "sess_Demo"),
                (f"/sessions/{DEMO_SESSION}", "wave"),
                ("/static/pages.css", "{"),
                ("/v1/realtime/sessions", DEMO_SESSION),
            ):
                with urlopen(f"{url}{path}", timeout=20) as answer:
                    assert answer.status == 200 and wanted in answer.read().decode(), path
        finally:
            server.terminate()


@pytest.mark.parametrize("extra", sorted(NEEDS_EXTRA))
@pytest.mark.usefixtures("store")
def test_what_an_extra_has_says_which_one_it_is(extra: str, run: Eventstore) -> None:
    done = run(NEEDS_EXTRA[extra])
    assert done.returncode in (1, 2) and done.stderr.startswith("Error: "), done
    assert f"pip install 'realtime-eventstore[{extra}]'" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_every_extra_is_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    assert extras == set(NEEDS_EXTRA), "add a command that needs the new extra to NEEDS_EXTRA"
