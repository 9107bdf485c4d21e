"""Error responses in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`.

`add_error_handlers` gives an application its handlers of errors. Routes raise `ApiError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match

from eventstore.errors import (
    AmbiguousError,
    ConflictError,
    DamagedError,
    DatabaseUnavailableError,
    ErasedError,
    ErasedMeanwhileError,
    EventStoreError,
    InvalidInputError,
    MissingKeyError,
    NotFoundError,
    TimeLimitError,
)
from eventstore.realtime.masking.mask import mask_words
from eventstore.realtime.values import dumps

#: The HTTP status and the code of each error of the store. The first class that fits counts.
_KINDS: tuple[tuple[type[EventStoreError], int, str], ...] = (
    (NotFoundError, 404, "not_found"),
    (ErasedError, 410, "erased"),
    (ErasedMeanwhileError, 503, "changed"),
    (ConflictError, 409, "conflict"),
    (AmbiguousError, 400, "ambiguous_id"),
    (InvalidInputError, 400, "invalid_value"),
    (DamagedError, 500, "damaged"),
    (TimeLimitError, 503, "time_limit"),
    (MissingKeyError, 503, "missing_key"),
    (DatabaseUnavailableError, 503, "database_unavailable"),
    (EventStoreError, 500, "server_error"),
)
#: Messages that replace those with paths, hosts or SQL, which only the server's operator may read.
_NO_KEY = "what is asked for is encrypted, and the server has not its key"
PRIVATE = {503: "the database cannot be reached; try again", 500: "the server failed"}

ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}

#: The beginnings of paths that programs request. All other paths are pages.
_PROGRAMS = ("/v1/", "/static/", "/healthz", "/readyz", "/metrics")


class ApiError(Exception):
    """The request is refused with an HTTP error.

    Attributes:
        status: the HTTP status.
        code: a fixed word that names the error, for programs.
        param: the name of the parameter that is wrong; None if it is none.
        headers: more headers of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.headers = headers or {}


def error_body(status: int, message: str, code: str | None, param: str | None = None) -> bytes:
    """Return the body of an error response, with secrets in the message masked."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": mask_words(message), "type": kind, "param": param, "code": code}
    return dumps({"error": error}).encode("utf-8", "replace")


def error_response(
    status: int, message: str, code: str | None, param: str | None = None
) -> Response:
    """Return an error response in OpenAI's shape."""
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    body = error_body(status, message, code, param)
    return Response(body, status, headers, "application/json")


def failure(
    request: Request, status: int, message: str, code: str | None, param: str | None = None
) -> Response:
    """Return an error response: in OpenAI's shape for programs, as a page for people."""
    # This module may not import the pages, so the application hands in their function.
    failed_page = getattr(request.app.state, "failed_page", None)
    if failed_page is not None and not request.url.path.startswith(_PROGRAMS):
        shown: Response = failed_page(request, status, mask_words(message))
        return shown
    return error_response(status, message, code, param)


def _allowed(app: FastAPI, request: Request) -> list[str]:
    """Return the HTTP methods of a path. Several routes can have the same path."""
    fitting = (
        route
        for route in flat_routes(app.routes)
        if route.matches(request.scope)[0] is not Match.NONE
    )
    return sorted({method for route in fitting for method in getattr(route, "methods", None) or ()})


def flat_routes(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Yield every route of an application, also the routes of its included routers.

    FastAPI keeps an included router as one route, which holds the router.
    """
    for route in routes:
        router = getattr(route, "original_router", None)
        if router is None:
            yield route
        else:
            yield from flat_routes(router.routes)


def shown_error(error: EventStoreError) -> tuple[int, str, str]:
    """Return an error of the store as an asker may see it: HTTP status, code and message."""
    status, code = next(kind[1:] for kind in _KINDS if isinstance(error, kind[0]))
    message = str(error)
    if isinstance(error, DamagedError):
        message = _damage(error)
    elif isinstance(error, MissingKeyError):
        message = _NO_KEY  # trying again is of no use
    elif status in PRIVATE and not isinstance(error, TimeLimitError | ErasedMeanwhileError):
        message = PRIVATE[status]
    return status, code, message


def _damage(error: DamagedError) -> str:
    """Return a message that leaves out the exact problem, which may name files of the server."""
    events = f"events {error.first_seq} to {error.last_seq}"
    return (
        f"session {error.session_id}: {events} cannot be read;"
        f" on the server, this says why: eventstore verify {error.session_id}"
    )


def add_error_handlers(app: FastAPI) -> None:
    """Let an application answer every error in one shape, without details of the server.

    The handlers are asynchronous, so they need no thread: an error is answered at any load.
    """

    @app.exception_handler(EventStoreError)
    async def of_store(request: Request, error: EventStoreError) -> Response:
        status, code, message = shown_error(error)
        return failure(request, status, message, code)

    @app.exception_handler(ApiError)
    async def of_api(request: Request, error: ApiError) -> Response:
        answer = failure(request, error.status, str(error), error.code, error.param)
        answer.headers.update(error.headers)
        return answer

    @app.exception_handler(RequestValidationError)
    async def of_input(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"][1:]) or None
        # A ValueError's message is our own, and pydantic puts its words before it.
        message = f"{param or 'the body'}: {first['msg'].removeprefix('Value error, ')}"
        return failure(request, 400, message, "invalid_value", param)

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        answer = failure(request, error.status_code, str(error.detail), None)
        answer.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = ", ".join(_allowed(app, request))
        return answer
