"""Makes the verbs of `AsyncEventStore` from those of `EventStore`: `python -m tools.async_verbs`.

Called by `make docs`. It writes the modules of `eventstore/aio/verbs/`, one for each module that
has verbs: `EventStore` and each class below it get a twin. A verb of a twin has the name, the
arguments and the docstring of the verb that it calls in a thread. What the verb returns decides
what is made of it:

| the verb returns | its twin |
|---|---|
| `Iterator[X]` | returns `AsyncItems[X]`, for `async for` |
| `Page[X]` | is awaited, and returns `AsyncPage[X]` |
| a class with a twin, such as `Queries` | returns the twin, such as `AsyncQueries`, at once |
| anything else | is awaited, and returns the same |

If a class has a method `_NAME_steps`, the twin of the verb `NAME` calls that one. It yields what
the verb yields, and a `Pause` (common/pauses.py) where the verb would sleep.

A new verb, or a new class below `EventStore`, needs nothing else. A test fails if the modules are
not up to date, or if a verb is awaited whose result would block the event loop later: such a class
gets a twin that is written by hand, and stands in `WRITTEN`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "eventstore" / "aio" / "verbs"
#: What `AsyncEventStore` has of its own.
OWN = {"close"}
#: Arguments that are typed otherwise: ids may also come of `async for`'s iterators.
IDS = {"Ids": "AsyncIds", "str | Iterable[str]": "AsyncIds", "Ids | None": "AsyncIds | None"}
#: Twins that are written by hand, and the modules that they are in, by the classes that verbs
#: return. A twin is made as `AsyncQueries` is: of the threads, and of what calls the verb.
WRITTEN = {
    "Feed": ("AsyncFeed", "eventstore.aio.async_feed"),
    "Webhooks": ("AsyncWebhooks", "eventstore.aio.async_webhooks"),
    "Traces": ("AsyncTraces", "eventstore.aio.async_traces"),
}
WIDTH = 100

Verb = ast.FunctionDef


@dataclass
class Source:
    """A module with verbs.

    Attributes:
        name: The module's name, such as `eventstore.verbs.queries`.
        text: Its text.
        tree: Its syntax tree.
        imported: For each name that it imports, the module that the name is of.
    """

    name: str
    text: str
    tree: ast.Module
    imported: dict[str, str] = field(default_factory=dict)

    @cached_property
    def lines(self) -> list[bytes]:
        """The lines of the text. The positions of a syntax tree count their bytes."""
        return self.text.encode().splitlines(keepends=True)

    @cached_property
    def defined(self) -> set[str]:
        """The names that the module defines."""
        assigned = (node.targets[0] for node in self.tree.body if isinstance(node, ast.Assign))
        names = {target.id for target in assigned if isinstance(target, ast.Name)}
        classes = (node for node in self.tree.body if isinstance(node, ast.ClassDef | Verb))
        return names | {node.name for node in classes}

    @classmethod
    def read(cls, path: str) -> Source:
        """Return the source of a module of the package."""
        text = (ROOT / "eventstore" / f"{path}.py").read_text(encoding="utf-8")
        name = f"eventstore.{path.replace('/', '.')}"
        found = cls(name, text, ast.parse(text))
        for node in ast.walk(found.tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.col_offset in (0, 4):
                found.imported.update({alias.name: node.module for alias in node.names})
        return found

    def written(self, node: ast.expr | ast.stmt) -> str:
        """Return a part of the module as it is written there."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        lines = self.lines[first : last + 1]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"".join(lines).decode()

    def classes(self) -> Iterator[ast.ClassDef]:
        """Yield the classes that have twins."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef) and node.name in TWINS:
                yield node

    def where(self, name: str) -> str | None:
        """Return the module that a name is of; None for a builtin."""
        if name in self.imported:
            return self.imported[name]
        return self.name if name in self.defined else None


class Module:
    """A module of twins that is being made."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._used: dict[str, str] = {}
        self._annotated: dict[str, str] = {}

    def text(self) -> str:
        """Return the module's text."""
        classes = [self._class(one) for one in self._source.classes()]
        path = self._source.name.removeprefix("eventstore.").replace(".", "/")
        lines = [
            f'"""The verbs of {path}.py for asyncio. `make docs` makes this module of that one."""',
            "",
            "from __future__ import annotations",
            "",
        ]
        annotated = {
            name: module for name, module in self._annotated.items() if name not in self._used
        }
        if annotated:
            self._used["TYPE_CHECKING"] = "typing"
        lines += _imports(self._used, "")
        if annotated:
            lines += ["", "if TYPE_CHECKING:", *_imports(annotated, "    ")]
        return "\n".join([*lines, "", "", "\n\n".join(classes)])

    def _class(self, node: ast.ClassDef) -> str:
        bases = [one for one in _bases(node) if one in TWINS]
        twins = []
        for base in bases:
            twins.append(TWINS[base])
            if self._source.where(base) != self._source.name:
                self._used[TWINS[base]] = f"eventstore.aio.verbs.{_module_of(base)}"
        if not bases:
            twins = ["VerbCalls"]
            self._used["VerbCalls"] = "eventstore.aio.verb_calls"
        self._used[node.name] = self._source.name
        lines = [
            f"class {TWINS[node.name]}({', '.join(twins)}):",
            f'    """The verbs of `{node.name}`, each called in a thread."""',
            "",
        ]
        methods = {one.name: one for one in node.body if isinstance(one, Verb)}
        for name, method in methods.items():
            if not name.startswith("_") and name not in OWN and not _is_old(method):
                lines += [*self._verb(node.name, method, f"_{name}_steps" in methods), ""]
        return "\n".join(lines)

    def _verb(self, owner: str, verb: Verb, in_steps: bool) -> Iterator[str]:
        called = f"{owner}._{verb.name}_steps" if in_steps else f"{owner}.{verb.name}"
        arguments = self._arguments(verb)
        returned = self._source.written(verb.returns) if verb.returns else "None"
        kind, inner = "", ""
        if isinstance(verb.returns, ast.Subscript):
            kind = self._source.written(verb.returns.value)
            inner = self._source.written(verb.returns.slice)
        begin = "def"
        if returned in TWINS or returned in WRITTEN:
            module, twin = "", TWINS.get(returned, "")
            if returned in WRITTEN:
                twin, module = WRITTEN[returned]
            if returned != owner:
                self._used[twin] = module or f"eventstore.aio.verbs.{_module_of(returned)}"
            returned = twin
            if any(_is_property(one) for one in verb.decorator_list):
                yield "    @property"
                body = [f"return {twin}(self._threads, lambda: self._source().{verb.name})"]
            else:
                body = _wrapped("later = ", "self._later", [called, *arguments])
                body.append(f"return {twin}(self._threads, later)")
        elif kind == "Iterator":
            returned = f"AsyncItems[{inner}]"
            self._annotate(verb.returns)
            self._annotated["AsyncItems"] = "eventstore.aio.async_items"
            body = _wrapped("return ", "self._items", [called, *arguments])
        else:
            begin, run = "async def", "self._run"
            self._annotate(verb.returns)
            if kind == "Page":
                returned, run = f"AsyncPage[{inner}]", "self._page"
                self._annotated["AsyncPage"] = "eventstore.aio.async_page"
            body = _wrapped("return await ", run, [called, *arguments])
        head = _wrapped(f"{begin} ", verb.name, self._parameters(verb), f" -> {returned}:")
        yield from (f"    {line}" for line in head)
        doc = verb.body[0]
        yield f"        {self._source.written(doc)}"
        yield from (f"        {line}" for line in body)

    def _parameters(self, verb: Verb) -> list[str]:
        """Return the parameters as they are written, with types of twins."""
        given = verb.args
        missing = len(given.args) - len(given.defaults)
        found = ["self"]
        for place, one in enumerate(given.args[1:], 1):
            default = given.defaults[place - missing] if place >= missing else None
            found.append(self._parameter(one, default))
        if given.kwonlyargs:
            found.append("*")
        for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
            found.append(self._parameter(one, default))
        if given.kwarg is not None:
            found.append(f"**{self._parameter(given.kwarg, None)}")
        return found

    def _parameter(self, one: ast.arg, default: ast.expr | None) -> str:
        kind = self._source.written(one.annotation) if one.annotation else ""
        if kind in IDS:
            kind = IDS[kind]
            self._annotated["AsyncIds"] = "eventstore.aio.verb_calls"
        elif kind in TWINS:
            self._annotated[kind] = self._source.where(kind) or ""
            kind = f"{TWINS[kind]} | {kind}"
        else:
            self._annotate(one.annotation)
        if default is None:
            return f"{one.arg}: {kind}"
        for name in _names(default):
            if self._source.where(name) is not None:
                self._used[name] = self._source.where(name) or ""
        return f"{one.arg}: {kind} = {self._source.written(default)}"

    def _arguments(self, verb: Verb) -> list[str]:
        """Return the arguments with which the verb is called."""
        found = []
        for one in verb.args.args[1:]:
            kind = self._source.written(one.annotation) if one.annotation else ""
            is_other = kind in IDS or kind in TWINS
            if is_other:
                self._used["cast"] = "typing"
                self._annotate(one.annotation)
            found.append(f'cast("{kind}", {one.arg})' if is_other else one.arg)
        found += [f"{one.arg}={one.arg}" for one in verb.args.kwonlyargs]
        if verb.args.kwarg is not None:
            found.append(f"**{verb.args.kwarg.arg}")
        return found

    def _annotate(self, annotation: ast.expr | None) -> None:
        """Import the names of an annotation."""
        for name in _names(annotation) if annotation is not None else ():
            module = self._source.where(name)
            if module is not None and name not in ("Iterator", "Page"):
                self._annotated[name] = module


def _names(node: ast.AST) -> Iterator[str]:
    return (one.id for one in ast.walk(node) if isinstance(one, ast.Name))


def _bases(node: ast.ClassDef) -> list[str]:
    return [base.id for base in node.bases if isinstance(base, ast.Name)]


def _verb_modules(path: str, name: str) -> dict[str, dict[str, str]]:
    """Return the modules of a class and of those below it, with the twin of each class by its name.

    Args:
        path: The module of the class, below `eventstore/`.
        name: The class.
    """
    source = Source.read(path)
    # `AsyncEventStore` itself is written by hand: it has this class below it.
    found = {path: {name: "AsyncFileVerbs" if name == "EventStore" else f"Async{name}"}}
    (node,) = (one for one in source.tree.body if getattr(one, "name", "") == name)
    for base in _bases(node) if isinstance(node, ast.ClassDef) else ():
        package, _, module = (source.where(base) or "").partition(".")
        if package == "eventstore":
            for other, classes in _verb_modules(module.replace(".", "/"), base).items():
                found.setdefault(other, {}).update(classes)
    return found


def _module_of(name: str) -> str:
    """Return the name of the module that has the twin of a class."""
    (path,) = (path for path, classes in MODULES.items() if name in classes)
    return path.rpartition("/")[2]


def _is_property(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id == "property"


def _is_old(verb: Verb) -> bool:
    """Return True if a verb has a new name. Old names have no twins."""
    return any(
        isinstance(one, ast.Call) and getattr(one.func, "id", "") == "deprecated"
        for one in verb.decorator_list
    )


def _call(called: str, arguments: list[str]) -> str:
    return f"{called}({', '.join(arguments)})"


def _wrapped(begin: str, called: str, arguments: list[str], end: str = "") -> list[str]:
    """Return a call, or the head of a function, in one line or with a line for each argument."""
    line = f"{begin}{_call(called, arguments)}{end}"
    if len(line) + 8 <= WIDTH:
        return [line]
    return [f"{begin}{called}(", *(f"    {one}," for one in arguments), f"){end}"]


def _imports(names: dict[str, str], indent: str) -> list[str]:
    """Return import statements in ruff's order: the standard library, others, ours."""
    modules: dict[str, list[str]] = {}
    for name, module in names.items():
        modules.setdefault(module, []).append(name)
    lines: list[str] = []
    last = None
    for module in sorted(modules, key=lambda one: (_group(one), one)):
        if last is not None and _group(module) != last:
            lines.append("")
        last = _group(module)
        members = sorted(modules[module], key=lambda one: (not one.isupper(), one))
        line = f"{indent}from {module} import {', '.join(members)}"
        if len(line) > WIDTH:
            each = [f"{indent}    {one}," for one in members]
            lines += [f"{indent}from {module} import (", *each, f"{indent})"]
        else:
            lines.append(line)
    return lines


def _group(module: str) -> int:
    package = module.partition(".")[0]
    return 2 if package == "eventstore" else 1 if package in ("typing_extensions",) else 0


#: The modules with verbs, by their paths below `eventstore/`: the classes, and their twins.
MODULES = _verb_modules("event_store", "EventStore")
TWINS = {name: twin for classes in MODULES.values() for name, twin in classes.items()}


def modules() -> dict[str, str]:
    """Return the text of each module, by its path below `eventstore/aio/verbs/`."""
    return {f"{path.rpartition('/')[2]}.py": Module(Source.read(path)).text() for path in MODULES}


@click.command()
def main() -> None:
    """Write the verbs of `AsyncEventStore`."""
    for name, text in modules().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
