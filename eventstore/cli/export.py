"""The command that takes sessions out of a store, in its own format or in those of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from eventstore.cli.options import db_option, given, open_store, session_filters
from eventstore.cli.output import counted, counter, say
from eventstore.cli.output_file import output_stream
from eventstore.event_store import EventStore
from eventstore.realtime.values import dumps

FORMATS = ("jsonl", "parquet", "chat", "html", "otel")

Progress = Callable[[int], None]


@click.command()
@click.argument("sessions", nargs=-1, metavar="[SESSION…]")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="jsonl", show_default=True)
@click.option("--all", "everything", is_flag=True, help="All sessions.")
@session_filters
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    help="A file, else standard output; for parquet a directory.",
)
@click.option("--endpoint", metavar="URL", help="otel: send to this OTLP/HTTP endpoint.")
@click.option("--content", is_flag=True, help="otel: with what was said, and tools' data.")
@db_option
def export(
    sessions: tuple[str, ...],
    format_: str,
    everything: bool,
    output: str | None,
    endpoint: str | None,
    content: bool,
    url: str,
    **filters: Any,
) -> None:
    """Write sessions to a file: those named, those that match the filters, or all.

    \b
    jsonl    seq, at, direction and the exact frame; importing it gives equal sessions
    parquet  responses, items and usage, for DuckDB and pandas
    chat     a conversation a line in OpenAI's chat format, for evaluation and fine-tuning
    html     one call as a page that needs no network: transcript, audio, events
    otel     OpenTelemetry traces as OTLP's JSON lines, or sent to --endpoint

    \b
    Examples:
      eventstore export sess_123 -o call.jsonl
      eventstore export sess_123 | gzip > call.jsonl.gz
      eventstore export --all --format parquet -o tables
      eventstore export --metadata topic=returns --format chat -o training.jsonl
      eventstore export sess_123 --format html -o call.html
      eventstore export --since 2026-05-01 --format otel --endpoint http://localhost:4318
    """
    chosen = given(filters)
    _check(sessions, chosen, everything, format_)
    _check_targets(format_, output, endpoint, content)
    with open_store(url) as store:
        for session_id in sessions:
            store.head(session_id)  # all of them are there before anything is written
        wanted = iter(sessions) if sessions else store.session_ids(**chosen)
        with counter("session") as progress:
            if format_ == "parquet":
                _write_parquet(store, wanted, str(output), progress)
            elif endpoint is not None:
                _send(store, _counted(wanted, progress), endpoint, content)
            else:
                with output_stream(output) as stream:
                    _write(store, _counted(wanted, progress), format_, content, stream)


def _check(
    sessions: tuple[str, ...], chosen: dict[str, Any], everything: bool, format_: str
) -> None:
    """Whether it is said, once, which sessions are wanted."""
    ways = bool(sessions) + bool(chosen) + everything
    if not ways:
        raise click.UsageError("Missing argument: name sessions, or give filters, or --all")
    if ways > 1:
        raise click.UsageError("name sessions, or give filters, or --all: one of these")
    if format_ == "html" and len(sessions) != 1:
        raise click.UsageError("--format html takes the name of one session")


def _check_targets(format_: str, output: str | None, endpoint: str | None, content: bool) -> None:
    if format_ != "otel" and (endpoint is not None or content):
        raise click.UsageError("--endpoint and --content go with --format otel")
    if output is not None and endpoint is not None:
        raise click.UsageError("--endpoint and --output: use one of them")
    if format_ == "parquet" and output is None:
        raise click.UsageError("--format parquet writes into a directory: name it with --output")
    is_folder = output is not None and Path(output).is_dir()
    if is_folder and format_ != "parquet":
        raise click.UsageError(f"--output {output} is a directory; name a file")
    if output is not None and format_ == "parquet" and Path(output).exists() and not is_folder:
        raise click.UsageError(f"--output {output} is a file; name a directory")


def _counted(session_ids: Iterable[str], progress: Progress) -> Iterator[str]:
    for number, session_id in enumerate(session_ids, 1):
        progress(number)
        yield session_id


def _write(
    store: EventStore, wanted: Iterator[str], format_: str, content: bool, stream: BinaryIO
) -> None:
    if format_ == "jsonl":
        for session_id in wanted:
            stream.writelines(store.export(session_id))
    elif format_ == "chat":
        _write_chat(store, wanted, stream)
    elif format_ == "otel":
        _write_otel(store, wanted, content, stream)
    else:
        # Not everybody who exports makes pages.
        from eventstore.archive.export_html import write_html

        write_html(store, next(wanted), stream)


def _write_chat(store: EventStore, wanted: Iterator[str], stream: BinaryIO) -> None:
    from eventstore.archive.export_chat import chat

    written = 0
    left_out: Counter[str] = Counter()
    for session_id in wanted:
        made = chat(store.show(session_id))
        left_out += made.left_out
        for conversation in made.conversations:
            stream.write(f"{dumps(conversation)}\n".encode())
            written += 1
    say(f"Exported {counted(written, 'conversation')}.")
    if left_out:
        reasons = ", ".join(f"{reason} ({number:,})" for reason, number in left_out.most_common())
        say(f"Left out: {reasons}.")


def _write_otel(store: EventStore, wanted: Iterator[str], content: bool, stream: BinaryIO) -> None:
    from eventstore.archive.export_otel import read_spans
    from eventstore.archive.otlp_json import otlp_lines

    sizes = []
    for session_id in wanted:
        spans = read_spans(store, session_id, content)
        sizes.append(len(spans))
        stream.writelines(f"{line}\n".encode() for line in otlp_lines(spans))
    _say_spans("Exported", sizes)


def _send(store: EventStore, wanted: Iterator[str], url: str, content: bool) -> None:
    from eventstore.archive.export_otel import read_spans
    from eventstore.archive.otlp_http import Endpoint

    endpoint = Endpoint(url)
    sizes = []
    try:
        for session_id in wanted:
            spans = read_spans(store, session_id, content)
            sizes.append(len(spans))
            endpoint.send(spans)
    finally:
        endpoint.close()
    _say_spans("Sent", sizes)


def _say_spans(done: str, sizes: list[int]) -> None:
    """Tell how many spans there were in each session."""
    traces = sum(1 for size in sizes if size)
    say(f"{done} {counted(traces, 'trace')} with {counted(sum(sizes), 'span')}.")
    if traces < len(sizes):
        left_out = counted(len(sizes) - traces, "session")
        say(f"Left out: {left_out} recorded without times, which traces need.")


def _write_parquet(
    store: EventStore, wanted: Iterator[str], folder: str, progress: Progress
) -> None:
    from eventstore.archive.export_parquet import write_parquet

    written = write_parquet(store, wanted, Path(folder), progress)
    tables = (counted(written.responses, "response"), counted(written.items, "item"))
    sessions = counted(written.sessions, "session")
    say(f"Exported {', '.join(tables)} and {counted(written.usage, 'usage row')} of {sessions}.")


COMMANDS = (export,)
