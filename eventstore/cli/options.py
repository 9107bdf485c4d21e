"""Options and filters that several commands share, and the function that opens their store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from eventstore.cli import completion
from eventstore.cli.price_options import prices_file
from eventstore.cli.replica_options import chosen_replica
from eventstore.errors import InvalidInputError
from eventstore.event_store import EventStore
from eventstore.projection.facets import ResponseKind
from eventstore.realtime.metadata import check_metadata
from eventstore.realtime.protocols import Protocol
from eventstore.realtime.resources.dialects import DIALECTS
from eventstore.store.filters.filters import Modality

DEFAULT_URL = "sqlite:///eventstore.db"

Command = TypeVar("Command", bound=Callable[..., Any])


def _database(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return the URL given after the command's name, else before it, else by the environment."""
    given = context.get_parameter_source("url") is click.core.ParameterSource.COMMANDLINE
    before = context.parent.params.get("url") if context.parent is not None else None
    return value if given or before is None else str(before)


db_option = click.option(
    "--db",
    "url",
    envvar="EVENTSTORE_URL",
    default=DEFAULT_URL,
    show_default=True,
    callback=_database,
    metavar="URL",
    help="The database, by default from EVENTSTORE_URL.",
)
spool_option = click.option(
    "--spool",
    "folder",
    envvar="EVENTSTORE_SPOOL",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The spool's folder; by default beside an SQLite file, else under ~/.local/state.",
)
redact_option = click.option(
    "--redact", is_flag=True, help="Take secrets out of frames before they are written."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
by_option = click.option(
    "--by", metavar="GROUP", help="session, model, day or metadata:KEY; or day,model."
)
dialect_option = click.option(
    "--dialect",
    type=click.Choice(DIALECTS),
    default="wire",
    show_default=True,
    help="Shape of resources: as the server had them, or the full beta or GA shape.",
)


text_option = click.option(
    "--text", metavar="WORDS", help='Words said, or of calls of tools; "a phrase", pre*.'
)


def open_store(url: str, check_schema: bool = True) -> EventStore:
    """Open the store of a database URL, with the encryption keys and prices of the command line.

    Args:
        url: The database.
        check_schema: Raise SchemaError if the database's schema is not this version's.
    """
    return EventStore(url, check_schema=check_schema, keys=keys_url(), prices=prices_file())


def open_to_read(url: str) -> EventStore:
    """Open the store of a database URL as `open_store` does, to read it.

    Its queries run on the replica that the command line or the environment names, if any.
    """
    replica = chosen_replica()._asdict()
    return EventStore(url, keys=keys_url(), prices=prices_file(), **replica)


def keys_url() -> str | None:
    """Return the URL of the database of encryption keys, or None if there is none.

    It is named before the command's name, else by the environment.
    """
    context = click.get_current_context(silent=True)
    return context.find_root().params.get("keys") if context is not None else None


def list_options(command: Command) -> Command:
    """Add the options of every list: --limit, --after and --order."""
    for option in reversed(
        (
            click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True),
            click.option(
                "--after", metavar="ID", help="Go on after this id (last_id of the page before)."
            ),
            click.option(
                "--order", type=click.Choice(("desc", "asc")), default="desc", show_default=True
            ),
        )
    ):
        command = option(command)
    return command


def session_filters(command: Command) -> Command:
    """Add the filters of sessions, which commands for responses and usage have too."""
    for option in reversed(
        (
            click.option(
                "--metadata",
                multiple=True,
                shell_complete=completion.metadata,
                metavar="FILTER",
                help="K=V, K (has it), K^=PREFIX or K!=V; again: and.",
            ),
            click.option("--model", metavar="NAME", shell_complete=completion.models),
            click.option("--since", metavar="TIME", help="ISO 8601 or epoch seconds."),
            click.option(
                "--until",
                metavar="TIME",
                help="ISO 8601 or epoch seconds; this time is not included.",
            ),
        )
    ):
        command = option(command)
    return command


def score_filters(command: Command) -> Command:
    """Add the filters of sessions and responses by their scores: --score and --label."""
    for option in reversed(
        (
            click.option(
                "--score",
                multiple=True,
                metavar="FILTER",
                help="NAME, NAME<0.5 (or <=, >, >=), NAME=1, NAME=true or NAME=LABEL; again: and.",
            ),
            click.option("--label", multiple=True, metavar="LABEL", help="Again: and."),
        )
    ):
        command = option(command)
    return command


def sort_option(choices: Iterable[str], help: str) -> Callable[[Command], Command]:
    """Return the option --sort of a list. The first choice is the default."""
    names = tuple(choices)
    kind = click.Choice(names)
    return click.option("--sort", type=kind, default=names[0], show_default=True, help=help)


def figure_filters(command: Command) -> Command:
    """Add the filters of sessions by numbers, protocol, tools, errors and languages."""
    at_least_none = click.FloatRange(0)
    for option in reversed(
        (
            click.option(
                "--protocol",
                type=click.Choice(get_args(Protocol)),
                help="live: sessions of GPT-Live; realtime: all others.",
            ),
            click.option("--tool", metavar="NAME", help="Sessions in which this tool was called."),
            click.option(
                "--reason",
                metavar="CODE",
                help="Sessions with this reason of a response's end, or error code.",
            ),
            click.option(
                "--language", metavar="CODE", help="Sessions with a transcript in this language."
            ),
            click.option("--min-duration", type=at_least_none, metavar="SECONDS"),
            click.option("--max-duration", type=at_least_none, metavar="SECONDS"),
            click.option(
                "--min-cost",
                type=at_least_none,
                metavar="USD",
                help="Counts only what has a known price.",
            ),
            click.option(
                "--min-latency",
                type=at_least_none,
                metavar="SECONDS",
                help="The slowest answer took at least so long.",
            ),
            click.option("--min-turns", type=click.IntRange(0)),
            click.option("--min-interruptions", type=click.IntRange(0)),
        )
    ):
        command = option(command)
    return score_filters(command)


def response_filters(command: Command) -> Command:
    """Add the filters of responses and usage, with those of sessions."""
    statuses = ("completed", "cancelled", "failed", "incomplete", "in_progress")
    for option in reversed(
        (
            click.option("--status", type=click.Choice(statuses)),
            click.option(
                "--reason", metavar="CODE", help="Why it ended: turn_detected, or an error's code."
            ),
            click.option("--voice", metavar="NAME"),
            click.option("--modality", type=click.Choice(get_args(Modality))),
            click.option(
                "--kind",
                type=click.Choice(get_args(ResponseKind)),
                help="Of GPT-Live: said by the assistant, or made by the backend of a delegation.",
            ),
            click.option("--conversation", metavar="ID"),
            click.option("--session", metavar="ID", shell_complete=completion.sessions),
            text_option,
            click.option("--tool", metavar="NAME", help="Responses that called this tool."),
            click.option("--language", metavar="CODE", help="Answers to a turn in this language."),
            click.option("--min-tokens", type=click.IntRange(0)),
            click.option(
                "--min-latency",
                type=click.FloatRange(0),
                metavar="SECONDS",
                help="From the end of speech, else its creation, to its first sound or text.",
            ),
            click.option("--min-duration", type=click.FloatRange(0), metavar="SECONDS"),
        )
    ):
        command = option(command)
    return session_filters(score_filters(command))


def given_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given on the command line."""
    return {key: value for key, value in options.items() if value not in (None, ())}


def parse_metadata(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return metadata from arguments such as `customer=42`.

    Raises:
        click.BadParameter: An argument has no `=`, or the metadata exceed OpenAI's limits.
    """
    for pair in pairs:
        if "=" not in pair:
            raise click.BadParameter(f"metadata {pair!r}: use KEY=VALUE")
    try:
        return check_metadata([(k, v) for k, _, v in (pair.partition("=") for pair in pairs)])
    except InvalidInputError as error:
        raise click.BadParameter(str(error)) from error


def chosen_sessions(
    store: EventStore, session_ids: tuple[str, ...], everything: bool, filters: dict[str, Any]
) -> list[str]:
    """Return the ids of the sessions that a command line chooses.

    Args:
        store: The store.
        session_ids: Ids that are named.
        everything: Choose all closed sessions.
        filters: Choose the closed sessions that match these.

    Raises:
        click.UsageError: Not exactly one of these three ways is used.
    """
    if bool(session_ids) + everything + bool(filters) != 1:
        raise click.UsageError("name sessions, or choose them by a filter, or give --all")
    return list(session_ids) or list(store.closed_sessions(**filters))
