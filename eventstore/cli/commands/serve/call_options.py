"""Options of the commands that record calls by webhooks: `calls`, and `serve --calls`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

import click

from eventstore.realtime.values import MAX_KEY_LENGTH, METADATA_PAIRS

#: The variable with the secret of OpenAI's webhooks. Every user of a machine can read arguments of
#: a command, so it is no option.
WEBHOOK_VARIABLE = "EVENTSTORE_WEBHOOK_SECRET"

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
#: Headers with credentials, which must not become metadata.
_SECRET_NAMES = frozenset({"authorization", "proxy-authorization"})
#: The keys of metadata that the session of each call has.
_OWN = ("call_id", "from", "to")

header_option = click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME[=KEY]",
    help="Keep this SIP header as metadata, beside From and To; repeat it.",
)


def webhook_secret() -> str:
    """Return the secret of OpenAI's webhooks from the environment.

    Raises:
        click.UsageError: The variable is not set.
    """
    secret = os.environ.get(WEBHOOK_VARIABLE, "")
    if not secret.strip():
        raise click.UsageError(f"set {WEBHOOK_VARIABLE} to the whsec_… of your webhook at OpenAI")
    return secret


def parse_headers(options: Iterable[str], metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of metadata by the names of SIP headers in lower case.

    Args:
        options: Values of --header: `X-Customer=customer`, or `X-Customer` for the key
            `x-customer`.
        metadata: Other pairs of metadata that each session gets.

    Raises:
        click.BadParameter: A name or a key cannot be used, or there are too many of them.
    """
    found: dict[str, str] = {}
    for one in options:
        name, _, key = one.partition("=")
        name, key = name.lower(), key or name.lower()
        if not _NAME.fullmatch(name) or name in _SECRET_NAMES or len(key) > MAX_KEY_LENGTH:
            raise click.BadParameter(f"header {one!r}: use NAME=KEY, as X-Customer=customer")
        if key in (*found.values(), *metadata) or key in _OWN or name in found:
            raise click.BadParameter(f"header {one!r}: {key} is set already")
        found[name] = key
    if len({*found.values(), *metadata, *_OWN}) > METADATA_PAIRS:
        raise click.BadParameter(
            f"a session has at most {METADATA_PAIRS} pairs of metadata,"
            f" {', '.join(_OWN)} among them"
        )
    return found
