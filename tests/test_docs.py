"""Acceptance: what README.md and docs/ say is so, and nothing public is left unsaid.

The examples of a page are run in order, in a new folder that holds `call.jsonl`, the sample call
(`eventstore.demo.call_lines`). Two kinds of fenced blocks are examples; all others are text.

`console`: a line `$ eventstore …` or `$ python …` is run, as are lines that a `\\` joins to it;
pipes, `>` and Python go through bash. What stands below it, up to the next `$`, is what it prints
(standard output and error, in a window of 140 columns, without spaces at the ends of lines). There,
`…` stands for anything within its line, and a line that is `…` alone for any number of lines. Where
nothing stands below, nothing is compared. A command must succeed, unless an `Error:` is shown.

`python`: the block is executed. The blocks of a page share their variables.
"""

from __future__ import annotations

import ast
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from support.doc_examples import Block, Step, blocks, is_shown, steps
from support.terminal import COMMAND, environment

import eventstore
from eventstore.cli.main import cli, run
from eventstore.demo import call_lines
from tools.command_reference import reference

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(eventstore.__file__).resolve().parent
COMMANDS_PAGE = ROOT / "docs" / "commands.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# Those of clients are run with the clients' packages, by `tests/clients/test_pages.py`.
RUN_HERE = [page for page in PAGES if page.parent.name != "clients"]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def printed_by(command: str) -> tuple[int, str]:
    """A command's exit code, and all that it prints."""
    words = shlex.split(command)
    assert words[0] in {"eventstore", "python"}, f"no command that is an example: {command}"
    if words[0] == "python" or set(shlex.shlex(command, punctuation_chars="|<>&;")) & set("|<>&;"):
        return _in_bash(command)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with redirect_stdout(stream), redirect_stderr(stream):
        code = run(words[1:])
    stream.seek(0)
    return code, stream.read()


def _in_bash(command: str) -> tuple[int, str]:
    programs = {"eventstore": COMMAND, "python": [sys.executable]}
    functions = [f'{name}() {{ {shlex.join(words)} "$@"; }}' for name, words in programs.items()]
    done = subprocess.run(
        ["bash", "-c", "; ".join(["set -o pipefail", *functions, command])],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout


def check_console(block: Block, name: str) -> None:
    """Run the commands of a block."""
    for step in steps(block.text):
        code, printed = printed_by(step.command)
        fails = any(line.startswith("Error:") for line in step.shown)
        assert (code != 0) == fails, f"{name}: {step.command}\n{printed}"
        if step.shown and not is_shown(step.shown, printed):
            wanted = "\n".join(step.shown)
            pytest.fail(f"{name}: {step.command}\nshown:\n{wanted}\nprinted:\n{printed}")


def check_output(block: Block, printed: str, name: str) -> None:
    """Compare what the Python block before it has printed."""
    if not is_shown(block.text.splitlines(), printed):
        pytest.fail(f"{name}\nshown:\n{block.text}\nprinted:\n{printed}")


@pytest.mark.parametrize("page", RUN_HERE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_do_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVENTSTORE_URL", raising=False)
    with Path("call.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in call_lines())
    variables: dict[str, Any] = {"__name__": "__main__"}
    printed = io.StringIO()
    for block in blocks(page):
        name = f"{page.relative_to(ROOT)}:{block.line}"
        if block.language == "console":
            check_console(block, name)
        elif block.language == "python":
            printed = io.StringIO()
            with redirect_stdout(printed):
                exec(compile(block.text, name, "exec"), variables)
        elif block.language == "output":
            check_output(block, printed.getvalue(), name)


def test_the_readme_has_examples_of_both_kinds() -> None:
    languages = {block.language for block in blocks(ROOT / "README.md")}
    assert {"console", "python"} <= languages


@each_page
def test_tests_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`(?:tests/)?((?:\w+/)*test_\w+\.py)`", page.read_text(encoding="utf-8"))
    there = [str(path.relative_to(ROOT)) for path in ROOT.glob("tests/**/test_*.py")]
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in there)] == []


def test_the_glossary_is_in_alphabetical_order() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = [word.lower() for word in re.findall(r"(?m)^\| [^|]*?\*\*(.+?)\*\*", text)]
    assert len(words) > 60
    assert words == sorted(set(words))


# The commands' page


def test_the_commands_page_is_made_of_the_commands_help() -> None:
    assert COMMANDS_PAGE.read_text(encoding="utf-8") == reference(), "run: make docs"


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_each_command_is_documented_with_its_options(name: str) -> None:
    text = COMMANDS_PAGE.read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n## eventstore {name}\n")
    assert found, f"no command {name}"
    section = rest.partition("\n## ")[0]
    for parameter in cli.commands[name].params:
        if parameter.param_type_name == "option":
            assert all(option in section for option in parameter.opts), parameter.opts


def test_the_commands_page_is_written_by_a_module(tmp_path: Path) -> None:
    path = tmp_path / "commands.md"
    command = [sys.executable, "-m", "tools.command_reference", str(path)]
    subprocess.run(command, env=environment(), check=True)
    assert path.read_text(encoding="utf-8") == COMMANDS_PAGE.read_text(encoding="utf-8")


# Docstrings


def undocumented(source: str) -> list[str]:
    """Names of public modules, classes, functions and methods without a docstring."""
    tree = ast.parse(source)
    missing = [] if ast.get_docstring(tree) else ["module"]
    return missing + [name for name, node in _public(tree, "") if not ast.get_docstring(node)]


_Named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _public(parent: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, _Named]]:
    for node in parent.body:
        if isinstance(node, _Named) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _public(node, f"{prefix}{node.name}.")


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_everything_public_has_a_docstring(path: Path) -> None:
    assert undocumented(path.read_text(encoding="utf-8")) == []


def test_the_whole_package_is_looked_at() -> None:
    assert {"event_store.py", "errors.py", "main.py", "insert_events.py"} <= {
        path.name for path in MODULES
    }


def test_what_is_exported_is_documented() -> None:
    for name in eventstore.__all__:
        value = getattr(eventstore, name)
        assert isinstance(value, str) or value.__doc__, name


# That these tests can fail


def test_output_that_is_not_so_fails() -> None:
    check_output(Block("output", 1, "a\n…\n"), "a \nb\n", "example")
    with pytest.raises(pytest.fail.Exception):
        check_output(Block("output", 1, "a\n"), "b\n", "example")


def test_a_missing_docstring_is_found() -> None:
    source = '"""M."""\nclass A:\n  """A."""\n  def b(self): ...\n  def _c(self): ...\ndef d(): ...'
    assert undocumented(source) == ["A.b", "d"]
    assert undocumented("x = 1") == ["module"]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\nb", "a  \nb", True),
        ("a", "a\nb\n", False),
        ("a\nb", "a\n", False),
        ("a\n…", "a\nb\nc\n", True),
        ("a\n…", "a\n", True),
        ("…\nc", "a\nb\nc\n", True),
        ("…\nb", "a\nb\nc\n", False),
        ("a\n…\nd", "a\nb\nc\nd\n", True),
        ("it took … s", "it took 0.1 s\n", True),
        ("it took … s", "it took 0.1 s\nand more\n", False),
        ("it took … s", "it took\n0.1 s\n", False),
        ("1.5", "1x5\n", False),
        ("{…", '{"object":"list"}\n', True),
        ("speaks …", "speaks …\n", True),
    ],
)
def test_what_is_shown_stands_for_what_is_printed(shown: str, printed: str, same: bool) -> None:
    assert is_shown(shown.splitlines(), printed) == same


def test_a_block_is_taken_apart() -> None:
    text = "$ eventstore a \\\n    --b\nshown\n\nmore\n$ eventstore c\n"
    assert steps(text) == [
        Step("eventstore a --b", ["shown", "", "more"]),
        Step("eventstore c", []),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "$ eventstore sessions\nSESSION\n",
        "$ eventstore state nowhere\n",
        "$ eventstore sessions\nError: no\n",
        "$ eventstore export nowhere | cat\n",
        "$ ls\n",
        "shown before any command\n",
    ],
)
def test_an_example_that_is_not_so_fails(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check_console(Block("console", 1, text), "example")
