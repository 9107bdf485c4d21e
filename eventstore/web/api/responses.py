"""The routes `/v1/realtime/responses`: list and retrieve responses.

The types of query parameters, such as `LimitParameter`, are used by the other routes too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from eventstore.projection.facets import ResponseKind
from eventstore.realtime.resources.dialects import Dialect
from eventstore.store.filters.filters import MAX_LIMIT, Modality, ResponseSort, ResponseStatus
from eventstore.store.queries.pages import Page
from eventstore.web.server.documents import (
    CREATED,
    METADATA,
    a_list,
    an_object,
    answer,
    answer_page,
    documented,
    page_of,
    parameters,
)
from eventstore.web.server.paths import IdRoute
from eventstore.web.server.requests import ScopedQueries, created_range, deep_objects

router = APIRouter(prefix="/v1/realtime", tags=["responses"], route_class=IdRoute)

RESPONSE = an_object("realtime.response", "id", "eventstore")
EXAMPLE: dict[str, Any] = {
    "id": "resp_123",
    "object": "realtime.response",
    "status": "completed",
    "metadata": {"customer": "42"},
    "eventstore": {"session_id": "sess_123"},
}

TextParameter = Annotated[str | None, Query(min_length=1, max_length=512)]
LimitParameter = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Entries of a page.")]
AfterParameter = Annotated[
    str | None, Query(max_length=512, description="`last_id` of the page before.")
]
BeforeParameter = Annotated[
    str | None, Query(max_length=512, description="`first_id` of the page after.")
]
DirectionParameter = Annotated[
    Literal["asc", "desc"], Query(description="The direction of the sort.")
]
IntegerParameter = Annotated[int | None, Query(ge=0, le=2**62)]
DecimalParameter = Annotated[float | None, Query(ge=0, le=1e12, allow_inf_nan=False)]
ScoresParameter = Annotated[
    list[Annotated[str, Field(max_length=256)]] | None,
    Query(
        description="`helpful<0.5`, `helpful>=0.5`, `solved=true`, `topic=refund`, or a name alone;"
        " again: and."
    ),
]
LabelsParameter = Annotated[
    list[Annotated[str, Field(max_length=128)]] | None,
    Query(description="A label that somebody gave; again: and."),
]
# How many times a shorter page is read, see `_ending_with_one_sessions`.
_SHORTER = 10


def given_filters(**filters: Any) -> dict[str, Any]:
    """Return the filters that are not None."""
    return {name: value for name, value in filters.items() if value is not None}


async def response_filters(
    request: Request,
    status: ResponseStatus | None = None,
    reason: Annotated[TextParameter, Query(description="Why it ended, or an error's code.")] = None,
    model: TextParameter = None,
    voice: TextParameter = None,
    modality: Modality | None = None,
    kind: Annotated[
        ResponseKind | None,
        Query(description="Of GPT-Live: spoken by the assistant, or made for a delegation."),
    ] = None,
    conversation: TextParameter = None,
    session: TextParameter = None,
    tool: Annotated[TextParameter, Query(description="Responses that called this tool.")] = None,
    language: Annotated[
        TextParameter, Query(description="Answers to a turn in this language.")
    ] = None,
    min_tokens: IntegerParameter = None,
    min_latency: Annotated[
        DecimalParameter, Query(description="Seconds until its first sound or text.")
    ] = None,
    min_duration: Annotated[DecimalParameter, Query(description="In seconds.")] = None,
    score: ScoresParameter = None,
    label: LabelsParameter = None,
) -> dict[str, Any]:
    """Return the filters of a request, which the routes of responses and usage share."""
    deep = deep_objects(request, "metadata", "created")
    filters = given_filters(
        status=status,
        reason=reason,
        model=model,
        voice=voice,
        modality=modality,
        kind=kind,
        conversation=conversation,
        session=session,
        tool=tool,
        language=language,
        min_tokens=min_tokens,
        min_latency=min_latency,
        min_duration=min_duration,
        score=score,
        label=label,
    )
    return {**filters, "metadata": deep["metadata"], **created_range(deep["created"])}


Filters = Annotated[dict[str, Any], Depends(response_filters)]


@router.get(
    "/responses",
    summary="List responses, newest first",
    responses=documented(
        a_list(RESPONSE),
        page_of(EXAMPLE),
        404,
    ),
    openapi_extra=parameters(METADATA, CREATED),
)
def list_responses(
    queries: ScopedQueries,
    filters: Filters,
    q: Annotated[TextParameter, Query(description='Words said; `"a phrase"`, `pre*`.')] = None,
    dialect: Dialect = "wire",
    sort: Annotated[
        ResponseSort, Query(description="An unknown number counts as the lowest.")
    ] = "created",
    limit: LimitParameter = 20,
    after: AfterParameter = None,
    before: BeforeParameter = None,
    order: DirectionParameter = "desc",
) -> Response:
    """List the responses for which every filter holds.

    A response is also found by the metadata of its session.
    """

    def ask(size: int) -> Page[Any]:
        return queries.responses(
            limit=size,
            after=after,
            before=before,
            order=order,
            sort=sort,
            dialect=dialect,
            text=q,
            **filters,
        )

    return answer_page(_ending_with_one_sessions(ask, limit, backwards=before is not None))


def _ending_with_one_sessions(
    ask: Callable[[int], Page[Any]], limit: int, backwards: bool
) -> Page[Any]:
    """Return a page that ends with a response whose id no other session has.

    OpenAI's clients send the id of the last entry, not `last_id`, to get the next page. So that id
    must name one response. A page is made shorter until it does.

    Args:
        ask: Returns a page of at most so many entries.
        limit: How many entries the page may have.
        backwards: The client goes on from the first entry, not from the last one.
    """
    whole = page = ask(limit)
    for _ in range(_SHORTER):
        end, cursor = (0, page.first_id) if backwards else (-1, page.last_id)
        if not page.has_more or cursor == page.data[end]["id"]:
            return page
        if len(page.data) == 1:
            break
        page = ask(len(page.data) - 1)
    return whole


@router.get(
    "/responses/{response_id}",
    summary="Retrieve a response",
    responses=documented(RESPONSE, EXAMPLE, 404),
)
def read_response(
    request: Request,
    queries: ScopedQueries,
    response_id: str,
    session: Annotated[
        TextParameter, Query(description="Which session, where several have this id.")
    ] = None,
    dialect: Dialect = "wire",
) -> Response:
    """Return the `realtime.response` resource; what the store adds is under `eventstore`."""
    deep_objects(request)
    return answer(queries.response(response_id, session, dialect))
