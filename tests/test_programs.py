"""`python -m eventstore.…`: asked what it does, a module does nothing, least of all delete."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import eventstore
from eventstore.demo import __main__ as demo
from eventstore.demo import call_lines

PACKAGE = Path(eventstore.__file__).parent
#: Started by other code, with a pipe; it is no program for people.
PART = "eventstore.capture.recorder.process.recorder_child"


def programs() -> list[str]:
    """Every module that does something when it is run."""
    found = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if 'if __name__ == "__main__":' in path.read_text("utf-8").splitlines()
    ]
    assert "eventstore.demo.__main__" in found
    return sorted(found)


def run(name: str, argument: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Run a module as `python -m` does; gives its exit code."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [name, argument])
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module(name, run_name="__main__")
    assert list(folder.iterdir()) == []
    return stopped.value.code


@pytest.mark.parametrize("name", programs())
def test_asked_for_help_a_module_tells_what_it_does_and_does_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(name, "--help", tmp_path, monkeypatch)
    told = capsys.readouterr()
    if name == PART:
        assert (code, told.err.count("\n")) == (2, 1)
    else:
        assert code == 0 and told.out.startswith("Usage: ")


@pytest.mark.parametrize("name", programs())
def test_an_argument_that_a_module_does_not_know_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(name, "--nonsense", tmp_path, monkeypatch) == 2
    assert "Error: " in capsys.readouterr().err


# The demo

all_steps = demo.STEPS


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Result]:
    """Run the demo in a folder, without the steps that take their time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENTSTORE_URL", "sqlite://")
    monkeypatch.setattr(demo, "STEPS", demo.STEPS[:2])
    return lambda: CliRunner().invoke(demo.main, [])


def test_the_demo_makes_anew_what_a_demo_left(show: Callable[[], Result]) -> None:
    first, again = show(), show()
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "anew" not in first.output
    assert again.output.startswith("Making .demo anew.\n")
    assert again.output.removeprefix("Making .demo anew.\n") == first.output
    assert demo.DEMO_SESSION[:12] in again.output


def test_the_demo_shows_both_protocols(
    show: Callable[[], Result], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = [step for step in all_steps if "replay" not in step[1]]
    monkeypatch.setattr(demo, "STEPS", steps)
    result = show()
    assert result.exit_code == 0, result.output
    told = result.output + capfd.readouterr().out
    for session in (demo.DEMO_SESSION, demo.DEMO_LIVE_SESSION):
        assert f"session {session}" in told
    assert "Sorry, could I also pick it up at your shop?" in told


def theirs(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    (folder / "call.jsonl").write_text("\n".join(call_lines()))


def another_call(folder: Path) -> None:
    (folder / "call.jsonl").write_text("mine")


def no_call(folder: Path) -> None:
    (folder / "demo.db").write_text("mine")


def a_folder(folder: Path) -> None:
    (folder / "demo.db").mkdir()
    (folder / "call.jsonl").write_text("\n".join(call_lines()))


@pytest.mark.parametrize("fill", [theirs, another_call, no_call, a_folder])
def test_a_folder_that_no_demo_made_is_left_alone(
    show: Callable[[], Result], tmp_path: Path, fill: Callable[[Path], None]
) -> None:
    folder = tmp_path / ".demo"
    folder.mkdir()
    fill(folder)
    before = {path.name: path.is_dir() or path.read_bytes() for path in folder.iterdir()}
    refused = show()
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: .demo") and refused.output.count("\n") == 1
    assert {path.name: path.is_dir() or path.read_bytes() for path in folder.iterdir()} == before


def test_a_link_in_the_place_of_the_folder_is_refused(
    show: Callable[[], Result], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / ".demo").symlink_to(elsewhere)
    assert show().exit_code == 1
    assert list(elsewhere.iterdir()) == []
