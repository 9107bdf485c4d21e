"""The command `reseed`, which prints the client events that rebuild a conversation."""

from __future__ import annotations

from typing import get_args

import click

from eventstore.cli import completion
from eventstore.cli.options import db_option, json_option, open_to_read
from eventstore.cli.terminal.harmless import json_line
from eventstore.cli.terminal.output import print_json, say
from eventstore.realtime.protocols import Protocol
from eventstore.realtime.resources.session_config import CLIENT_DIALECTS, ClientDialect
from eventstore.replay.reseed.item_seeds import AssistantAs
from eventstore.replay.reseed.live_history import DEFAULT_MAX_TOKENS


@click.command()
@click.argument("session_id", metavar="SESSION", shell_complete=completion.sessions)
@click.option("--at", metavar="SEQ|+SECONDS", help="As it stood at an event, or at a moment.")
@click.option(
    "--to",
    type=click.Choice(get_args(Protocol)),
    help="Protocol of the new session.  [default: the old session's]",
)
@click.option(
    "--dialect",
    type=click.Choice(CLIENT_DIALECTS),
    default="ga",
    show_default=True,
    help="Shape of Realtime events, whichever the server spoke.",
)
@click.option("--audio", is_flag=True, help="Send the user's speech itself where the log has it.")
@click.option("--max-items", type=click.IntRange(1), metavar="N", help="The last N items at most.")
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    metavar="N",
    default=DEFAULT_MAX_TOKENS,
    show_default=True,
    help="Length of a Live session's history, by estimate.",
)
@click.option(
    "--assistant-as",
    type=click.Choice(get_args(AssistantAs)),
    default="text",
    show_default=True,
    help="What the assistant said as its own text, or as notes in system messages.",
)
@db_option
@json_option
def reseed(
    session_id: str,
    at: str | None,
    to: Protocol | None,
    dialect: ClientDialect,
    audio: bool,
    max_items: int | None,
    max_tokens: int,
    assistant_as: AssistantAs,
    url: str,
    as_json: bool,
) -> None:
    """Print the client events that rebuild a conversation in a new session.

    One JSON event a line, to be sent in order: session.update, then conversation.item.create for
    each item, with what was heard of the assistant's speech. A GPT-Live session becomes one
    session.start, with the newest messages that fit as its history. What is left out is told on
    standard error; with --json it is under "skipped".

    \b
    Examples:
      eventstore reseed sess_123
      eventstore reseed sess_123 --at +90 --max-items 40
      eventstore reseed sess_123 --audio --dialect beta
      eventstore reseed sess_123 --to live
    """
    with open_to_read(url) as store:
        made = store.reseed(session_id, at, dialect, audio, max_items, assistant_as, to, max_tokens)
    if as_json:
        print_json({"object": "list", "data": made.events, "skipped": made.skipped})
        return
    for event in made.events:
        click.echo(json_line(event))
    for entry in made.skipped:
        say(f"left out {entry['item_id'] or session_id}: {entry['reason']}")


COMMANDS = (reseed,)
