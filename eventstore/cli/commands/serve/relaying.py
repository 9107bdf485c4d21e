"""Runs the relay until it is stopped, and prints what happens to calls.

Called by the command `record` (record.py) and by `serve --record` (services.py).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.capture.relay.relay import MAX_RELAYED_CALLS, Relay, relay
from eventstore.capture.relay.relay_request import parse_upstream
from eventstore.cli.commands.serve.serving import listening, place
from eventstore.cli.commands.serve.tls_options import say_whom_to_trust
from eventstore.cli.log_lines import say_what_is_logged
from eventstore.cli.terminal.output import counted, say
from eventstore.common import unforeseen
from eventstore.common.hosts import is_loopback_address, parse_origin
from eventstore.common.tls import Certificate, ListenerTls, tls_for_listener
from eventstore.errors import InvalidInputError

# How many files a relay opens beside the two sockets of each call: connections that have sent no
# request yet, the spool, the database.
_OTHER_FILES = 400


_LOGGER = logging.getLogger("eventstore.relay")


class Relaying(NamedTuple):
    """The settings of the command `record`.

    Attributes:
        host: The address to listen on.
        port: The port to listen on; 0 for any free port.
        upstream: The URL of the provider's server.
        spool: The spool's folder; None for the usual one.
        tls: The certificate that `run` listens with; None for no TLS.
        ca: A PEM file with the certificates that are trusted for the upstream; None for those of
            the system.
        grace: How many seconds calls may take to end when the relay is stopped.
        durable: Pass a message on only after it was committed.
        metadata: Pairs to set on each session.
        origins: The origins of browser pages that may connect.
        max_connections: How many connections are relayed at once; None for the usual number.
        share_credentials: Let every client use the credentials in the upstream's URL.
        redact: Take secrets out of frames before they are written.
    """

    host: str
    port: int
    upstream: str
    spool: Path | None = None
    tls: Certificate | None = None
    ca: Path | None = None
    grace: float = 20.0
    durable: bool = False
    metadata: dict[str, str] | None = None
    origins: tuple[str, ...] = ()
    max_connections: int | None = None
    share_credentials: bool = False
    redact: bool = False


def run(url: str, keys: str | None, settings: Relaying) -> None:
    """Relay and record until SIGINT or SIGTERM, then write the last frames.

    Args:
        url: The URL of the database.
        keys: The URL of the database of encryption keys; None if the store is not encrypted.
        settings: The settings.

    Raises:
        EventStoreError: The relay cannot listen on the address.
        SchemaError: The database has no schema, or another version of it than this code needs.
        InvalidInputError: The upstream, a certificate or a key cannot be used.
        MissingExtraError: No certificate can be made, because the extra `tls` is not installed.
    """
    with (
        tls_for_listener(settings.tls, settings.host) as listen,
        recorder_for(settings, url, keys) as recorder,
    ):
        asyncio.run(_run(recorder, settings, listen))


@contextmanager
def recorder_for(settings: Relaying, url: str, keys: str | None) -> Iterator[RecorderProcess]:
    """Start the recorder of a relay for the block. After the block, it writes its last frames.

    Args, Raises: as for `run`.
    """
    # Invalid settings raise before a process is started.
    _check_upstream(settings)
    for origin in settings.origins:
        parse_origin(origin)
    room_for_connections(settings.max_connections)
    _upstream_tls(settings)
    say_what_is_logged()
    recorder = RecorderProcess(url, settings.spool, keys=keys, redact=settings.redact)
    try:
        if recorder.trouble is not None:
            _say(f"{recorder.trouble}; until then, frames go to the spool {recorder.spool}")
        gc.freeze()  # a garbage collection of all imported modules would delay calls by 50 ms
        yield recorder
    finally:
        recorder.close()


def _check_upstream(settings: Relaying) -> None:
    """Raise InvalidInputError if other machines could use the upstream's credentials unasked."""
    upstream = parse_upstream(settings.upstream)
    if settings.share_credentials or is_loopback_address(settings.host):
        return
    if upstream.has_credentials:
        raise InvalidInputError(
            f"the upstream's URL holds credentials, and whoever reaches {settings.host} would use"
            " them: listen on 127.0.0.1, or say `record --share-credentials`"
        )


def room_for_connections(max_calls: int | None) -> int:
    """Raise the process's limit of open files, so that each connection can have two sockets.

    Args:
        max_calls: How many connections; None for the usual number, or fewer if the system allows
            fewer open files.

    Returns:
        How many connections there is room for.

    Raises:
        InvalidInputError: There is no room for as many as are wanted.
    """
    files = 2 * (max_calls or MAX_RELAYED_CALLS) + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= files:
        return max_calls or MAX_RELAYED_CALLS
    limit = files if hard == resource.RLIM_INFINITY else min(files, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    fit = max(1, (limit - _OTHER_FILES) // 2)
    if max_calls is not None and fit < max_calls:
        raise InvalidInputError(
            f"--max-connections {max_calls}: the system lets a process open {limit:,} files, enough"
            f" for {fit:,}; raise that (ulimit -n {files}), or name fewer"
        )
    return fit


def _upstream_tls(settings: Relaying) -> ssl.SSLContext | None:
    if settings.ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(settings.ca))
    except (OSError, ValueError) as error:
        why = "not there" if isinstance(error, FileNotFoundError) else "no certificates in PEM"
        raise InvalidInputError(f"--ca {settings.ca}: {why}") from error


async def _run(recorder: RecorderProcess, settings: Relaying, listen: ListenerTls) -> None:
    stop, hurry = signals()
    unforeseen.watch_threads(_LOGGER)
    unforeseen.watch_loop(_LOGGER, asyncio.get_running_loop())
    async with relaying(recorder, settings, listen.context) as running:
        say_whom_to_trust(listen.ca_file)
        say(f"Recording on {relay_description(settings, running, listen)}; Ctrl-C ends it.")
        await stop.wait()
        await drain(running, settings.grace, hurry)


@asynccontextmanager
async def relaying(
    recorder: RecorderProcess, settings: Relaying, listen_tls: ssl.SSLContext | None
) -> AsyncIterator[Relay]:
    """Run the relay for the block, and print what happens to calls.

    Args:
        recorder: Records the calls.
        settings: The settings.
        listen_tls: The context to listen with; None for no TLS.

    Raises:
        EventStoreError: The relay cannot listen on the address.
    """
    async with AsyncExitStack() as stack:
        with listening(settings.host, settings.port):
            running = await stack.enter_async_context(
                relay(
                    recorder,
                    settings.upstream,
                    settings.host,
                    settings.port,
                    listen_tls=listen_tls,
                    upstream_tls=_upstream_tls(settings),
                    durable=settings.durable,
                    metadata=settings.metadata,
                    on_event=_print_call,
                    origins=settings.origins,
                    max_calls=room_for_connections(settings.max_connections),
                )
            )
        yield running


def relay_description(settings: Relaying, running: Relay, listen: ListenerTls) -> str:
    """Return words that say where a relay listens, and for which upstream."""
    scheme = "wss" if listen.context else "ws"
    upstream = parse_upstream(settings.upstream).shown
    return f"{scheme}://{place(settings.host, running.port)} for {upstream}"


def signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Return two events: the first SIGINT or SIGTERM sets one, the second signal the other."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def signalled() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, signalled)
    return stop, hurry


async def drain(running: Relay, grace: float, hurry: asyncio.Event) -> None:
    """Wait until a relay's calls end by themselves, and end the rest.

    Args:
        running: The relay.
        grace: How many seconds the calls may take.
        hurry: Ends all calls at once when it is set.
    """
    if running.live:
        _say(f"Stopping: waiting up to {grace:g} s for {counted(running.live, 'call')} to end.")
    draining = asyncio.create_task(running.drain(grace))
    hurried = asyncio.create_task(hurry.wait())
    await asyncio.wait({draining, hurried}, return_when=asyncio.FIRST_COMPLETED)
    if not draining.done():
        await running.drain()
    hurried.cancel()
    await draining


def _print_call(number: int, words: str) -> None:
    _say(f"{number}: {words}")


def _say(line: str) -> None:
    with suppress(OSError):  # the reader of a pipe may be gone
        say(line)
