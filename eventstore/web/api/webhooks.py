"""The route that takes OpenAI's webhooks, and the application of `eventstore calls` with it.

A webhook has a signature. So it needs no API key, and may come by any host name, as it does through
a tunnel. Called by `web/app.py` and by the command `calls` (cli/commands/serve/calling.py).
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, FastAPI, Request, Response

from eventstore.capture.calls.call_recordings import TooManyCallsError
from eventstore.capture.calls.incoming_calls import IncomingCalls
from eventstore.capture.calls.webhooks import MAX_WEBHOOK_BYTES, BadWebhookError
from eventstore.web.server.errors import ApiError, add_error_handlers
from eventstore.web.server.guard import Guard
from eventstore.web.server.health import ResponseCounts

#: The path to which webhooks are sent.
WEBHOOK_PATH = "/v1/webhooks/openai"
# Seconds after which a webhook may be sent again, if too many calls are recorded now.
_LATER = 10

router = APIRouter(include_in_schema=False)


@router.post(WEBHOOK_PATH)
async def take_webhook(request: Request) -> Response:
    """Take a webhook, and answer it before the recording of its call begins."""
    calls: IncomingCalls = request.app.state.incoming_calls
    body = await _body(request)
    try:
        calls.receive(request.headers, body)
    except BadWebhookError as error:
        raise ApiError(400, f"the webhook is refused: {error}", "invalid_webhook") from error
    except TooManyCallsError as error:
        later = {"Retry-After": str(_LATER)}
        raise ApiError(503, "too many calls at once", "too_many_calls", None, later) from error
    return Response(status_code=204)


async def _body(request: Request) -> bytes:
    """Return the body of a webhook, and refuse it as soon as it is too large."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_WEBHOOK_BYTES:
            message = f"a webhook has at most {MAX_WEBHOOK_BYTES:,} bytes"
            raise ApiError(413, message, "too_large")
    return body


def make_webhook_app(calls: IncomingCalls, health: Callable[[], bytes]) -> FastAPI:
    """Return an application that takes webhooks, and shows its health at `/healthz`.

    Args:
        calls: Records the calls that the webhooks announce.
        health: Returns the health as JSON.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.incoming_calls, app.state.stopping = calls, False
    app.include_router(router)
    add_error_handlers(app)
    app.add_middleware(
        Guard,
        counts=ResponseCounts(),
        body_bytes=MAX_WEBHOOK_BYTES,
        loopback_only=False,
        open_path=WEBHOOK_PATH,
    )

    @app.get("/healthz")
    async def tell_health() -> Response:
        return Response(health(), media_type="application/json")

    return app
