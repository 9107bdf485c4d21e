"""The command `webhooks`, which posts what has ended to an app, and lists what it did not take."""

from __future__ import annotations

import gc

import click

from eventstore.cli.options import db_option, json_option, open_store
from eventstore.cli.stopping import stop_by_signals
from eventstore.cli.subscription_options import from_option, metadata_option
from eventstore.cli.terminal.output import clean, counted, print_json, print_line, say
from eventstore.cli.webhook_options import at_once_option, events_option
from eventstore.event_store import EventStore
from eventstore.feed.delivery import From
from eventstore.feed.webhooks.destination import parse_destination
from eventstore.feed.webhooks.webhooks import Webhooks
from eventstore.times import to_iso

_DEFAULT_NAME = "webhooks"


@click.command()
@click.option("--to", metavar="URL", help="Where they go: https://….")
@events_option("--on")
@click.option(
    "--secret",
    envvar="EVENTSTORE_WEBHOOKS_SECRET",
    metavar="whsec_…",
    help="What signs them; better in EVENTSTORE_WEBHOOKS_SECRET.",
)
@click.option("--name", default=_DEFAULT_NAME, show_default=True, help="Their subscription.")
@from_option
@metadata_option
@click.option("--link", metavar="URL", help="Where your pages are: each webhook has a link there.")
@click.option("--allow-private", is_flag=True, help="Allow private addresses, and http://.")
@at_once_option("--at-once")
@click.option("--once", is_flag=True, help="End when there is nothing more to send for now.")
@click.option("--dead-letters", is_flag=True, help="List those that were given up.")
@click.option(
    "--send-again",
    is_flag=True,
    help="Send those once more that were given up; without --to, whoever sends webhooks does.",
)
@db_option
@json_option
@click.pass_context
def webhooks(
    context: click.Context,
    to: str | None,
    on: tuple[str, ...],
    secret: str | None,
    name: str,
    from_: From,
    metadata: tuple[str, ...],
    link: str | None,
    allow_private: bool,
    at_once: int,
    once: bool,
    dead_letters: bool,
    send_again: bool,
    url: str,
    as_json: bool,
) -> None:
    """Post each session that has ended, or each finished response, to an app, signed.

    Webhooks are signed as Standard Webhooks says, and sent in order for each session. One that is
    not taken is sent again, with pauses that grow up to ten minutes; after 14 times it is given up.
    They go on where they were when the command is started again. Several commands share the work.

    \b
    Examples:
      eventstore webhooks --to https://app.example.com/calls --on session.ended,response.done
      eventstore webhooks --dead-letters
      eventstore webhooks --send-again
    """
    with open_store(url) as store:
        if dead_letters:
            _list(store, None if name == _DEFAULT_NAME else name, as_json)
            return
        if to is None and send_again:
            marked = store.send_again(name=name)
            _tell_marked(marked, name, as_json)
            return
        if to is None or secret is None:
            told = "give --to, and the secret in EVENTSTORE_WEBHOOKS_SECRET"
            raise click.UsageError(f"{told}; or list those that were given up: --dead-letters")
        made = store.webhooks(
            to,
            secret,
            on=on,
            name=name,
            from_=from_,
            metadata=metadata or None,
            link=link,
            allow_private=allow_private,
            once=once,
        )
        failed = _send_again(made) if send_again else _send(made, at_once, once, to)
    if as_json:
        counts = {"sent": made.sent, "failed": made.failed, "given_up": made.given_up}
        print_json({"object": "eventstore.webhooks", "name": name, **counts})
    else:
        told = f"; {made.failed:,} failed, {made.given_up:,} given up" if made.failed else ""
        print_line(f"Sent {counted(made.sent, 'webhook')}{told}.")
    context.exit(1 if failed else 0)


def _send(made: Webhooks, at_once: int, once: bool, to: str) -> bool:
    """Send webhooks until a signal comes; return True if one failed, and none is sent later."""

    stop_by_signals(made.stop)
    if not once:
        say(f"Webhooks go to {clean(parse_destination(to, True).shown())}; Ctrl-C ends it.")
    gc.freeze()  # a collection of all imported modules would delay webhooks
    made.run(at_once)
    return once and made.failed > 0


def _send_again(made: Webhooks) -> bool:
    failed = False
    for letter, error in made.send_again():
        if error is not None:
            failed = True
            say(f"{letter.session_id}: {letter.response_id or 'its end'} was not taken: {error}")
    return failed


def _tell_marked(marked: int, name: str, as_json: bool) -> None:
    if as_json:
        print_json({"object": "eventstore.webhooks", "name": name, "marked": marked})
    else:
        told = "whoever sends webhooks sends them within seconds"
        print_line(f"Marked {counted(marked, 'webhook')}; {told}.")


def _list(store: EventStore, name: str | None, as_json: bool) -> None:
    found = store.dead_letters(name, limit=1000)
    if as_json:
        print_json({"object": "list", "data": [one.as_json() for one in found]})
        return
    for one in found:
        what = f"response {one.response_id}" if one.response_id else "its end"
        told = f"{one.tries:,} times, at last {to_iso(one.failed_at)}: {one.error}"
        if one.again_at is not None:
            told += "; to be sent again"
        print_line(clean(f"{one.consumer}  {one.session_id}  {what}  {told}"))
    if not found:
        print_line("No webhook was given up.")


COMMANDS = (webhooks,)
