"""A path that leads back to itself by links is told, as any other that cannot be opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.sound import append, opened
from support.terminal import Terminal

from eventstore import EventStore

LINES = (
    *("status --db sqlite:///{}", "export sess_1 -o {}", "export sess_1 --format chat -o {}"),
    *(
        "offload --all --to {}",
        "copy --all --to sqlite:///{}",
        "import {}",
        "verify --write {} --all",
    ),
    *("audio sess_1 -o {}.wav", "verify --against {} --all", "retain --policy {}"),
)


@pytest.mark.parametrize("line", LINES)
def test_a_link_that_leads_to_itself(
    terminal: Terminal, store: EventStore, tmp_path: Path, line: str
) -> None:
    store.append("sess_1", [opened(), append(0.1, b"12345678")], close=True)
    for name in ("loop", "loop.wav"):
        (tmp_path / name).symlink_to(name)
    told = terminal(*(word.format(tmp_path / "loop") for word in line.split()))
    assert told.code in (0, 1, 2) and "unforeseen" not in told.err, told.err
