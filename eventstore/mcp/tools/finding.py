"""The tools that find: sessions, responses, and which metadata there are. Called by registry.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eventstore.mcp.answers import Answer, Json
from eventstore.mcp.asking import Asker
from eventstore.mcp.bounds import fitting, that_fit
from eventstore.mcp.tools.arguments import Arguments, FindResponses, FindSessions, ListMetadata
from eventstore.mcp.tools.briefs import response_brief, session_brief
from eventstore.store.queries.pages import Page


def given(arguments: Arguments, *left_out: str) -> dict[str, Any]:
    """Return the arguments that were given, as the verbs take them."""
    return arguments.model_dump(exclude_none=True, exclude=set(left_out))


def find_sessions(asker: Asker, arguments: FindSessions) -> Answer:
    """Return a page of sessions."""
    filters = given(arguments, "limit")

    def ask(limit: int) -> Page[Any]:
        return asker.queries.sessions(limit=limit, summary=True, **filters)

    return Answer(data=_page(ask, arguments.limit, session_brief))


def find_responses(asker: Asker, arguments: FindResponses) -> Answer:
    """Return a page of responses."""
    filters = given(arguments, "limit")

    def ask(limit: int) -> Page[Any]:
        return asker.queries.responses(limit=limit, **filters)

    return Answer(data=_page(ask, arguments.limit, response_brief))


def _page(ask: Callable[[int], Page[Any]], limit: int, brief: Callable[[Any], Json]) -> Json:
    """Return a page as an object. It is asked for again with a lower limit if it is too large."""
    page = ask(limit)
    data = that_fit([fitting(brief(entry)) for entry in page.data])
    if len(data) < len(page.data):
        page = ask(len(data))  # so that the page has the cursor of its own last entry
        data = that_fit([fitting(brief(entry)) for entry in page.data])
    return {
        "data": data,
        "has_more": page.has_more,
        "next": page.last_id if page.has_more else None,
    }


def list_metadata(asker: Asker, arguments: ListMetadata) -> Answer:
    """Return the keys of metadata and the models, or the values of one key."""
    queries, prefix, limit = asker.queries, arguments.prefix, arguments.limit
    if arguments.key is not None:
        values = queries.metadata_values(arguments.key, prefix, limit)
        return Answer(data={"key": arguments.key, "values": that_fit(values)})
    found: Json = {"keys": that_fit(queries.metadata_keys(prefix, limit))}
    if not prefix:
        found["models"] = that_fit(queries.models()[:limit], 8_000)
    return Answer(data=found)
