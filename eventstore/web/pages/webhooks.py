"""The page `/webhooks`: webhooks that were given up, with buttons that have them sent again."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from eventstore.errors import InvalidInputError
from eventstore.web.pages.filters import address
from eventstore.web.pages.paging import LIMIT
from eventstore.web.pages.rendering import page
from eventstore.web.sending_again import mark_again, shown_to
from eventstore.web.server.paths import PlacedRoute
from eventstore.web.server.requests import MayRead, MaySend, ScopedQueries, is_own, may_send

router = APIRouter(include_in_schema=False, route_class=PlacedRoute)

PATH = "/webhooks"
_FIELDS = 4


@router.get(PATH)
def show_webhooks(request: Request, access: MayRead, queries: ScopedQueries) -> Response:
    """Show the webhooks that were given up, those that failed last first."""
    query = request.query_params
    found = queries.dead_letter_page(limit=LIMIT, after=query.get("after") or None)
    letters = [shown_to(access, letter) for letter in found]
    older = address(PATH, query, after=found.last_id) if found.has_more else None
    made = page(
        request,
        "webhooks.html",
        title="Webhooks",
        letters=letters,
        may_send=may_send(access),
        newest=PATH if query.get("after") else None,
        older=older,
    )
    # Without it a browser does not say of its forms that they are of this server's page.
    made.headers["Referrer-Policy"] = "same-origin"
    return made


@router.post(PATH)
async def send_again(request: Request, access: MaySend) -> Response:
    """Mark what a form names, and lead back to the page. The form must be of this server."""
    if not is_own(request):
        return page(request, "failed.html", 403, title="Forbidden", message="Send on the page.")
    body = (await request.body()).decode("utf-8", "replace")
    try:
        form = parse_qs(body, max_num_fields=_FIELDS)
    except ValueError as error:
        raise InvalidInputError("the form has too many fields") from error
    id_ = form.get("id", [None])[0]
    if id_ is None and "all" not in form:
        raise InvalidInputError("the form names no webhook")
    await run_in_threadpool(mark_again, request, access, id_)
    return RedirectResponse(PATH, 303)
