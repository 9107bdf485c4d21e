"""Unit: the relay's recorder does not search the states of its calls for garbage all the time."""

from __future__ import annotations

import subprocess
import sys

# Each object stands for one of a state. The thresholds would be those of all later tests here.
PROGRAM = """
import gc
from eventstore.capture.recorder.process.recorder_child import collect_garbage_seldom

full = []
gc.callbacks.append(lambda phase, info: full.append(phase) if info["generation"] == 2 else None)
collect_garbage_seldom()
kept = [[] for _ in range(3_000_000)]
assert not full, full
"""


def test_many_objects_make_no_full_collection() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)
