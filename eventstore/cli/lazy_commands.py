"""The list of all commands, which imports a command's module when the command is used.

So no command waits for the imports of the others. Called by `main.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class CommandEntry(NamedTuple):
    """The module and the summary of a command.

    Attributes:
        module: Its module in `eventstore.cli.commands`, whose `COMMANDS` contains the command.
        summary: The first sentence of the command's help, for the list of all commands.
    """

    module: str
    summary: str


COMMAND_ENTRIES = {
    name: CommandEntry(module, summary)
    for name, module, summary in (
        ("init", "ask.transfer", "Create the schema, or upgrade it to what this version needs."),
        (
            "import",
            "ask.transfer",
            "Import recordings: JSON lines, HAR files of browsers, logs and cassettes of other"
            " tools.",
        ),
        (
            "export",
            "ask.export",
            "Write sessions to a file: those named, those that match the filters, or all.",
        ),
        (
            "record",
            "serve.record",
            "Relay calls to a provider, and record them: an app changes its base URL, and nothing"
            " else.",
        ),
        (
            "join",
            "serve.join",
            "Join a WebRTC or SIP call by its id, and record the server's events until it ends.",
        ),
        (
            "calls",
            "serve.calls",
            "Record each call that OpenAI's webhooks tell of, by a sideband.",
        ),
        (
            "state",
            "ask.read",
            "Show a session: its conversations, responses and usage, now or at any moment.",
        ),
        ("events", "ask.read", "List a session's events, each frame exactly as it was received."),
        (
            "feed",
            "ask.feed",
            "Follow all sessions by a subscription: it goes on where it was, and misses nothing.",
        ),
        (
            "webhooks",
            "serve.webhooks",
            "Post each session that has ended, or each finished response, to an app, signed.",
        ),
        (
            "traces",
            "serve.traces",
            "Send spans to an OpenTelemetry collector as responses end, while calls go on.",
        ),
        ("replay", "ask.read", "Replay a conversation as it happened, at its own pace or faster."),
        ("audio", "ask.audio", "Write what was heard in a session as a sound file."),
        (
            "reseed",
            "ask.reseed",
            "Print the client events that rebuild a conversation in a new session.",
        ),
        ("sessions", "ask.query", "List sessions, newest first; every filter must hold."),
        ("responses", "ask.query", "List responses, newest first; every filter must hold."),
        ("response", "ask.query", "Show one response as a `realtime.response` resource."),
        ("usage", "ask.query", "Sum tokens and money, transcriptions included."),
        (
            "score",
            "ask.scores",
            "Score a session, a response or an item: a number, true or false, a label, or a text.",
        ),
        ("scores", "ask.scores", "List the scores of a session, or sum those of all up."),
        (
            "sql",
            "ask.sql",
            "Run one SQL statement that reads, on views that stay as they are.",
        ),
        ("metadata", "ask.metadata", "List the keys of metadata, or the values of one key."),
        (
            "latency",
            "ask.latency",
            "Tell how fast answers came: half of them within P50, nine of ten within P90.",
        ),
        (
            "context",
            "ask.latency",
            "Tell how contexts grow: mean tokens of each session's first response, its second, ….",
        ),
        (
            "seal",
            "keep.archive",
            "Seal closed sessions: pack their events into segments, which every command reads as"
            " before.",
        ),
        (
            "unseal",
            "keep.archive",
            "Turn sealed sessions' segments into events again, as they were.",
        ),
        (
            "verify",
            "keep.archive",
            "Recompute sessions' digests from the log, and name what is changed, missing or added.",
        ),
        (
            "repair",
            "keep.repair",
            "Set a session's head to its last event, and project the session again.",
        ),
        (
            "backup",
            "keep.backup",
            "Copy a store on SQLite to a new file, while calls are recorded into it.",
        ),
        ("copy", "keep.copy", "Copy closed sessions to another database, or move them there."),
        (
            "offload",
            "keep.copy",
            "Move the bytes of sealed sessions to files or object storage, and back.",
        ),
        (
            "distribute",
            "keep.distribute",
            "Spread the store over the nodes of a Citus cluster, by sessions.",
        ),
        (
            "erase",
            "keep.erase",
            "Erase sessions for good: their frames, and all that was made of them.",
        ),
        (
            "retain",
            "keep.retain",
            "Seal and erase closed sessions by their age, as a policy says.",
        ),
        (
            "serve",
            "serve.serve",
            "Serve pages to look at calls, and an HTTP API in OpenAI's shapes.",
        ),
        (
            "mcp",
            "serve.mcp",
            "Serve calls to language models, as tools of the Model Context Protocol (MCP).",
        ),
        (
            "rebuild",
            "keep.maintain",
            "Rebuild read models from the log, each session in one transaction.",
        ),
        (
            "project",
            "keep.maintain",
            "Project sessions that are behind their log, or were projected by an older version.",
        ),
        (
            "projections",
            "keep.projections",
            "List projections of your own: how far each is, and with which sessions it failed.",
        ),
        (
            "status",
            "keep.maintain",
            "Say what the store holds, and whether its read models are in step.",
        ),
        ("spool", "serve.spool", "Write what recorders that have ended left in the spool."),
    )
}

#: The old names of commands, which scripts may still use, and the names of today.
ALIASES = {"archive": "seal", "show": "state"}


class Commands(Mapping[str, click.Command]):
    """All commands by name. Getting a command imports its module.

    An old name gets its command too, but is not listed.
    """

    def __getitem__(self, name: str) -> click.Command:
        if name in ALIASES:
            command = copy(self[ALIASES[name]])
            command.epilog = another_name(name)
            return command
        module = import_module(f"eventstore.cli.commands.{COMMAND_ENTRIES[name].module}")
        commands: Sequence[click.Command] = module.COMMANDS
        return next(command for command in commands if command.name == name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMAND_ENTRIES)

    def __len__(self) -> int:
        return len(COMMAND_ENTRIES)


def another_name(alias: str) -> str:
    """Return the sentence that an old name's help shows."""
    return f"The old name of `eventstore {ALIASES[alias]}`; both do the same."


class CommandGroup(click.Group):
    """The group of all commands. Its help and completion import none of the commands."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin with the typed word."""
        from click.shell_completion import CompletionItem  # seldom asked for

        named = [
            CompletionItem(name, help=COMMAND_ENTRIES[name].summary)
            for name in sorted(COMMAND_ENTRIES)
            if name.startswith(incomplete)
        ]
        # click's own group would import each command to ask for its help.
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help's list of commands, with the old names at its end."""
        rows = [(name, COMMAND_ENTRIES[name].summary) for name in sorted(COMMAND_ENTRIES)]
        rows += [(alias, another_name(alias)) for alias in sorted(ALIASES)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
