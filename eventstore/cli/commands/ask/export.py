"""The command `export`, which writes sessions in the store's format or in another tool's."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, NamedTuple, TypeVar

import click

from eventstore.cli import completion
from eventstore.cli.commands.ask.update_export import check_update, update
from eventstore.cli.failures import print_failures
from eventstore.cli.options import (
    db_option,
    given_options,
    json_option,
    open_to_read,
    score_filters,
    session_filters,
)
from eventstore.cli.output_file import output_stream
from eventstore.cli.price_options import prices_option
from eventstore.cli.terminal.output import counted, counter, say
from eventstore.errors import ErasedError, EventStoreError, Failure
from eventstore.event_store import EventStore
from eventstore.realtime.values import dumps
from eventstore.store.database.outages import attempt

EXPORT_FORMATS = ("jsonl", "parquet", "chat", "html", "otel")

Progress = Callable[[int], None]
Result = TypeVar("Result")

# If several sessions are exported, one is held in memory up to so many bytes, and in a temporary
# file if it is larger; it is copied in pieces of so many bytes.
_IN_MEMORY, _PIECE = 16 * 1024 * 1024, 1024 * 1024


@click.command()
@click.argument("sessions", nargs=-1, metavar="[SESSION…]", shell_complete=completion.sessions)
@click.option(
    "--format", "format_", type=click.Choice(EXPORT_FORMATS), default="jsonl", show_default=True
)
@click.option("--all", "everything", is_flag=True, help="All sessions.")
@session_filters
@score_filters
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    help="A file, else standard output; for parquet a directory. With --since-last also a URL.",
)
@click.option(
    "--since-last",
    is_flag=True,
    help="parquet: files by day; write only what has changed since the last run.",
)
@click.option(
    "--restart",
    is_flag=True,
    help="--since-last: write everything anew, also with other filters or of another store.",
)
@json_option
@click.option("--endpoint", metavar="URL", help="otel: send to this OTLP/HTTP endpoint.")
@click.option("--content", is_flag=True, help="otel: with what was said, and tools' data.")
@click.option("--link", metavar="URL", help="otel: where your pages are, for addresses in spans.")
@prices_option()
@db_option
@click.pass_context
def export(
    context: click.Context,
    /,
    sessions: tuple[str, ...],
    format_: str,
    everything: bool,
    output: str | None,
    endpoint: str | None,
    content: bool,
    link: str | None,
    since_last: bool,
    restart: bool,
    as_json: bool,
    url: str,
    **filters: Any,
) -> None:
    """Write sessions to a file: those named, those that match the filters, or all.

    If one of several sessions cannot be read, it is left out whole, and named at the end.

    \b
    jsonl    seq, at, direction and the exact frame; importing it gives equal sessions
    parquet  sessions, responses, items, usage and scores, for DuckDB and pandas
    chat     a conversation a line in OpenAI's chat format, for evaluation and fine-tuning
    html     one call as a page that needs no network: transcript, audio, events
    otel     OpenTelemetry traces as OTLP's JSON lines, or sent to --endpoint

    \b
    Examples:
      eventstore export sess_123 -o call.jsonl
      eventstore export sess_123 | gzip > call.jsonl.gz
      eventstore export --all --format parquet -o tables
      eventstore export --format parquet --since-last -o s3://bucket/tables
      eventstore export --metadata topic=returns --format chat -o training.jsonl
      eventstore export --score 'helpful>=0.5' --format chat -o good.jsonl
      eventstore export sess_123 --format html -o call.html
      eventstore export --since 2026-05-01 --format otel --endpoint http://localhost:4318
    """
    chosen, told = given_options(filters), SpanOptions(content, link)
    if since_last or restart or as_json:
        check_update(sessions, format_, output, since_last, everything and bool(chosen))
        _check_targets(format_, output, endpoint, told)
        context.exit(update(url, str(output), chosen, restart, as_json))
    _check(sessions, chosen, everything, format_)
    _check_targets(format_, output, endpoint, told)
    with open_to_read(url) as store:
        for session_id in sessions:
            # A missing session raises before anything is written. An erased one among several is
            # told at the end.
            with suppress(*((ErasedError,) if len(sessions) > 1 else ())):
                store.reader.last_seq(session_id)
        session_ids = iter(sessions) if sessions else store.session_ids(**chosen)
        reader = SessionReader(len(sessions) == 1)
        with counter("session") as progress:
            if format_ == "parquet":
                _write_parquet(store, session_ids, str(output), progress, reader)
            elif endpoint is not None:
                _send(store, _counted(session_ids, progress), endpoint, told, reader)
            else:
                with output_stream(output) as stream:
                    _write(store, _counted(session_ids, progress), format_, told, stream, reader)
    context.exit(1 if print_failures(reader.failures) else 0)


class SpanOptions(NamedTuple):
    """What spans say.

    Attributes:
        content: Include what was said, and the arguments and outputs of tools.
        link: Where the store's pages are; None leaves the addresses of pages out.
    """

    content: bool
    link: str | None


class SessionReader:
    """Reads several sessions, and goes on if one of them cannot be read.

    Args:
        alone: There is only one session, whose failure ends the command.

    Attributes:
        failures: The failures of sessions that could not be read, in order.
    """

    def __init__(self, alone: bool) -> None:
        self.alone = alone
        self.failures: list[Failure] = []

    def read(
        self, session_ids: Iterable[str], work: Callable[[str], Result]
    ) -> Iterator[tuple[str, Result]]:
        """Yield each session's id with the result of `work`, without sessions that fail."""
        for session_id in session_ids:
            if self.alone:
                yield session_id, work(session_id)
                continue
            found = attempt(f"session {session_id}", partial(work, session_id))
            if isinstance(found, EventStoreError):
                self.failures.append(Failure(session_id, found))
            else:
                yield session_id, found


def _check(
    sessions: tuple[str, ...], chosen: dict[str, Any], everything: bool, format_: str
) -> None:
    """Raise UsageError unless exactly one way of choosing sessions is used."""
    ways = bool(sessions) + bool(chosen) + everything
    if not ways:
        raise click.UsageError("Missing argument: name sessions, or give filters, or --all")
    if ways > 1:
        raise click.UsageError("name sessions, or give filters, or --all: one of these")
    if format_ == "html" and len(sessions) != 1:
        raise click.UsageError("--format html takes the name of one session")


def _check_targets(
    format_: str, output: str | None, endpoint: str | None, told: SpanOptions
) -> None:
    if format_ != "otel" and (endpoint is not None or told != SpanOptions(False, None)):
        raise click.UsageError("--endpoint, --content and --link go with --format otel")
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
    store: EventStore,
    session_ids: Iterator[str],
    format_: str,
    told: SpanOptions,
    stream: BinaryIO,
    reader: SessionReader,
) -> None:
    if format_ == "jsonl":
        _write_jsonl(store, session_ids, stream, reader)
    elif format_ == "chat":
        _write_chat(store, session_ids, stream, reader)
    elif format_ == "otel":
        _write_otel(store, session_ids, told, stream, reader)
    else:
        # Other formats must not wait for this import.
        from eventstore.exports.html import write_html

        write_html(store.reader, next(session_ids), stream)


def _write_jsonl(
    store: EventStore, session_ids: Iterator[str], stream: BinaryIO, reader: SessionReader
) -> None:
    if reader.alone:
        for session_id in session_ids:
            stream.writelines(store.export(session_id))
        return

    def whole(session_id: str) -> BinaryIO:
        # The output has a session whole or not at all, so it is read to its end before.
        kept: BinaryIO = SpooledTemporaryFile(_IN_MEMORY)  # type: ignore[assignment]  # noqa: SIM115
        try:
            kept.writelines(store.export(session_id))
            kept.seek(0)
        except BaseException:
            kept.close()
            raise
        return kept

    for _, kept in reader.read(session_ids, whole):
        with kept:
            shutil.copyfileobj(kept, stream, _PIECE)


def _write_chat(
    store: EventStore, session_ids: Iterator[str], stream: BinaryIO, reader: SessionReader
) -> None:
    from eventstore.exports.chat import chat

    written = 0
    left_out: Counter[str] = Counter()
    for _, made in reader.read(session_ids, lambda session_id: chat(store.state(session_id))):
        left_out += made.left_out
        for conversation in made.conversations:
            stream.write(f"{dumps(conversation)}\n".encode())
            written += 1
    say(f"Exported {counted(written, 'conversation')}.")
    if left_out:
        reasons = ", ".join(f"{reason} ({number:,})" for reason, number in left_out.most_common())
        say(f"Left out: {reasons}.")


def _write_otel(
    store: EventStore,
    session_ids: Iterator[str],
    told: SpanOptions,
    stream: BinaryIO,
    reader: SessionReader,
) -> None:
    from eventstore.exports.otel.otlp_json import otlp_lines
    from eventstore.exports.otel.session_spans import read_spans

    sizes = []
    for _, spans in reader.read(session_ids, lambda id_: read_spans(store, id_, *told)):
        sizes.append(len(spans))
        stream.writelines(f"{line}\n".encode() for line in otlp_lines(spans))
    _say_spans("Exported", sizes)


def _send(
    store: EventStore,
    session_ids: Iterator[str],
    url: str,
    told: SpanOptions,
    reader: SessionReader,
) -> None:
    from eventstore.exports.otel.otlp_http import Endpoint
    from eventstore.exports.otel.session_spans import read_spans

    endpoint = Endpoint(url)
    sizes = []
    try:
        for _, spans in reader.read(session_ids, lambda id_: read_spans(store, id_, *told)):
            sizes.append(len(spans))
            endpoint.send(spans)
    finally:
        endpoint.close()
    _say_spans("Sent", sizes)


def _say_spans(done: str, sizes: list[int]) -> None:
    """Print how many traces and spans were written.

    Args:
        done: The verb of the line, such as `Sent`.
        sizes: The number of spans of each session.
    """
    traces = sum(1 for size in sizes if size)
    say(f"{done} {counted(traces, 'trace')} with {counted(sum(sizes), 'span')}.")
    if traces < len(sizes):
        left_out = counted(len(sizes) - traces, "session")
        say(f"Left out: {left_out} recorded without times, which traces need.")


def _write_parquet(
    store: EventStore,
    session_ids: Iterator[str],
    folder: str,
    progress: Progress,
    reader: SessionReader,
) -> None:
    from eventstore.exports.parquet.write_parquet import write_parquet

    failures = None if reader.alone else reader.failures
    written = write_parquet(store, session_ids, Path(folder), progress, failures)
    tables = (
        counted(written.responses, "response"),
        counted(written.items, "item"),
        counted(written.usage, "usage row"),
    )
    sessions = counted(written.sessions, "session")
    say(f"Exported {', '.join(tables)} and {counted(written.scores, 'score')} of {sessions}.")


COMMANDS = (export,)
