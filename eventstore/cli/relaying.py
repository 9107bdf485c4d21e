"""Run the relay until it is stopped, and say what happens."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import ssl
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from eventstore.capture.recorder_process import RecorderProcess
from eventstore.capture.relay import Relay, relay
from eventstore.capture.relay_request import parse_upstream
from eventstore.cli.output import counted, say
from eventstore.errors import EventStoreError, InvalidInputError


class Relaying(NamedTuple):
    """What `record` asks for; `grace` is in seconds."""

    host: str
    port: int
    upstream: str
    cert: Path | None
    key: Path | None
    ca: Path | None
    grace: float
    durable: bool
    metadata: dict[str, str]
    spool: Path | None


def run(url: str, asked: Relaying) -> None:
    """Relay and record until SIGINT or SIGTERM, and write what is left.

    Args:
        url: of the database.

    Raises:
        EventStoreError: the address cannot be listened on.
        SchemaError: the database's schema is missing, or another than this code's.
        InvalidInputError: the upstream, a certificate or a key cannot be used.
    """
    parse_upstream(asked.upstream)
    listen_tls, upstream_tls = _listen_tls(asked), _upstream_tls(asked)
    logging.getLogger("eventstore").addHandler(_Said())
    recorder = RecorderProcess(url, asked.spool)
    try:
        if recorder.trouble is not None:
            _say(f"{recorder.trouble}; until then, frames go to the spool {recorder.spool}")
        gc.freeze()  # a collection of all that was imported would hold calls up for 50 ms
        asyncio.run(_run(recorder, asked, listen_tls, upstream_tls))
    except OSError as error:
        why = str(error.strerror or error).split(": ")[-1]
        raise EventStoreError(f"cannot listen on {asked.host}:{asked.port}: {why}") from error
    finally:
        recorder.close()


class _Said(logging.Handler):
    """What the recorder logs, as lines on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        _say(record.getMessage())


def _listen_tls(asked: Relaying) -> ssl.SSLContext | None:
    if asked.cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # No password is asked for: there may be nobody to type it.
        context.load_cert_chain(asked.cert, asked.key, password="")
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        why = "it or its --key is not there" if missing else "no certificate with its key"
        raise InvalidInputError(f"--cert {asked.cert}: {why}") from error
    return context


def _upstream_tls(asked: Relaying) -> ssl.SSLContext | None:
    if asked.ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(asked.ca))
    except (OSError, ValueError) as error:
        why = "not there" if isinstance(error, FileNotFoundError) else "no certificates in PEM"
        raise InvalidInputError(f"--ca {asked.ca}: {why}") from error


async def _run(
    recorder: RecorderProcess,
    asked: Relaying,
    listen_tls: ssl.SSLContext | None,
    upstream_tls: ssl.SSLContext | None,
) -> None:
    stop, hurry = _signals()
    async with relay(
        recorder,
        asked.upstream,
        asked.host,
        asked.port,
        listen_tls=listen_tls,
        upstream_tls=upstream_tls,
        durable=asked.durable,
        metadata=asked.metadata,
        on_event=_tell,
    ) as running:
        scheme = "wss" if listen_tls else "ws"
        place = f"[{asked.host}]" if ":" in asked.host else asked.host
        upstream = parse_upstream(asked.upstream).shown
        say(f"Recording on {scheme}://{place}:{running.port} for {upstream}; Ctrl-C ends it.")
        await stop.wait()
        await _drain(running, asked.grace, hurry)


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Set by the first signal to stop, and by the second."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def signalled() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, signalled)
    return stop, hurry


async def _drain(running: Relay, grace: float, hurry: asyncio.Event) -> None:
    if running.live:
        _say(f"Stopping: {counted(running.live, 'call')} may end within {grace:g} s.")
    draining = asyncio.create_task(running.drain(grace))
    hurried = asyncio.create_task(hurry.wait())
    await asyncio.wait({draining, hurried}, return_when=asyncio.FIRST_COMPLETED)
    if not draining.done():
        await running.drain()
    hurried.cancel()
    await draining


def _tell(number: int, words: str) -> None:
    _say(f"{number}: {words}")


def _say(line: str) -> None:
    with suppress(OSError):  # who read along may have gone
        say(line)
