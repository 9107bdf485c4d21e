"""The scores on a session's page: a click on a thumb, or a label, for the session or an answer.

The page's forms are sent here, and lead back to the page. `session.py` shows them to keys with the
right to score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from eventstore.errors import InvalidInputError
from eventstore.realtime.resources.scores import ScoreValue
from eventstore.web.pages.rendering import page
from eventstore.web.server.access import Access
from eventstore.web.server.paths import IdRoute
from eventstore.web.server.requests import MayScore, is_own, stores_of
from eventstore.web.server.scoring import score_session

router = APIRouter(include_in_schema=False, route_class=IdRoute)

#: The names of the scores that the page gives: a thumb up is true, and a label is what is typed.
THUMB, LABEL = "helpful", "label"
_THUMBS: Mapping[str, ScoreValue] = {"up": True, "down": False, "none": None}
_FIELDS = 10


def giver_of(request: Request, access: Access) -> str:
    """Return who gives the scores of a page: the name of the key, or `page` without keys."""
    return access.name if stores_of(request).keys is not None else "page"


def given_by(resources: Iterable[Mapping[str, Any]], giver: str) -> dict[str, dict[str, Any]]:
    """Return the page's scores that somebody gave, by the response's id; "" for the session.

    Args:
        resources: The session, and its responses.
        giver: Who gave them.
    """
    found: dict[str, dict[str, Any]] = {}
    for resource in resources:
        for score in resource["eventstore"].get("scores", ()):
            if score["by"] == giver and score["name"] in (THUMB, LABEL):
                found.setdefault(score["response_id"] or "", {})[score["name"]] = score["value"]
    return found


@router.post("/sessions/{session_id}/scores")
async def give_score(request: Request, access: MayScore, session_id: str) -> Response:
    """Give the score of a form, and lead back to the page. The form must be of this server."""
    if not is_own(request):
        return page(request, "failed.html", 403, title="Forbidden", message="Score on the page.")
    body = (await request.body()).decode("utf-8", "replace")
    told = _told(body)
    told["by"] = giver_of(request, access)
    await run_in_threadpool(score_session, request, access, session_id, told)
    place = told.get("response_id") or ""
    target = f"/sessions/{quote(session_id, safe='')}"
    return RedirectResponse(f"{target}#{quote(place, safe='')}" if place else target, 303)


def _told(body: str) -> dict[str, Any]:
    """Return the score that the fields of a form tell.

    Raises:
        InvalidInputError: The form is none of the page's.
    """
    try:
        form = parse_qs(body, keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError as error:
        raise InvalidInputError("the form has too many fields") from error
    told: dict[str, Any] = {}
    if response := form.get("response", [""])[0]:
        told["response_id"] = response
    if "thumb" in form:
        thumb = form["thumb"][0]
        if thumb not in _THUMBS:
            raise InvalidInputError("a thumb is up, down or none")
        return told | {"name": THUMB, "value": _THUMBS[thumb], "kind": "boolean"}
    label = form.get("label", [""])[0].strip()
    return told | {"name": LABEL, "value": label or None, "kind": "label"}
