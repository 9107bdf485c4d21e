"""The routes about webhooks that were given up: list them, and have them sent again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from eventstore.web.api.responses import DirectionParameter, LimitParameter
from eventstore.web.sending_again import mark_again, shown_to
from eventstore.web.server.access import Access
from eventstore.web.server.documents import a_list, an_object, answer, documented, page_of
from eventstore.web.server.errors import ApiError
from eventstore.web.server.paths import IdRoute
from eventstore.web.server.requests import (
    MayRead,
    MaySend,
    ScopedQueries,
    deep_objects,
    is_own,
)

router = APIRouter(
    prefix="/v1/realtime/webhooks/dead_letters", tags=["webhooks"], route_class=IdRoute
)

#: An id of one is longer than a session's, which it has in it.
AfterLetter = Annotated[
    str | None, Query(max_length=4096, description="`last_id` of the page before.")
]
EXAMPLE: dict[str, Any] = {
    "id": "dead_WyJzZXNzXzEyMyIsIndlYmhvb2tzIiw0MSwic2Vzc2lvbiJd",
    "object": "eventstore.dead_letter",
    "webhook_id": "msg_5b0ff9c2a0c14a70b7a4f5e1d2c3b4a5",
    "session_id": "sess_123",
    "consumer": "webhooks",
    "seq": 41,
    "kind": "session",
    "response_id": None,
    "tries": 14,
    "failed_at": "2026-05-04T09:30:00.352000Z",
    "error": "status 500",
    "to": "https://app.example.com/calls",
    "again_at": None,
}
LETTER = an_object(EXAMPLE["object"], *(name for name in EXAMPLE if name != "object"))
MARKED: dict[str, Any] = {"object": "eventstore.webhooks", "marked": 1}
_MARKED = an_object(MARKED["object"], "marked")


@router.get(
    "",
    summary="List webhooks that were given up",
    responses=documented(a_list(LETTER), page_of(EXAMPLE), 404),
)
def list_dead_letters(
    request: Request,
    access: MayRead,
    queries: ScopedQueries,
    limit: LimitParameter = 20,
    after: AfterLetter = None,
    order: DirectionParameter = "desc",
) -> Response:
    """List webhooks that the app did not take, those that failed last first."""
    deep_objects(request)
    page = queries.dead_letter_page(limit=limit, after=after, order=order)
    return answer(page.as_list() | {"data": [shown_to(access, letter) for letter in page]})


@router.post(
    "/send_again",
    summary="Have all webhooks sent again that were given up",
    responses=documented(_MARKED, MARKED),
)
async def send_all_again(request: Request, access: MaySend) -> Response:
    """Mark all webhooks that the key sees. Whoever sends webhooks sends them within seconds."""
    return await _marked(request, access, None)


@router.post(
    "/{dead_letter_id}/send_again",
    summary="Have a webhook sent again that was given up",
    responses=documented(_MARKED, MARKED, 404),
)
async def send_again(request: Request, access: MaySend, dead_letter_id: str) -> Response:
    """Mark a webhook. Whoever sends webhooks sends it within seconds."""
    return await _marked(request, access, dead_letter_id)


async def _marked(request: Request, access: Access, id_: str | None) -> Response:
    deep_objects(request)
    if "authorization" not in request.headers and not is_own(request):
        raise ApiError(403, "another site's page sends nothing", "other_host")
    marked = await run_in_threadpool(mark_again, request, access, id_)
    return answer({**MARKED, "marked": marked})
