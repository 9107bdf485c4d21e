"""Work that is shared among processes: what one session does to it is that session's alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.poison import lengths_or_death

from eventstore.errors import EventStoreError, UnforeseenError, WorkerDiedError
from eventstore.store.database import workers
from eventstore.store.database.workers import for_each


def test_a_worker_that_is_killed_takes_no_other_session_with_it(engine: Engine) -> None:
    ids = [f"sess_{number}" for number in range(12)]
    ids[5], ids[7] = "sess_killer", "sess_odd"
    results = dict(zip(ids, for_each(engine, lengths_or_death, ids, 2), strict=True))
    assert isinstance(results.pop("sess_killer"), WorkerDiedError)
    odd = results.pop("sess_odd")
    assert isinstance(odd, UnforeseenError) and odd.kind == "KeyError"
    assert "secret" not in str(odd)
    assert results == {session_id: len(session_id) for session_id in results}


def test_a_fault_is_of_one_session_without_processes_too(engine: Engine) -> None:
    results = list(for_each(engine, lengths_or_death, ["sess_odd", "sess_1"], 1))
    assert isinstance(results[0], EventStoreError) and results[1] == len("sess_1")


def test_processes_that_all_die_are_given_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_MOST_DEATHS", 2)
    with pytest.raises(EventStoreError, match="died one after the other"):
        list(for_each(engine, lengths_or_death, ["sess_killer"] * 8, 2))


PROGRAM = """
from eventstore import EventStore, Frame
with EventStore("sqlite:///calls.db") as store:
    for name in "ab":
        store.append(name, [Frame("server", '{"type": "ping"}', None)])
    store.rebuild(["a", "b"], workers=2)
"""


@pytest.mark.parametrize("is_file", [True, False], ids=["a file", "standard input"])
def test_a_program_that_no_process_can_import_is_told_why(tmp_path: Path, is_file: bool) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "program.py" if is_file else "-"]
    done = subprocess.run(command, cwd=tmp_path, input=PROGRAM, capture_output=True, text=True)
    assert done.returncode == 1
    assert 'below `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]
