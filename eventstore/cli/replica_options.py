"""The options `--read-url` and `--read-lag` of `eventstore`, which stand before a command's name.

This module does not import the store, because `main.py` uses it for every command.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

#: Seconds, as `event_store.READ_LAG`.
_LAG = 10.0


class Replica(NamedTuple):
    """The replica that commands read from: arguments of `EventStore`.

    Attributes:
        read_url: The URL of the replica; None if there is none.
        read_lag: How many seconds it may lag behind.
    """

    read_url: str | None
    read_lag: float


def replica_options(command: Command) -> Command:
    """Add the options. A command reads them by `chosen_replica`."""
    url = click.option(
        "--read-url",
        envvar="EVENTSTORE_READ_URL",
        metavar="URL",
        help="A streaming replica of a PostgreSQL database, for commands that only read.",
    )
    lag = click.option(
        "--read-lag",
        envvar="EVENTSTORE_READ_LAG",
        type=click.FloatRange(0, min_open=True),
        default=_LAG,
        show_default=True,
        metavar="SECONDS",
        help="How far the replica may lag behind.",
    )
    return url(lag(command))


def chosen_replica() -> Replica:
    """Return what the command line or the environment says of a replica."""
    context = click.get_current_context(silent=True)
    given = {} if context is None else context.find_root().params
    return Replica(given.get("read_url") or None, given.get("read_lag", _LAG))
