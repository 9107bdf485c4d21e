"""Parses addresses to listen on, and the options of `replay --serve`.

`parse_address` and `listening` are used by all commands that listen. The replay server itself is in
`replay_server.py`, which is imported only when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple

import click

from eventstore.cli.commands.serve.tls_options import tls_options
from eventstore.common.tls import Certificate
from eventstore.errors import EventStoreError
from eventstore.replay.serving.faults import FAULT_HELP, InjectedFault, parse_fault
from eventstore.replay.serving.matching import MATCH_RULES, MatchRule
from eventstore.replay.serving.pace import MAX_LINGER

_HOST = "127.0.0.1"


def parse_address(value: str, option: str) -> tuple[str, int]:
    """Return the host and the port of `[HOST:]PORT`. Without a host, it is loopback.

    Args:
        value: The address, such as `8080`, `0.0.0.0:8080` or `[::1]:8080`.
        option: The option that it was given for, for the error message.

    Raises:
        click.BadParameter: The value is no such address.
    """
    host, _, port = value.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise click.BadParameter(f"{value!r}: use [HOST:]PORT", param_hint=option)
    return host.strip("[]") or _HOST, int(port)


def place(host: str, port: int) -> str:
    """Return a host and a port as they stand in a URL, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def listening(host: str, port: int) -> Iterator[None]:
    """Turn an error of listening into one line.

    Raises:
        EventStoreError: The block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        why = str(error.strerror or error).split(": ")[-1]
        raise EventStoreError(f"cannot listen on {host}:{port}: {why}") from error


class Serving(NamedTuple):
    """The settings of `replay --serve`.

    Attributes:
        host: The address to listen on.
        port: The port to listen on; 0 for any free port.
        step: Send a frame for each line of standard input.
        rule: How a live client's frames are matched with the recorded ones.
        fresh: Make new ids and times for each client.
        faults: The faults to inject.
        linger: How many seconds a live client may stay after the recorded client closed.
        tls: The certificate to listen with; None for no TLS.
        once: Serve one client, and end.
    """

    host: str
    port: int
    step: bool
    rule: MatchRule
    fresh: bool
    faults: tuple[InjectedFault, ...]
    linger: float
    tls: Certificate | None
    once: bool


def serve_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the replay server, which the command gets as its argument `serving`.

    The argument is None without --serve.
    """

    @wraps(command)
    def gathered(
        address: str | None,
        step: bool,
        rule: MatchRule | None,
        fresh: bool,
        faults: tuple[str, ...],
        linger: float | None,
        tls: Certificate | None,
        once: bool,
        **others: Any,
    ) -> Any:
        if address is None:
            if step or rule or fresh or faults or tls or linger is not None or once:
                raise click.UsageError(
                    "--step, --match, --fresh, --fault, --linger, --once, --tls and --cert go with"
                    " --serve"
                )
            return command(serving=None, **others)
        parsed = tuple(map(parse_fault, faults))
        where = parse_address(address, "--serve")
        stay = MAX_LINGER if linger is None else linger
        serving = Serving(*where, step, rule or "type", fresh, parsed, stay, tls, once)
        return command(serving=serving, **others)

    for option in reversed(
        (
            click.option(
                "--serve",
                "address",
                metavar="[HOST:]PORT",
                help="Serve the session to live clients.",
            ),
            click.option("--step", is_flag=True, help="Send a frame for each Enter."),
            click.option(
                "--match",
                "rule",
                type=click.Choice(MATCH_RULES),
                help="How a live client's frames are matched with the recorded ones: in order and"
                " by content (exact: with what clients make up each time), by type (the default),"
                " or not at all.",
            ),
            click.option(
                "--linger",
                type=click.FloatRange(0),
                metavar="SECONDS",
                help="Where the recorded client closed, how long a live one may stay"
                f" (by default {MAX_LINGER:.0f}).",
            ),
            click.option("--fresh", is_flag=True, help="New ids and times for each client."),
            click.option("--fault", "faults", multiple=True, metavar="FAULT", help=FAULT_HELP),
            click.option(
                "--once", is_flag=True, help="Serve SESSION to one client, and end with its replay."
            ),
            tls_options,
        )
    ):
        gathered = option(gathered)
    return gathered
