"""Processes that bring a target in step with a store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]


def updating(url: str, target: Path, times: int) -> subprocess.Popen[bytes]:
    """A process that does so so many times; its lines are `ready`, and a number for each time."""
    return subprocess.Popen(
        [sys.executable, "-m", "support.updating_process", url, str(target), str(times)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{_TESTS}:{_TESTS.parent}"},
    )
