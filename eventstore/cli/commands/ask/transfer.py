"""The commands `init`, which creates the schema, and `import`, which reads recordings."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from eventstore.capture.files.formats.registry import RECORDING_FORMATS
from eventstore.capture.files.import_file import Imported
from eventstore.cli import completion
from eventstore.cli.failures import print_failures
from eventstore.cli.options import (
    db_option,
    json_option,
    open_store,
    parse_metadata,
    redact_option,
)
from eventstore.cli.terminal.output import (
    counted,
    print_json,
    print_line,
    print_table,
    progress_bar,
    say,
)
from eventstore.errors import EventStoreError, Failure, InvalidInputError, failure_line
from eventstore.realtime.audio import HIGHEST_RATE, LOWEST_RATE
from eventstore.store.database.outages import attempt

_RATE = click.IntRange(LOWEST_RATE, HIGHEST_RATE)


@click.command()
@db_option
@json_option
def init(url: str, as_json: bool) -> None:
    """Create the schema, or upgrade it to what this version needs.

    \b
    Example:
      eventstore init --db postgresql://user@localhost/calls
    """
    with open_store(url, check_schema=False) as store:
        before, after = store.init()
    if as_json:
        print_json({"object": "eventstore.schema", "before": before, "schema": after})
    elif before == after:
        print_line(f"The schema is up to date ({after}).")
    else:
        print_line(f"{'Upgraded' if before else 'Created'} the schema ({after}).")


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE…|-")
@click.option("--session-id", metavar="ID", help="Store it under this id.")
@click.option(
    "--metadata",
    multiple=True,
    metavar="K=V",
    help="Set on each session; repeat it.",
    shell_complete=completion.metadata,
)
@click.option("--keep-going", is_flag=True, help="Leave out lines that cannot be read.")
@redact_option
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(RECORDING_FORMATS)),
    help="The file's format; by default its content says which it is.",
)
@click.option(
    "--input-rate",
    type=_RATE,
    metavar="HZ",
    help="The rate of the user's PCM, where the server does not say it.",
)
@click.option(
    "--output-rate", type=_RATE, metavar="HZ", help="The rate of the model's PCM, likewise."
)
@db_option
@json_option
@click.pass_context
def import_(
    context: click.Context,
    files: tuple[str, ...],
    session_id: str | None,
    metadata: tuple[str, ...],
    keep_going: bool,
    redact: bool,
    format_: str | None,
    input_rate: int | None,
    output_rate: int | None,
    url: str,
    as_json: bool,
) -> None:
    """Import recordings: JSON lines, HAR files of browsers, logs and cassettes of other tools.

    A JSON line is a bare event, or an envelope with a direction (client, server, store), an event
    or the exact text of its frame, and `at` (ISO 8601 or epoch seconds) if it is known. The format
    of a file and its compression (gzip, zstd) are recognised by its content. A warning says what a
    file lacks, such as times. Each connection in a file becomes a session. Importing a file again
    adds nothing.

    \b
    Examples:
      eventstore import call.jsonl --metadata customer=42
      eventstore import calls/*.jsonl.gz
      eventstore import api.openai.com.har
      eventstore import call.jsonl --input-rate 16000
      psql --csv -c "SELECT time, direction, frame FROM log" | eventstore import -
    """
    pairs = parse_metadata(metadata)
    if session_id is not None and len(files) > 1:
        raise click.UsageError("--session-id goes with one file")
    done: list[dict[str, Any]] = []
    failures: list[Failure] = []
    with open_store(url) as store:
        for position, name in enumerate(files, 1):
            if len(files) > 1:
                say(f"[{position}/{len(files)}] {name}")
            of_file: list[Failure] = []
            bring_in = partial(
                store.import_file,
                session_id=session_id,
                metadata=pairs,
                keep_going=keep_going,
                redact=redact,
                failures=of_file,
                format=format_,
                input_rate=input_rate,
                output_rate=output_rate,
            )
            imported = attempt(name, partial(_import_one, bring_in, name))
            if isinstance(imported, EventStoreError):
                failures.append(Failure(name, imported))
            else:
                _warn(name, imported)
                done += (_entry(name, one, redact) for one in imported)
            failures += (Failure(name, EventStoreError(failure_line(one))) for one in of_file)
    failed = print_failures(failures, "file")
    if as_json:
        print_json({"object": "list", "data": done, "errors": failed})
    else:
        _print_imported(done, len({one.name for one in failures}), len(files))
    context.exit(1 if failed else 0)


def _import_one(bring_in: Callable[..., list[Imported]], name: str) -> list[Imported]:
    if name == "-":
        return bring_in(sys.stdin.buffer)
    path = Path(name)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InvalidInputError(f"cannot read it: {error.strerror}") from error
    if path.is_dir():
        raise InvalidInputError(f"it is a folder; name its files: {path / '*.jsonl'}")
    with progress_bar(path.name, size) as bar:

        def progress(read: int) -> None:
            if bar is not None:
                bar.update(bar.task_ids[0], completed=read)

        return bring_in(path, progress=progress)


def _warn(name: str, imported: list[Imported]) -> None:
    """Print each warning about a file once."""
    for warning in dict.fromkeys(entry for one in imported for entry in one.warnings):
        say(f"Warning: {name}: {warning}")


def _entry(name: str, imported: Imported, redact: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"redacted": imported.redacted} if redact else {}
    if imported.same_call is not None:
        entry["same_call"] = imported.same_call
    return {
        "session_id": imported.session_id,
        "events": imported.events,
        "responses": imported.responses,
        "added": imported.added,
        "status": "imported" if imported.added and not imported.metadata_set else "exists",
        "skipped_lines": imported.skipped_lines,
        **entry,
        "file": name,
        "format": imported.format,
        "warnings": list(imported.warnings),
    }


def _print_imported(done: list[dict[str, Any]], failed: int, files: int) -> None:
    if done:
        print_table(
            ("SESSION", ">EVENTS", ">RESPONSES", ""),
            ((e["session_id"], e["events"], e["responses"], _remark(e)) for e in done),
        )
    if failed:
        print_line(f"{files - failed} of {files} files imported, {failed} failed.")


def _remark(entry: dict[str, Any]) -> str:
    remark = "imported"
    if entry["status"] == "exists":
        remark = "was there already; " + ("metadata set" if entry["added"] else "nothing added")
    if entry.get("same_call"):
        remark += f"; the same call as {entry['same_call']}, where its usage is counted"
    if entry["skipped_lines"]:
        remark += f"; {entry['skipped_lines']} unreadable lines left out"
    if entry.get("redacted"):
        remark += f"; {counted(entry['redacted'], 'secret')} taken out"
    return remark


COMMANDS = (init, import_)
