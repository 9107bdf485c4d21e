"""Runs the services of the command `serve` in one process.

The services are the HTTP API and the pages, and if they are asked for, the replay server, the relay
and the receiver of webhooks. Called by `serve.py`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from contextlib import AsyncExitStack, ExitStack
from http import HTTPStatus
from typing import NamedTuple

from websockets.http11 import Request

from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.capture.relay.relay import Relay
from eventstore.cli.commands.serve.calling import (
    Calling,
    calls_description,
    check_calling,
    incoming_calls,
    recording,
)
from eventstore.cli.commands.serve.relaying import (
    Relaying,
    drain,
    recorder_for,
    relay_description,
    relaying,
    signals,
)
from eventstore.cli.commands.serve.replay_server import EVERY_SESSION, live_url, replay_url
from eventstore.cli.commands.serve.serving import listening, place
from eventstore.cli.commands.serve.tls_options import say_whom_to_trust
from eventstore.cli.terminal.output import counted, say
from eventstore.common import unforeseen
from eventstore.common.hosts import is_loopback
from eventstore.common.tls import ListenerTls, tls_for_listener
from eventstore.event_store import EventStore
from eventstore.feed.webhooks.destination import parse_destination
from eventstore.replay.server.server import recordings_of, replay_server
from eventstore.replay.serving.connection import Manner
from eventstore.replay.serving.handshake import RefusedError, api_key
from eventstore.store.database.engine_options import prices_of
from eventstore.verbs.queries import Queries
from eventstore.web.app import make_app
from eventstore.web.running import Server, Service, check_host, configuration, open_stores
from eventstore.web.sending import Sending, WebhookSender, sending
from eventstore.web.server.access import digest
from eventstore.web.server.requests import Stores, scoped

_LOGGER = logging.getLogger("eventstore.serve")
_ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104 (they are compared, not listened on)


class OptionalServices(NamedTuple):
    """The settings of the services beside the API.

    Attributes:
        replay: Host and port of the replay server; None for no replay server.
        relaying: The settings of the relay; None for no relay.
        calling: The settings of the receiver of webhooks; None for no receiver.
        sending: The settings of the webhooks that are sent; None to send none.
    """

    replay: tuple[str, int] | None = None
    relaying: Relaying | None = None
    calling: Calling | None = None
    sending: Sending | None = None


def run(service: Service, optional: OptionalServices) -> None:
    """Serve until SIGINT or SIGTERM, then answer running requests and write the last frames.

    Args:
        service: The settings of the API.
        optional: The settings of the other services.

    Raises:
        InvalidInputError: There are no API keys, and an address is not on loopback; or the
            upstream, a certificate or its key cannot be used.
        MissingExtraError: No certificate can be made, because the extra `tls` is not installed.
        EventStoreError: A service cannot listen on its address.
        SchemaError: The database has no schema, or another version of it than this code needs.
    """
    for host in (service.host, *(optional.replay or ())[:1]):
        check_host(host, service.keys)
    if optional.calling is not None:
        check_calling(optional.calling)
    with ExitStack() as stack:
        listen = stack.enter_context(tls_for_listener(service.tls, *_hosts(service, optional)))
        stores = stack.enter_context(open_stores(service))
        recorder, at = None, (service.url, service.encryption_keys)
        if optional.relaying is not None:
            recorder = stack.enter_context(recorder_for(optional.relaying, *at))
        elif optional.calling is not None:
            recorder = stack.enter_context(recording(*at, optional.calling))
        sender = None
        if optional.sending is not None:
            own = EventStore(service.url, keys=service.encryption_keys, prices=service.prices)
            sender = stack.enter_context(sending(stack.enter_context(own), optional.sending))
        asyncio.run(_run(service, optional, stores, recorder, sender, listen))


def _hosts(service: Service, optional: OptionalServices) -> list[str]:
    """Return the hosts on which the services listen, for the certificate."""
    hosts = [service.host, *(optional.replay or ())[:1]]
    return hosts if optional.relaying is None else [*hosts, optional.relaying.host]


async def _run(
    service: Service,
    optional: OptionalServices,
    stores: Stores,
    recorder: RecorderProcess | None,
    sender: WebhookSender | None,
    listen: ListenerTls,
) -> None:
    stop, hurry = signals()
    unforeseen.watch_threads(_LOGGER)
    unforeseen.watch_loop(_LOGGER, asyncio.get_running_loop())
    async with AsyncExitStack() as stack:
        replay = running = None
        say_whom_to_trust(listen.ca_file)
        if optional.replay is not None:
            replay = await _replay(stack, stores, listen, *optional.replay)
        if optional.relaying is not None and recorder is not None:
            running = await stack.enter_async_context(
                relaying(recorder, optional.relaying, listen.context)
            )
            open_ = (
                "" if is_loopback(place(optional.relaying.host, 0)) else ", for whoever reaches it"
            )
            say(f"Recording on {relay_description(optional.relaying, running, listen)}{open_}")
        calls = None
        if optional.calling is not None and recorder is not None:
            calls = incoming_calls(recorder, stores.reading, optional.calling)
            stack.push_async_callback(calls.recordings.leave)
        app = make_app(stores, service.body_bytes, replay, calls)
        stack.callback(app.state.sounds.close)
        config = configuration(app, service.host, service.port, listen.context)

        def ready(port: int) -> None:
            _say_api(service, optional, listen, port)
            if sender is not None:
                sender.start(_own_address(service.host, port, listen))

        server = Server(config, ready)
        _settle(stores)
        grace = optional.relaying.grace if optional.relaying else 0.0
        ending = asyncio.create_task(_end(server, running, sender, grace, stop, hurry))
        hurrying = asyncio.create_task(_hurry(server, hurry))
        stack.callback(ending.cancel)
        stack.callback(hurrying.cancel)
        await server.serve()
        await ending


def _settle(stores: Stores) -> None:
    """Load the prices, and keep all objects so far out of garbage collections.

    A full collection of them would delay calls by 100 ms.

    Raises:
        InvalidInputError: The file of prices that EVENTSTORE_PRICES names cannot be used.
    """
    prices_of(stores.reading.engine).boundaries(["gpt-realtime"])
    gc.collect()
    gc.freeze()


async def _replay(
    stack: AsyncExitStack, stores: Stores, listen: ListenerTls, host: str, port: int
) -> str:
    """Start the replay server, which ends with the stack, and return its URL."""

    def seen_by(request: Request) -> Queries:
        return _seen(stores, request)

    keyed = stores.keys is not None
    # The store for writing has no time limit, and a long recording takes long to read.
    recordings = recordings_of(stores.writing, seen_by=seen_by if keyed else None)
    with listening(host, port):
        server = await stack.enter_async_context(
            replay_server(recordings, Manner(), host, port, keyed=keyed, tls=listen.context)
        )
    url = replay_url(server, listen)
    say(f"Replaying {EVERY_SESSION} on {url} and {live_url(url)}")
    return url


def _seen(stores: Stores, request: Request) -> Queries:
    """Return the queries that the API key of a handshake may use.

    Raises:
        RefusedError: The key is missing or unknown, or it may not read raw frames.
    """
    access = (stores.keys or {}).get(digest(api_key(request.headers) or ""))
    if access is None:
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "connect with an API key of this store")
    # A replay sends frames as they are, with the secrets in them.
    for right in ("read", "raw"):
        if right not in access.rights:
            raise RefusedError(HTTPStatus.FORBIDDEN, f"this key has no right to {right}")
    return scoped(stores.writing, access)


def _say_api(service: Service, optional: OptionalServices, listen: ListenerTls, port: int) -> None:
    if optional.calling is not None:
        at = place(service.host, port)
        say(f"Receiving {calls_description(optional.calling, at, listen.context is not None)}")
    clients = "everybody on this machine"
    if service.keys is not None:
        clients = f"holders of {counted(len(service.keys), 'API key')}"
    if optional.sending is not None:
        to = parse_destination(optional.sending.to, optional.sending.allow_private).shown()
        say(f"Sending webhooks to {to}")
    address = f"{_scheme(listen)}://{place(service.host, port)}"
    say(f"Serving on {address} for {clients}; Ctrl-C ends it.")


def _scheme(listen: ListenerTls) -> str:
    return "https" if listen.context else "http"


def _own_address(host: str, port: int, listen: ListenerTls) -> str | None:
    """Return where the pages are, or None if the server listens on all addresses."""
    if host in _ALL_ADDRESSES:
        return None
    return f"{_scheme(listen)}://{place(host, port)}"


async def _end(
    server: Server,
    running: Relay | None,
    sender: WebhookSender | None,
    grace: float,
    stop: asyncio.Event,
    hurry: asyncio.Event,
) -> None:
    """End the API, the relay and the webhooks together at the first signal."""
    await stop.wait()
    server.should_exit = True
    if sender is not None:
        sender.stop()
    if running is not None:
        await drain(running, grace, hurry)


async def _hurry(server: Server, hurry: asyncio.Event) -> None:
    """End the API at the second signal, without waiting for running requests."""
    await hurry.wait()
    server.force_exit = True
