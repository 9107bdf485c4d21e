"""The command `repair`, which mends a session whose head contradicts its log."""

from __future__ import annotations

from collections.abc import Iterator

import click

from eventstore.cli import completion
from eventstore.cli.options import db_option, json_option, open_store
from eventstore.cli.terminal.output import counted, print_json, print_line
from eventstore.errors import Failure
from eventstore.store.log.heads import Fault
from eventstore.store.sessions.repair import Repaired


@click.command()
@click.argument("session_id", metavar="SESSION", shell_complete=completion.sessions)
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@db_option
@json_option
@click.pass_context
def repair(context: click.Context, session_id: str, dry_run: bool, url: str, as_json: bool) -> None:
    """Set a session's head to its last event, and project the session again.

    It is needed if an append says that there are events behind the head: processes that shared a
    connection have left them. It corrects what the log can prove: the head, and up to which event
    the session is sealed and projected. If events are missing, it names them and changes nothing.

    \b
    Examples:
      eventstore repair sess_123 --dry-run
      eventstore repair sess_123
    """
    with open_store(url) as store:
        (done,) = store.iter_repair(session_id, dry_run)
    if isinstance(done, Failure):
        raise done.error
    if as_json:
        lists = {
            name: [fault._asdict() for fault in found]
            for name, found in (("mended", done.mended), ("unmended", done.unmended))
        }
        print_json({"object": "eventstore.repair", "dry_run": dry_run, **done._asdict(), **lists})
    else:
        for line in _lines(done, dry_run):
            print_line(line)
    context.exit(1 if done.unmended else 0)


def _lines(done: Repaired, dry_run: bool) -> Iterator[str]:
    for fault in (*done.mended, *done.unmended):
        yield f"{done.session_id}: {_where(fault)}: {fault.problem}"
    if done.unmended:
        yield (
            f"{done.session_id} is not repaired, and nothing was changed: the log does not say"
            " what is right; bring back what is missing from a copy (eventstore verify)"
        )
    elif not done.mended:
        yield f"{done.session_id} needs no repair: its head is {done.head}."
    elif dry_run:
        yield f"{done.session_id} would be repaired: its head would be {done.head}."
    else:
        rows = counted(done.changed_rows, "row")
        yield f"{done.session_id} is repaired: its head is {done.head}; {rows} changed."


def _where(fault: Fault) -> str:
    if fault.first_seq == fault.last_seq:
        return f"event {fault.first_seq}"
    return f"events {fault.first_seq} to {fault.last_seq}"


COMMANDS = (repair,)
