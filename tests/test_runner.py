"""The tests do not depend on how their runner was started."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

#: What the runner does first, and then how a program that it starts takes the two signals.
RUNNER = """
import signal, subprocess, sys
import conftest
conftest.pytest_configure()
program = "import signal; print(signal.getsignal({number}) is signal.SIG_IGN)"
for number in (signal.SIGINT, signal.SIGHUP):
    started = [sys.executable, "-c", program.format(number=int(number))]
    print(subprocess.run(started, capture_output=True, text=True, check=True).stdout.strip())
    signal.raise_signal(number)
"""


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def test_a_runner_that_ignores_signals_starts_programs_that_heed_them() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        cwd=Path(__file__).parent,
        preexec_fn=_ignore_signals,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.split(), done.stderr, done.returncode) == (["False", "False"], "", 0)
