"""The server's log: one line of JSON for each request, and one for each unexpected fault."""

from __future__ import annotations

import logging

from eventstore.common import unforeseen
from eventstore.realtime.values import dumps

LOGGER = logging.getLogger("eventstore.web")


def note_fault(task: str, error: BaseException) -> None:
    """Count a fault, and log its traceback without its message, which may hold content.

    Args:
        task: What was being done, in a few fixed words.
        error: The fault.
    """
    if unforeseen.should_log(task, error):
        kind, *frames = unforeseen.describe_fault(error)
        LOGGER.error(dumps({"task": task, "error": kind, "traceback": frames}))
