"""What the state of a GPT-Live session has besides that of a Realtime session.

`SessionState.live` has a `LiveState`; its items and responses have a `LiveItem` and a
`LiveResponse`. The handlers in projection/live change them, and projection/views shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from eventstore.projection.content import AudioSpan
from eventstore.projection.facets import ResponseKind
from eventstore.projection.pending import Pending

Speaker = Literal["user", "assistant"]
#: What an app tells the model during the call.
ContextKind = Literal["instructions", "thinking", "commentary"]
#: `speech` was said, `history` was told before the start, `context` is what an app told the model
#: during the call, `work` is of a delegation, and `backend` is what a backend read or wrote.
ItemKind = Literal["speech", "history", "context", "work", "backend"]

# Limits of what a session keeps, so that hostile events cannot fill the memory.
MAX_PARTS = 1000  # answers and responses of one delegation
MAX_MOMENTS = 1000  # mutes, pauses and steps of the transport
MAX_KEYS = 1000  # that the app pressed
MAX_TARGETS = 10  # of delegations, that are counted by their names


@dataclass(slots=True)
class LiveItem:
    """What an item of a Live session has besides that of a Realtime session.

    Attributes:
        kind: What it is an item of.
        start_ms, end_ms: Where it lies on the session's timeline; None if no event told it.
        fragments: Of how many fragments of a transcript it consists.
        last_seq, last_at: The event of its last fragment.
        backchannel: True for a short word of a speaker while the other one goes on.
        context: What an app told the model with it; None for other kinds.
        delegation_id: The delegation that it belongs to, or answers.
    """

    kind: ItemKind
    start_ms: int | None = None
    end_ms: int | None = None
    fragments: int = 0
    last_seq: int = 0
    last_at: int | None = None
    backchannel: bool = False
    context: ContextKind | None = None
    delegation_id: str | None = None

    def length_ms(self) -> int | None:
        """Return how long it lasts on the session's timeline, or None if that is unknown."""
        if self.start_ms is None or self.end_ms is None:
            return None
        return self.end_ms - self.start_ms


@dataclass(slots=True)
class LiveResponse:
    """What a response in a Live session has besides that of a Realtime session.

    Attributes:
        spoken: The id of the item that the assistant said; None for a delegated response.
        delegation_id: The delegation whose backend made it, if an event told it.
    """

    spoken: str | None = None
    delegation_id: str | None = None

    @property
    def kind(self) -> ResponseKind:
        """Return `spoken` if the assistant said it, and `delegated` if a backend made it."""
        return "delegated" if self.spoken is None else "spoken"


@dataclass(slots=True)
class Delegation:
    """Work that the model gave to an app, to a backend of the Responses API, or to Decisions.

    Attributes:
        id: Its id, which is the id of its item as well.
        target: Who does the work: `client`, `responses` or `decisions`.
        offset_ms: Where it began on the session's timeline.
        asked: The id of what the user said before it.
        answers: The ids of the items that answered it.
        responses: The ids of the responses of its backend.
        done_seq, done_at: The event that ended it until now.
    """

    id: str
    target: str
    seq: int
    at: int | None
    offset_ms: int | None
    asked: str | None
    answers: dict[str, None] = field(default_factory=dict)
    responses: dict[str, None] = field(default_factory=dict)
    done_seq: int | None = None
    done_at: int | None = None


@dataclass(slots=True)
class Moment:
    """A mute, a pause, or a step of the transport: what happened, and when."""

    what: str
    seq: int
    at: int | None


@dataclass(slots=True)
class LiveState:
    """What only the state of a Live session has.

    Attributes:
        started_at: When the server said that the session has started, which is the timeline's zero.
        saying: The id of the item that each speaker said last.
        heard: The id of what the user said last, until the assistant says something.
        appends: The ids of the items that an app wants to append, until the server answers.
        delegations: By id, in order.
        targets: How many delegations each target has.
        open_for_client: The ids of delegations that no app has answered yet.
        backend: The id of the response that a backend makes now, by the id of the delegation.
        decisions: How many decisions had each name (see `live/decisions.py`).
        backend_calls: The id of the delegation for which a backend calls a tool, by the call's id,
            until the app has given the output.
        moments: Mutes, pauses, steps of the transport and prepared sounds, in order.
        muted, paused: True from the mute or pause to its end.
        transport: The last step of the call's setup: `ringing`, `answered` or `failed`.
        sent_keys: The keys (DTMF) that the app pressed.
        context_usage: The share of the context window that was used last.
        output: Where the model's audio is in the log.
    """

    started_at: int | None = None
    saying: dict[Speaker, str] = field(default_factory=dict)
    heard: str | None = None
    appends: Pending[str] = field(default_factory=Pending)
    delegations: dict[str, Delegation] = field(default_factory=dict)
    targets: dict[str, int] = field(default_factory=dict)
    open_for_client: dict[str, None] = field(default_factory=dict)
    backend: dict[str, str] = field(default_factory=dict)
    backend_calls: dict[str, str] = field(default_factory=dict)
    decisions: dict[str, int] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    muted: bool = False
    paused: bool = False
    transport: str | None = None
    sent_keys: list[str] = field(default_factory=list)
    context_usage: float | None = None
    output: AudioSpan | None = None
