"""The handler of each event type of a Live session. Called by the fold."""

from __future__ import annotations

from eventstore.projection.handlers.session import NOTES
from eventstore.projection.live import context, decisions, delegations, session, speech

HANDLERS = {
    **NOTES,
    **session.HANDLERS,
    **speech.HANDLERS,
    **context.HANDLERS,
    **delegations.HANDLERS,
    **decisions.HANDLERS,
}
