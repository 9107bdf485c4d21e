"""A run that is killed at any point: the next run leaves a target that reads as a fresh export.

`KILLS` is how often; `make endurance` asks for 200.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

import duckdb
from support.database_files import found_in
from support.parquet_tables import Changes, check_tables, tables_in
from support.secret_call import secret_call
from support.updates import updating

from eventstore import EventStore, update_parquet

KILLS = int(os.environ.get("KILLS", "2"))


def update_and_kill(url: str, target: Path, seconds: float) -> None:
    """Let a process bring the target in step, and kill it after so many seconds of that."""
    process = updating(url, target, 1)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_killed_run_is_made_good_by_the_next_one(database_url: str, tmp_path: Path) -> None:
    target, chance = tmp_path / "tables", random.Random(KILLS)
    with EventStore(database_url) as store:
        changes = Changes(store, KILLS)
        for round_ in range(KILLS):
            for _ in range(12):
                changes.change()
            name = f"erased{round_}"
            store.append(name, secret_call(name).frames, close=True)
            if round_ % 2:
                update_parquet(store, target)
            store.erase(name, vacuum=False).raise_for_errors()
            update_and_kill(database_url, target, chance.uniform(0, 0.5))
            changes.change()
            update_parquet(store, target)
            check_tables(store, target)
            files = {str(path): path.read_bytes() for path in target.rglob("*.par*")}
            assert found_in(files, name) == {} and "writing" not in str(list(files))


def test_readers_see_each_session_once_while_runs_are_killed(
    database_url: str, tmp_path: Path
) -> None:
    target, done = tmp_path / "tables", threading.Event()
    chance, doubled = random.Random(KILLS), []

    def read() -> None:
        while not done.is_set():
            try:
                rows = tables_in(target)
            except duckdb.Error:  # It lists files first, and one of them may be gone then.
                continue
            doubled.extend(rows_ for rows_ in rows["sessions"].values() if rows_ > 1)
            doubled.extend(rows_ for rows_ in rows["responses"].values() if rows_ > 1)

    with EventStore(database_url) as store:
        update_parquet(store, target)
        reader = threading.Thread(target=read)
        reader.start()
        try:
            changes = Changes(store, KILLS)
            for _ in range(KILLS):
                for _ in range(10):
                    changes.change()
                update_and_kill(database_url, target, chance.uniform(0, 0.3))
        finally:
            done.set()
            reader.join()
        assert doubled == []
        update_parquet(store, target)
        check_tables(store, target)
