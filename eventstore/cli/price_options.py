"""The option `--prices`, which may stand before a command's name or after it.

This module does not import the store, because `main.py` uses it for every command.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pathlib import Path

Command = TypeVar("Command", bound=Callable[..., Any])

_PRICES = "eventstore.prices"


def _remember_prices(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> str | None:
    """Remember the file for `open_store`. An option has priority over the environment."""
    source = context.get_parameter_source(parameter.name or "")
    if value is not None and (
        source is click.core.ParameterSource.COMMANDLINE or _PRICES not in context.meta
    ):
        context.meta[_PRICES] = value
    return value


def prices_option(envvar: str | None = "EVENTSTORE_PRICES") -> Callable[[Command], Command]:
    """Return the option --prices. A command reads it by `prices_file`, not as an argument.

    Args:
        envvar: The environment variable that names the file if the option is not given; None for
            no variable.
    """
    return click.option(
        "--prices",
        "prices",
        envvar=envvar,
        type=click.Path(dir_okay=False),
        metavar="FILE",
        expose_value=False,
        callback=_remember_prices,
        help="TOML of your own prices and deployments, by default from EVENTSTORE_PRICES.",
    )


def prices_file() -> Path | None:
    """Return the file of prices that the command line or the environment names, or None."""
    from pathlib import Path  # main.py imports this module, and must stay fast

    context = click.get_current_context(silent=True)
    named = context.meta.get(_PRICES) if context is not None else None
    return None if named is None else Path(named)
