"""The commands `state`, `events` and `replay`, which read one session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import pybase64

from eventstore.cli import completion
from eventstore.cli.commands.serve.serving import Serving, serve_options
from eventstore.cli.options import db_option, dialect_option, json_option, open_to_read
from eventstore.cli.price_options import prices_option
from eventstore.cli.terminal.cues import cue_json, play
from eventstore.cli.terminal.follow import follow as follow_session
from eventstore.cli.terminal.harmless import json_line
from eventstore.cli.terminal.output import clean, console, has_screen, print_json, say
from eventstore.cli.terminal.state import print_state
from eventstore.errors import InvalidInputError
from eventstore.event_store import EventStore
from eventstore.exports.live_words import is_live, since_zero, time_of
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import STORE, UNREADABLE, decode, parse
from eventstore.realtime.resources.dialects import Dialect
from eventstore.replay.player.pacing import paced
from eventstore.store.queries.query_sessions import seconds_of
from eventstore.times import to_iso


@click.command()
@click.argument("session_id", metavar="SESSION", shell_complete=completion.sessions)
@click.option("--at", metavar="SEQ|+SECONDS", help="The state at an event, or at a moment.")
@click.option(
    "--follow", is_flag=True, help="The conversation, as it happens, until the session is closed."
)
@dialect_option
@prices_option()
@db_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document; with --follow, a line a cue."
)
def state(
    session_id: str, at: str | None, follow: bool, dialect: Dialect, url: str, as_json: bool
) -> None:
    """Show a session: its conversations, responses and usage, now or at any moment.

    A moment counts from the first event: seconds (+12.5), or minutes and seconds (1:02.5). In a
    GPT-Live session it counts on the session's own timeline: --at +4.8 shows what was said up to
    4.8 seconds after the server had started the session.

    With --follow, it prints what was said so far, as `replay` does, and then what is said while
    the call runs. Ctrl-C ends it.

    \b
    Examples:
      eventstore state sess_123
      eventstore state sess_123 --at +12.5
      eventstore state sess_123 --at 1:02.5
      eventstore state sess_123 --at 240 --json
      eventstore state sess_123 --prices prices.toml
      eventstore state sess_123 --follow
    """
    if follow and (at is not None or dialect != "wire"):
        raise click.UsageError("--follow goes with neither --at nor --dialect")
    with open_to_read(url) as store:
        if follow:
            follow_session(store, session_id, as_json)
            return
        shown = store.state(session_id, at, dialect)
        if at is not None:
            _check_moment(store, session_id, at.strip(), shown["session"])
    if as_json:
        print_json(shown)
        return
    print_state(shown)


def _check_moment(store: EventStore, session_id: str, at: str, session: Mapping[str, Any]) -> None:
    """Print a note if a moment is after the session's end, because the state is that of the end.

    Args:
        store: The store.
        session_id: The session.
        at: The moment, as `240`, `+12.5` or `0:12.5`.
        session: The session's resource at that moment.
    """
    notes = session["eventstore"]
    events, length = notes["events"], (notes["duration_ms"] or 0) / 1000
    if is_live(session):
        # A moment counts on the session's own timeline.
        length = since_zero(session, time_of(notes["last_at"])) or 0
    if not at.startswith("+") and ":" not in at:
        behind = int(at) > store.reader.last_seq(session_id)
        if int(at) == 0:
            raise InvalidInputError("--at 0: events are counted from 1")
    else:
        # The recorder's later notes, such as metadata, are no part of the call.
        later = (event for event in store.reader.events(session_id, events + 1))
        minutes, _, rest = at.removeprefix("+").rpartition(":")
        moment = seconds_of(minutes or None, rest)
        behind = moment > length and all(event.direction == STORE for event in later)
    if behind:
        offset = f" (+{length:.3f} s)" if notes["duration_ms"] is not None else ""
        say(f"the session ends at event {events}{offset}: showing its end")


@click.command()
@click.argument("session_id", metavar="SESSION", shell_complete=completion.sessions)
@click.option("--type", "glob", metavar="GLOB", help="Only these types, such as 'response.*'.")
@click.option("--from", "first", type=click.IntRange(1), default=1, metavar="SEQ")
@click.option("--to", "last", type=click.IntRange(1), metavar="SEQ")
@db_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line an event.")
def events(
    session_id: str, glob: str | None, first: int, last: int | None, url: str, as_json: bool
) -> None:
    """List a session's events, each frame exactly as it was received.

    \b
    Examples:
      eventstore events sess_123 --type 'response.*'
      eventstore events sess_123 --from 100 --to 120 --json
    """
    with open_to_read(url) as store:
        for event in store.reader.events(session_id, first, last, glob):
            click.echo(event_json(event) if as_json else event_line(event))


def event_json(event: StoredEvent) -> str:
    """Return an event as a line of JSON. Its `event` is null if the frame cannot be read."""
    text = event.text
    line = {
        "seq": event.seq,
        "at": to_iso(event.at),
        "direction": event.direction,
        "type": None if event.type == UNREADABLE else event.type,
        "frame": text if isinstance(text, str) else None,
        "event": parse(text) if isinstance(text, str) else None,
    }
    if isinstance(text, bytes):
        line["frame_base64"] = pybase64.b64encode_as_string(text)
    return json_line(line)


def event_line(event: StoredEvent) -> str:
    """Return an event as a line for people: its place, time, direction, type and frame."""
    time = (to_iso(event.at) or "")[11:23]
    arrow = {"client": "→", "server": "←", "store": "·"}[event.direction]
    kept = decode(event.text)
    frame = kept.frame if kept.audio_offset is None or kept.audio_offset >= 0 else str(event.text)
    audio = f" [{len(kept.audio)} bytes of audio]" if kept.audio and kept.audio_offset else ""
    line = clean(frame)
    shown = line if len(line) <= 140 else line[:139] + "…"
    return f"{event.seq:>6} {time:<12} {arrow} {clean(event.type)}{audio} {shown}"


@click.command()
@click.argument(
    "session_id", metavar="[SESSION]", required=False, shell_complete=completion.sessions
)
@click.option("--speed", type=click.FloatRange(0.01, 10_000), default=1.0, show_default=True)
@click.option("--instant", is_flag=True, help="Print everything at once, without pauses.")
@click.option(
    "--interactive",
    "-i",
    is_flag=True,
    help="Pause, step, jump and look at the state by keys; ? shows them.",
)
@serve_options
@db_option
@json_option
def replay(
    session_id: str | None,
    speed: float,
    instant: bool,
    interactive: bool,
    serving: Serving | None,
    url: str,
    as_json: bool,
) -> None:
    """Replay a conversation as it happened, at its own pace or faster.

    With --serve, serve it to real clients over the websocket of Realtime or GPT-Live. Each of the
    server's frames is sent as it was, when it is due and the live client has sent what the frame
    answers. Without SESSION, a client names the session (?session=ID), or gets the newest one that
    fits its query (?model=NAME, ?metadata[KEY]=VALUE) and that it was not served yet. Clients of
    GPT-Live may attach a sideband to a session, or fork it, by its id at the server as well.

    \b
    Examples:
      eventstore replay sess_123
      eventstore replay sess_123 --speed 4
      eventstore replay sess_123 --interactive
      eventstore replay sess_123 --serve 8080
      eventstore replay --serve 8080 --instant --match strict
      eventstore replay sess_123 --serve 8080 --fault 'drop@response.done#2'
    """
    if serving is not None and (interactive or as_json):
        raise click.UsageError("--serve goes with neither --interactive nor --json")
    if serving is not None and serving.once and session_id is None:
        raise click.UsageError("--once goes with a SESSION; of a whole store, each is served once")
    if interactive:
        _check_interactive(instant, as_json)
    with open_to_read(url) as store:
        if serving is not None:
            from eventstore.cli.commands.serve.replay_server import (
                serve,
            )  # asyncio and websockets take a while

            serve(store, session_id, serving, None if instant else speed)
            return
        if session_id is None:
            raise click.UsageError("name a session, or serve all of them with --serve")
        cues = store.replay(session_id)
        if as_json:
            print_json({"object": "list", "data": [cue_json(cue) for cue in cues]})
        elif interactive:
            # This module needs termios, which not every system has.
            from eventstore.cli.terminal.terminal_player import play_interactively

            play_interactively(cues, speed, lambda seq: store.state(session_id, seq))
        elif not play(console(), paced(cues, None if instant else speed), stream=not instant):
            say("This session was recorded without times, so it was shown at once.")


def _check_interactive(instant: bool, as_json: bool) -> None:
    if instant or as_json:
        raise click.UsageError("--interactive goes with neither --instant nor --json")
    if not has_screen():
        raise click.UsageError("--interactive needs a terminal; leave it out, or use --instant")


COMMANDS = (state, events, replay)
