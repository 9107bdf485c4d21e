"""Recorded streams. They are no part of the repository: tests skip where they are missing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from eventstore.realtime.frames import Frame
from support.examples import some

#: A list of documented events, one of each type: no stream.
SCHEMA_EXAMPLES = "schema-examples.jsonl"


def folder() -> Path:
    """Where the recordings are: `EVENTSTORE_RECORDINGS`, or beside the checkout."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "recordings"
    return Path(os.environ.get("EVENTSTORE_RECORDINGS") or beside)


#: Why a test that reads recordings is skipped.
MISSING = f"no recordings in {folder()}; name them in EVENTSTORE_RECORDINGS"


def streams() -> list[Path]:
    """Return the recorded Realtime streams in order of name; none where the folder is missing."""
    return [path for path in _recorded() if not _is_live(path)]


def live_streams() -> list[Path]:
    """Return the recorded GPT-Live streams, in order of name; none where the folder is missing."""
    return [path for path in _recorded() if _is_live(path)]


def _recorded() -> list[Path]:
    return [path for path in sorted(folder().glob("*.jsonl")) if path.name != SCHEMA_EXAMPLES]


def _is_live(path: Path) -> bool:
    with path.open() as lines:
        first = json.loads(next(lines))
    return first["event"]["type"] in ("session.start", "session.started")


def schema_examples() -> list[dict[str, Any]]:
    """The documented examples: `schema`, `group` and `event` each."""
    path = folder() / SCHEMA_EXAMPLES
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def frames(
    path: Path, start: int | None = 1_700_000_000_000_000, step: int = 20_000
) -> list[Frame]:
    """The frames of a stream, one each `step` microseconds; without times where `start` is None."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        Frame(
            entry["direction"],
            json.dumps(entry["event"], ensure_ascii=False, separators=(",", ":")),
            None if start is None else start + number * step,
        )
        for number, entry in enumerate(entries)
    ]


def _parameters(paths: list[Path]) -> list[Any]:
    found = [pytest.param(path, id=path.stem) for path in paths]
    return found or [pytest.param(None, id="none", marks=pytest.mark.skip(reason=MISSING))]


#: Runs a test once for each recorded Realtime stream, given as `recording`.
each_recording = pytest.mark.parametrize("recording", _parameters(streams()))
#: The same; in CI for every other one, where a client in a process of its own plays each.
some_recordings = pytest.mark.parametrize("recording", _parameters(list(some(streams(), 2))))
#: Runs a test once for each recorded GPT-Live stream, given as `recording`.
each_live_recording = pytest.mark.parametrize("recording", _parameters(live_streams()))
