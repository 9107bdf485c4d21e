"""How commands tell what failed of many: each on one line at the end, and as data."""

from __future__ import annotations

from collections.abc import Iterable

from eventstore.cli.terminal.output import say
from eventstore.errors import Failure, failure_line

#: Failures of a run, as `--json` shows them.
Told = list[dict[str, str]]


def tell(failures: Iterable[Failure], name: str = "session_id") -> Told:
    """Tell each failure on one line of standard error, and return them as data.

    Args:
        failures: of a run, in order.
        name: what the names of the failures are, in the data.
    """
    told = []
    for failure in failures:
        line = failure_line(failure)
        if name != "session_id" and not line.startswith(f"{failure.name}: "):
            line = f"{failure.name}: {line}"
        say(f"Error: {line}")
        told.append({name: failure.name, "error": str(failure.error)})
    return told
