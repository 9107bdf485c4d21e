"""The command `metadata`, which lists the keys of metadata or the values of one key."""

from __future__ import annotations

import click

from eventstore.cli import completion
from eventstore.cli.options import db_option, json_option, open_to_read
from eventstore.cli.terminal.output import echo, print_json, say
from eventstore.store.queries.suggest import KEY_OBJECT, VALUE_OBJECT, suggestions


@click.command()
@click.argument("key", required=False, shell_complete=completion.keys)
@click.option("--prefix", default="", metavar="TEXT", help="Only those that begin with this text.")
@click.option("--limit", type=click.IntRange(1, 999), default=50, show_default=True)
@db_option
@json_option
def metadata(key: str | None, prefix: str, limit: int, url: str, as_json: bool) -> None:
    """List the keys of metadata, or the values of one key.

    The list has those of sessions and of responses, in the order of code points.

    \b
    Examples:
      eventstore metadata
      eventstore metadata customer --prefix 4
      eventstore metadata topic --json
    """
    with open_to_read(url) as store:
        if key is None:
            page = suggestions(KEY_OBJECT, store.metadata_keys(prefix, limit + 1), limit)
        else:
            page = suggestions(VALUE_OBJECT, store.metadata_values(key, prefix, limit + 1), limit)
    if as_json:
        print_json(page.as_list())
        return
    if not page.data:
        say("No metadata match.")
    for entry in page.data:
        echo(entry["id"])
    if page.has_more:
        say("There are more: narrow them by --prefix, or raise --limit.")


COMMANDS = (metadata,)
