"""The options `--webhooks-…` of `serve`, and those that `webhooks` shares with them.

This module does not import the store, because `--help` must not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from eventstore.web.sending import Sending

#: The variable with the secret that signs webhooks.
SECRET_VARIABLE = "EVENTSTORE_WEBHOOKS_SECRET"  # noqa: S105 (a name, no secret)
_EVENTS = ("response.done", "session.ended")


def parse_events(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the events that an option names, also with commas: `session.ended,response.done`.

    Raises:
        click.BadParameter: Webhooks cannot be sent on one of them.
    """
    found = dict.fromkeys(part.strip() for value in values for part in value.split(","))
    for one in found:
        if one not in _EVENTS:
            raise click.BadParameter(f"{one[:80]!r}: use {' and '.join(_EVENTS)}")
    return tuple(found)


def events_option(flag: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option that names what webhooks are sent on.

    Args:
        flag: The option's name; the command gets it as its argument `on`.
    """
    return click.option(
        flag,
        "on",
        multiple=True,
        callback=parse_events,
        default=("session.ended",),
        show_default=True,
        metavar="EVENTS",
        help="What they are sent on: session.ended, response.done, or both with a comma.",
    )


def at_once_option(flag: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option that says how many webhooks are sent at once.

    Args:
        flag: The option's name; the command gets it as its argument `at_once`.
    """
    return click.option(
        flag,
        "at_once",
        type=click.IntRange(1, 64),
        default=4,
        show_default=True,
        help="How many are sent at once.",
    )


def webhook_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, which the command gets as its argument `webhooks`; None without webhooks."""

    @wraps(command)
    def gathered(
        to: str | None,
        on: tuple[str, ...],
        secret: str | None,
        name: str,
        link: str | None,
        allow_private: bool,
        at_once: int,
        **others: Any,
    ) -> Any:
        chosen = _chosen(to, on, secret, name, link, allow_private, at_once)
        return command(webhooks=chosen, **others)

    for option in reversed(
        (
            click.option("--webhooks-to", "to", metavar="URL", help="Send webhooks there."),
            events_option("--webhooks-on"),
            click.option(
                "--webhooks-secret",
                "secret",
                envvar=SECRET_VARIABLE,
                metavar="whsec_…",
                help=f"What signs them; better in {SECRET_VARIABLE}.",
            ),
            click.option(
                "--webhooks-name",
                "name",
                default="webhooks",
                show_default=True,
                help="Their subscription.",
            ),
            click.option(
                "--webhooks-link",
                "link",
                metavar="URL",
                help="Where these pages are for others: each webhook has a link there.",
            ),
            click.option(
                "--webhooks-allow-private",
                "allow_private",
                is_flag=True,
                help="Allow private addresses, and http://.",
            ),
            at_once_option("--webhooks-at-once"),
        )
    ):
        gathered = option(gathered)
    return gathered


def _chosen(
    to: str | None,
    on: tuple[str, ...],
    secret: str | None,
    name: str,
    link: str | None,
    allow_private: bool,
    at_once: int,
) -> Sending | None:
    if to is None:
        context = click.get_current_context()
        source = click.core.ParameterSource.COMMANDLINE
        for one in ("on", "secret", "name", "link", "allow_private", "at_once"):
            if context.get_parameter_source(one) is source:
                named = one.replace("_", "-")
                raise click.UsageError(f"--webhooks-{named} goes with --webhooks-to")
        return None
    if secret is None:
        raise click.UsageError(f"set the secret that signs webhooks: {SECRET_VARIABLE}")
    from eventstore.web.sending import Sending

    return Sending(to, secret, on, name, link, allow_private, at_once)
