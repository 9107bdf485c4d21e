"""What a page shows where there is nothing else to show: why, in words."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request, Response

from eventstore.web.pages.rendering import page
from eventstore.web.pages.sign_in import sign_in_first


def failed_page(request: Request, status: int, message: str) -> Response:
    """The reason; where a key is missing, the form to sign in."""
    if status == HTTPStatus.UNAUTHORIZED:
        return sign_in_first(request)
    return page(request, "failed.html", status, title=HTTPStatus(status).phrase, message=message)
