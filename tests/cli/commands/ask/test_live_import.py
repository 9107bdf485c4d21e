"""Acceptance: what is imported of GPT-Live without directions is heard on the right side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.cases import case
from support.import_files import jsonl
from support.live_calls import MODEL, RATE, USER, own_connection, sideband
from support.sound import channels
from support.terminal import Terminal

from eventstore import EventStore

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
#: One sample of each side, as the mean of its loudness where it is heard.
LEVELS = [int.from_bytes(audio[:2], "little", signed=True) / 32768 for audio in (USER, MODEL)]


@pytest.mark.parametrize("events", [own_connection(), sideband()], ids=["own", "sideband"])
def test_each_side_has_its_own_sound(
    terminal: Terminal, store: EventStore, tmp_path: Path, events: list[dict[str, object]]
) -> None:
    bare = tmp_path / "bare.jsonl"
    bare.write_bytes(jsonl(*events))
    assert terminal("import", str(bare)).code == 0
    assert terminal("audio", "live_x1", "-o", "call.wav").code == 0
    sides, rate = channels(Path("call.wav"))
    assert rate == RATE
    for side, level in zip(sides, LEVELS, strict=True):
        heard = np.abs(np.asarray(side, dtype=float))
        assert heard.max() / (1 if heard.max() <= 1 else 32768) == pytest.approx(level, abs=0.001)


def test_the_case_of_bare_events_has_the_users_sound(terminal: Terminal, store: EventStore) -> None:
    assert terminal("import", str(case("live_bare"))).code == 0
    assert terminal("audio", "live_x1", "-o", "call.wav").code == 0
    (user, assistant), _ = channels(Path("call.wav"))
    assert np.any(user) and np.any(assistant)
    assert not np.array_equal(user, assistant)
