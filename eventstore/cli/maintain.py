"""Commands that keep read models in step: rebuild, project, status."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

import click

from eventstore.cli.options import db_option, json_option, open_store
from eventstore.cli.output import counted, print_json, progress_bar, say
from eventstore.event_store import EventStore

# Seconds between two looks for days to sum up, with --follow.
_SUMS_EACH = 60.0


@click.command()
@click.argument("session_ids", nargs=-1, metavar="[SESSION…]")
@click.option("--all", "everything", is_flag=True, help="Every session.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes."
)
@db_option
@json_option
def rebuild(
    session_ids: tuple[str, ...], everything: bool, workers: int, url: str, as_json: bool
) -> None:
    """Rebuild read models from the log, each session in one transaction.

    Readers see a session's old rows or its new ones, never a mixture. Rows that are right are
    left alone, so that it tells as well whether they were.

    \b
    Examples:
      eventstore rebuild sess_123
      eventstore rebuild --all --workers 2
    """
    if everything == bool(session_ids):
        raise click.UsageError("name the sessions, or give --all")
    with open_store(url) as store:
        total = store.status()["sessions"] if everything else len(session_ids)
        started = time.monotonic()
        sessions = events = changed = 0
        with progress_bar("rebuild", total) as bar:
            for done in store.rebuild(None if everything else session_ids, workers):
                sessions, events = sessions + 1, events + done.seq
                changed += done.changed
                if bar is not None:
                    bar.advance(bar.task_ids[0])
    took = time.monotonic() - started
    if as_json:
        numbers = {"changed_rows": changed, "seconds": round(took, 3)}
        print_json(_done("eventstore.rebuild", sessions, events) | numbers)
    else:
        what = f"{counted(sessions, 'session')} with {counted(events, 'event')}"
        found = f"{counted(changed, 'row')} changed" if changed else "every row was right"
        click.echo(f"Rebuilt {what} in {took:.1f} s; {found}.")


@click.command()
@click.option("--follow", is_flag=True, help="Keep going until stopped.")
@click.option(
    "--interval",
    type=click.FloatRange(0.01),
    default=0.5,
    show_default=True,
    help="Seconds between looks, with --follow.",
)
@db_option
@json_option
def project(follow: bool, interval: float, url: str, as_json: bool) -> None:
    """Project sessions that are behind their log, or were projected by an older version.

    Needed where sessions are appended with projection="deferred", and after an upgrade. Then it
    keeps sums of days that are over, so that usage is answered soon; with --follow each minute.

    \b
    Examples:
      eventstore project
      eventstore project --follow
    """
    stop = threading.Event()
    if follow:
        _stop_on_signal(stop)
    sessions = events = days = 0
    next_sums = 0.0
    with open_store(url) as store:
        while True:
            for done in store.project():
                sessions, events = sessions + 1, events + done.seq
                if follow:
                    say(f"projected {done.session_id} up to {done.seq}")
                if stop.is_set():
                    break
            if time.monotonic() >= next_sums and not stop.is_set():
                days += _sum_days(store, stop)
                next_sums = time.monotonic() + _SUMS_EACH
            if not follow or stop.wait(interval):
                break
    if as_json:
        print_json(_done("eventstore.project", sessions, events) | {"summed_days": days})
    else:
        what = f"{counted(sessions, 'session')} with {counted(events, 'event')}"
        click.echo(f"Projected {what}; summed up {counted(days, 'day')}.")


def _sum_days(store: EventStore, stop: threading.Event) -> int:
    """Sum up days that are over, until all are or it is stopped; how many were."""
    days = 0
    for _ in store.sum_days():
        days += 1
        if stop.is_set():
            break
    return days


def _stop_on_signal(stop: threading.Event) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def _done(kind: str, sessions: int, events: int) -> dict[str, Any]:
    return {"object": kind, "sessions": sessions, "events": events}


@click.command()
@db_option
@json_option
def status(url: str, as_json: bool) -> None:
    """Say what the store holds, and whether its read models are in step.

    \b
    Example:
      eventstore status --json
    """
    with open_store(url) as store:
        found = store.status()
    if as_json:
        print_json(found)
        return
    click.echo(f"database   {found['database']} (schema {found['schema']})")
    for name in ("sessions", "events", "responses"):
        click.echo(f"{name:<10} {found[name]:,}")
    click.echo(f"sealed     {counted(found['sealed_sessions'], 'session')}")
    if found["key_store"]:
        click.echo(f"encrypted  by the keys in {found['key_store']}")
    if found["erased_sessions"] or found["erased_audio"]:
        sessions = counted(found["erased_sessions"], "session")
        click.echo(f"erased     {sessions}, and the audio of {found['erased_audio']:,}")
    behind = found["behind"]
    advice = "; run: eventstore project" if behind else ""
    click.echo(f"behind     {counted(behind, 'session')}{advice}")


COMMANDS = (rebuild, project, status)
