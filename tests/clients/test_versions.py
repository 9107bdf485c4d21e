"""The page of clients names the versions that are run."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = [
    line for line in (ROOT / "docs" / "clients.md").read_text().splitlines() if line[:1] == "|"
]
#: What a client's own package needs beside it.
_BESIDE = frozenset({"@livekit/rtc-node", "ws", "zod"})


def pinned() -> dict[str, str]:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    found = {}
    lines = [line for name in ("voice", "clients", "litellm") for line in groups[name]]
    for line in filter(lambda one: isinstance(one, str), lines):
        name, version = re.sub(r"\[.*\]", "", line).split("==")
        found[name] = version
    for package in ("tests/node", "tests/clients/node"):
        needed = json.loads((ROOT / package / "package.json").read_text())["dependencies"]
        # The table has the names that people know these by.
        found |= {"openai-node" if name == "openai" else name: one for name, one in needed.items()}
    return {name: one for name, one in found.items() if name not in _BESIDE}


@pytest.mark.parametrize(("name", "version"), sorted(pinned().items()))
def test_the_page_names_the_version_that_is_run(name: str, version: str) -> None:
    rows = [row for row in TABLE if re.search(rf"(?i)(^|[ \[|]){re.escape(name)}\b", row)]
    assert any(f"| {version} |" in row for row in rows), (name, version)
