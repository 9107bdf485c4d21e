"""Start the child process that records for `RecorderProcess`: see recorder_child.py."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path


def start_child() -> tuple[Connection, subprocess.Popen[bytes]]:
    """Start the child process, which waits for its arguments on the pipe.

    Returns:
        The parent's end of the pipe, and the process.
    """
    ours, theirs = Pipe()
    process = subprocess.Popen(  # noqa: S603
        [
            sys.executable,
            "-m",
            "eventstore.capture.recorder.process.recorder_child",
            str(theirs.fileno()),
        ],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": _path()},
    )
    theirs.close()
    return ours, process


def _path() -> str:
    """Return the PYTHONPATH by which the child finds this very package."""
    here = str(Path(__file__).parents[4])
    return os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
