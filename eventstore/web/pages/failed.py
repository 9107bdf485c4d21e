"""The page that shows an error. `web/app.py` hands it to the error handlers of `web/server/`."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request, Response

from eventstore.web.pages.rendering import page
from eventstore.web.pages.sign_in import sign_in_first


def failed_page(request: Request, status: int, message: str) -> Response:
    """Return a page with an error's message; if an API key is missing, redirect to the sign-in."""
    if status == HTTPStatus.UNAUTHORIZED:
        return sign_in_first(request)
    return page(request, "failed.html", status, title=HTTPStatus(status).phrase, message=message)
