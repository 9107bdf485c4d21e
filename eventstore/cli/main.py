"""The entry point of the command line `eventstore`. Exit codes: 0 done, 1 failed, 2 wrong usage.

This module imports click and little else, so that `--version`, `--help` and the completion of words
answer at once. Modules that only a command or an error needs are imported there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, cast

import click

from eventstore.cli.lazy_commands import CommandGroup, Commands
from eventstore.cli.price_options import prices_option
from eventstore.cli.replica_options import replica_options
from eventstore.common.version import VERSION


@click.group(
    cls=CommandGroup,
    commands=cast(Any, Commands()),  # click only reads the mapping
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(VERSION, prog_name="eventstore")
@click.option("--db", "url", metavar="URL", help="The database, for the command that follows.")
@click.option(
    "--keys",
    envvar="EVENTSTORE_KEYS",
    metavar="URL",
    help="The database of sessions' keys, where the store is encrypted.",
)
@replica_options
@prices_option(envvar=None)
def cli(url: str | None, keys: str | None, read_url: str | None, read_lag: float) -> None:
    """Archive, query and replay OpenAI Realtime sessions.

    The database is named by EVENTSTORE_URL or --db; by default it is eventstore.db here. What is
    written is encrypted where EVENTSTORE_KEYS or --keys names a database for sessions' keys. Prices
    are your own where EVENTSTORE_PRICES or --prices names a file of them. Queries run on a replica
    where EVENTSTORE_READ_URL or --read-url names one.

    \b
    Examples:
      eventstore import call.jsonl --metadata customer=42
      eventstore responses --metadata customer=42 --status completed
      eventstore replay sess_123 --speed 2
    """
    from eventstore.cli.log_lines import say_what_is_logged

    say_what_is_logged()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit. An error is printed as one line on standard error.

    Args:
        arguments: The words after the program's name; None for those of this process.
    """
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: The words after the program's name; None for those of this process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not all(argument.isascii() or _is_text(argument) for argument in given):
        return _fail("an argument is not UTF-8 text", 2)
    try:
        result = cli.main(args=given, prog_name="eventstore", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except SystemExit:
        return _without_reader()  # click raises it if the reader of the pipe is gone
    except click.UsageError as error:
        return _fail(error.format_message(), 2, hint=error.ctx)
    except click.ClickException as error:
        return _fail(error.format_message(), 1)
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped", 130)
    except BrokenPipeError:
        return _without_reader()
    except OSError as error:
        return _fail(f"{error.strerror or error}: {error.filename or 'output'}", 1)
    except Exception as error:
        return _fail_by(error)


def _is_text(argument: str) -> bool:
    try:
        argument.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _without_reader() -> int:
    """Return 0, since it is no failure if the reader of a pipe, such as `head`, has ended."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _fail_by(error: Exception) -> int:
    """Print an error of the store, or a fault without its message, which may hold content."""
    from eventstore.common.unforeseen import as_store_error
    from eventstore.errors import InvalidInputError

    shown = as_store_error("the command", error)
    return _fail(str(shown), 2 if isinstance(shown, InvalidInputError) else 1)


def _fail(message: str, code: int, hint: click.Context | None = None) -> int:
    from eventstore.cli.terminal.output import clean
    from eventstore.realtime.masking.mask import mask_words

    help_ = f" (see: {hint.command_path} --help)" if hint is not None else ""
    click.echo(f"Error: {clean(mask_words(' '.join(message.split())))}{help_}", err=True)
    return code


if __name__ == "__main__":
    main()
