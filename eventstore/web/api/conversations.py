"""The routes `/v1/conversations/…`: a call's items in the shape of OpenAI's Conversations API.

OpenAI's own client libraries can read these routes.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from eventstore.errors import NotFoundError
from eventstore.realtime.masking.mask import mask_value
from eventstore.realtime.resources.conversation_items import conversation_item
from eventstore.times import parse_time
from eventstore.web.api.responses import (
    AfterParameter,
    DirectionParameter,
    LimitParameter,
    TextParameter,
)
from eventstore.web.server.documents import (
    a_list,
    an_object,
    answer,
    answer_page,
    documented,
    page_of,
)
from eventstore.web.server.errors import ApiError
from eventstore.web.server.paths import IdRoute
from eventstore.web.server.requests import ScopedQueries, deep_objects

router = APIRouter(prefix="/v1/conversations", tags=["conversations"], route_class=IdRoute)

ITEM: dict[str, Any] = {
    "type": "object",
    "required": ["id", "type"],
    "properties": {"id": {"type": "string"}, "type": {"type": "string"}},
}
EXAMPLE = {
    "id": "item_123",
    "type": "message",
    "status": "completed",
    "role": "user",
    "content": [{"type": "input_text", "text": "Where is my order?"}],
}
Session = Annotated[
    TextParameter, Query(description="Which session, where several have the conversation.")
]


@router.get(
    "/{conversation_id}",
    summary="Retrieve a conversation",
    responses=documented(
        an_object("conversation", "id", "created_at", "metadata"),
        {
            "id": "conv_123",
            "object": "conversation",
            "created_at": 1777887000,
            "metadata": {"customer": "42"},
        },
        404,
    ),
)
def read_conversation(
    request: Request, queries: ScopedQueries, conversation_id: str, session: Session = None
) -> Response:
    """Return a conversation with the metadata and the beginning of its session."""
    deep_objects(request)
    session_id = queries.conversation_session(conversation_id, session)
    notes = queries.session(session_id)["eventstore"]
    created_at = (parse_time(notes["opened_at"]) or 0) // 1_000_000
    return answer(
        {
            "id": conversation_id,
            "object": "conversation",
            "created_at": created_at,
            "metadata": mask_value(queries.metadata(session_id)),
            "eventstore": {"session_id": session_id},
        }
    )


@router.get(
    "/{conversation_id}/items",
    summary="List a conversation's items",
    responses=documented(
        a_list(ITEM),
        page_of(EXAMPLE),
        404,
    ),
)
def list_items(
    request: Request,
    queries: ScopedQueries,
    conversation_id: str,
    session: Session = None,
    include: Annotated[list[str] | None, Query(alias="include[]")] = None,
    limit: LimitParameter = 20,
    after: AfterParameter = None,
    order: DirectionParameter = "desc",
) -> Response:
    """List items. Speech is shown as its transcript; `eventstore` has the item of Realtime."""
    deep_objects(request)
    try:
        page = queries.conversation_items(
            conversation_id, session, limit=limit, after=after, order=order
        )
    except NotFoundError as error:
        if after is None:
            raise
        queries.conversation_session(conversation_id, session)  # raises if there is no conversation
        raise ApiError(404, f"no item {after}", "not_found", "after") from error
    return answer_page(page.with_data([conversation_item(item) for item in page]))


@router.get(
    "/{conversation_id}/items/{item_id}",
    summary="Retrieve a conversation's item",
    responses=documented(ITEM, EXAMPLE, 404),
)
def read_item(
    request: Request,
    queries: ScopedQueries,
    conversation_id: str,
    item_id: str,
    session: Session = None,
) -> Response:
    """Return one item of a conversation, in the same shape as in the list."""
    deep_objects(request)
    return answer(conversation_item(queries.conversation_item(conversation_id, item_id, session)))
