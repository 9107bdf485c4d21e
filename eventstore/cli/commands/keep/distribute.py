"""The command `distribute`, which spreads a store over the nodes of a Citus cluster."""

from __future__ import annotations

import click

from eventstore.cli.options import db_option, json_option, open_store
from eventstore.cli.terminal.output import counted, print_json, print_line, progress_bar
from eventstore.store.maintenance.distribute import DEFAULT_SHARDS, MOST_SHARDS, TableStep
from eventstore.store.maintenance.recovery_interval import set_recovery_interval

_WORDS = {
    "distributed": "divided by session",
    "reference": "as a whole on each node",
}


@click.command()
@click.option(
    "--shards",
    type=click.IntRange(1, MOST_SHARDS),
    default=DEFAULT_SHARDS,
    show_default=True,
    help="Into how many parts the tables are divided, the first time.",
)
@click.option(
    "--rebalance", is_flag=True, help="Then move parts until all nodes have about as many bytes."
)
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@db_option
@json_option
def distribute(shards: int, rebalance: bool, dry_run: bool, url: str, as_json: bool) -> None:
    """Spread the store over the nodes of a Citus cluster, by sessions.

    Run it on the coordinator, after `init`; and again after an upgrade, or with --rebalance after
    new nodes. What is done already is left alone. Each table is locked for writing while its rows
    are copied to the nodes: appends wait, and recorders keep frames in their spool. docs/scale.md
    says how to set up a cluster.

    \b
    Examples:
      eventstore distribute --dry-run --db postgresql://user@coordinator/calls
      eventstore distribute --shards 64
      eventstore distribute --rebalance
    """
    if dry_run and rebalance:
        raise click.UsageError("--dry-run says nothing of moves; leave out --rebalance")
    with open_store(url) as store:
        steps, notices = store.distribute(dry_run=True), []
        if not dry_run:
            done: list[TableStep] = []
            with progress_bar("distribute", len(steps)) as bar:
                for step in store.iter_distribute(shards):
                    done.append(step)
                    if bar is not None:
                        bar.advance(bar.task_ids[0])
            steps = done
            notices = set_recovery_interval(store.engine)
            if rebalance:
                store.rebalance()
    if as_json:
        data = [step._asdict() for step in steps]
        as_objects = [notice._asdict() for notice in notices]
        facts = {"dry_run": dry_run, "rebalanced": rebalance, "notices": as_objects}
        print_json({"object": "list", "data": data, **facts})
        return
    for step in steps:
        print_line(f"{step.table:<20} {_WORDS[step.kind]}")
    if dry_run:
        print_line(f"{counted(len(steps), 'table')} would be spread; nothing was changed.")
    else:
        moved = " Parts were moved to balance the nodes." if rebalance else ""
        print_line(f"{counted(len(steps), 'table')} spread over the nodes.{moved}")
    for notice in notices:
        print_line(f"On {notice.node} an administrator has to run: {notice.commands}")
        print_line(f"  ({notice.reason})")


COMMANDS = (distribute,)
