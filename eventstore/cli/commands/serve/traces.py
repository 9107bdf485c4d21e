"""The command `traces`, which sends the spans of sessions to a collector while they go on."""

from __future__ import annotations

import gc

import click

from eventstore.cli.options import db_option, json_option, open_store
from eventstore.cli.stopping import stop_by_signals
from eventstore.cli.subscription_options import from_option, metadata_option
from eventstore.cli.terminal.output import clean, counted, print_json, print_line, say
from eventstore.exports.otel.traces import Traces
from eventstore.feed.delivery import From


@click.command()
@click.option(
    "--to",
    metavar="URL",
    help="The collector, by OTLP over HTTP; by default OTEL_EXPORTER_OTLP_ENDPOINT.",
)
@click.option("--name", default="traces", show_default=True, help="Their subscription.")
@from_option
@metadata_option
@click.option("--content", is_flag=True, help="With what was said, and tools' data.")
@click.option("--link", metavar="URL", help="Where your pages are: spans have addresses there.")
@click.option("--once", is_flag=True, help="End when there is nothing more to send for now.")
@db_option
@json_option
@click.pass_context
def traces(
    context: click.Context,
    to: str | None,
    name: str,
    from_: From,
    metadata: tuple[str, ...],
    content: bool,
    link: str | None,
    once: bool,
    url: str,
    as_json: bool,
) -> None:
    """Send spans to an OpenTelemetry collector as responses end, while calls go on.

    They are the spans of `export --format otel`, with the same ids. Those of a response, a tool
    call or a transcription are sent when it ends, and the session's when the session has ended. If
    the app named its own span, by the header traceparent of its handshake or as metadata, they are
    below it. While the collector is away, they wait. They go on where they were when the command is
    started again, and several commands share the work. Headers, such as keys, are read from
    OTEL_EXPORTER_OTLP_HEADERS.

    \b
    Examples:
      eventstore traces --to http://localhost:4318 --link https://calls.example.com
      eventstore traces --to http://localhost:4318 --from start --once
    """
    with open_store(url) as store:
        made = store.traces(
            to,
            name=name,
            from_=from_,
            metadata=metadata or None,
            content=content,
            link=link,
            once=once,
        )
        _run(made, once)
    if as_json:
        counts = {"sent": made.sent, "refused": made.refused, "failed": made.failed}
        print_json({"object": "eventstore.traces", "name": name, **counts})
    else:
        told = f"; {made.refused:,} refused" if made.refused else ""
        print_line(f"Sent {counted(made.sent, 'span')}{told}.")
    context.exit(1 if once and made.refused else 0)


def _run(made: Traces, once: bool) -> None:
    """Send spans until a signal comes, or all are sent."""

    stop_by_signals(made.stop)
    if not once:
        say(f"Spans go to {clean(made.to)}; Ctrl-C ends it.")
    gc.freeze()  # a collection of all imported modules would delay spans
    made.run()


COMMANDS = (traces,)
