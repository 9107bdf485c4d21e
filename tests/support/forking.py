"""Fork this process, and run something in the child."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_DONE, _FAILED = 0, 1


class Child:
    """A forked child process. `said` waits for its end, and gives what it said."""

    def __init__(self, pid: int, pipe: int) -> None:
        self.pid, self._pipe = pid, pipe

    def said(self) -> str:
        """What the child's function returned; fails where the function failed."""
        with os.fdopen(self._pipe, encoding="utf-8") as pipe:
            text = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert status == _DONE, text
        return text


def fork(work: Callable[[], object]) -> Child:
    """Run a function in a forked child process."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Child(pid, reading)
    status = _FAILED
    try:
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            try:
                pipe.write(str(work()))
                status = _DONE
            except BaseException:
                pipe.write(traceback.format_exc())
    finally:
        sys.stderr.flush()
        os._exit(status)


@contextmanager
def forked(work: Callable[[], object]) -> Iterator[Child]:
    """Run a function in a forked child process beside the block; it must succeed."""
    child = fork(work)
    yield child
    child.said()
