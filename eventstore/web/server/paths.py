"""Routes: each takes a place before it works, and ids in paths are any text.

A `/` in an id comes as `%2F`.
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

#: For a slash of an id while routes are looked for: no character, so no id that is kept has it.
_SLASH = "\uffff"
_QUOTED = "%EF%BF%BF"


def routable(scope: Scope) -> Scope:
    """A request whose path is parted at the slashes that part it."""
    raw = scope.get("raw_path", b"").decode("latin-1")
    if "%2f" not in raw.lower():
        return scope
    path = unquote(raw.replace("%2F", _QUOTED).replace("%2f", _QUOTED))
    return {**scope, "path": path}


def places_of(request: Request) -> ServerPlaces:
    """Return the places of the server that answers a request."""
    places: ServerPlaces = request.app.state.places
    return places


def leave_place(request: Request) -> None:
    """Give back the place of a request early, because what is left to do takes another one."""
    place: Place = request.state.place
    place.leave()


class PlacedRoute(APIRoute):
    """A route that takes a place until its answer is ready to be sent."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler, which waits for a place first."""
        handler = super().get_route_handler()

        async def placed(request: Request) -> Response:
            if request.method == "GET":
                places = places_of(request).reading
            else:
                places = places_of(request).writing
                if find_access(request) is not None:  # of others, no body is read
                    await request.body()  # a client that sends slowly holds no place
            request.state.place = await places.take(asker_of(request))
            with request.state.place:
                return await handler(request)

        return placed


class IdRoute(PlacedRoute):
    """A route whose parameters are ids."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is the request's, and the parameters."""
        match, found = super().matches(scope)
        ids: dict[str, str] = found.get("path_params", {})
        if any(_SLASH in str(value) for value in ids.values()):
            whole = {name: value.replace(_SLASH, "/") for name, value in ids.items()}
            found = {**found, "path_params": whole}
        return match, found
