"""Runs the main commands on the sample calls, one by one: `python -m eventstore.demo`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from eventstore.cli.main import run
from eventstore.demo import call_lines, live_call_lines

DEMO_FOLDER = Path(".demo")
CALL, LIVE_CALL, DATABASE = "call.jsonl", "live_call.jsonl", "demo.db"
# The files that a run leaves in its folder: the calls, and those of an SQLite database.
_OWN = frozenset(
    {CALL, LIVE_CALL, DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal"}
)
DEMO_SESSION = "sess_Demo0wh8M7iLQ5xcsWTic"
DEMO_LIVE_SESSION = "live_Demo0g3UIanKIquydQwuw"
SPEED = "6"

#: What each command does, and its arguments.
STEPS = (
    (
        "Record: import a call of half a minute, every frame exactly as it crossed the wire.",
        f"import {DEMO_FOLDER}/{CALL} --metadata customer=42",
    ),
    ("List the sessions.", "sessions"),
    ("Show the conversation: what was said, and what nobody heard.", f"state {DEMO_SESSION}"),
    (
        "Query responses by metadata, their own or their session's.",
        "responses --metadata customer=42 --metadata topic=delivery",
    ),
    ("Search in what was said.", "responses --text saddle"),
    (
        "The same for GPT-Live, where both speak at once: import a call of twenty seconds.",
        f"import {DEMO_FOLDER}/{LIVE_CALL} --metadata customer=7",
    ),
    ("Show who spoke when, and what was delegated.", f"state {DEMO_LIVE_SESSION}"),
    ("Sum up tokens, time and money.", "usage --by model"),
    (f"Replay it, {SPEED} times as fast.", f"replay {DEMO_SESSION} --speed {SPEED}"),
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the main commands on two sample calls, one by one.

    The demo works in a folder .demo here. Files of an earlier demo in it are replaced. A folder of
    that name with anything else in it is refused, and nothing in it is changed.
    """
    _begin_anew()
    for name, lines in ((CALL, call_lines()), (LIVE_CALL, live_call_lines())):
        with (DEMO_FOLDER / name).open("w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
    os.environ["EVENTSTORE_URL"] = f"sqlite:///{DEMO_FOLDER}/{DATABASE}"
    for why, command in STEPS:
        click.echo(f"\n# {why}\n$ eventstore {command}")
        sys.stdout.flush()
        code = run(shlex.split(command))
        if code:
            sys.exit(code)
    database = f"--db sqlite:///{DEMO_FOLDER}/{DATABASE}"
    click.echo(
        f"\nThe store is {DEMO_FOLDER}/{DATABASE}. Go on with, for one:"
        f"\n  .venv/bin/eventstore state {DEMO_SESSION} --at +20 {database}"
        f"\nor look at it in a browser:\n  .venv/bin/eventstore serve {database}"
    )


def _begin_anew() -> None:
    """Make the folder, or remove the files that an earlier demo left in it.

    Raises:
        click.ClickException: The folder contains a file that no demo has made.
    """
    if DEMO_FOLDER.is_symlink() or (DEMO_FOLDER.exists() and not DEMO_FOLDER.is_dir()):
        raise click.ClickException(f"{DEMO_FOLDER} is no folder of a demo: move it away")
    DEMO_FOLDER.mkdir(exist_ok=True)
    found = sorted(DEMO_FOLDER.iterdir())
    for path in found:
        if path.name not in _OWN or path.is_symlink() or not path.is_file():
            raise click.ClickException(
                f"{path} was made by no demo: move it, or {DEMO_FOLDER}, away"
            )
    if found and not _is_sample(DEMO_FOLDER / CALL):
        raise click.ClickException(f"{DEMO_FOLDER} has not the sample call in it: move it away")
    if found:
        click.echo(f"Making {DEMO_FOLDER} anew.")
    for path in found:
        path.unlink()


def _is_sample(path: Path) -> bool:
    """Return True if a file begins with the first line of the sample call."""
    first = next(call_lines()).encode()
    try:
        with path.open("rb") as file:
            return file.read(len(first)) == first
    except OSError:
        return False


if __name__ == "__main__":
    main()
