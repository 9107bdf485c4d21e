"""A copy that is killed leaves each session whole: in the source, in the target, or in both.

`KILLS` is how often.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from archive.move.whole import check_right, frames_of, tables_with
from support.calls import SAMPLE_STREAMS

from eventstore import EventStore
from eventstore.realtime.frames import Frame

KILLS = int(os.environ.get("KILLS", "2"))
ROOT = Path(__file__).parents[3]
SESSIONS = 6

_COPYING = """
import sys
from eventstore import EventStore
from eventstore.segments import digest
digest.SEGMENT_EVENTS = 7
source, target = EventStore(sys.argv[1]), EventStore(sys.argv[2])
for done in source.copy(source.closed_sessions(), target, then_delete=sys.argv[3] == "move").done:
    print(done.status, flush=True)
"""


def url_of(store: EventStore) -> str:
    return store.engine.url.render_as_string(hide_password=False)


def copy_and_kill(source: EventStore, target: EventStore, how: str, chance: random.Random) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _COPYING, url_of(source), url_of(target), how],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    for _ in range(chance.randint(1, SESSIONS // 2)):
        process.stdout.readline()
    time.sleep(chance.uniform(0, 0.05))
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait()


def has(store: EventStore, name: str, frames: list[Frame]) -> bool:
    """Whether a session is there, which it is whole, or there is nothing of it."""
    if not tables_with(store, name):
        return False
    assert frames_of(store, name) == frames
    check_right(store, name)
    return True


@pytest.mark.parametrize("how", ["copy", "move"])
def test_a_kill_loses_nothing(store: EventStore, elsewhere: EventStore, how: str) -> None:
    chance = random.Random(KILLS)
    frames = list(SAMPLE_STREAMS[0])
    names = [f"sess_{number:02}" for number in range(SESSIONS)]
    for number, name in enumerate(names):
        store.append(name, frames[: 20 + number], close=True)
        store.seal([name])
        store.append(name, frames[20 + number :])
    source, target = store, elsewhere
    for _ in range(KILLS):
        copy_and_kill(source, target, how, chance)
        for name in names:
            here, there = has(source, name, frames), has(target, name, frames)
            assert here or (there and how == "move")
        left = [name for name in names if how == "move" or not has(target, name, frames)]
        source.copy(left, target, then_delete=how == "move")
        assert all(has(target, name, frames) for name in names)
        assert any(tables_with(source, name) for name in names) == (how == "copy")
        if how == "move":
            source, target = target, source
        else:
            target.copy(names, source, then_delete=True)
