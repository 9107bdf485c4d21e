"""Unit: each verb of `EventStore` has a twin with the same arguments, made by tools/async_verbs."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner
from typing_extensions import is_typeddict

from eventstore import AsyncEventStore, AsyncQueries, EventStore, Page
from eventstore.aio.async_event_store import THREADS
from tools import async_verbs
from tools.async_verbs import FOLDER, IDS, MODULES, TWINS, WRITTEN, Module, Source, modules

#: What is there for asyncio alone.
ADDED = {"sync"}


def public(kind: type) -> set[str]:
    """The names of a class's verbs and properties, without old names."""
    names = {name for name in dir(kind) if not name.startswith("_")}
    return {name for name in names if not hasattr(getattr(kind, name), "__deprecated__")}


def twin_of(returned: str) -> str:
    """What the twin of a verb returns, by what the verb returns."""
    for kind, twin in (("Iterator[", "AsyncItems["), ("Page[", "AsyncPage[")):
        if returned.startswith(kind):
            return twin + returned.removeprefix(kind)
    return WRITTEN[returned][0] if returned in WRITTEN else TWINS.get(returned, returned)


def annotation_of(annotation: str) -> str:
    """The type of a twin's argument, by that of the verb's."""
    twin = TWINS.get(annotation)
    return f"{twin} | {annotation}" if twin else IDS.get(annotation, annotation)


def test_no_verb_is_missing_and_none_is_added() -> None:
    assert len(public(EventStore)) > 60
    assert public(AsyncEventStore) - ADDED == public(EventStore)


@pytest.mark.parametrize("name", sorted(public(EventStore) - {"reader"}))
def test_a_twin_is_called_as_the_verb_is(name: str) -> None:
    verb, twin = getattr(EventStore, name), getattr(AsyncEventStore, name)
    wanted, found = inspect.signature(verb), inspect.signature(twin)
    assert list(found.parameters) == list(wanted.parameters)
    for one, other in zip(found.parameters.values(), wanted.parameters.values(), strict=True):
        assert one.kind == other.kind
        assert one.default == other.default or callable(one.default)
        if one.name != "self":
            assert one.annotation == annotation_of(other.annotation)
    assert found.return_annotation == twin_of(wanted.return_annotation)
    is_awaited = not found.return_annotation.startswith(
        ("AsyncItems[", "AsyncQueries", "AsyncFeed", "AsyncWebhooks", "AsyncTraces")
    )
    assert inspect.iscoroutinefunction(twin) == is_awaited
    first, other_first = ((inspect.getdoc(one) or "").split("\n")[0] for one in (twin, verb))
    assert first == other_first or name == "close"


def test_the_reader_is_a_twin_too() -> None:
    made = AsyncEventStore("sqlite://")
    assert type(made.reader) is AsyncQueries and type(made.scoped("a", "b")) is AsyncQueries


def test_it_is_opened_with_what_a_store_is_opened_with() -> None:
    wanted = dict(inspect.signature(EventStore).parameters)
    found = dict(inspect.signature(AsyncEventStore).parameters)
    assert found.pop("threads").default == THREADS
    assert found == wanted


# What makes the twins


def test_the_modules_are_up_to_date() -> None:
    made = modules()
    for name, text in made.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name}: run make docs"
    assert {path.name for path in FOLDER.glob("*.py")} == {*made, "__init__.py"}


def test_the_command_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_verbs, "FOLDER", tmp_path)
    assert CliRunner().invoke(async_verbs.main).exit_code == 0
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == modules()


def test_each_class_of_verbs_has_a_twin() -> None:
    """A class that somebody adds below `EventStore` is not forgotten."""
    below = {kind.__name__ for kind in EventStore.__mro__ if kind is not object}
    assert below == set(TWINS)
    places = {name: path for path, classes in MODULES.items() for name in classes}
    for kind in EventStore.__mro__[:-1]:
        assert kind.__module__ == f"eventstore.{places[kind.__name__].replace('/', '.')}"


NEW = '''
from collections.abc import Callable, Iterator
from eventstore.other import Thing, deprecated, LONGEST
Age = str | int
class Queries(LogQueries):
    def count(self, age: Age = LONGEST, *, wide: bool = False) -> Thing:
        """Count."""
    def each(self, session_ids: Ids | None = None) -> Iterator[Thing | None]:
        """Yield each."""
    def rows(self) -> Iterator[dict[str, list[Thing]]]:
        """Yield rows."""
    def waited(self, stopped: Callable[[], bool] | None = None) -> Iterator[Thing]:
        """Yield later."""
    def _waited_steps(self, stopped: Callable[[], bool] | None = None) -> Iterator[Thing | Pause]:
        """Not public."""
    def pages(self, a_long_argument: str, another_long_argument: str, a_third: str) -> Page[Thing]:
        """Return a page."""
    @deprecated("old")
    def old(self) -> int:
        """Return."""
'''


def test_a_new_verb_gets_its_twin() -> None:
    text = Module(made_up(NEW)).text()
    ast.parse(text)
    assert "    async def count(self, age: Age = LONGEST, *, wide: bool = False) -> Thing:" in text
    assert "        return await self._run(Queries.count, age, wide=wide)" in text
    assert (
        "    def each(self, session_ids: AsyncIds | None = None) -> AsyncItems[Thing | None]:"
        in text
    )
    assert "    def rows(self) -> AsyncItems[dict[str, list[Thing]]]:" in text
    assert 'self._items(Queries.each, cast("Ids | None", session_ids))' in text
    assert "        return self._items(Queries._waited_steps, stopped)" in text
    assert "        another_long_argument: str,\n" in text and "-> AsyncPage[Thing]:" in text
    assert "self._page(Queries.pages, a_long_argument, another_long_argument, a_third)" in text
    assert "from eventstore.other import LONGEST\n" in text  # needed when the module is imported
    assert "    from eventstore.other import Thing\n" in text
    assert "    from eventstore.verbs.queries import Age\n" in text
    assert "def old" not in text and "def _waited_steps" not in text


BY_HAND = '''
class Queries(LogQueries):
    def listen(self, name: str, a_long_argument: str, another_long_argument: int = 5) -> Ear:
        """Listen."""
'''


def test_what_a_verb_returns_may_have_a_twin_that_is_written_by_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(WRITTEN, "Ear", ("AsyncEar", "eventstore.aio.async_ear"))
    text = Module(made_up(BY_HAND)).text()
    ast.parse(text)
    assert "from eventstore.aio.async_ear import AsyncEar\n" in text
    assert "    def listen(" in text and "-> AsyncEar:" in text
    assert "later = self._later(" in text and "return AsyncEar(self._threads, later)" in text


def classes_of(annotation: ast.expr, source: Source) -> Iterator[type]:
    """The store's own classes that a type consists of."""
    for node in ast.walk(annotation):
        module = source.where(node.id) if isinstance(node, ast.Name) else None
        if module is not None and module.startswith("eventstore."):
            found = getattr(import_module(module), node.id)  # type: ignore[attr-defined]
            if isinstance(found, type):
                yield found


def is_data(kind: type) -> bool:
    return is_typeddict(kind) or is_dataclass(kind) or issubclass(kind, tuple | Exception)


def test_what_is_awaited_is_data_and_does_nothing_more() -> None:
    """A result that asks the database later, by itself, would have the event loop wait for it."""
    seen = set()
    for path in MODULES:
        source = Source.read(path)
        for node in source.classes():
            for verb in node.body:
                if not isinstance(verb, ast.FunctionDef) or verb.returns is None:
                    continue
                if verb.name.startswith("_") or source.written(verb.returns) in {*TWINS, *WRITTEN}:
                    continue
                for kind in classes_of(verb.returns, source):
                    seen.add(kind)
                    assert kind is Page or is_data(kind), f"{verb.name}: put {kind} into WRITTEN"
    assert len(seen) > 20


def made_up(text: str) -> Source:
    tree = ast.parse(text)
    imported = {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    imported |= {"LogQueries": "eventstore.verbs.log_queries", "Ids": "eventstore.verbs.x"}
    return Source("eventstore.verbs.queries", text, tree, imported)
