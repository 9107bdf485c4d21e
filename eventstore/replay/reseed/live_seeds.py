"""Make of each item of a GPT-Live session the item that rebuilds it in a new session.

The items are in the shape of Realtime, as those of item_seeds.py. What an app or a backend told the
model becomes a note, which says who told it. Called by reseed.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventstore.projection.live_state import ContextKind, LiveItem
from eventstore.projection.session_names import is_sideband
from eventstore.projection.state import Item, SessionState
from eventstore.projection.views import resources
from eventstore.realtime.values import dumps, mapping, number, sequence, text
from eventstore.replay.reseed.item_seeds import (
    Seed,
    SeedOptions,
    assistant_seed,
    call_seed,
    input_text,
    mcp_seed,
    message,
    noted,
    output_seed,
)

Json = dict[str, Any]

#: How a note begins that has what an app told the model during the call. Instructions stay as they
#: are, since they are meant for the model of the new session as well.
_TOLD: Mapping[ContextKind, str] = {
    "instructions": "",
    "thinking": "The app told the assistant, not to be said aloud: ",
    "commentary": "The app gave the assistant to say: ",
}


#: Why the log does not hold a text that an app gave to the model.
_SENT_ELSEWHERE = "another connection sent it"
_NO_CLIENT = "the client's side was not recorded"


def live_seed(state: SessionState, item: Item, options: SeedOptions) -> Seed | None:
    """Return what becomes of an item of a Live session, or None if it has nothing to tell."""
    live = item.live
    if live is None:
        return Seed(item.id, None, ("an item that is not of a Live session",))
    if live.kind == "speech":
        return _speech_seed(state, item, live, options)
    if live.kind == "history":
        return _history_seed(item, options)
    if live.kind == "context":
        return _context_seed(item, live, options)
    if live.kind == "work":
        return _work_seed(state, item)
    return _backend_seed(state, item)


def _speech_seed(state: SessionState, item: Item, live: LiveItem, options: SeedOptions) -> Seed:
    if live.backchannel:
        return Seed(item.id, None, ("a short word while the other one spoke",))
    if item.wire.get("role") == "assistant":
        return assistant_seed(state, item, options)
    return _of_words(item, "user", resources.item_text(item))


def _history_seed(item: Item, options: SeedOptions) -> Seed:
    role, said = item.wire.get("role"), resources.item_text(item)
    if role == "assistant" and options.assistant_as == "text" and said.strip():
        part = {"type": "output_text" if options.dialect == "ga" else "text", "text": said}
        return Seed(item.id, message("assistant", [part]))
    if role == "assistant":
        return _of_words(item, "system", said, "The assistant said: ")
    return _of_words(item, "user" if role == "user" else "system", said)


def _of_words(item: Item, role: str, said: str, before: str = "") -> Seed:
    if not said.strip():
        return Seed(item.id, None, ("it says nothing",))
    return Seed(item.id, message(role, [input_text(before + said.strip())]))


def has_client(state: SessionState) -> bool:
    """Return False if only the server's side of a Live session was recorded.

    The client of a sideband need not send anything. Of any other connection, the client's side has
    `session.start`, or what the app told the model.
    """
    if state.requested or is_sideband(state.notes):
        return True
    items = state.items.values()
    return any(one.live and one.live.kind == "context" and one.parts for one in items)


def _context_seed(item: Item, live: LiveItem, options: SeedOptions) -> Seed:
    if item.wire.get("status") == "incomplete":
        return Seed(item.id, None, ("the server refused it",))
    said = resources.item_text(item)
    if not said.strip():
        why = _SENT_ELSEWHERE if options.has_client else _NO_CLIENT
        return Seed(item.id, None, (f"the log does not hold its text: {why}",))
    return _of_words(item, "system", said, _TOLD[live.context or "instructions"])


def _work_seed(state: SessionState, item: Item) -> Seed | None:
    if item.wire.get("type") == "decision":
        answers = [mapping(answer) for answer in sequence(item.wire.get("answers"))]
        told = ", ".join(filter(None, map(_answer, answers)))
        if not told:
            return Seed(item.id, None, ("a decision without answers",))
        return Seed(item.id, noted(f"A decision about the conversation: {told}"))
    delegation = state.live.delegations.get(item.id) if state.live is not None else None
    if delegation is not None and delegation.done_seq is None:
        return Seed(item.id, None, ("a delegation that nobody answered: start its work again",))
    return None  # Its answers are items of their own.


def _answer(answer: Json) -> str | None:
    """Return an answer as words, such as `is_urgent: true`, or None if it has none."""
    name = text(answer.get("name")) or text(answer.get("type")) or "answer"
    if answer.get("type") == "refusal":
        return f"{name}: refused"
    chosen = answer.get("choice")
    if isinstance(chosen, str | bool):
        return f"{name}: {chosen if isinstance(chosen, str) else dumps(chosen)}"
    for member in ("score", "probability"):
        if (found := number(answer.get(member))) is not None:
            return f"{name}: {member} {found:g}"
    return None


def _backend_seed(state: SessionState, item: Item) -> Seed:
    resource = resources.item_resource(state, item)
    kind = text(resource.get("type")) or ""
    if kind == "function_call":
        return call_seed(item, resource)
    if kind == "function_call_output":
        return output_seed(item, resource)
    if kind == "mcp_call":
        return mcp_seed(item, resource)
    if kind != "message":
        return Seed(item.id, None, (f"an item of the backend ({kind or 'null'})",))
    is_answer = item.response_id is not None or resource.get("role") == "assistant"
    before = "The backend told the assistant: " if is_answer else "The app told the backend: "
    return _of_words(item, "system", resources.item_text(item), before)
