"""Options of the commands that listen with TLS: `record`, `replay --serve`, `serve`, `calls`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from eventstore.cli.terminal.output import say
from eventstore.common.tls import TRUST_VARIABLES, Certificate

_FILE = click.Path(path_type=Path)


def tls_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --tls, --cert and --key, which the command gets as its argument `tls`.

    The argument is None if no TLS is asked for.

    Raises:
        click.UsageError: The options contradict each other.
    """

    @wraps(command)
    def gathered(made: bool, cert: Path | None, key: Path | None, **others: Any) -> Any:
        if key is not None and cert is None:
            raise click.UsageError("--key goes with --cert")
        if made and cert is not None:
            raise click.UsageError("--tls makes a certificate and --cert names one: give either")
        certificate = Certificate(cert, key) if made or cert is not None else None
        return command(tls=certificate, **others)

    for option in reversed(
        (
            click.option(
                "--tls",
                "made",
                is_flag=True,
                help="Listen with TLS, with a certificate for this run; says how apps trust it.",
            ),
            click.option(
                "--cert", type=_FILE, metavar="FILE", help="Listen with TLS: its certificate (PEM)."
            ),
            click.option(
                "--key",
                type=_FILE,
                metavar="FILE",
                help="The certificate's key, unless it is in --cert.",
            ),
        )
    ):
        gathered = option(gathered)
    return gathered


def say_whom_to_trust(ca_file: Path | None) -> None:
    """Print the variables by which an app trusts the certificate that was made for this run."""
    if ca_file is not None:
        pairs = " ".join(f"{name}={ca_file}" for name in TRUST_VARIABLES)
        say(f"For apps to trust this run's certificate: export {pairs}")
