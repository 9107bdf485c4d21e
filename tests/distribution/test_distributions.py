"""Acceptance: wheel and source distribution have what they must, and are the same each time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import BytesParser
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path

import pytest
from support.distributions import ROOT, built, only
from trove_classifiers import classifiers

from eventstore.common.version import VERSION

#: What pictures and links of the repository would look like on another server.
RELATIVE = re.compile(r"\]\((?!https://)")


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


def in_source(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as opened:
        return {name.partition("/")[2] for name in opened.getnames()}


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        return BytesParser().parsebytes(opened.read(name))


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def kept() -> set[str]:
    """The files of the repository: those that git has or would have."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def test_the_wheel_has_the_package_the_migrations_and_the_licences(
    dist: Path, kept: set[str]
) -> None:
    information = f"realtime_eventstore-{VERSION}.dist-info"
    licences = {"LICENSE", *(name for name in kept if name.endswith(".LICENSE.txt"))}
    assert names(only(dist, "*.whl")) == {
        *(name for name in kept if name.startswith("eventstore/")),
        *(f"eventstore/{name}" for name in kept if name.startswith("migrations/")),
        *(f"{information}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")),
        *(f"{information}/licenses/{name}" for name in licences),
    }
    assert len(licences) == 4


def test_the_source_distribution_has_what_builds_and_tests_the_package(
    dist: Path, kept: set[str]
) -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = configuration["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert {"/eventstore", "/migrations", "/tests", "/tools", "/docs", "/LICENSE"} <= set(included)
    assert all(name.startswith("/") for name in included), "this name is taken in any folder"
    tops = [name.removeprefix("/") for name in included]
    wanted = {
        name
        for name in kept
        if any(
            name.startswith(f"{top}/") or ("/" not in name and fnmatch(name, top)) for top in tops
        )
    }
    always = {"pyproject.toml", ".gitignore", "PKG-INFO"}
    assert in_source(only(dist, "*.tar.gz")) == wanted | always


def test_nothing_that_was_recorded_or_measured_is_handed_on(dist: Path) -> None:
    everything = names(only(dist, "*.whl")) | in_source(only(dist, "*.tar.gz"))
    assert {"eventstore/py.typed", "eventstore/migrations/env.py"} <= everything
    assert "eventstore/web/pages/templates/session.html" in everything
    unwanted = r"benchmarks/results/|node_modules/|__pycache__|\.(jsonl|har|db|pyc|cassette|wav)$"
    assert [name for name in everything if re.search(unwanted, name)] == []


def test_another_day_and_another_machine_build_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    """The wheel of the source distribution is the wheel of the checkout, too."""
    with tarfile.open(only(dist, "*.tar.gz")) as opened:
        opened.extractall(tmp_path, filter="data")
    source = only(tmp_path, "realtime_eventstore-*")
    for path in source.rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
        path.chmod(path.stat().st_mode & ~0o077)
    built(source, tmp_path / "again", "sdist", "wheel")
    for pattern in ("*.whl", "*.tar.gz"):
        assert digest(only(tmp_path / "again", pattern)) == digest(only(dist, pattern)), pattern


def test_the_index_accepts_both_and_can_show_the_text(dist: Path) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("PASSED")) == (0, 2), done.stdout


def test_the_text_for_the_index_has_no_link_that_is_broken_there(dist: Path) -> None:
    text = metadata(only(dist, "*.whl")).get_payload()
    assert isinstance(text, str)
    outside_code = re.sub(r"(?ms)^```.*?^```$|`[^`\n]+`", "", text)
    assert RELATIVE.findall(outside_code) == []
    assert "(more)" not in outside_code and "$ eventstore import call.jsonl" in text
    assert r"print(*call_lines(), sep='\n')" in text


def test_the_metadata_are_those_that_the_index_knows(dist: Path) -> None:
    told = metadata(only(dist, "*.whl"))
    assert told["Version"] == VERSION
    named = told.get_all("Classifier", [])
    assert [name for name in named if name not in classifiers] == []
    assert {"Typing :: Typed", "Operating System :: POSIX :: Linux"} <= set(named)
    assert told["License-Expression"] == "Apache-2.0 AND BSD-3-Clause AND MIT"
