"""Renders the pages' templates, and sends them with a content security policy."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from eventstore.realtime.resources.outcomes import reason_of
from eventstore.realtime.resources.scores import score_words
from eventstore.realtime.values import storable
from eventstore.web.pages import formats

#: Only the package's own files may run or be shown. The nonce is for the waveform's library, which
#: writes its styles into a shadow tree.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:;"
    " media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("eventstore.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: storable(value) if isinstance(value, str) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for made in (formats.count, formats.clock, formats.tenths, formats.seconds, formats.money):
        environment.filters[made.__name__] = made
    environment.filters["when"] = formats.day_and_time
    environment.filters["reason"] = reason_of
    environment.filters["part"] = lambda value: quote(storable(str(value)), safe="")
    environment.filters["scores"] = score_words
    environment.filters["pair"] = lambda value: (value, value)
    return environment


def page(request: Request, template: str, status: int = 200, **shown: Any) -> Response:
    """Return a page as a response.

    Args:
        request: The request that the page answers.
        template: The name of a template of the package.
        status: The HTTP status.
        shown: The template's variables, all of which are escaped.
    """
    nonce = secrets.token_urlsafe(16)
    body = (
        _environment()
        .get_template(template)
        .render(nonce=nonce, path=request.url.path, signed_in=_signed_in(request), **shown)
    )
    headers = {"Content-Security-Policy": _POLICY.format(nonce=nonce)}
    return Response(body.encode("utf-8", "replace"), status, headers, "text/html; charset=utf-8")


def _signed_in(request: Request) -> str | None:
    """Return the name of the key with which the reader signed in; None if there are no keys."""
    if request.app.state.stores.keys is None:
        return None
    name: str | None = getattr(request.state, "key_name", None)
    return name
