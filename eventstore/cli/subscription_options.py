"""Options of the commands that follow all sessions by a subscription, to send what they find."""

from __future__ import annotations

from typing import get_args

import click

from eventstore.cli import completion
from eventstore.feed.delivery import From

from_option = click.option(
    "--from",
    "from_",
    type=click.Choice(get_args(From)),
    default="now",
    show_default=True,
    help="Where new ones begin.",
)
metadata_option = click.option(
    "--metadata",
    shell_complete=completion.metadata,
    multiple=True,
    metavar="FILTER",
    help="Only sessions with K=V, K (has it), K^=PREFIX or K!=V; again: and.",
)
