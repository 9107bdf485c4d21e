"""`eventstore`: the command line's entry. Exit codes: 0 done, 1 failed, 2 wrong usage."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

import eventstore
from eventstore.cli import maintain, query, read, record
from eventstore.cli.output import clean
from eventstore.errors import EventStoreError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(eventstore.__version__, prog_name="eventstore")
@click.option("--db", "url", metavar="URL", help="The database, for the command that follows.")
@click.pass_context
def cli(context: click.Context, url: str | None) -> None:
    """Archive, query and replay OpenAI Realtime sessions.

    The database is named by EVENTSTORE_URL or --db; by default it is eventstore.db here.

    \b
    Examples:
      eventstore import call.jsonl --metadata customer=42
      eventstore responses --metadata customer=42 --status completed
      eventstore replay sess_123 --speed 2
    """
    if url is not None:
        context.default_map = {name: {"url": url} for name in cli.commands}


for _module in (record, read, query, maintain):
    for _command in _module.COMMANDS:
        cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit; an error is one line on standard error."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    try:
        result = cli.main(args=arguments, prog_name="eventstore", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        return _fail(error.format_message(), 2, hint=error.ctx)
    except click.ClickException as error:
        return _fail(error.format_message(), 1)
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped", 130)
    except EventStoreError as error:
        return _fail(str(error), 1)
    except BrokenPipeError:
        # The reader of our output has gone (head, less): that is no failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _fail(f"{error.strerror or error}: {error.filename or 'output'}", 1)


def _fail(message: str, code: int, hint: click.Context | None = None) -> int:
    help_ = f" (see: {hint.command_path} --help)" if hint is not None else ""
    click.echo(f"Error: {clean(' '.join(message.split()))}{help_}", err=True)
    return code


if __name__ == "__main__":
    main()
