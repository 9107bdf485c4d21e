"""The command `backup`, which copies a store on SQLite, or its keys, while it is in use."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from eventstore.cli.options import db_option, json_option, open_store
from eventstore.cli.stopping import stopped_by_signals
from eventstore.cli.terminal.output import (
    clean,
    counted,
    print_json,
    print_line,
    progress_bar,
    say,
    size,
)
from eventstore.store.maintenance.backup import BackedUp, BackedUpKeys, dump_command


@click.command()
@click.argument("target", required=False, metavar="[FILE]", type=click.Path())
@click.option(
    "--keys-to",
    metavar="FILE",
    type=click.Path(),
    help="Copy the database of keys there, after the store.",
)
@click.option(
    "--show-command",
    is_flag=True,
    help="On PostgreSQL: print the pg_dump that makes FILE, for a shell, and do no more.",
)
@db_option
@json_option
def backup(
    target: str | None, keys_to: str | None, show_command: bool, url: str, as_json: bool
) -> None:
    """Copy a store on SQLite to a new file, while calls are recorded into it.

    The file has all that was committed when the command began. It appears when it is complete, and
    a file that exists is never replaced. Nobody who writes waits. The file is a store like any
    other: `eventstore verify --all --db sqlite:///FILE` checks it, and to restore it, put it in the
    place of the store. It has neither the bytes of offloaded segments nor the keys of an encrypted
    store: --keys-to copies these. A store of an older version is copied as it is. On PostgreSQL,
    the command names the pg_dump to run.

    \b
    Examples:
      eventstore backup backups/calls-2026-05-01.db
      eventstore --keys sqlite:///keys.db backup calls-1.db --keys-to elsewhere/keys-1.db
    """
    if target is None and keys_to is None:
        raise click.UsageError("name the file to copy the store to, or give --keys-to")
    if show_command and (target is None or keys_to is not None or as_json):
        raise click.UsageError("--show-command goes with FILE alone")
    store_copy, keys_copy = None, None
    # A backup before an upgrade must not upgrade the store, nor one of a wrong path make a store.
    with open_store(url, check_schema=False) as store, _stoppable() as checked:
        if target is not None and show_command:
            print_line(shlex.join(dump_command(store.engine, Path(target))))
            return
        if target is not None:
            with _progress("backup", checked) as progress:
                store_copy = store.backup(target, progress)
        if keys_to is not None:
            with _progress("keys", checked) as progress:
                keys_copy = store.backup_keys(keys_to, progress)
    if as_json:
        print_json(_document(store_copy, keys_copy))
    else:
        _tell(store_copy, keys_copy)


@contextmanager
def _stoppable() -> Iterator[Callable[[], None]]:
    """Catch SIGINT and SIGTERM, and yield what ends the backup after one: no file is left then."""
    with stopped_by_signals() as asked:

        def check() -> None:
            if asked():
                raise click.Abort

        yield check


@contextmanager
def _progress(label: str, check: Callable[[], None]) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of megabytes, if there is a terminal; yield what takes the number of bytes."""
    with progress_bar(label, None) as bar:

        def told(done: int, total: int) -> None:
            check()
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done / 1e6, total=total / 1e6)

        yield told


def _document(store: BackedUp | None, keys: BackedUpKeys | None) -> dict[str, Any]:
    return {
        "object": "eventstore.backup",
        "store": None if store is None else store._asdict(),
        "keys": None if keys is None else keys._asdict(),
    }


def _tell(store: BackedUp | None, keys: BackedUpKeys | None) -> None:
    if store is not None:
        held = f"{counted(store.sessions, 'session')} with {counted(store.events, 'event')}"
        print_line(f"Backed up {held} to {clean(store.path)}: {size(store.bytes)}.")
        if store.outside:
            where = f"{counted(store.outside, 'segment')} in {clean(store.place or '')}"
            say(f"Not in the backup: {where}; back up that place as well.")
        if store.key_store is not None and keys is None:
            say("Not in the backup: the keys of encrypted sessions; see --keys-to.")
    if keys is not None:
        held = f"the keys of {counted(keys.keys, 'session')}"
        print_line(f"Backed up {held} to {clean(keys.path)}: {size(keys.bytes)}.")


COMMANDS = (backup,)
