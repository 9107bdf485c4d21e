"""The command `record`, which relays an app's calls to the provider, and records them."""

from __future__ import annotations

from pathlib import Path

import click

from eventstore.cli import completion
from eventstore.cli.commands.serve.serving import parse_address
from eventstore.cli.commands.serve.tls_options import tls_options
from eventstore.cli.options import db_option, keys_url, parse_metadata, redact_option, spool_option
from eventstore.common.tls import Certificate

_FILE = click.Path(path_type=Path)


@click.command()
@click.option(
    "--listen",
    "address",
    default="127.0.0.1:8080",
    show_default=True,
    metavar="[HOST:]PORT",
    help="Where apps connect to.",
)
@click.option(
    "--upstream",
    envvar="EVENTSTORE_UPSTREAM",
    metavar="URL",
    help="The provider's server, by default from EVENTSTORE_UPSTREAM.",
)
@tls_options
@click.option(
    "--ca", type=_FILE, metavar="FILE", help="Certificates to trust for the upstream (PEM)."
)
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="When stopped: time for calls to end by themselves.",
)
@redact_option
@click.option("--durable", is_flag=True, help="Pass each message on only once it is committed.")
@click.option(
    "--metadata",
    multiple=True,
    metavar="K=V",
    help="Set on each session; repeat it.",
    shell_complete=completion.metadata,
)
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="Let browser pages of this origin connect; repeat it, or * for all.",
)
@click.option(
    "--max-connections",
    type=click.IntRange(1),
    metavar="N",
    help="Most calls at once, by default 1000; more are refused with 503.",
)
@click.option(
    "--share-credentials",
    is_flag=True,
    help="Let whoever reaches --listen use the credentials in --upstream.",
)
@spool_option
@db_option
def record(
    address: str,
    upstream: str | None,
    tls: Certificate | None,
    ca: Path | None,
    grace: float,
    redact: bool,
    durable: bool,
    metadata: tuple[str, ...],
    origins: tuple[str, ...],
    max_connections: int | None,
    share_credentials: bool,
    folder: Path | None,
    url: str,
) -> None:
    """Relay calls to a provider, and record them: an app changes its base URL, and nothing else.

    Everything passes as it is, both ways; keys pass too, and are never stored. An app may set
    metadata of its session by a header, X-Eventstore-Metadata: customer=42, in the URL's query,
    metadata[customer]=42, or before its path, /metadata/customer=42/v1/realtime. GPT-Live sessions
    (/v1/live/sessions) are recorded as well, with their sidebands and forks. Calls over WebRTC,
    created by POST /v1/realtime/calls or POST /v1/live/sessions, are joined by a sideband and
    recorded. While the database is away, calls go on, and frames wait in the spool.
    /healthz and /metrics (Prometheus) tell how the relay is. SIGTERM or Ctrl-C stops it: it takes
    no new calls, and waits up to --grace seconds for the others to end. A second one ends them.

    \b
    Examples:
      eventstore record --listen 8080 --upstream wss://api.openai.com
      eventstore record --listen 0.0.0.0:443 --cert cert.pem --key key.pem --metadata env=prod
      eventstore record --upstream wss://my-resource.openai.azure.com/openai --durable
    """
    if upstream is None:
        raise click.UsageError("name the provider: --upstream wss://api.openai.com")
    # Other commands must not wait for these imports: asyncio, TLS and the recorder.
    from eventstore.cli.commands.serve.relaying import Relaying, run

    host, port = parse_address(address, "--listen")
    run(
        url,
        keys_url(),
        Relaying(
            host=host,
            port=port,
            upstream=upstream,
            tls=tls,
            ca=ca,
            grace=grace,
            redact=redact,
            durable=durable,
            metadata=parse_metadata(metadata),
            spool=folder,
            origins=origins,
            max_connections=max_connections,
            share_credentials=share_credentials,
        ),
    )


COMMANDS = (record,)
