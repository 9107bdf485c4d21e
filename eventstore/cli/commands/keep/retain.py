"""The command `retain`, which applies a retention policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from eventstore.archive.policy import RetentionRule, read_policy
from eventstore.archive.retain import RuleApplied, apply_policy
from eventstore.cli.commands.keep.erase import no_vacuum_option, scrubbed
from eventstore.cli.options import db_option, json_option, open_store
from eventstore.cli.terminal.output import echo, print_json, print_table, say
from eventstore.errors import EventStoreError
from eventstore.store.maintenance.scrub import is_left_outside, is_vacuum_due
from eventstore.times import now

_MOST_ERRORS = 100


@click.command("retain")
@click.option(
    "--policy",
    "path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Rules, as TOML or JSON.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@no_vacuum_option
@db_option
@json_option
@click.pass_context
def retain_(
    context: click.Context, path: Path, dry_run: bool, no_vacuum: bool, url: str, as_json: bool
) -> None:
    """Seal and erase closed sessions by their age, as a policy says.

    A policy has a [[rule]] for each thing to do, with older_than = "30d" (m, h, d, w; since the
    session was closed), do = "seal", "erase" or "erase-audio", and maybe metadata and a reason.
    Each rule is applied to all that it fits, in order. It can be run again at any time.

    \b
    Examples:
      eventstore retain --policy retention.toml --dry-run
      eventstore retain --policy retention.toml --json
    """
    policy = read_policy(path)
    errors: list[dict[str, str]] = []

    def failed(session_id: str, error: EventStoreError) -> None:
        say(f"Error: {error}")
        if len(errors) < _MOST_ERRORS:
            errors.append({"session_id": session_id, "error": str(error)})

    with open_store(url) as store:
        done = list(apply_policy(store.engine, policy, now(), failed, dry_run))
        # An earlier run that was stopped may have left something to scrub.
        due = not dry_run and is_vacuum_due(store.engine)
        left = not dry_run and is_left_outside(store.engine)
        is_scrubbed = not (due or left) or scrubbed(store, due and not no_vacuum)
    if as_json:
        print_json(
            {
                "object": "eventstore.retention",
                "dry_run": dry_run,
                "data": [_applied(applied) for applied in done],
                "errors": errors,
            }
        )
    else:
        rows = ((n, _in_short(a.rule), *a[1:]) for n, a in enumerate(done, 1))
        print_table((">RULE", "", ">SESSIONS", ">EVENTS", ">RESPONSES", ">FAILED"), rows)
        if dry_run:
            echo("Nothing was changed.")
    context.exit(1 if not is_scrubbed or any(applied.failed for applied in done) else 0)


#: Units in which an age is shown, with their seconds.
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def _applied(applied: RuleApplied) -> dict[str, Any]:
    counts = applied._asdict()
    rule: RetentionRule = counts.pop("rule")
    return {"do": rule.do, "older_than_s": rule.older_than // 1_000_000, **counts}


def _in_short(rule: RetentionRule) -> str:
    seconds = rule.older_than / 1_000_000
    unit, length = next((entry for entry in _UNITS if seconds >= entry[1]), _UNITS[-1])
    age = f"{seconds / length:g} {unit}"
    named = (f"{c.key}{'' if c.operator == 'has' else c.operator + c.value}" for c in rule.metadata)
    return " ".join((rule.do, "after", age, *named))


COMMANDS = (retain_,)
