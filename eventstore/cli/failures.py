"""Prints the failures of a command that works on many sessions or files, and returns them as JSON.

Called by the commands at their end.
"""

from __future__ import annotations

from collections.abc import Iterable

from eventstore.cli.terminal.output import say
from eventstore.errors import Failure, failure_line

#: The failures of a command, as `--json` shows them: the name and the error of each.
FailureEntries = list[dict[str, str]]


def print_failures(failures: Iterable[Failure], name: str = "session_id") -> FailureEntries:
    """Print each failure on one line of standard error, and return them for `--json`.

    Args:
        failures: The failures of the command, in order.
        name: The JSON key for the names of the failures, such as `file`.
    """
    entries = []
    for failure in failures:
        line = failure_line(failure)
        if name != "session_id" and not line.startswith(f"{failure.name}: "):
            line = f"{failure.name}: {line}"
        say(f"Error: {line}")
        entries.append({name: failure.name, "error": str(failure.error)})
    return entries
