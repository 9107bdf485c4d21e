"""The command `feed`, which follows all sessions by a subscription, for shells."""

from __future__ import annotations

import gc
import sys
from typing import get_args

import click

from eventstore.cli.commands.ask.read import event_json, event_line
from eventstore.cli.options import db_option, open_store
from eventstore.cli.stopping import stop_by_signals
from eventstore.cli.subscription_options import metadata_option
from eventstore.cli.terminal.harmless import json_line
from eventstore.cli.terminal.output import clean, counted, print_json, print_line
from eventstore.event_store import EventStore
from eventstore.feed.delivery import Delivery, From, Of
from eventstore.feed.feed import Feed
from eventstore.realtime.values import loads


@click.command()
@click.argument("name", required=False)
@click.option(
    "--of",
    type=click.Choice(get_args(Of)),
    help="Each event (a new subscription's default), finished response, session that has ended, "
    "either, or session that has changed.",
)
@click.option(
    "--from",
    "from_",
    type=click.Choice(get_args(From)),
    default="now",
    show_default=True,
    help="Where a new subscription begins.",
)
@click.option("--type", "types", multiple=True, help="Only events of this type; again: or.")
@metadata_option
@click.option("--once", is_flag=True, help="End when there is nothing more for now.")
@click.option("--drop", is_flag=True, help="Forget the subscription, and how far it was.")
@db_option
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each delivery.")
def feed(
    name: str | None,
    of: Of | None,
    from_: From,
    types: tuple[str, ...],
    metadata: tuple[str, ...],
    once: bool,
    drop: bool,
    url: str,
    as_json: bool,
) -> None:
    """Follow all sessions by a subscription: it goes on where it was, and misses nothing.

    The database has the subscription's place in each session. What was printed is noted within a
    second, and when the command ends; if it is killed before that, the last lines come again. Two
    commands with one NAME share the sessions. Without NAME, subscriptions are listed.

    \b
    Examples:
      eventstore feed crm --of sessions --from start --json
      eventstore feed live --type response.done --metadata tenant=acme
      eventstore feed
    """
    with open_store(url) as store:
        if name is None:
            _list(store, as_json)
        elif drop:
            store.drop_subscription(name)
            if as_json:
                print_json({"object": "eventstore.subscription.dropped", "name": name})
            else:
                print_line(f"Dropped {clean(name)}.")
        else:
            followed = store.subscribe(
                name, of, from_, types=types or None, metadata=metadata or None, once=once
            )
            _follow(followed, as_json)


def _follow(followed: Feed, as_json: bool) -> None:
    """Print deliveries until a signal comes; what is printed counts as handled."""

    stop_by_signals(followed.stop)
    gc.freeze()  # a collection of all imported modules would delay deliveries
    with followed:
        for delivery in followed:
            sys.stdout.write(f"{_json(delivery) if as_json else _line(delivery)}\n")
            sys.stdout.flush()


def _json(delivery: Delivery) -> str:
    event = {} if delivery.event is None else loads(event_json(delivery.event))
    return json_line(delivery.as_json() | event)


def _line(delivery: Delivery) -> str:
    if delivery.event is not None:
        return f"{clean(delivery.session_id)} {event_line(delivery.event)}"
    resource = delivery.resource or {}
    if delivery.kind == "change":
        return f"{clean(delivery.session_id)} has changed, up to event {delivery.seq:,}"
    if delivery.kind == "response":
        told = f"response {resource.get('id')}: {resource.get('status')}"
        return clean(f"{delivery.session_id} {told}")
    notes = resource["eventstore"]
    counts = f"{counted(notes['events'], 'event')}, {counted(notes['responses'], 'response')}"
    return clean(f"{delivery.session_id} has ended: {counts}")


def _list(store: EventStore, as_json: bool) -> None:
    found = store.subscriptions()
    if as_json:
        print_json({"object": "list", "data": found})
        return
    for one in found:
        failed = f", {one['failed']:,} failed" if one["failed"] else ""
        behind = f"{counted(one['behind'], 'session')} behind{failed}"
        print_line(f"{clean(one['name'])} ({one['of']} from {one['begins']}): {behind}")
    if not found:
        print_line("There are no subscriptions; add one: eventstore feed NAME")


COMMANDS = (feed,)
