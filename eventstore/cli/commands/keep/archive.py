"""The commands `seal`, `unseal` and `verify`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from eventstore.archive.seal import Sealed
from eventstore.archive.verifying import digest_file
from eventstore.archive.verifying.verify_results import SegmentDigest, Verified
from eventstore.cli import completion
from eventstore.cli.failures import print_failures
from eventstore.cli.options import (
    chosen_sessions,
    db_option,
    given_options,
    json_option,
    open_store,
    session_filters,
)
from eventstore.cli.terminal.output import counted, print_json, print_line, progress_bar, say, size
from eventstore.errors import Failure, InvalidInputError
from eventstore.store.database.workers import collect_garbage_seldom
from eventstore.store.log.tombstones import doubtful_tombstones
from eventstore.store.maintenance.orphans import sessions_without_stream

# The longest line of a file of digests, in characters: that of a session with a million segments.
_DIGEST_LINE = 128 * 1024 * 1024

_workers_option = click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many processes work at once.",
)


@click.command()
@click.argument("session_ids", nargs=-1, metavar="[SESSION…]", shell_complete=completion.sessions)
@click.option("--all", "everything", is_flag=True, help="Every closed session.")
@click.option("--older-than", metavar="AGE", help="Closed so long ago: 7d, 12h, 2w.")
@session_filters
@_workers_option
@click.option("--dry-run", is_flag=True, help="Only list the sessions.")
@click.option("--vacuum", is_flag=True, help="Give free space of SQLite's file back to the system.")
@db_option
@json_option
@click.pass_context
def seal(
    context: click.Context,
    /,
    session_ids: tuple[str, ...],
    everything: bool,
    older_than: str | None,
    workers: int,
    dry_run: bool,
    vacuum: bool,
    url: str,
    as_json: bool,
    **filters: Any,
) -> None:
    """Seal closed sessions: pack their events into segments, which every command reads as before.

    Each session is sealed in one transaction, after its segments were read again and compared
    frame by frame. Sealing a session again packs the events that were added since.

    \b
    Examples:
      eventstore seal sess_123
      eventstore seal --older-than 7d --workers 2
      eventstore seal --metadata customer=42 --dry-run
    """
    chosen = given_options({**filters, "older_than": older_than})
    with open_store(url) as store:
        ids = chosen_sessions(store, session_ids, everything, chosen)
        if dry_run:
            _print_chosen(ids, as_json)
            return
        collect_garbage_seldom()
        done, failures = [], []
        with progress_bar("seal", len(ids)) as bar:
            for result in store.iter_seal(ids, workers):
                if isinstance(result, Failure):
                    failures.append(result)
                else:
                    done.append(result)
                if bar is not None:
                    bar.advance(bar.task_ids[0])
        failed = print_failures(failures)
        if vacuum:
            store.vacuum()
    if as_json:
        data = [_sealed(one) for one in done]
        print_json({"object": "list", "data": data, "errors": failed})
    else:
        _print_sealed(done)
    context.exit(1 if failed else 0)


def _print_chosen(ids: list[str], as_json: bool) -> None:
    if as_json:
        data = [{"session_id": session_id} for session_id in ids]
        print_json({"object": "list", "data": data})
        return
    for session_id in ids:
        print_line(str(session_id))
    say(f"{counted(len(ids), 'session')}; nothing was changed")


def _sealed(sealed: Sealed) -> dict[str, Any]:
    return {**sealed._asdict(), "sha256": sealed.sha256.hex()}


def _print_sealed(done: list[Sealed]) -> None:
    events, frames = sum(one.events for one in done), sum(one.frame_bytes for one in done)
    packed = sum(one.packed_bytes for one in done)
    sealed = sum(one.events > 0 for one in done)
    if sealed:
        counts = f"{counted(sealed, 'session')} with {counted(events, 'event')}"
        print_line(f"Sealed {counts}: {size(frames)} of frames in {size(packed)}.")
    if not done:
        print_line("There is no such session to seal.")
    elif sealed < len(done):
        print_line(f"Nothing to seal in {counted(len(done) - sealed, 'session')}.")


@click.command()
@click.argument(
    "session_ids", nargs=-1, required=True, metavar="SESSION…", shell_complete=completion.sessions
)
@db_option
@json_option
@click.pass_context
def unseal(context: click.Context, session_ids: tuple[str, ...], url: str, as_json: bool) -> None:
    """Turn sealed sessions' segments into events again, as they were.

    \b
    Example:
      eventstore unseal sess_123
    """
    with open_store(url) as store:
        results = store.unseal(session_ids)
    done, failed = results.done, print_failures(results.failed)
    if as_json:
        data = [one._asdict() for one in done]
        print_json({"object": "list", "data": data, "errors": failed})
    elif done or not failed:
        events = counted(sum(one.events for one in done), "event")
        print_line(f"Unsealed {counted(len(done), 'session')} with {events}.")
    context.exit(1 if failed else 0)


@click.command()
@click.argument("session_ids", nargs=-1, metavar="[SESSION…]", shell_complete=completion.sessions)
@click.option("--all", "everything", is_flag=True, help="Every session.")
@click.option(
    "--write",
    "written",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the digests to a file, a session a line.",
)
@click.option(
    "--against",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Compare with the digests of a file that --write made.",
)
@db_option
@json_option
@click.pass_context
def verify(
    context: click.Context,
    session_ids: tuple[str, ...],
    everything: bool,
    written: Path | None,
    against: Path | None,
    url: str,
    as_json: bool,
) -> None:
    """Recompute sessions' digests from the log, and name what is changed, missing or added.

    A sealed session is compared with its own digests. For a session that is not sealed, keep
    digests elsewhere: --write makes them, --against compares, also with a copy in another store.

    \b
    Examples:
      eventstore verify sess_123
      eventstore verify --all --write digests.jsonl
      eventstore verify --against digests.jsonl --db sqlite:///copy.db
    """
    expected = _expected(against)
    if everything == bool(session_ids) and not (against and not session_ids and not everything):
        raise click.UsageError("name sessions, or give --all or --against")
    with open_store(url) as store:
        ids = list(session_ids) or list(store.stream_ids() if everything else expected)
        if everything:
            ids += [*doubtful_tombstones(store.engine), *sessions_without_stream(store.engine)]
        verified, missing = [], []
        with progress_bar("verify", len(ids)) as bar:
            for result in store.iter_verify(ids, expected):
                if isinstance(result, Failure):
                    missing.append({"session_id": result.name, "error": str(result.error)})
                else:
                    verified.append(result)
                if bar is not None:
                    bar.advance(bar.task_ids[0])
    if written is not None:
        written.write_text("".join(digest_file.digest_lines(verified)))
    if as_json:
        data = [_verified(one, one.session_id in expected) for one in verified]
        print_json({"object": "list", "data": data, "errors": missing})
    else:
        _print_verified(verified, missing, set(expected))
    context.exit(1 if missing or any(one.problems for one in verified) else 0)


def _expected(against: Path | None) -> dict[str, list[SegmentDigest]]:
    if against is None:
        return {}
    try:
        with against.open(encoding="utf-8") as stream:
            # A file that `verify` did not write may have a line without an end.
            return digest_file.read_digest_lines(iter(partial(stream.readline, _DIGEST_LINE), ""))
    except OSError as error:
        raise InvalidInputError(f"cannot read {against}: {error.strerror}") from error
    except (InvalidInputError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{against}: {error}") from error


def _verified(result: Verified, compared: bool) -> dict[str, Any]:
    problems = [problem._asdict() for problem in result.problems]
    proved = result.events if compared else result.sealed
    return {
        **digest_file.digest_entry(result),
        "ok": not problems,
        "proved_events": proved,
        **({"protection": result.protection._asdict()} if result.protection is not None else {}),
        "problems": problems,
    }


def _print_verified(
    verified: Iterable[Verified], missing: Iterable[dict[str, str]], compared: set[str]
) -> None:
    for line in _lines(verified, missing, compared):
        print_line(line)


def _lines(
    verified: Iterable[Verified], missing: Iterable[dict[str, str]], compared: set[str]
) -> Iterator[str]:
    good = unproved = plain = old = 0
    for one in verified:
        plain += one.protection is not None and one.protection.plain > 0
        old += one.protection is not None and one.protection.old > 0
        for first, last, problem in one.problems:
            where = f"event {first}" if first == last else f"events {first} to {last}"
            yield f"{one.session_id}: {where}: {problem}"
        good += not one.problems
        unproved += one.session_id not in compared and one.sealed < one.events
    for entry in missing:
        yield f"{entry['session_id']}: {entry['error']}"
    yield f"{counted(good, 'session')} verified."
    if plain:
        yield f"{counted(plain, 'session')} with events that are not encrypted."
    if old:
        yield (
            f"{counted(old, 'session')} encrypted by an older version, in which times, directions"
            " and types are not bound to what they are of: seal or unseal to renew it."
        )
    if unproved:
        yield (
            f"{counted(unproved, 'session')} not sealed, or not wholly: only digests that were"
            " kept elsewhere (--write, --against) can prove those frames."
        )


COMMANDS = (seal, unseal, verify)
