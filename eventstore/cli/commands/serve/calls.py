"""The command `calls`, which records the calls that OpenAI's webhooks announce."""

from __future__ import annotations

from pathlib import Path

import click

from eventstore.cli import completion
from eventstore.cli.commands.serve.call_options import header_option, parse_headers, webhook_secret
from eventstore.cli.commands.serve.serving import parse_address
from eventstore.cli.commands.serve.tls_options import tls_options
from eventstore.cli.options import db_option, keys_url, parse_metadata, redact_option, spool_option
from eventstore.common.tls import Certificate
from eventstore.realtime.upstream_urls import OPENAI_URL


@click.command()
@click.option(
    "--listen",
    "address",
    default="127.0.0.1:8090",
    show_default=True,
    metavar="[HOST:]PORT",
    help="Where webhooks are received.",
)
@click.option(
    "--upstream",
    envvar="EVENTSTORE_UPSTREAM",
    default=OPENAI_URL,
    show_default=True,
    metavar="URL",
    help="The server of the calls, by default from EVENTSTORE_UPSTREAM.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0, 3600),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until your app has accepted a call.",
)
@header_option
@click.option(
    "--metadata",
    multiple=True,
    metavar="K=V",
    help="Set on each session; repeat it.",
    shell_complete=completion.metadata,
)
@click.option(
    "--max-calls",
    type=click.IntRange(1, 10_000),
    default=200,
    show_default=True,
    metavar="N",
    help="Most calls at once; OpenAI is asked to send other webhooks again.",
)
@redact_option
@tls_options
@spool_option
@db_option
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each call.")
def calls(
    address: str,
    upstream: str,
    wait: float,
    headers: tuple[str, ...],
    metadata: tuple[str, ...],
    max_calls: int,
    redact: bool,
    tls: Certificate | None,
    folder: Path | None,
    url: str,
    as_json: bool,
) -> None:
    """Record each call that OpenAI's webhooks tell of, by a sideband.

    Let OpenAI send realtime.call.incoming to https://YOUR-HOST/v1/webhooks/openai; for GPT-Live
    live.transport.incoming (SIP) and live.transport.connected (WebRTC). Set
    EVENTSTORE_WEBHOOK_SECRET to the webhook's whsec_…, OPENAI_API_KEY to a key of its project. Your
    app accepts the calls, as before; a call that it does not accept within --wait is let go. The
    caller's From and To are metadata of the session, as are the headers that --header names. Ctrl-C
    leaves the calls, and ends it.

    \b
    Examples:
      eventstore calls --listen 8090
      eventstore calls --header X-Customer=customer --metadata env=prod
      eventstore calls --listen 0.0.0.0:443 --cert cert.pem --key key.pem
      eventstore responses --metadata from=sip:+15550100@sip.example.com
      eventstore sessions --metadata call_id=live_123
    """
    # Other commands must not wait for these imports: FastAPI, uvicorn and the recorder.
    from eventstore.cli.commands.serve.calling import Calling, WebhookAddress, run

    pairs = parse_metadata(metadata)
    settings = Calling(
        webhook_secret(),
        upstream,
        wait,
        pairs,
        parse_headers(headers, pairs),
        max_calls,
        folder,
        redact,
        as_json,
    )
    host, port = parse_address(address, "--listen")
    run(url, keys_url(), settings, WebhookAddress(host, port, tls))


COMMANDS = (calls,)
