"""The command `spool`, which writes frames that recorders left on disk to the database."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from eventstore.cli.failures import print_failures
from eventstore.cli.options import db_option, json_option, open_store, spool_option
from eventstore.cli.terminal.output import (
    counted,
    print_json,
    print_line,
    print_table,
    progress_bar,
)
from eventstore.common.private_files import check_private_folder
from eventstore.errors import EventStoreError, Failure
from eventstore.store.database.outages import attempt


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what is there.")
@spool_option
@db_option
@json_option
@click.pass_context
def spool(
    context: click.Context, dry_run: bool, folder: Path | None, url: str, as_json: bool
) -> None:
    """Write what recorders that have ended left in the spool.

    A recorder keeps frames on disk while the database is away, and the next recorder writes them.
    This command writes them without a recorder, and closes the sessions that were cut off. The
    frames of a recorder that runs are left to it.

    \b
    Examples:
      eventstore spool --dry-run
      eventstore spool --db postgresql://user@localhost/calls
    """
    from eventstore.capture.recorder.spool.spool import default_folder

    place = folder or default_folder(url)
    check_private_folder(place, "the spool")
    failures: list[Failure] = []
    entries = _look(place) if dry_run else _recover(url, place, failures)
    errors = print_failures(failures, "recording")
    if as_json:
        print_json({"object": "list", "data": entries, "folder": str(place), "errors": errors})
        context.exit(1 if errors else 0)
    if not entries:
        print_line(f"Nothing is in the spool {place}.")
        return
    print_table(
        ("RECORDER", "STATE", ">FRAMES", ">OPEN SESSIONS", "DAMAGED FILES"),
        (
            (e["recorder"], e["state"], e["frames"], e["open_sessions"], " ".join(e["damaged"]))
            for e in entries
        ),
    )
    written = [entry for entry in entries if entry["state"] == "written"]
    frames = sum(entry["frames"] for entry in written)
    if written:
        print_line(f"Wrote {counted(frames, 'frame')}.")
    elif dry_run and any(entry["state"] == "ended" for entry in entries):
        print_line("Write it with: eventstore spool")
    context.exit(1 if errors else 0)


def _look(folder: Path) -> list[dict[str, Any]]:
    from eventstore.capture.recorder.recover import spool_status

    return [
        _entry(one.name, "ended" if one.ended else "recording", one.frames, one.sessions, [])
        for one in spool_status(folder)
    ]


def _recover(url: str, folder: Path, failures: list[Failure]) -> list[dict[str, Any]]:
    from eventstore.capture.recorder.recover import recover, spool_status
    from eventstore.capture.recorder.spool import orphaned_spools

    waiting = spool_status(folder)
    entries = []
    with open_store(url) as store, progress_bar("spool", sum(o.frames for o in waiting)) as bar:
        done = 0
        for one in waiting:

            def progress(frames: int, before: int = done) -> None:
                if bar is not None:
                    bar.update(bar.task_ids[0], completed=before + frames)

            made = attempt(
                f"recorder {one.name}", partial(recover, store, folder, one.name, progress)
            )
            if isinstance(made, EventStoreError):
                failures.append(Failure(one.name, made))
                entries.append(_entry(one.name, "failed", one.frames, one.sessions, []))
            elif made is not None:
                failures += made.failures
                names = [path.name for path in made.damaged]
                entry = _entry(one.name, "written", made.frames, made.sessions, names)
                entries.append(entry)
            elif one.name in orphaned_spools.process_names(folder):
                entries.append(_entry(one.name, "recording", one.frames, one.sessions, []))
            done += one.frames
    return entries


def _entry(
    name: str, state: str, frames: int, sessions: list[str], damaged: list[str]
) -> dict[str, Any]:
    return {
        "recorder": name,
        "state": state,
        "frames": frames,
        "open_sessions": len(sessions),
        "damaged": damaged,
    }


COMMANDS = (spool,)
