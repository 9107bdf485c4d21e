"""Builds the FastAPI application of a store: routes, middleware, and the OpenAPI document.

Called by the command `serve` (cli/commands/serve/services.py) and by `web/in_thread.py`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import FastAPI, Request, Response

from eventstore.capture.calls.incoming_calls import IncomingCalls
from eventstore.common.version import VERSION
from eventstore.feed.changes import Changes
from eventstore.web.api import (
    audio,
    conversations,
    dead_letters,
    events,
    feed,
    live,
    playback,
    responses,
    scores,
    sessions,
    suggestions,
    usage,
    webhooks,
)
from eventstore.web.pages import response_list, session, session_list, sign_in
from eventstore.web.pages import scores as page_scores
from eventstore.web.pages import usage as usage_page
from eventstore.web.pages import webhooks as page_webhooks
from eventstore.web.pages.assets import Assets
from eventstore.web.pages.failed import failed_page
from eventstore.web.server import health
from eventstore.web.server.documents import answer
from eventstore.web.server.errors import add_error_handlers
from eventstore.web.server.guard import Guard
from eventstore.web.server.places import server_places
from eventstore.web.server.requests import Stores
from eventstore.web.server.sign_ins import SignIns
from eventstore.web.sound.sound_cache import SoundCache

_API = (
    responses,
    usage,
    scores,
    sessions,
    live,
    feed,
    events,
    audio,
    playback,
    conversations,
    suggestions,
    dead_letters,
    health,
)
_PAGES = (session_list, session, page_scores, response_list, usage_page, page_webhooks, sign_in)
MAX_BODY_BYTES = 16 * 1024 * 1024
DOCUMENT = "/v1/openapi.json"

_DESCRIPTION = (
    "Realtime sessions and responses: list them by metadata, read them, listen to them, append to"
    " them. Lists and errors are in OpenAI's shapes; what the store adds is under `eventstore`."
)


def make_app(
    stores: Stores,
    body_bytes: int = MAX_BODY_BYTES,
    replay_url: str | None = None,
    incoming_calls: IncomingCalls | None = None,
) -> FastAPI:
    """Return the application that serves a store's API and pages.

    Args:
        stores: The store, opened for reading and for writing, and the API keys.
        body_bytes: How many bytes the body of a request may have.
        replay_url: The URL of the replay server that runs in the same process, such as
            `ws://127.0.0.1:8765/v1/realtime`; None if none runs.
        incoming_calls: Records the calls that OpenAI's webhooks announce; None if the application
            has no route for webhooks.
    """
    app = FastAPI(
        title="Realtime event store",
        version=VERSION,
        description=_DESCRIPTION,
        openapi_url=None,
        docs_url=None,  # FastAPI's page of documentation loads scripts from another host
        redoc_url=None,
    )
    app.state.stores = stores
    app.state.replay_url = replay_url
    app.state.stopping = False
    app.state.counts = health.ResponseCounts()
    app.state.store_numbers = health.StoreNumbers()
    app.state.readiness = health.Readiness()
    app.state.places = server_places()
    app.state.sounds = SoundCache(stores.reading.engine, app.state.places.sound)
    app.state.sign_ins = SignIns()
    app.state.changes = Changes(stores.writing.engine)
    app.state.failed_page = failed_page
    for module in (*_API, *_PAGES):
        app.include_router(module.router)
    if incoming_calls is not None:
        app.state.incoming_calls = incoming_calls
        app.include_router(webhooks.router)
    app.mount("/static", Assets())
    add_error_handlers(app)
    app.add_middleware(
        Guard,
        counts=app.state.counts,
        body_bytes=body_bytes,
        loopback_only=stores.keys is None,
        open_path=None if incoming_calls is None else webhooks.WEBHOOK_PATH,
    )

    @cache
    def document() -> bytes:
        return bytes(answer(openapi(app, stores.keys is not None)).body)

    @app.get(DOCUMENT, include_in_schema=False)
    def read_document(_: Request) -> Response:
        # It takes a tenth of a second to make, and few ask for it.
        return Response(document(), media_type="application/json")

    return app


def openapi(app: FastAPI, with_keys: bool) -> dict[str, Any]:
    """Return the application's OpenAPI document.

    Args:
        app: The application, with all of its routes.
        with_keys: The document says that every request needs an API key.
    """
    document = app.openapi()
    components = document.setdefault("components", {})
    if with_keys:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    # FastAPI documents 422 for invalid input; this API answers 400, in OpenAI's shape.
    components.pop("schemas", None)
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            if with_keys:
                operation["security"] = [{"key": []}]
    return document
