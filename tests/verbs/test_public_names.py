"""docs/python.md: whole, made of the docstrings, and of names that `eventstore` has."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import eventstore
from eventstore import EventStore, Frame, Results, Sealed
from tools.python_reference import GROUPS, KINDS, reference

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "python.md"
OLD = ("archive", "show")
VERBS = [
    name
    for name in dir(EventStore)
    if not name.startswith("_") and callable(getattr(EventStore, name)) and name not in OLD
]


def test_the_page_is_made_of_the_docstrings() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: make docs"


def test_each_public_name_of_the_page_is_importable_from_eventstore() -> None:
    text = PAGE.read_text(encoding="utf-8")
    names = {name.partition(".")[0] for name in re.findall(r"^### ([\w.]+)$", text, re.M)}
    for name in names - {"store"}:
        assert hasattr(eventstore, name), name
    assert names - {"store"} == set(eventstore.__all__) - {"__version__"}


def test_each_verb_is_in_a_group() -> None:
    named = {name for verbs in GROUPS.values() for name in verbs} - {"EventStore"}
    unnamed = {name for name in VERBS if name.removeprefix("iter_") not in named}
    assert unnamed == {"check_seen"}  # for the packages below, which are handed a Log
    listed = [name for names in KINDS.values() for name in names]
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("name", VERBS)
def test_a_docstring_tells_of_each_argument(name: str) -> None:
    verb = getattr(EventStore, name)
    told = inspect.getdoc(verb) or ""
    first = told.split("\n")[0]
    assert first.endswith(".") and first[0].isupper(), first
    if name.startswith("iter_"):
        assert f"`{name.removeprefix('iter_')}`" in told and "Yields:" in told
        return
    for parameter in inspect.signature(verb).parameters:
        assert parameter == "self" or f"    {parameter}: " in told, parameter


@pytest.mark.parametrize("name", sorted(set(eventstore.__all__) - {"__version__"}))
def test_each_name_is_imported_when_it_is_used_and_is_typed(name: str) -> None:
    tree = ast.parse(Path(eventstore.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    found: Any = getattr(eventstore, name)
    assert found is getattr(sys.modules[typed[name]], name)  # type: ignore[index]
    assert name in dir(eventstore)


def test_an_import_of_the_package_imports_nothing_large() -> None:
    script = "import sys, eventstore; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    large = {"sqlalchemy", "pydantic", "numpy", "eventstore.errors", "eventstore.event_store"}
    assert not large & set(done.stdout.split())


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Stor'"):
        _ = eventstore.Stor  # type: ignore[attr-defined]


# Old names


@pytest.fixture
def store() -> EventStore:
    store = EventStore("sqlite://")
    store.append("s", [Frame("server", '{"type": "session.created"}')], close=True)
    return store


def test_old_names_do_the_same_and_warn(store: EventStore) -> None:
    with pytest.warns(DeprecationWarning, match="state()"):
        assert store.show("s") == store.state("s")  # type: ignore[deprecated]
    with pytest.warns(DeprecationWarning, match="seal()"):
        sealed = list(store.archive(["s", "nowhere"]))  # type: ignore[deprecated]
    assert isinstance(sealed[0], Sealed) and sealed[0].events == 1
    assert isinstance(sealed[1], eventstore.NotFoundError)


def test_new_names_do_not_warn(store: EventStore) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(store.seal("s"), Results)
        assert store.state("s") and store.last_seq("s") == 1 and store.revision("s")
