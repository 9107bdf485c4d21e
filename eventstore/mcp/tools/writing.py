"""The tools that write, where that is allowed: scores and metadata. Nothing erases.

Called by registry.py.
"""

from __future__ import annotations

from typing import Any

from eventstore.errors import InvalidInputError
from eventstore.mcp.answers import Answer
from eventstore.mcp.asking import Asker
from eventstore.mcp.tools.arguments import GiveScore, SetMetadata
from eventstore.mcp.tools.finding import given
from eventstore.realtime.metadata import check_metadata
from eventstore.verbs.scores import frame_of_score
from eventstore.web.server.requests import scoped


def give_score(asker: Asker, arguments: GiveScore) -> Answer:
    """Note a score in a session's log, and return it."""
    told: dict[str, Any] = given(arguments, "session_id")
    frame_of_score(**told)  # a wrong score is told before it is looked for what it is of
    store = asker.service.stores.writing
    scoped(store, asker.access).last_seq(arguments.session_id)
    return Answer(data=dict(store.score(arguments.session_id, **told)))


def set_metadata(asker: Asker, arguments: SetMetadata) -> Answer:
    """Note metadata in the log of a session that is there, and return all of its pairs."""
    pairs = check_metadata(arguments.metadata)
    scope = asker.access.scope
    if scope is not None and pairs.get(scope.key, scope.value) != scope.value:
        raise InvalidInputError(f"{scope.key} says whose the session is, and stays {scope.value}")
    store = asker.service.stores.writing
    seen = scoped(store, asker.access)
    seen.last_seq(arguments.session_id)
    store.set_metadata(arguments.session_id, pairs)
    session = seen.session(arguments.session_id)
    return Answer(
        data={
            "session_id": arguments.session_id,
            "metadata": session["eventstore"]["metadata"],
        }
    )
