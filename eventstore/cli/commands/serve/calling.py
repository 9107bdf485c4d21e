"""Runs the receiver of webhooks until it is stopped, and prints what happens to calls.

Called by the command `calls` (calls.py) and by `serve --calls` (services.py).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from eventstore.capture.calls.call_recordings import (
    MAX_RECORDED_CALLS,
    CallRecordings,
    CallUpdate,
    FindSession,
)
from eventstore.capture.calls.incoming_calls import WAIT, IncomingCalls
from eventstore.capture.calls.sideband import CALL_ID, call_address
from eventstore.capture.calls.webhooks import parse_secret
from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.capture.relay.relay_metrics import health
from eventstore.cli.commands.serve.join_call import ending_facts, how_ended
from eventstore.cli.commands.serve.relaying import signals
from eventstore.cli.commands.serve.serving import place
from eventstore.cli.commands.serve.tls_options import say_whom_to_trust
from eventstore.cli.log_lines import say_what_is_logged
from eventstore.cli.terminal.output import print_json, say
from eventstore.common import unforeseen
from eventstore.common.tls import Certificate, tls_for_listener
from eventstore.errors import EventStoreError
from eventstore.event_store import EventStore
from eventstore.realtime.upstream_urls import OPENAI_URL, public_url
from eventstore.verbs.queries import Queries
from eventstore.web.api.webhooks import WEBHOOK_PATH, make_webhook_app
from eventstore.web.running import Server, configuration

_LOGGER = logging.getLogger("eventstore.calls")
# Seconds that the store may take to find out whether a call was recorded before.
_LOOK = 5.0


class Calling(NamedTuple):
    """The settings of the command `calls`.

    Attributes:
        secret: The secret of OpenAI's webhooks.
        upstream: The URL of the server of the calls.
        wait: How many seconds to wait until the app has accepted a call.
        metadata: Pairs to set on each session.
        headers: The keys of metadata by the names of SIP headers in lower case.
        max_calls: How many calls are recorded at once.
        spool: The spool's folder; None for the usual one.
        redact: Take secrets out of frames before they are written.
        as_json: Print a line of JSON for each call on standard output.
    """

    secret: str
    upstream: str = OPENAI_URL
    wait: float = WAIT
    metadata: dict[str, str] | None = None
    headers: dict[str, str] | None = None
    max_calls: int = MAX_RECORDED_CALLS
    spool: Path | None = None
    redact: bool = False
    as_json: bool = False


class WebhookAddress(NamedTuple):
    """The address at which webhooks are received, and its certificate; None for no TLS."""

    host: str
    port: int
    tls: Certificate | None = None


def run(url: str, keys: str | None, settings: Calling, address: WebhookAddress) -> None:
    """Receive webhooks and record calls until SIGINT or SIGTERM, then write the last frames.

    Args:
        url: The URL of the database.
        keys: The URL of the database of encryption keys; None if the store is not encrypted.
        settings: The settings.
        address: The address to listen on.

    Raises:
        EventStoreError: The server cannot listen on the address.
        SchemaError: The database has no schema, or another version of it than this code needs.
        InvalidInputError: The secret, the upstream, its key or the certificate cannot be used.
        MissingExtraError: No certificate can be made, because the extra `tls` is not installed.
    """
    check_calling(settings)
    with (
        tls_for_listener(address.tls, address.host) as listen,
        recording(url, keys, settings) as recorder,
        EventStore(url, check_schema=False, keys=keys, time_limit=_LOOK) as reading,
    ):
        say_whom_to_trust(listen.ca_file)
        asyncio.run(_run(recorder, reading, settings, address, listen.context))


def check_calling(settings: Calling) -> None:
    """Check that the settings suffice to verify webhooks and to join calls.

    Raises:
        InvalidInputError: The secret or the upstream cannot be used, or the upstream's API key is
            missing.
    """
    parse_secret(settings.secret)
    call_address(settings.upstream, "rtc_")


@contextmanager
def recording(url: str, keys: str | None, settings: Calling) -> Iterator[RecorderProcess]:
    """Start a recorder of calls for the block. After the block, it writes its last frames.

    Raises:
        SchemaError: The database has no schema, or another version of it than this code needs.
    """
    say_what_is_logged()
    recorder = RecorderProcess(url, settings.spool, keys=keys, redact=settings.redact)
    try:
        if recorder.trouble is not None:
            _say(f"{recorder.trouble}; until then, frames go to the spool {recorder.spool}")
        yield recorder
    finally:
        recorder.close()


def incoming_calls(recorder: RecorderProcess, store: Queries, settings: Calling) -> IncomingCalls:
    """Return the object that takes webhooks, and that prints what happens to calls.

    Args:
        recorder: Records the calls.
        store: Is asked whether a call was recorded before.
        settings: The settings.
    """
    return IncomingCalls(
        parse_secret(settings.secret),
        CallRecordings(recorder, settings.max_calls),
        settings.upstream,
        settings.wait,
        settings.metadata or {},
        settings.headers or {},
        partial(_print_update, as_json=settings.as_json),
        lambda why: _say(f"A webhook is refused: {why}."),
        _finder(store),
    )


def _finder(store: Queries) -> FindSession:
    def find(call_id: str) -> str | None:
        # While the database is away, every call is recorded, and its frames wait in the spool.
        with suppress(EventStoreError):
            for found in store.sessions(metadata={CALL_ID: call_id}, limit=1).data:
                return str(found["id"])
        return None

    return lambda call_id: asyncio.to_thread(find, call_id)


async def _run(
    recorder: RecorderProcess,
    reading: EventStore,
    settings: Calling,
    address: WebhookAddress,
    tls: ssl.SSLContext | None,
) -> None:
    stop, _ = signals()
    unforeseen.watch_threads(_LOGGER)
    unforeseen.watch_loop(_LOGGER, asyncio.get_running_loop())
    calls = incoming_calls(recorder, reading, settings)
    app = make_webhook_app(calls, lambda: health(calls.recordings.live, recorder))

    def ready(port: int) -> None:
        receiver = calls_description(settings, place(address.host, port), tls is not None)
        say(f"Receiving {receiver}; Ctrl-C ends it.")

    server = Server(configuration(app, address.host, address.port, tls), ready)

    async def end() -> None:
        await stop.wait()
        server.should_exit = True

    ending = asyncio.create_task(end())
    try:
        await server.serve()
    finally:
        ending.cancel()
        await calls.recordings.leave()


def calls_description(settings: Calling, address: str, is_tls: bool) -> str:
    """Return words that say where webhooks are received, and which server's calls are recorded.

    Args:
        settings: The settings.
        address: Host and port, such as `127.0.0.1:8090`.
        is_tls: The server listens with TLS.
    """
    scheme = "https" if is_tls else "http"
    server = public_url(settings.upstream)
    return f"webhooks on {scheme}://{address}{WEBHOOK_PATH}, recording calls of {server}"


def _print_update(news: CallUpdate, as_json: bool) -> None:
    """Print what happened to a call, and with --json a line of JSON at its end."""
    where = "" if news.session_id is None else f": {news.session_id}"
    words = {
        "incoming": "comes in; waiting until it is accepted",
        "joined": "begins",
        "ended": f"{how_ended(news.ending)}{where}",
        "left": f"was left{where}",
        "failed": f"is not recorded: {news.why}",
    }
    _say(f"{news.call_id} {words[news.kind]}")
    if as_json and news.kind in ("ended", "left", "failed"):
        facts = {"session_id": news.session_id, "call_id": news.call_id}
        closed = None if news.kind == "failed" else ending_facts(news.ending)
        why = {"error": news.why} if news.why else {}
        with suppress(OSError):
            print_json({**facts, "closed": closed, **why})


def _say(line: str) -> None:
    with suppress(OSError):  # the reader of a pipe may be gone
        say(line)
