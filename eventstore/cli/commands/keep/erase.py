"""The command `erase`, which erases sessions or their audio."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import click

from eventstore.archive.erase import check_reason, erase_each, find_to_erase, find_without_key
from eventstore.cli import completion
from eventstore.cli.failures import print_failures
from eventstore.cli.options import db_option, json_option, open_store
from eventstore.cli.terminal.output import counted, echo, print_json, print_line, progress_bar, say
from eventstore.errors import DatabaseUnavailableError, Failure
from eventstore.event_store import EventStore
from eventstore.store.filters.choose_sessions import ChosenSession
from eventstore.store.maintenance.scrub import scrub
from eventstore.store.sessions.erase_session import Erased
from eventstore.store.sessions.project import count_behind
from eventstore.times import to_iso

no_vacuum_option = click.option(
    "--no-vacuum",
    is_flag=True,
    help="Leave the database's files as they are: bytes of what was erased can stay in them.",
)


class ErasedCounts(NamedTuple):
    """How much a command erases.

    Attributes:
        sessions: How many sessions are to be erased.
        events: How many events they have.
        responses: How many responses they have.
        erased: How many of the chosen sessions were erased before.
    """

    sessions: int
    events: int
    responses: int
    erased: int


@click.command()
@click.argument("session_ids", nargs=-1, metavar="[SESSION…]", shell_complete=completion.sessions)
@click.option(
    "--metadata",
    shell_complete=completion.metadata,
    multiple=True,
    metavar="FILTER",
    help="K=V, K (has it), K^=PREFIX or K!=V; again: and.",
)
@click.option(
    "--without-key", is_flag=True, help="Sessions of a restored backup whose keys were dropped."
)
@click.option("--audio-only", is_flag=True, help="Only the audio; the events stay.")
@click.option(
    "--reason", metavar="TEXT", help="Why the session is erased; the note that stays says it."
)
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@no_vacuum_option
@db_option
@json_option
@click.pass_context
def erase(
    context: click.Context,
    session_ids: tuple[str, ...],
    metadata: tuple[str, ...],
    without_key: bool,
    audio_only: bool,
    reason: str | None,
    dry_run: bool,
    yes: bool,
    no_vacuum: bool,
    url: str,
    as_json: bool,
) -> None:
    """Erase sessions for good: their frames, and all that was made of them.

    What stays is a note that they were erased, when and why; their ids are not used again. With
    --audio-only, closed sessions lose their audio, and keep everything else. Where the store is
    encrypted, their keys go too, and with them every copy and backup.

    \b
    Examples:
      eventstore erase sess_123 --reason 'the customer asked for it'
      eventstore erase --metadata customer=42 --dry-run
      eventstore erase --metadata customer=42 --audio-only --yes
    """
    if bool(session_ids) + bool(metadata) + without_key != 1:
        raise click.UsageError("name the sessions, or give --metadata or --without-key")
    check_reason(reason)
    with open_store(url) as store:

        def found() -> Iterator[ChosenSession]:
            if without_key:
                return find_without_key(store.engine)
            return find_to_erase(store.engine, session_ids, metadata)

        totals = _totals(found())
        if metadata and count_behind(store.engine):
            say("Some sessions are behind their log, and may be missed; run: eventstore project")
        if dry_run:
            _print_dry_run(totals, audio_only, as_json)
            return
        if totals.sessions and not yes:
            _confirm(totals, audio_only)
        done: list[Erased] = []
        failures: list[Failure] = []
        chosen = _with_progress(found(), totals.sessions + totals.erased)
        for result in erase_each(store.engine, _ids(chosen, audio_only), audio_only, reason):
            if isinstance(result, Failure):
                failures.append(result)
            else:
                done.append(result)
        failed = print_failures(failures)
        # The files are scrubbed even if no session was erased now, because an earlier command may
        # have been stopped before it scrubbed them.
        is_scrubbed = scrubbed(store, not no_vacuum)
    if as_json:
        vacuumed = is_scrubbed and not no_vacuum
        print_json(_erasure(audio_only, done, totals.erased, failed, vacuumed))
    else:
        _print_erased(done, totals.erased, audio_only, failed, no_vacuum)
    context.exit(1 if failed or not is_scrubbed else 0)


def scrubbed(store: EventStore, vacuum: bool) -> bool:
    """Scrub the database's files, and return True if that was possible. Print an error if not.

    Args:
        store: The store.
        vacuum: Also write the files of the database anew.
    """
    try:
        scrub(store.engine, vacuum)
    except DatabaseUnavailableError as error:
        say(f"Error: bytes of what is erased are left in files; run this again: {error}")
        return False
    return True


def _totals(found: Iterable[ChosenSession]) -> ErasedCounts:
    sessions = events = responses = erased = 0
    for chosen in found:
        if chosen.erased_at is not None:
            erased += 1
            continue
        sessions += 1
        events += chosen.events
        responses += chosen.responses
    return ErasedCounts(sessions, events, responses, erased)


def _in_words(sessions: int, events: int, responses: int) -> str:
    counts = f"{counted(events, 'event')} and {counted(responses, 'response')}"
    return f"{counted(sessions, 'session')} with {counts}"


def _print_dry_run(totals: ErasedCounts, audio_only: bool, as_json: bool) -> None:
    if as_json:
        entry = {"object": "eventstore.erasure", "what": "audio" if audio_only else "session"}
        counts = {**totals._asdict(), "dry_run": True}
        counts["erased_before"] = counts.pop("erased")
        print_json(entry | counts)
        return
    whose = "the audio of " if audio_only else ""
    print_line(f"Would erase {whose}{_in_words(*totals[:3])}.")


def _confirm(totals: ErasedCounts, audio_only: bool) -> None:
    """Ask for a confirmation on a terminal, or raise UsageError where nobody can answer."""
    whose = "the audio of " if audio_only else ""
    question = f"Erase {whose}{_in_words(*totals[:3])}? This cannot be undone."
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Say so with --yes")
    if not click.confirm(question, err=True):
        raise click.Abort


def _with_progress(sessions: Iterable[ChosenSession], total: int) -> Iterator[ChosenSession]:
    with progress_bar("erase", total) as bar:
        for chosen in sessions:
            yield chosen
            if bar is not None:
                bar.advance(bar.task_ids[0])


def _ids(chosen: Iterable[ChosenSession], audio_only: bool) -> Iterator[str]:
    """Yield the ids of the sessions to erase.

    An erased session is erased again: its stream may say so while some of its rows are left.
    """
    for session in chosen:
        if session.erased_at is None or not audio_only:
            yield session.session_id


def _erasure(
    audio_only: bool,
    done: list[Erased],
    before: int,
    failed: list[dict[str, str]],
    vacuumed: bool,
) -> dict[str, Any]:
    return {
        "object": "eventstore.erasure",
        "what": "audio" if audio_only else "session",
        "dry_run": False,
        "sessions": len(done),
        "events": sum(one.events for one in done),
        "responses": sum(one.responses for one in done),
        "erased_before": before,
        "vacuumed": vacuumed,
        "data": [_entry(one) for one in done],
        "errors": failed,
    }


def _entry(erased: Erased) -> dict[str, Any]:
    return {
        "session_id": erased.session_id,
        "erased_at": to_iso(erased.at),
        "events": erased.events,
        "responses": erased.responses,
        "sha256": erased.sha256.hex(),
    }


def _print_erased(
    done: list[Erased],
    before: int,
    audio_only: bool,
    failed: list[dict[str, str]],
    no_vacuum: bool,
) -> None:
    whose = "the audio of " if audio_only else ""
    counts = (sum(one.events for one in done), sum(one.responses for one in done))
    echo(f"Erased {whose}{_in_words(len(done), *counts)}.")
    if before:
        echo(f"{counted(before, 'session')} had been erased before.")
    if failed:
        echo(f"{counted(len(failed), 'session')} could not be erased.")
    if no_vacuum:
        echo("Bytes of it can stay in the database's files until these are vacuumed.")


COMMANDS = (erase,)
