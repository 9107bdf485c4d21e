"""Integration: feeds and writers that are killed miss nothing. `KILLS` is how many."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from support import follow_forever as program
from support.calls import voice_call

from eventstore import EventStore
from eventstore.store.database.transaction import read, write

KILLS = int(os.environ.get("KILLS", "4"))
TESTS = Path(program.__file__).parents[1]
FRAMES = voice_call().frames

_WRITING = """
import sys
from eventstore import EventStore
from support.calls import voice_call
frames, number = voice_call().frames, int(sys.argv[2])
with EventStore(sys.argv[1]) as store:
    while True:
        number += 1
        store.append(f"s{number % 9}", frames[: 1 + number % 12])
        print("ready", flush=True)
"""


def started(*commands: tuple[str, ...]) -> list[subprocess.Popen[bytes]]:
    """Processes that are ready."""
    processes = [
        subprocess.Popen(
            [sys.executable, *arguments],
            cwd=TESTS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=subprocess.PIPE,
        )
        for arguments in commands
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    return processes


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize("in_transaction", [False, True])
def test_nothing_is_missed(
    database_url: str, store: EventStore, tmp_path: Path, in_transaction: bool
) -> None:
    with write(store.engine) as tx:
        tx.run("DROP TABLE IF EXISTS handled")
        tx.run("CREATE TABLE handled (session_id VARCHAR(128), seq BIGINT)")
    file = tmp_path / "handled"
    file.touch()
    target = "transaction" if in_transaction else str(file)
    chance = random.Random(KILLS)
    following = ("-m", "support.follow_forever", database_url, target)
    for number in range(0, KILLS, 3):
        writing = ("-c", _WRITING, database_url, str(number))
        processes = started(writing, following, following)
        time.sleep(chance.uniform(0, 0.1))
        for process in chance.sample(processes, 3):
            kill(process)
    (last,) = started(following)
    until = time.monotonic() + 300
    while store.subscriptions()[0]["behind"] and time.monotonic() < until:
        time.sleep(0.05)
    kill(last)
    found: dict[str, list[int]] = defaultdict(list)
    if in_transaction:
        with read(store.engine) as tx:
            lines = tx.rows("SELECT session_id, seq FROM handled")
    else:
        lines = [(id_, int(seq)) for id_, seq in map(str.split, file.read_text().splitlines())]
    for session_id, seq in lines:
        found[session_id].append(seq)
    with write(store.engine) as tx:
        tx.run("DROP TABLE handled")
    assert list(store.session_ids()) and store.subscriptions()[0]["failed"] == 0
    for session_id in store.session_ids():
        wanted = list(range(1, store.last_seq(session_id) + 1))
        if in_transaction:
            assert sorted(found[session_id]) == wanted
        else:
            assert sorted(set(found[session_id])) == wanted
