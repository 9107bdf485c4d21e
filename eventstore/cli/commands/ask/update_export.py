"""What `export --format parquet --since-last` does. Called by export.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from eventstore.cli.failures import print_failures
from eventstore.cli.options import open_to_read
from eventstore.cli.terminal.output import counted, counter, print_json, say, size
from eventstore.errors import Failure

if TYPE_CHECKING:
    from eventstore.exports.parquet.update_parquet import Updated


def check_update(
    sessions: Sequence[str], format_: str, output: str | None, since_last: bool, too_much: bool
) -> None:
    """Raise UsageError unless a partitioned export can be made so.

    Args:
        too_much: Filters and --all were given, which contradict each other.
    """
    if not since_last:
        raise click.UsageError("--restart and --json go with --since-last")
    if format_ != "parquet":
        raise click.UsageError("--since-last goes with --format parquet")
    if sessions:
        raise click.UsageError("--since-last takes filters and no names of sessions")
    if too_much:
        raise click.UsageError("give filters, or --all: one of these")
    if output is None:
        raise click.UsageError("--since-last writes into a directory or a URL: name it by --output")


def update(url: str, target: str, filters: dict[str, Any], restart: bool, as_json: bool) -> int:
    """Bring a folder of Parquet files in step with the store; return the exit code."""
    from eventstore.exports.parquet.update_parquet import update_parquet

    failures: list[Failure] = []
    with open_to_read(url) as store, counter("session") as progress:
        done = update_parquet(store, target, filters, restart, progress, failures)
    if not as_json:
        _tell(done)
    failed = print_failures(failures)
    if as_json:
        print_json({**_as_json(done), "failed": failed})
    return 1 if failed else 0


def _as_json(done: Updated) -> dict[str, Any]:
    return {
        "object": "eventstore.parquet_update",
        "sessions": done.sessions,
        "rows": done.rows,
        "partitions": {
            "written": done.written,
            "removed": done.removed,
            "unchanged": done.unchanged,
        },
        "bytes": done.bytes,
    }


def _tell(done: Updated) -> None:
    if not done.written and not done.removed:
        say(f"Nothing has changed in {counted(done.unchanged, 'part')}.")
        return
    rows = [
        counted(done.rows["responses"], "response"),
        counted(done.rows["items"], "item"),
        counted(done.rows["usage"], "usage row"),
    ]
    what = f"{', '.join(rows)} and {counted(done.rows['scores'], 'score')}"
    say(
        f"Wrote {counted(done.written, 'part')} ({size(done.bytes)}): {what}"
        f" of {counted(done.sessions, 'session')}."
    )
    if done.removed:
        say(f"Removed {counted(done.removed, 'part')} of which no session is left.")
    if done.unchanged:
        say(f"Left as it was: {counted(done.unchanged, 'part')}.")
