"""Mark webhooks to be sent again on behalf of a request, and show them to a key.

Called by `web/api/dead_letters.py` and `web/pages/webhooks.py`.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from fastapi import Request

from eventstore.feed.webhooks.dead_letters import DeadLetter
from eventstore.web.server.access import Access
from eventstore.web.server.requests import scoped, stores_of

#: How many webhooks a tenant's request marks at most.
_MOST = 10_000


def shown_to(access: Access, letter: DeadLetter) -> dict[str, Any]:
    """Return a webhook as a key sees it; a tenant does not see where webhooks go."""
    shown = letter.as_json()
    return shown if access.scope is None else {**shown, "to": None}


def mark_again(request: Request, access: Access, id_: str | None) -> int:
    """Mark a webhook to be sent again, or all that a key may see, and return how many were marked.

    Args:
        request: The request; the store of its application is written to.
        access: What the request's key may do.
        id_: The webhook's id; None for all.

    Raises:
        NotFoundError: There is no such webhook, or not for this key.
    """
    store = stores_of(request).writing
    seen = scoped(store, access)
    if id_ is not None:
        return store.send_again(seen.dead_letter(id_).id)
    if access.scope is None:
        return store.send_again()
    letters = islice(seen.dead_letter_page(limit=100).iter_all(), _MOST)
    return store.send_again([letter.id for letter in letters if letter.again_at is None])
