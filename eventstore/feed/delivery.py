"""What a subscription delivers, and what is wanted of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast, get_args

from eventstore.errors import InvalidInputError
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.metadata import Condition, Operator
from eventstore.realtime.values import identifier, mapping, sequence

#: What a subscription can be of.
Of = Literal["events", "responses", "sessions", "endings", "changes"]
#: Where a subscription can begin.
From = Literal["start", "now"]

#: The events that say that a response has finished, of Realtime and of a Live session's backend.
RESPONSE_DONE = "response.done"
BACKEND_EVENT = "response.event"
_BACKEND_DONE = frozenset({"response.completed", "response.failed", "response.incomplete"})


class Delivery(NamedTuple):
    """One thing that a subscription delivers.

    Attributes:
        session_id: The session that it is of.
        seq: The event that it is, or that finished it: the session's last event for a session.
        kind: `event`, `response`, `session`, or `change`: something came to the session.
        event: The event, exactly as it was received; None for other kinds.
        resource: The response or the session, as the verbs `response` and `session` return it; None
            for an event and a change.
    """

    session_id: str
    seq: int
    kind: Literal["event", "response", "session", "change"]
    event: StoredEvent | None = None
    resource: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what is told of it as JSON; of an event, where it is, without the event itself."""
        told = {"session_id": self.session_id, "seq": self.seq, "kind": self.kind}
        return told if self.resource is None else {**told, self.kind: self.resource}


@dataclass(frozen=True)
class Wanted:
    """What a subscription delivers.

    Attributes:
        of: `events`, `responses`, `sessions`, `endings` for both of the latter, or `changes`.
        types: Only events of these types; None for all.
        conditions: Conditions on the session's metadata, all of which must hold.
    """

    of: Of = "events"
    types: tuple[str, ...] | None = None
    conditions: tuple[Condition, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as the store's list of consumers keeps it."""
        types = None if self.types is None else list(self.types)
        return {"of": self.of, "types": types, "metadata": [list(one) for one in self.conditions]}

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Wanted:
        """Return what `as_json` made of it.

        Raises:
            InvalidInputError: Another program has changed it to something else.
        """
        of, types, conditions = told.get("of"), told.get("types"), told.get("metadata")
        check_of(of if isinstance(of, str) else "")
        listed = sequence(types)
        if not all(isinstance(one, str) for one in listed):
            raise InvalidInputError("the types of the subscription are damaged; drop it")
        return cls(
            cast("Of", of),
            None if types is None else tuple(listed),
            tuple(_condition(one) for one in sequence(conditions)),
        )

    def needs_read_models(self) -> bool:
        """Return True if what is delivered is read from read models."""
        return self.of != "events" or bool(self.conditions)

    def event_types(self) -> Sequence[str] | None:
        """Return the types of the events to read; None for all."""
        if self.of == "events":
            return self.types
        return () if self.of in ("sessions", "changes") else (RESPONSE_DONE, BACKEND_EVENT)

    def has(self, metadata: Mapping[str, str]) -> bool:
        """Return True if a session with this metadata is wanted."""
        return all(_holds(one, metadata) for one in self.conditions)


def _condition(told: object) -> Condition:
    if isinstance(told, list) and len(told) == 3 and all(isinstance(one, str) for one in told):
        key, operator, value = told
        if operator in get_args(Operator):
            return Condition(key, operator, value)
    raise InvalidInputError("the conditions of the subscription are damaged; drop it")


def check_of(of: str) -> None:
    """Raise InvalidInputError if a subscription cannot be of this."""
    if of not in get_args(Of):
        raise InvalidInputError(f"of {of!r}: use events, responses, sessions, endings or changes")


def check_from(from_: str) -> None:
    """Raise InvalidInputError if a subscription cannot begin there."""
    if from_ not in get_args(From):
        raise InvalidInputError(f"from_ {from_!r}: use start or now")


def _holds(condition: Condition, metadata: Mapping[str, str]) -> bool:
    value = metadata.get(condition.key)
    if condition.operator == "has":
        return value is not None
    if condition.operator == "=":
        return value == condition.value
    if condition.operator == "!=":
        return value != condition.value
    return value is not None and value.startswith(condition.value)


def finished_response(event: StoredEvent) -> str | None:
    """Return the id of the response that an event finishes, or None if it finishes none."""
    if event.direction != "server":
        return None
    body = event.body
    if event.type == BACKEND_EVENT:
        body = mapping(body.get("event"))
        if body.get("type") not in _BACKEND_DONE:
            return None
    return identifier(mapping(body.get("response")).get("id"))
