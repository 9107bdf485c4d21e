"""Options of what records calls by webhooks: `calls`, and `serve --calls`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

import click

from eventstore.realtime.values import METADATA_KEY, METADATA_PAIRS

#: Where the secret of OpenAI's webhooks is read from: an argument could be read by every user.
VARIABLE = "EVENTSTORE_WEBHOOK_SECRET"

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
#: Headers that prove who asks. They are no metadata.
_SECRET_NAMES = frozenset({"authorization", "proxy-authorization"})
#: Keys that each call's session has.
_OWN = ("call_id", "from", "to")

header_option = click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME[=KEY]",
    help="Keep this SIP header as metadata, beside From and To; repeat it.",
)


def webhook_secret() -> str:
    """Return the secret of OpenAI's webhooks.

    Raises:
        click.UsageError: there is none.
    """
    secret = os.environ.get(VARIABLE, "")
    if not secret.strip():
        raise click.UsageError(f"set {VARIABLE} to the whsec_… of your webhook at OpenAI")
    return secret


def parse_headers(given: Iterable[str], metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the key of metadata for each SIP header that is asked for, by its name.

    Args:
        given: as `X-Customer=customer`, or `X-Customer` for the key `x-customer`.
        metadata: pairs that each session gets besides.

    Raises:
        click.BadParameter: a name or a key that cannot be used, or too many of them.
    """
    found: dict[str, str] = {}
    for one in given:
        name, _, key = one.partition("=")
        name, key = name.lower(), key or name.lower()
        if not _NAME.fullmatch(name) or name in _SECRET_NAMES or len(key) > METADATA_KEY:
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
