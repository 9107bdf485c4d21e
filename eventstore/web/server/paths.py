"""Route classes of the API and the pages: they wait for a place, and allow any text as an id.

A `/` in an id arrives as `%2F`, which must not separate parts of the path.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import unquote

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from eventstore.web.server.places import Place, ServerPlaces
from eventstore.web.server.requests import asker_of, find_access

#: Stands for a slash in an id while a route is matched. It is no character, so no id contains it.
_SLASH = "\uffff"
_QUOTED = "%EF%BF%BF"


def routable(scope: Scope) -> Scope:
    """Return an ASGI scope whose path has a stand-in for each `%2F`, so that routes match."""
    raw = scope.get("raw_path", b"").decode("latin-1")
    if "%2f" not in raw.lower():
        return scope
    path = unquote(raw.replace("%2F", _QUOTED).replace("%2f", _QUOTED))
    return {**scope, "path": path}


def places_of(request: Request) -> ServerPlaces:
    """Return the places of the server that received a request."""
    places: ServerPlaces = request.app.state.places
    return places


def leave_place(request: Request) -> None:
    """Release a request's place early, because the rest of its work takes another kind of place."""
    place: Place = request.state.place
    place.leave()


class PlacedRoute(APIRoute):
    """A route that holds a place until its response is ready to be sent."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler, with a step before it that waits for a place."""
        handler = super().get_route_handler()

        async def placed(request: Request) -> Response:
            if request.method == "GET":
                places = places_of(request).reading
            else:
                places = places_of(request).writing
                if find_access(request) is not None:  # without a key, the body is not read
                    await request.body()  # so a client that sends slowly holds no place
            request.state.place = await places.take(asker_of(request))
            with request.state.place:
                return await handler(request)

        return placed


class IdRoute(PlacedRoute):
    """A route whose path parameters are ids, which may contain slashes."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the route matches a request, and the parameters with their slashes."""
        match, found = super().matches(scope)
        ids: dict[str, str] = found.get("path_params", {})
        if any(_SLASH in str(value) for value in ids.values()):
            whole = {name: value.replace(_SLASH, "/") for name, value in ids.items()}
            found = {**found, "path_params": whole}
        return match, found
