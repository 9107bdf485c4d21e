"""The command `join`, which records a call, or a session of GPT-Live, from its sideband."""

from __future__ import annotations

import click

from eventstore.cli import completion
from eventstore.cli.options import (
    db_option,
    json_option,
    open_store,
    parse_metadata,
    redact_option,
)
from eventstore.cli.terminal.output import counted, print_json, say
from eventstore.realtime.upstream_urls import OPENAI_URL, parse_call_url


@click.command()
@click.argument("call_id", metavar="CALL_ID")
@click.option(
    "--upstream",
    default=OPENAI_URL,
    show_default=True,
    metavar="URL",
    help="The server of the call, such as Azure.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0, 3600),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to try again if the call does not exist yet.",
)
@click.option(
    "--metadata",
    multiple=True,
    metavar="K=V",
    help="Set on the session; repeat it.",
    shell_complete=completion.metadata,
)
@redact_option
@db_option
@json_option
def join(
    call_id: str,
    upstream: str,
    wait: float,
    metadata: tuple[str, ...],
    redact: bool,
    url: str,
    as_json: bool,
) -> None:
    """Join a WebRTC or SIP call by its id, and record the server's events until it ends.

    A session of GPT-Live has an id that begins with live_, and is joined whatever its transport is.
    The key is read from OPENAI_API_KEY; for Azure from AZURE_OPENAI_API_KEY, if it is set, and
    sent as `api-key`. You can also give the whole address that names the call, in place of its id.
    Nothing is sent to the call; Ctrl-C leaves it. A sideband sees neither the call's audio nor what
    the caller's own data channel sends, nor events before it joined; the session's log says so. To
    a sideband of GPT-Live, the server sends both sides' audio, and perhaps a little of what was
    before.

    \b
    Examples:
      eventstore join rtc_123
      eventstore join rtc_123 --metadata customer=42 --wait 60
      eventstore join live_123
      eventstore join rtc_123 --upstream https://my-resource.openai.azure.com
      eventstore join 'wss://my-resource.openai.azure.com/openai/v1/realtime?call_id=rtc_123'
      eventstore join wss://api.openai.com/v1/live/sessions/live_123/attach
    """
    # Other commands must not wait for these imports: asyncio and websockets.
    from eventstore.cli.commands.serve.join_call import ending_facts, how_ended, join_call

    upstream, call_id = parse_call_url(call_id) or (upstream, call_id)
    pairs = parse_metadata(metadata)
    with open_store(url) as store:
        session_id, ended = join_call(store, call_id, upstream, pairs, wait, redact)
        events = store.last_seq(session_id)
    say(f"{call_id} {how_ended(ended)}: {counted(events, 'event')} in {session_id}")
    if as_json:
        closed = ending_facts(ended)
        print_json(
            {"session_id": session_id, "call_id": call_id, "events": events, "closed": closed}
        )


COMMANDS = (join,)
