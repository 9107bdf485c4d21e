"""The commands `copy`, to another database, and `offload`, to files or object storage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from eventstore.archive.copy_sessions import Copied
from eventstore.archive.move_segments import Moved
from eventstore.cli import completion
from eventstore.cli.failures import print_failures
from eventstore.cli.options import (
    chosen_sessions,
    db_option,
    given_options,
    json_option,
    open_store,
    session_filters,
)
from eventstore.cli.terminal.output import counted, print_json, print_line, progress_bar, say, size
from eventstore.errors import Failure
from eventstore.event_store import EventStore
from eventstore.store.database.allowed_locations import LOCATIONS_VARIABLE, base_url
from eventstore.store.database.engine import parse_url
from eventstore.store.database.engine_options import allowed_locations_of

Command = TypeVar("Command", bound=Callable[..., Any])
Done = TypeVar("Done", Copied, Moved)
Failed = list[dict[str, str]]


def _chosen_by(command: Command) -> Command:
    for option in (
        session_filters,
        click.option("--older-than", metavar="AGE", help="Closed so long ago: 7d, 12h, 2w."),
        click.option("--all", "everything", is_flag=True, help="Every closed session."),
        click.argument(
            "session_ids", nargs=-1, metavar="[SESSION…]", shell_complete=completion.sessions
        ),
    ):
        command = option(command)
    return command


@click.command()
@_chosen_by
@click.option("--to", "target", required=True, metavar="URL", help="The other database.")
@click.option(
    "--then-delete", is_flag=True, help="Then delete here the sessions that the other database has."
)
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@db_option
@json_option
@click.pass_context
def copy(
    context: click.Context,
    /,
    session_ids: tuple[str, ...],
    everything: bool,
    older_than: str | None,
    target: str,
    then_delete: bool,
    dry_run: bool,
    url: str,
    as_json: bool,
    **filters: Any,
) -> None:
    """Copy closed sessions to another database, or move them there.

    Each session is copied in one transaction, in which the copy is read again, so that it is there
    whole or not at all. Sessions that are there already are left alone, so a copy that was stopped
    goes on when it is run again. Every command can open the other database.

    \b
    Examples:
      eventstore copy --to sqlite:///may.db --since 2026-05-01 --until 2026-06-01
      eventstore copy sess_123 --to postgresql://user@host/archive
      eventstore copy --to sqlite:///old.db --older-than 90d --then-delete
    """
    chosen = given_options({**filters, "older_than": older_than})
    with open_store(url) as store, _open_target(target, dry_run) as to:
        ids = chosen_sessions(store, session_ids, everything, chosen)
        done, failed = _results("copy", ids, store.iter_copy(ids, to, then_delete, dry_run))
    if as_json:
        print_json({"object": "list", "data": [one._asdict() for one in done], "errors": failed})
    else:
        _print_copied(done, failed, dry_run)
    context.exit(1 if failed else 0)


def _open_target(url: str, dry_run: bool) -> EventStore:
    parsed = parse_url(url)
    if dry_run and parsed.drivername == "sqlite" and not Path(parsed.database or "").exists():
        return open_store("sqlite://")  # a dry run must not create the file; this one is as empty
    return open_store(url)


def _results(
    label: str, ids: list[str], results: Iterable[Done | Failure]
) -> tuple[list[Done], Failed]:
    """Collect results with a progress bar, print the failures at the end, and return both.

    Args:
        label: The text before the progress bar.
        ids: The sessions, whose number is the bar's total.
        results: The result of each session.
    """
    done: list[Done] = []
    failures: list[Failure] = []
    with progress_bar(label, len(ids)) as bar:
        for result in results:
            if isinstance(result, Failure):
                failures.append(result)
            else:
                done.append(result)
            if bar is not None:
                bar.advance(bar.task_ids[0])
    return done, print_failures(failures)


def _print_copied(done: list[Copied], failed: Failed, dry_run: bool) -> None:
    new = [one for one in done if one.status != "exists"]
    events, there = sum(one.events for one in new), len(done) - len(new)
    verb = "Would copy" if dry_run else "Copied"
    line = f"{verb} {counted(len(new), 'session')} with {counted(events, 'event')}"
    if there:
        line += f"; {counted(there, 'session')} there already"
    deleted = sum(one.deleted for one in done)
    if deleted:
        line += f"; deleted {counted(deleted, 'session')} here"
    print_line(f"{line}; {len(failed):,} failed." if failed else f"{line}.")


@click.command()
@_chosen_by
@click.option("--to", "target", metavar="URL|DIR", help="A folder, s3://bucket/calls or the like.")
@click.option("--back", is_flag=True, help="Move the bytes back into the database.")
@db_option
@json_option
@click.pass_context
def offload(
    context: click.Context,
    /,
    session_ids: tuple[str, ...],
    everything: bool,
    older_than: str | None,
    target: str | None,
    back: bool,
    url: str,
    as_json: bool,
    **filters: Any,
) -> None:
    """Move the bytes of sealed sessions to files or object storage, and back.

    The database keeps the place and the digests of the bytes, and every command reads them there.
    It reads only below the folder of an SQLite database, and in the places that EVENTSTORE_SEGMENTS
    names. Each database has a folder of its own there. Object storage is reached by fsspec
    (pip install 'realtime-eventstore[objects]'), which has its own credentials: put none into the
    URL.

    \b
    Examples:
      eventstore offload --to /srv/calls --older-than 30d
      eventstore offload --to s3://bucket/calls --all
      eventstore offload --back sess_123
    """
    if back == (target is not None):
        raise click.UsageError("give --to, or --back")
    chosen = given_options({**filters, "older_than": older_than})
    with open_store(url) as store:
        ids = chosen_sessions(store, session_ids, everything, chosen)
        done, failed = _results("offload", ids, store.iter_offload(ids, target))
        if target is not None:
            _tell_where(store, target)
    if as_json:
        print_json({"object": "list", "data": [one._asdict() for one in done], "errors": failed})
    else:
        _print_moved(done, failed)
    context.exit(1 if failed else 0)


def _tell_where(store: EventStore, target: str) -> None:
    """Print a note if other commands need a variable to read the moved bytes."""
    base = base_url(target)
    if not allowed_locations_of(store.engine).is_configured(base):
        say(
            "Commands that read these bytes need it in their environment:"
            f" {LOCATIONS_VARIABLE}={base}"
        )


def _print_moved(done: list[Moved], failed: Failed) -> None:
    segments, moved = sum(one.segments for one in done), sum(one.bytes for one in done)
    sessions = sum(one.segments > 0 for one in done)
    line = f"Moved {counted(segments, 'segment')} of {counted(sessions, 'session')}: {size(moved)}"
    if sessions < len(done):
        line += f"; {counted(len(done) - sessions, 'session')} had nothing to move"
    print_line(f"{line}; {len(failed):,} failed." if failed else f"{line}.")


COMMANDS = (copy, offload)
