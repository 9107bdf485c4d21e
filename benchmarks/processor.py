"""The processor time that processes have taken, to the microsecond.

Where other work shares the machine, the time of an answer by the clock says little. The processor
time of those who make it is what the answer takes where nothing else runs, and all is in memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Engine

_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"


def children() -> list[int]:
    """Return the processes that this one has started."""
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def backends(engine: Engine) -> list[int]:
    """Return PostgreSQL's processes for a database, if its server runs on this machine."""
    if engine.dialect.name != "postgresql":
        return []
    with engine.connect() as connection:
        return [row[0] for row in connection.exec_driver_sql(_BACKENDS)]


def taken_ms(processes: Iterable[int]) -> float:
    """Return the milliseconds of a processor that processes have taken since they began."""
    total = 0
    for process in processes:
        for task in Path(f"/proc/{process}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except FileNotFoundError:  # it ended meanwhile
                continue
    return total / 1e6
