"""The list of all views, in the order in which `eventstore sql --views` shows them."""

from __future__ import annotations

from typing import Any

from eventstore.store.database.views.item_views import EVENTS, ITEMS, SCORES
from eventstore.store.database.views.response_views import RESPONSE_METADATA, RESPONSES, USAGE
from eventstore.store.database.views.session_views import SESSION_METADATA, SESSIONS
from eventstore.store.database.views.view import View

VIEWS: tuple[View, ...] = (
    SESSIONS,
    RESPONSES,
    ITEMS,
    USAGE,
    EVENTS,
    SCORES,
    SESSION_METADATA,
    RESPONSE_METADATA,
)


def described_views() -> list[dict[str, Any]]:
    """Return each view with its columns, as plain data."""
    return [
        {
            "name": view.name,
            "about": view.about,
            "columns": [
                {"name": one.name, "kind": one.kind, "about": one.about} for one in view.columns
            ],
        }
        for view in VIEWS
    ]
