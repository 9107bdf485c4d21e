"""Run real clients, each in a process of its own, and tell what the store has of a session."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from eventstore import EventStore
from eventstore.replay.serving.matching import MatchRule

HERE = Path(__file__).resolve().parent
_ROOT = HERE.parents[1]
_LIMIT = 60


@dataclass(frozen=True)
class Item:
    """One item of a conversation.

    Attributes:
        who: user or assistant; `call` for a function that was called, `output` for what it gave.
        texts: what was said: as it was generated, and as it was heard.
    """

    who: str
    texts: tuple[str, ...]

    def is_told(self, who: str, text: str) -> bool:
        """Whether a client tells it: of an answer that was cut off, as far as it was heard."""
        if who != self.who:
            return False
        return text in self.texts or (len(self.texts) > 1 and self.texts[0].startswith(text))

    def is_told_behind(self, others: Sequence[Item], who: str, text: str) -> bool:
        """Whether a client tells it behind words of another item, which came to it too late."""
        mine = next((mine for mine in self.texts if text.endswith(f" {mine}")), None)
        if who != self.who or mine is None:
            return False
        late = text.removesuffix(f" {mine}")
        return any(late in other.texts[0] for other in others if other.who == who)


@dataclass(frozen=True)
class Driver:
    """A small program that talks by an unmodified client, and what it is told to do.

    Attributes:
        package: what a Python driver imports; those that the project's own tests have run
            without `make clients`.
        venv: the environment that has it, apart from the project's own: `make test` makes
            `.venv-voice`, `make clients` the others.
        tls: whether the client connects by TLS alone.
        match: by what rule its frames match those of a cassette.
        without: what the client's own history has no items for.
        base: what a cassette's upstream ends with; Azure's clients ask for a whole path.
        by_clock: whether it cuts an answer where the wall clock says, otherwise in each run.
    """

    script: str
    case: str = ""
    package: str = ""
    venv: str = ".venv-clients"
    tls: bool = False
    by_clock: bool = False
    base: str = "/v1"
    match: MatchRule = "strict"
    without: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """What a test of it is called."""
        path = Path(self.script)
        kind = "node" if path.suffix == ".mjs" else ""
        return "-".join(filter(None, (path.stem, kind, self.case)))

    def run(self, port: int, ca_file: Path | None, chunk_ms: int = 20) -> list[tuple[str, str]]:
        """Have the conversation with a server on this port.

        Args:
            ca_file: whom to trust, where the client connects by TLS.
            chunk_ms: how long the pieces are in which its microphone gives sound.

        Returns:
            The items as the client has them in the end.
        """
        path = HERE / self.script
        origin = f"{'https' if self.tls else 'http'}://127.0.0.1:{port}"
        command = [*self._program(path), str(path), "--url", origin, "--case", self.case]
        environment = {**os.environ, "NO_PROXY": "127.0.0.1", "CHUNK_MS": str(chunk_ms)}
        if self.tls:
            environment |= {"SSL_CERT_FILE": str(ca_file), "NODE_EXTRA_CA_CERTS": str(ca_file)}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_LIMIT, env=environment
        )
        assert done.returncode == 0, done.stderr[-4000:]
        told = json.loads(done.stdout.splitlines()[-1])
        return [(who, text) for who, text in told["items"]]

    def skip_where_it_is_missing(self) -> None:
        """Skip a test whose client is not installed."""
        path = HERE / self.script
        if path.suffix == ".py" and self._python is None:
            pytest.skip(f"no {self.venv}: make clients installs it")
        node_modules = path.resolve().parent / "node_modules"
        if path.suffix == ".mjs" and not (shutil.which("node") and node_modules.is_dir()):
            pytest.skip("no Node, or its packages are not installed")

    @property
    def _python(self) -> str | None:
        """An interpreter that has the client; None where none has."""
        apart = _ROOT / self.venv / "bin" / "python"
        if apart.exists():
            return str(apart)
        return sys.executable if self.package and find_spec(self.package) else None

    def _program(self, path: Path) -> list[str]:
        if path.suffix == ".py":
            return [self._python or "python", "-W", "ignore"]
        # Where it is no longer an experiment, the option says what is so anyway.
        return [shutil.which("node") or "node", "--experimental-websocket", "--no-warnings"]


def _items_of(store: EventStore) -> list[Item]:
    """The items of the only session of a store."""
    [session] = store.sessions().data
    [conversation] = store.state(session["id"])["conversations"]
    return [_item(item) for item in conversation["items"]]


def _item(item: dict[str, Any]) -> Item:
    if item["type"] == "function_call":
        return Item("call", (item["name"],))
    if item["type"] == "function_call_output":
        return Item("output", (item["output"],))
    parts = item.get("content") or []
    said = " ".join(filter(None, (part.get("text") or part.get("transcript") for part in parts)))
    generated = item["eventstore"].get("generated")
    return Item(item["role"], (said,) if generated is None else (generated, said))


def differences(driver: Driver, told: list[tuple[str, str]], store: EventStore) -> list[str]:
    """Where a client's items are not those of the only session of a store."""
    items = [item for item in _items_of(store) if item.who not in driver.without]
    found = [
        f"{place}: the client has {one}, the store {item}"
        for place, (one, item) in enumerate(zip(told, items, strict=False))
        if not item.is_told(*one)
        # Where an answer is cut off, Pipecat may take its last words for those of a later one.
        and not (driver.by_clock and item.is_told_behind(items[:place], *one))
    ]
    if len(told) != len(items):
        found.append(f"the client has {len(told)} items, the store {len(items)}: {told}, {items}")
    return found


def changes(driver: Driver, one: list[tuple[str, str]], other: list[tuple[str, str]]) -> list[str]:
    """Where a run's items are not those of another.

    How much was heard, a clock may decide, and whether late words stand before the next ones.
    """
    if driver.by_clock and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return [f"{a}, {b}" for a, b in pairs if a[0] != b[0] or not _are_one_text(a[1], b[1])]
    return [] if one == other else [f"{one}", f"{other}"]


def _are_one_text(one: str, other: str) -> bool:
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    return longer.startswith(shorter) or longer.endswith(f" {shorter}")
