"""The server's log: a line of JSON for each request, and for each fault that nobody foresaw."""

from __future__ import annotations

import logging

from eventstore.common import unforeseen
from eventstore.realtime.values import dumps

LOGGER = logging.getLogger("eventstore.web")


def note_fault(task: str, error: BaseException) -> None:
    """Log a fault with its traceback, without its message, which may hold content; and count it.

    Args:
        task: what was being done, in a few fixed words.
        error: the fault.
    """
    if unforeseen.should_log(task, error):
        kind, *frames = unforeseen.describe_fault(error)
        LOGGER.error(dumps({"task": task, "error": kind, "traceback": frames}))
