"""The command `mcp`, which serves the store to language models as tools."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eventstore.cli import completion
from eventstore.cli.commands.serve.serving import parse_address, place
from eventstore.cli.commands.serve.tls_options import say_whom_to_trust, tls_options
from eventstore.cli.options import db_option, keys_url, parse_metadata
from eventstore.cli.price_options import prices_file, prices_option
from eventstore.cli.replica_options import chosen_replica
from eventstore.cli.terminal.output import counted, say
from eventstore.common.tls import Certificate

if TYPE_CHECKING:
    from eventstore.mcp.asking import Service


@click.command()
@click.option(
    "--listen",
    "address",
    metavar="[HOST:]PORT",
    help="Serve streamable HTTP there, at /mcp, in place of standard input and output.",
)
@click.option(
    "--api-keys",
    "file",
    envvar="EVENTSTORE_API_KEYS",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --listen: TOML of keys with their rights and tenants.",
)
@click.option(
    "--metadata",
    metavar="K=V",
    shell_complete=completion.metadata,
    help="Only sessions with this pair are there; without keys.",
)
@click.option(
    "--raw", is_flag=True, help="Give frames as they are, with secrets in them; without keys."
)
@click.option(
    "--allow-writing",
    is_flag=True,
    help="Offer the tools score and set_metadata; a key needs the right score or append.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(0.1, 600),
    default=10.0,
    show_default=True,
    help="Seconds that a query may take.",
)
@tls_options
@click.option("--log", is_flag=True, help="With --listen: a line of JSON for each request.")
@prices_option()
@db_option
def mcp(
    address: str | None,
    file: Path | None,
    metadata: str | None,
    raw: bool,
    allow_writing: bool,
    time_limit: float,
    tls: Certificate | None,
    log: bool,
    url: str,
) -> None:
    """Serve calls to language models, as tools of the Model Context Protocol (MCP).

    A client such as Cursor, VS Code or a desktop app starts the command, and speaks
    with it by standard input and output. With --listen it serves streamable HTTP instead, with the
    API keys of `serve`: one key from EVENTSTORE_API_KEY, several by --api-keys, none on this
    machine alone. Tools only read, unless --allow-writing is given; none erases. Ctrl-C ends it. It
    needs: pip install 'realtime-eventstore[mcp]'

    \b
    Examples:
      eventstore mcp
      eventstore mcp --metadata tenant=acme
      eventstore mcp --listen 8001
      eventstore mcp --listen 0.0.0.0:8001 --api-keys keys.toml --cert cert.pem --key key.pem
    """
    if address is None and (tls is not None or log):
        raise click.UsageError("--tls, --cert and --log go with --listen")
    # Other commands must not wait for these imports.
    from eventstore.mcp.running import Source, access_without_key, check_extra, open_service

    check_extra()
    keys, place_to_listen = None, None
    if address is not None:
        from eventstore.web.running import check_host, read_keys

        keys = read_keys(file, os.environ.get("EVENTSTORE_API_KEY"))
        place_to_listen = parse_address(address, "--listen")
        check_host(place_to_listen[0], keys)
    if keys is not None and (metadata is not None or raw):
        raise click.UsageError("a key's own metadata and rights hold: no --metadata and --raw")
    pairs = parse_metadata((metadata,)) if metadata is not None else {}
    name = "stdio" if address is None else "everybody"
    access = access_without_key(name, pairs, raw, allow_writing)
    source = Source(url, keys_url(), prices_file(), **chosen_replica()._asdict())
    with open_service(source, keys, access, allow_writing, time_limit) as service:
        if place_to_listen is None:
            _speak(service)
        else:
            _listen(service, *place_to_listen, tls, log)


def _speak(service: Service) -> None:
    """Serve on standard input and output until the input ends, or until SIGINT or SIGTERM."""
    from eventstore.mcp.over_stdio import serve_stdio

    if os.isatty(0):
        say("A client starts this command and speaks MCP with it; Ctrl-C ends it.")
    serve_stdio(service)


def _listen(service: Service, host: str, port: int, tls: Certificate | None, log: bool) -> None:
    """Serve streamable HTTP until SIGINT or SIGTERM.

    Raises:
        EventStoreError: The server cannot listen on the address.
    """
    from eventstore.common.tls import tls_for_listener
    from eventstore.mcp.over_http import PATH, serve_http
    from eventstore.web.running import log_to_standard_error

    keys = service.stores.keys
    if log:
        log_to_standard_error()
    clients = "everybody on this machine" if keys is None else "holders of "
    clients += counted(len(keys), "API key") if keys is not None else ""
    with tls_for_listener(tls, host) as listen:
        scheme = "https" if listen.context else "http"
        say_whom_to_trust(listen.ca_file)

        def ready(port: int) -> None:
            where = f"{scheme}://{place(host, port)}{PATH}"
            say(f"Serving MCP on {where} for {clients}; Ctrl-C ends it.")

        async def run() -> None:
            from eventstore.cli.commands.serve.relaying import signals

            stop, hurry = signals()
            await serve_http(service, host, port, listen.context, ready, stop, hurry)

        asyncio.run(run())


COMMANDS = (mcp,)
