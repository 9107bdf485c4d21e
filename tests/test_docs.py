"""The documentation's examples, run; commands and public names without documentation, found.

Pages are README.md and docs/*.md. On each page, in order and in one scratch folder that holds
`call.jsonl` (the sample call):

* a `console` block has `$ eventstore …` lines, each followed by the output to expect. A line that
  is `…` alone stands for any lines, `…` at a line's end for any rest of it; a `$` line with nothing
  behind it claims nothing of its output. White space at the ends of lines does not count.
* a `python` block is executed, with the names of the blocks before it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import eventstore
from eventstore.cli import reference
from eventstore.cli.main import cli, run
from eventstore.demo import call_lines

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_do_what_it_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVENTSTORE_URL", raising=False)
    Path("call.jsonl").write_text("".join(line + "\n" for line in call_lines()), "utf-8")
    names: dict[str, Any] = {}
    for kind, text in BLOCK.findall(page.read_text("utf-8")):
        if kind == "python":
            exec(compile(text, str(page), "exec"), names)
            continue
        for command, expected in _commands(text):
            capfd.readouterr()
            code = run(shlex.split(command))
            printed = capfd.readouterr()
            assert code == 0, f"{command}: {printed.err}"
            assert _matches(printed.out, expected), f"$ eventstore {command}\n{printed.out}"


def _commands(block: str) -> Iterator[tuple[str, list[str]]]:
    parts = re.split(r"^\$ eventstore (.*)$", block, flags=re.MULTILINE)
    for command, output in zip(parts[1::2], parts[2::2], strict=True):
        yield command, output.strip("\n").splitlines()


def _matches(printed: str, expected: list[str]) -> bool:
    pattern = ""
    for line in (line.rstrip() for line in expected):
        if line == "…":
            pattern += r"(?:.*\n)*"
        elif line.endswith("…"):
            pattern += re.escape(line[:-1]) + r".*\n"
        else:
            pattern += re.escape(line) + r"\n"
    lines = "".join(line.rstrip() + "\n" for line in printed.splitlines())
    return not expected or re.fullmatch(pattern, lines) is not None


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    page = (ROOT / "docs/commands.md").read_text("utf-8")
    assert page == reference.reference(), "run: make docs"


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_each_command_has_help_with_an_example(name: str) -> None:
    text = cli.commands[name].help or ""
    assert "Example" in text
    assert f"eventstore {name}" in text


def test_each_public_name_has_a_docstring() -> None:
    bare = [name for name, thing in _public() if not inspect.getdoc(thing)]
    assert not bare


def _public() -> Iterator[tuple[str, Any]]:
    for found in pkgutil.walk_packages(eventstore.__path__, "eventstore."):
        if found.name.startswith(("eventstore.demo", "eventstore.migrations")):
            continue
        module = importlib.import_module(found.name)
        yield found.name, module
        for name, thing in vars(module).items():
            mine = getattr(thing, "__module__", None) == found.name
            if name.startswith("_") or not mine:
                continue
            if inspect.isfunction(thing):
                yield f"{found.name}.{name}", thing
            elif inspect.isclass(thing):
                yield f"{found.name}.{name}", thing
                for method, body in vars(thing).items():
                    if inspect.isfunction(body) and not method.startswith("_"):
                        yield f"{found.name}.{name}.{method}", body
