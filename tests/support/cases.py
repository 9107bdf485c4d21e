"""Small inputs that reports from the field lead to. They are no part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def folder() -> Path:
    """Where the cases are: `EVENTSTORE_CASES`, or beside the checkout."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "cases"
    return Path(os.environ.get("EVENTSTORE_CASES") or beside)


def case(name: str) -> Path:
    """The file of a case, with its suffix or as JSON lines; the test is skipped without it."""
    path = folder() / (name if "." in name else f"{name}.jsonl")
    if not path.is_file():
        pytest.skip(f"no case {path}; name their folder in EVENTSTORE_CASES")
    return path
