"""The commands `rebuild`, `project` and `status`, which keep read models in step with the log."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from types import FrameType
from typing import Any, TypeVar

import click

from eventstore.cli import completion, failures, outlasting
from eventstore.cli.commands.keep.projections import projection_line
from eventstore.cli.options import db_option, json_option, open_store, open_to_read
from eventstore.cli.price_options import prices_option
from eventstore.cli.terminal.output import (
    clean,
    counted,
    print_json,
    print_line,
    progress_bar,
    say,
    size,
)
from eventstore.errors import Failure, InvalidInputError
from eventstore.event_store import EventStore
from eventstore.verbs.reports import ReplicaStatus

Done = TypeVar("Done")

# How many sessions a line for people names; --json names a hundred.
_MOST_NAMED = 10
# With --follow, the seconds between two computations of sums by day and of costs.
_SUMS_EACH = 60.0


@click.command()
@click.argument("session_ids", nargs=-1, metavar="[SESSION…]", shell_complete=completion.sessions)
@click.option("--all", "everything", is_flag=True, help="Every session.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many processes work at once.",
)
@click.option("--projection", metavar="NAME", help="Only the rows of a projection of your own.")
@db_option
@json_option
@click.pass_context
def rebuild(
    context: click.Context,
    session_ids: tuple[str, ...],
    everything: bool,
    workers: int,
    projection: str | None,
    url: str,
    as_json: bool,
) -> None:
    """Rebuild read models from the log, each session in one transaction.

    Readers see a session's old rows or its new ones, never a mixture. Rows that are right are
    left alone, and the output says whether all were right. A session that cannot be rebuilt is
    named at the end, and does not stop the others. With --all, the next `eventstore project`
    computes the sums by day again.

    \b
    Examples:
      eventstore rebuild sess_123
      eventstore rebuild --all --workers 2
      eventstore rebuild --all --projection words_a_minute
    """
    if everything == bool(session_ids):
        raise click.UsageError("name the sessions, or give --all")
    with open_store(url) as store:
        total = store.status()["sessions"] if everything else len(session_ids)
        started = time.monotonic()
        sessions = events = changed = 0
        failed: list[Failure] = []
        with progress_bar("rebuild", total) as bar:
            chosen = None if everything else session_ids
            for done in succeeding(store.iter_rebuild(chosen, workers, projection), failed):
                sessions, events = sessions + 1, events + done.seq
                changed += done.changed
                if bar is not None:
                    bar.advance(bar.task_ids[0])
    if failed and len(session_ids) == 1:
        raise failed[0].error
    took = time.monotonic() - started
    errors = failures.print_failures(failed)
    if as_json:
        numbers = {"changed_rows": changed, "seconds": round(took, 3), "errors": errors}
        print_json(_done("eventstore.rebuild", sessions, events) | numbers)
    else:
        counts = f"{counted(sessions, 'session')} with {counted(events, 'event')}"
        found = f"{counted(changed, 'row')} changed" if changed else "every row was right"
        print_line(f"Rebuilt {counts} in {took:.1f} s; {found}.")
    context.exit(1 if failed else 0)


def succeeding(outcomes: Iterable[Done | Failure], failed: list[Failure]) -> Iterator[Done]:
    """Yield the results that are no failures, and append the failures to `failed`."""
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            failed.append(outcome)
        else:
            yield outcome


@click.command()
@click.option("--follow", is_flag=True, help="Keep going until stopped.")
@click.option(
    "--interval",
    type=click.FloatRange(0.01),
    default=0.5,
    show_default=True,
    help="Seconds between looks, with --follow.",
)
@prices_option()
@db_option
@json_option
@click.pass_context
def project(context: click.Context, follow: bool, interval: float, url: str, as_json: bool) -> None:
    """Project sessions that are behind their log, or were projected by an older version.

    It is needed if sessions are appended with projection="deferred", and after an upgrade. It also
    stores the sums of days that are over, so that `usage` is fast, and the cost of each session,
    so that `sessions` can sort by it; with --follow, it does so each minute.
    A session that cannot be projected does not stop the others: it is named here and by
    `eventstore status`. With --follow it is tried again, with pauses that grow up to ten minutes;
    if the database is away, the command waits until it is back.

    Projections of your own (docs/projections.md) that are installed are run as well.

    \b
    Examples:
      eventstore project
      eventstore project --follow
    """
    stop = threading.Event()
    work = _Projecting(stop, follow)
    with open_store(url) as store:
        if follow:
            _stop_on_signal(stop)
            outlasting.run(partial(work.look, store), stop, interval)
        else:
            work.look(store)
    errors = [] if follow else work.tell()
    if as_json:
        done = _done("eventstore.project", work.sessions, work.events)
        kept = {
            "summed_days": work.days,
            "priced_sessions": work.priced,
            "projections": dict(work.own),
        }
        print_json(done | kept | {"errors": errors})
    else:
        counts = f"{counted(work.sessions, 'session')} with {counted(work.events, 'event')}"
        priced = f"; priced {counted(work.priced, 'session')}" if work.priced else ""
        own = "".join(f"; {name}: {counted(n, 'session')}" for name, n in work.own.items())
        print_line(f"Projected {counts}; summed up {counted(work.days, 'day')}{priced}{own}.")
    context.exit(1 if errors else 0)


class _Projecting:
    """Projects sessions that are behind, and counts the work.

    Args:
        stop: Is set when the command must end.
        follow: The command runs until it is stopped: failures are printed at once, and a session
            that failed is tried again after a pause.

    Attributes:
        sessions: How many sessions were projected.
        events: How many events they have.
        days: How many days were summed up.
        priced: How many sessions were priced.
        own: How many sessions each projection of one's own has projected.
    """

    def __init__(self, stop: threading.Event, follow: bool) -> None:
        self._stop, self._follow = stop, follow
        self.sessions = self.events = self.days = self.priced = 0
        self.own: Counter[str] = Counter()
        self._next_sums = 0.0
        self._failed: list[Failure] = []
        self._failed_days: list[Failure] = []

    def look(self, store: EventStore) -> None:
        """Project the sessions that are behind; sum up days and price sessions if that is due."""
        try:
            projected = until(self._stop, store.iter_project(waits=self._follow))
            for done in succeeding(projected, self._failed):
                if done.projection is None:
                    self.sessions, self.events = self.sessions + 1, self.events + done.seq
                else:
                    self.own[done.projection] += 1
                if self._follow:
                    by = f" by {done.projection}" if done.projection is not None else ""
                    say(f"projected {done.session_id} up to {done.seq}{by}")
            if time.monotonic() >= self._next_sums and not self._stop.is_set():
                days = until(self._stop, store.iter_sum_days())
                self.days += sum(1 for _ in succeeding(days, self._failed_days))
                self._price(store)
                self._next_sums = time.monotonic() + _SUMS_EACH
        finally:
            if self._follow:
                self.tell()

    def _price(self, store: EventStore) -> None:
        """Price sessions. A file of prices that cannot be used does not stop the command."""
        try:
            priced = until(self._stop, store.iter_price_sessions())
            self.priced += sum(1 for _ in succeeding(priced, self._failed))
        except InvalidInputError as error:
            say(f"Sessions are not priced: {error}")

    def tell(self) -> failures.FailureEntries:
        """Print the failures since the last call, and return them for `--json`."""
        entries = failures.print_failures(self._failed) + failures.print_failures(
            self._failed_days, "day"
        )
        self._failed, self._failed_days = [], []
        return entries


def until(stop: threading.Event, done: Iterator[Done]) -> Iterator[Done]:
    """Yield results until the iterator ends or `stop` is set."""
    for one in done:
        yield one
        if stop.is_set():
            return


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
    with open_to_read(url) as store:
        found = store.status()
    if as_json:
        print_json(found)
        return
    print_line(f"database   {found['database']} (schema {found['schema']})")
    for name in ("sessions", "events", "responses"):
        print_line(f"{name:<10} {found[name]:,}")
    print_line(f"sealed     {counted(found['sealed_sessions'], 'session')}")
    if found["key_store"]:
        print_line(f"encrypted  by the keys in {found['key_store']}")
    if found["erased_sessions"] or found["erased_audio"]:
        sessions = counted(found["erased_sessions"], "session")
        print_line(f"erased     {sessions}, and the audio of {found['erased_audio']:,}")
    behind = found["behind"]
    advice = "; run: eventstore project" if behind else ""
    print_line(f"behind     {counted(behind, 'session')}{advice}")
    if found["failed_projections"]:
        named = _named(f"{e['session_id']} ({e['error']})" for e in found["failed"])
        number = counted(found["failed_projections"], "session")
        print_line(f"failed     {number} could not be projected: {named}")
    if found["fold_errors"]:
        named = _named(e["session_id"] for e in found["with_fold_errors"])
        number = counted(found["fold_errors"], "event")
        print_line(f"unfolded   {number} could not be read by a fault of the fold: {named}")
    for own in found["projections"]:
        print_line(f"projection {projection_line(own)}")
    if found["dead_letters"]:
        given_up = counted(found["dead_letters"], "webhook")
        print_line(f"given up   {given_up}; see: eventstore webhooks --dead-letters")
    for node in found["nodes"]:
        role = " (coordinator)" if node["coordinator"] else ""
        held = f"{counted(node['sessions'], 'session')}, {size(node['bytes'])}"
        shards = f"in {counted(node['shards'], 'shard')}"
        print_line(f"node       {clean(node['host'])}:{node['port']}{role}: {held} {shards}")
    if found["replica"]:
        print_line(f"replica    {_replica(found['replica'])}")
    if found["open_to_others"]:
        files = clean(" ".join(found["open_to_others"]))
        print_line(f"open       other users may read or write it; run: chmod 600 {files}")


def _replica(replica: ReplicaStatus) -> str:
    """Return where the replica is, how far behind, and why it is not used if it is not."""
    behind = replica["behind_bytes"]
    place = clean(replica["database"])
    if replica["problem"] is not None:
        return f"{place} is not used: {clean(replica['problem'])}"
    return f"{place}, " + ("in step" if not behind else f"{size(behind)} behind")


def _named(names: Iterable[str]) -> str:
    """Return the first names in one line, with `…` at the end if there are more."""
    first = list(islice(names, _MOST_NAMED + 1))
    more = ", …" if len(first) > _MOST_NAMED else ""
    return clean(", ".join(first[:_MOST_NAMED]) + more)


COMMANDS = (rebuild, project, status)
