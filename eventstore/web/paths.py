"""Ids in paths: any text, `/` too, which comes as `%2F`."""

from __future__ import annotations

from urllib.parse import unquote

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

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


class IdRoute(APIRoute):
    """A route whose parameters are ids."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is the request's, and the parameters."""
        match, found = super().matches(scope)
        ids: dict[str, str] = found.get("path_params", {})
        if any(_SLASH in str(value) for value in ids.values()):
            whole = {name: value.replace(_SLASH, "/") for name, value in ids.items()}
            found = {**found, "path_params": whole}
        return match, found
