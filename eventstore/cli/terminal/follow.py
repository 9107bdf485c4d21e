"""Follows a session on the terminal, or as lines of JSON: the command `state --follow`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import click

from eventstore.cli.stopping import stopped_by_signals
from eventstore.cli.terminal.cues import cue_json, play
from eventstore.cli.terminal.harmless import json_line
from eventstore.cli.terminal.output import console, say
from eventstore.errors import DatabaseUnavailableError
from eventstore.event_store import EventStore
from eventstore.replay.player.cue import Cue


def follow(store: EventStore, session_id: str, as_json: bool) -> None:
    """Print a session's cues as they happen, until the session is closed or a signal arrives.

    Args:
        store: the store.
        session_id: the session.
        as_json: print one JSON line for each cue.

    Raises:
        NotFoundError: there is no such session.
    """
    reasons: list[str] = []
    with stopped_by_signals() as stopped:
        cues = _noting_reasons(store.follow(session_id, stopped, _say_unavailable), reasons)
        if as_json:
            for cue in cues:
                click.echo(json_line(cue_json(cue)))
        else:
            play(console(), cues, stream=True)
        if stopped():
            say(f"Stopped; follow it again with: eventstore state {session_id} --follow")
        else:
            reason = next(filter(None, reversed(reasons)), None)
            say(f"The session is closed{f': {reason}' if reason else ''}.")


def _noting_reasons(cues: Iterable[Cue], reasons: list[str]) -> Iterator[Cue]:
    """Yield the cues, and add to `reasons` why the session was closed."""
    for cue in cues:
        if cue.kind == "closed":
            reasons.append(cue.text)
        yield cue


def _say_unavailable(error: DatabaseUnavailableError) -> None:
    if sys.stderr.isatty():
        click.echo(err=True)  # the cursor may stand in the middle of a line of speech
    say(f"{error}; trying again")
