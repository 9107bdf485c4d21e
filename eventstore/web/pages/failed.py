"""What a page shows where there is nothing else to show: why, in words."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request, Response

from eventstore.web.pages.rendering import page
from eventstore.web.pages.sign_in import sign_in_first

#: All other paths are pages.
_PROGRAMS = ("/v1/", "/static/", "/healthz", "/readyz", "/metrics")


def is_page(request: Request) -> bool:
    """Whether a person asks, and not a program. An application without a store has no pages."""
    has_pages = hasattr(request.app.state, "stores")
    return has_pages and not request.url.path.startswith(_PROGRAMS)


def failed_page(request: Request, status: int, message: str) -> Response:
    """The reason; where a key is missing, the form to sign in."""
    if status == HTTPStatus.UNAUTHORIZED:
        return sign_in_first(request)
    return page(request, "failed.html", status, title=HTTPStatus(status).phrase, message=message)
