"""A process that is killed while it erases: each session is there whole, or gone.

`KILLS` is how often; `make endurance` asks for 200.
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
from support.database_files import files, found_in, sounds
from support.erased_rows import counts, whole
from support.secret_call import secret_call
from support.silenced import is_silent, quiet

from eventstore import EventStore
from eventstore.archive.seal import seal_session
from eventstore.errors import ErasedError

KILLS = int(os.environ.get("KILLS", "2"))
TESTS = Path(__file__).parents[2]
SESSIONS = 6


def erase_and_kill(url: str, lines: list[str], seconds: float) -> list[str]:
    """Let a process erase for so long; what it says is erased."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.erasing_process", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent}"},
    )
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdin.write("".join(f"{line}\n" for line in lines).encode())
    process.stdin.flush()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    said = process.stdout.read().split()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    return [name.decode() for name in said]


def test_each_session_is_whole_or_gone_after_a_kill(database_url: str) -> None:
    chance = random.Random(KILLS)
    whats: dict[str, str] = {}
    with EventStore(database_url) as store:
        store.append("kept", secret_call("kept").frames, close=True)
        kept = whole(store, "kept")
        for round_ in range(KILLS):
            names = [f"r{round_}x{number}" for number in range(SESSIONS)]
            for name in names:
                store.append(name, secret_call(name).frames, close=True)
                if chance.random() < 0.5:
                    seal_session(store.engine, name)
            before = {name: whole(store, name) for name in names}
            lines = {name: chance.choice(("audio", "session")) for name in names}
            orders = [f"{what} {name}" for name, what in lines.items()]
            said = erase_and_kill(database_url, orders, chance.uniform(0, 0.15))
            for name in names:
                check(store, name, lines[name], before[name], name in said)
            whats |= lines
            # Whoever goes on does what is left.
            for name, what in lines.items():
                store.erase(name, audio_only=what == "audio", vacuum=False).raise_for_errors()
        store.erase([]).raise_for_errors()
        assert sum(done.changed for done in store.rebuild().done) == 0
        assert whole(store, "kept") == kept
    held = files(database_url)
    for name, what in whats.items():
        found = found_in(held, name)
        assert sounds(found) == set() if what == "audio" else found == {}


def check(store: EventStore, name: str, what: str, before: dict, said: bool) -> None:
    """A session is as it was, or erased; the latter where that was said."""
    left = counts(store.engine, name)
    erased = left.get("erasures", 0) == 1
    assert erased >= said
    if not erased:
        assert whole(store, name) == before
    elif what == "session":
        assert left == {"streams": 1, "erasures": 1}
        with pytest.raises(ErasedError, match="killed or not"):
            store.state(name)
    else:
        assert is_silent(store, name)
        assert quiet(store.state(name)) == quiet(before["show"])
