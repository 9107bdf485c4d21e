"""The command `serve`, which serves the pages and the HTTP API."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eventstore.cli.commands.serve.call_options import header_option, parse_headers, webhook_secret
from eventstore.cli.commands.serve.serving import parse_address
from eventstore.cli.commands.serve.tls_options import tls_options
from eventstore.cli.options import db_option, keys_url, redact_option, spool_option
from eventstore.cli.price_options import prices_file, prices_option
from eventstore.cli.replica_options import chosen_replica
from eventstore.cli.webhook_options import webhook_options
from eventstore.common.tls import Certificate
from eventstore.realtime.upstream_urls import OPENAI_URL

if TYPE_CHECKING:
    from eventstore.web.sending import Sending


@click.command()
@click.option(
    "--listen",
    "address",
    default="127.0.0.1:8000",
    show_default=True,
    metavar="[HOST:]PORT",
    help="Where to listen; without keys, on this machine alone.",
)
@click.option(
    "--api-keys",
    "file",
    envvar="EVENTSTORE_API_KEYS",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="TOML of keys with their rights and tenants.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(0.1, 600),
    default=10.0,
    show_default=True,
    help="Seconds that a query may take.",
)
@click.option(
    "--max-body",
    type=click.IntRange(1, 1024),
    default=16,
    show_default=True,
    help="Megabytes that a request may have.",
)
@click.option(
    "--replay",
    "replay",
    metavar="[HOST:]PORT",
    help="Replay sessions there to clients of Realtime and GPT-Live.",
)
@click.option(
    "--record",
    "record",
    metavar="[HOST:]PORT",
    help="Relay calls to --upstream there; record them.",
)
@click.option(
    "--calls",
    "with_calls",
    is_flag=True,
    help="Record calls, also of GPT-Live, that OpenAI's webhooks to /v1/webhooks/openai tell of.",
)
@header_option
@click.option(
    "--upstream",
    envvar="EVENTSTORE_UPSTREAM",
    metavar="URL",
    help="The provider's server, by default from EVENTSTORE_UPSTREAM.",
)
@redact_option
@webhook_options
@tls_options
@click.option("--log", is_flag=True, help="A line of JSON on standard error for each request.")
@spool_option
@prices_option()
@db_option
def serve(
    address: str,
    file: Path | None,
    time_limit: float,
    max_body: int,
    replay: str | None,
    record: str | None,
    with_calls: bool,
    headers: tuple[str, ...],
    upstream: str | None,
    redact: bool,
    webhooks: Sending | None,
    tls: Certificate | None,
    log: bool,
    folder: Path | None,
    url: str,
) -> None:
    """Serve pages to look at calls, and an HTTP API in OpenAI's shapes.

    A single key is taken from EVENTSTORE_API_KEY; --api-keys names a file of several. The document
    of the API is at /v1/openapi.json. With --replay and --record the same process replays sessions
    to live clients, as `replay --serve` does, and records calls, as `record` does. With --tls or
    --cert all of them listen with TLS. With --calls it takes OpenAI's webhooks, as `calls` does:
    their signature is checked in place of a key. With --webhooks-to it sends webhooks of what has
    ended, as `webhooks` does. Ctrl-C ends it.

    \b
    Examples:
      eventstore serve
      EVENTSTORE_API_KEY=… eventstore serve --listen 0.0.0.0:8000
      eventstore serve --listen 0.0.0.0:8000 --api-keys keys.toml
      eventstore serve --prices prices.toml
      eventstore serve --replay 8765 --record 8080 --upstream wss://api.openai.com
      EVENTSTORE_WEBHOOK_SECRET=whsec_… eventstore serve --calls --header X-Customer=customer
      EVENTSTORE_WEBHOOKS_SECRET=whsec_… eventstore serve --webhooks-to https://app.example.com/calls
    """
    named = click.get_current_context().get_parameter_source("upstream")
    from_line = named is click.core.ParameterSource.COMMANDLINE
    if record is None and not with_calls and from_line:
        raise click.UsageError("--upstream goes with --record or --calls")
    if headers and not with_calls:
        raise click.UsageError("--header goes with --calls")
    if redact and record is None and not with_calls:
        raise click.UsageError("--redact goes with --record or --calls")
    if record is not None and upstream is None:
        raise click.UsageError("name the provider: --upstream wss://api.openai.com")
    # Other commands must not wait for these imports: FastAPI, uvicorn and the recorder.
    from eventstore.cli.commands.serve.calling import Calling
    from eventstore.cli.commands.serve.relaying import Relaying
    from eventstore.cli.commands.serve.services import OptionalServices, run
    from eventstore.web.running import Service, log_to_standard_error, read_keys

    host, port = parse_address(address, "--listen")
    keys = read_keys(file, os.environ.get("EVENTSTORE_API_KEY"))
    if log:
        log_to_standard_error()
    body_bytes = max_body * 1024 * 1024
    service = Service(
        *(url, keys_url(), prices_file(), host, port, keys, time_limit, body_bytes, tls),
        **chosen_replica()._asdict(),
    )
    replaying = None if replay is None else parse_address(replay, "--replay")
    relaying = None
    if record is not None and upstream is not None:
        relaying = Relaying(*parse_address(record, "--record"), upstream, folder, redact=redact)
    calling = None
    if with_calls:
        metadata_keys = parse_headers(headers, {})
        server = upstream or OPENAI_URL
        calling = Calling(
            webhook_secret(), server, headers=metadata_keys, spool=folder, redact=redact
        )
    run(service, OptionalServices(replaying, relaying, calling, webhooks))


COMMANDS = (serve,)
