"""The commands `sessions`, `responses`, `response` and `usage`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, get_args

import click

from eventstore.cli import completion
from eventstore.cli.options import (
    by_option,
    db_option,
    dialect_option,
    figure_filters,
    given_options,
    json_option,
    list_options,
    open_to_read,
    response_filters,
    session_filters,
    sort_option,
    text_option,
)
from eventstore.cli.price_options import prices_option
from eventstore.cli.terminal.live_table import live_rows
from eventstore.cli.terminal.output import (
    clean,
    console,
    dollars,
    has_screen,
    pairs,
    print_json,
    print_table,
    say,
    seconds,
    short_time,
)
from eventstore.cli.terminal.response_line import response_line
from eventstore.cli.terminal.usage_table import print_usage
from eventstore.event_store import EventStore
from eventstore.realtime.resources.dialects import Dialect
from eventstore.realtime.resources.outcomes import status_words
from eventstore.store.filters.filters import ResponseSort, SessionSort, SessionStatus
from eventstore.store.queries.pages import Page
from eventstore.times import now

#: Sort keys whose numbers only a summary shows, so that a table sorted by them needs one.
_SUMMED = ("cost", "latency", "turns")


@click.command()
@click.option("--live", is_flag=True, help="Only open sessions, with what happens in them.")
@click.option("--summary", is_flag=True, help="With turns, money and the slowest answer of each.")
@click.option(
    "--status",
    type=click.Choice(get_args(SessionStatus)),
    help="errors: errors of the session, or responses that failed.",
)
@text_option
@session_filters
@figure_filters
@sort_option(get_args(SessionSort), "By latency: that of the slowest answer.")
@list_options
@prices_option()
@db_option
@json_option
def sessions(
    live: bool,
    summary: bool,
    limit: int,
    after: str | None,
    order: Any,
    sort: Any,
    url: str,
    as_json: bool,
    **filters: Any,
) -> None:
    """List sessions, newest first; every filter must hold.

    With --sort, the highest numbers come first (with --order asc, the lowest), and an unknown one
    counts as the lowest. With --live on a terminal, the list is shown anew each second until q or
    Ctrl-C.

    \b
    Examples:
      eventstore sessions --metadata customer=42
      eventstore sessions --since 2026-05-01 --model gpt-realtime --json
      eventstore sessions --text '"my order"' --status interrupted --summary
      eventstore sessions --tool cancel_order --min-duration 60 --sort cost
      eventstore sessions --live
    """
    with open_to_read(url) as store:
        ask = partial(
            store.sessions,
            limit=limit,
            after=after,
            order=order,
            sort=sort,
            live=live,
            summary=summary or (sort in _SUMMED and not as_json),
            **given_options(filters),
        )
        if live and not as_json and has_screen():
            # This module needs termios, which not every system has.
            from eventstore.cli.terminal.live_sessions import watch_sessions

            watch_sessions(ask)
            return
        page = ask()
    if as_json:
        print_json(page.as_list())
    elif live and page.data:
        for row in live_rows(page, now(), console()):
            console().print(row, soft_wrap=True)
        _say_more(page)
    else:
        _print_sessions(page)


def _print_sessions(page: Page[Any]) -> None:
    headings: tuple[str, ...] = (
        "SESSION",
        "OPENED",
        ">LENGTH",
        "MODEL",
        ">EVENTS",
        ">RESPONSES",
    )
    summed = any("summary" in entry["eventstore"] for entry in page.data)
    if summed:
        headings += (">TURNS", ">COST", ">SLOWEST")
    rows = [
        (
            *_session_row(entry, entry["eventstore"]),
            *(_summary_row(entry["eventstore"]) if summed else ()),
            pairs(entry["eventstore"]["metadata"]),
        )
        for entry in page.data
    ]
    _print_page(page, (*headings, "METADATA"), rows, "sessions")


def _session_row(entry: dict[str, Any], notes: dict[str, Any]) -> tuple[Any, ...]:
    return (
        entry["id"],
        short_time(notes["opened_at"]),
        seconds(notes["duration_ms"]),
        entry.get("model"),
        notes["events"],
        notes["responses"],
    )


def _summary_row(notes: dict[str, Any]) -> tuple[Any, ...]:
    summed = notes["summary"]
    cost = dollars(summed["cost_usd"], summed["unpriced"])
    if notes.get("same_call") and not summed["cost_usd"]:
        cost = "elsewhere"
    return summed["turns"], cost, seconds(summed["slowest_ms"])


@click.command()
@response_filters
@sort_option(get_args(ResponseSort), "By latency: the wait for the first sound.")
@list_options
@dialect_option
@db_option
@json_option
def responses(
    limit: int,
    after: str | None,
    order: Any,
    sort: Any,
    dialect: Dialect,
    url: str,
    as_json: bool,
    **filters: Any,
) -> None:
    """List responses, newest first; every filter must hold.

    Metadata of a session counts for each of its responses. K!=V also takes responses
    without K. In the table, an id that other sessions have as well is SESSION/ID, which `response`
    and --after take too.

    \b
    Examples:
      eventstore responses --metadata customer=42 --metadata topic
      eventstore responses --status cancelled --min-tokens 500 --json
      eventstore responses --text "where is my order"
      eventstore responses --tool lookup_order --min-latency 2 --sort latency
    """
    with open_to_read(url) as store:
        page = store.responses(
            limit=limit,
            after=after,
            order=order,
            sort=sort,
            dialect=dialect,
            **given_options(filters),
        )
        if as_json:
            print_json(page.as_list())
            return
        shared = _shared_ids(store, page) if filters["session"] is None else set()
    _print_page(
        page,
        ("RESPONSE", "CREATED", "STATUS", ">TOKENS", ">FIRST AUDIO", "SAID"),
        [_response_row(entry, shared) for entry in page.data],
        "responses",
    )


def _shared_ids(store: EventStore, page: Page[Any]) -> set[str]:
    """Return the ids on a page that responses of several sessions have, or may have.

    The store makes the ids of what is said in GPT-Live sessions, and makes the same in several.
    """
    counts = Counter(entry["id"] for entry in page.data)
    shared = {id_ for id_, number in counts.items() if number > 1}
    made = {entry["id"] for entry in page.data if entry["eventstore"].get("kind") == "spoken"}
    return shared | made if made and len(store.sessions(limit=2).data) > 1 else shared


def _response_row(entry: Mapping[str, Any], shared: set[str]) -> tuple[Any, ...]:
    notes, usage = entry["eventstore"], entry.get("usage")
    first = notes["speech_to_first_audio_ms"] or notes["time_to_first_audio_ms"]
    tokens = usage.get("total_tokens") if isinstance(usage, dict) else None
    match = notes.get("match")
    said = f"{match[0]['role'] or 'call'}: {match[0]['text']}" if match else response_line(entry)
    status = status_words(entry)
    if notes["interrupted"]:
        status = f"{entry['status']} (interrupted)"  # the interruption is the reason
    id_ = entry["id"]
    name = f"{notes['session_id']}/{id_}" if id_ in shared else id_
    return name, short_time(notes["created_at"]), status, tokens, seconds(first), said


@click.command()
@click.argument("response_id", metavar="ID")
@click.option(
    "--session",
    metavar="ID",
    help="Which session, where several have this id.",
    shell_complete=completion.sessions,
)
@dialect_option
@db_option
@json_option
def response(
    response_id: str, session: str | None, dialect: Dialect, url: str, as_json: bool
) -> None:
    """Show one response as a `realtime.response` resource.

    \b
    Examples:
      eventstore response resp_123
      eventstore response resp_123 --dialect beta --json
    """
    with open_to_read(url) as store:
        resource = store.response(response_id, session, dialect)
    if as_json:
        print_json(resource)
        return
    import json

    for line in json.dumps(resource, indent=2, ensure_ascii=False, default=str).splitlines():
        indent = len(line) - len(line.lstrip())
        click.echo(" " * indent + clean(line.lstrip()))


@click.command()
@by_option
@response_filters
@prices_option()
@db_option
@json_option
def usage(by: str | None, url: str, as_json: bool, **filters: Any) -> None:
    """Sum tokens and money, transcriptions included.

    Cached tokens are part of the input tokens. Usage without a known price is counted apart, never
    as zero; --prices names a file with your own prices, and with the models of your deployments.
    By `day,model`, each line is of a day and a model.

    \b
    Examples:
      eventstore usage --by model
      eventstore usage --by day,model
      eventstore usage --by metadata:customer --since 2026-05-01
      eventstore usage --by model --prices prices.toml
    """
    with open_to_read(url) as store:
        summed = store.usage(by, **given_options(filters))
    if as_json:
        print_json(summed)
        return
    print_usage([*map(dict, summed["data"]), {**summed["total"], "key": "total"}])


def _print_page(
    page: Page[Any], headings: tuple[str, ...], rows: list[tuple[Any, ...]], what: str
) -> None:
    if not rows:
        say(f"No {what} match.")
        return
    print_table(headings, rows)
    _say_more(page)


def _say_more(page: Page[Any]) -> None:
    if page.has_more:
        say(f"More follow: --after {page.last_id}")


COMMANDS = (sessions, responses, response, usage)
