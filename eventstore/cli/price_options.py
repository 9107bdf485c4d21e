"""The option of a file of prices, before a command or behind it; it imports no store."""

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
    """Keep the file for `open_store`; one given as an option goes before the environment's."""
    source = context.get_parameter_source(parameter.name or "")
    if value is not None and (
        source is click.core.ParameterSource.COMMANDLINE or _PRICES not in context.meta
    ):
        context.meta[_PRICES] = value
    return value


def prices_option(envvar: str | None = "EVENTSTORE_PRICES") -> Callable[[Command], Command]:
    """Return the option of a file of prices. Commands get it by `prices_file`, not as an argument.

    Args:
        envvar: the variable that names the file otherwise.
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
    """Return the file of prices that was named, before or behind the command."""
    from pathlib import Path  # not before a command asks: main.py has this option, too

    context = click.get_current_context(silent=True)
    named = context.meta.get(_PRICES) if context is not None else None
    return None if named is None else Path(named)
