"""The marks that say which rows of a session's read models must be written again.

The handlers of the fold set the marks. store/readmodels/write_read_models.py writes the marked
rows. A class of state.py, `SessionState`, holds the marks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from eventstore.realtime.resources.scores import ScoreTarget


@dataclass(slots=True)
class Dirty:
    """The parts of a state that changed since the read models were last written.

    Attributes:
        items, responses: The ids of changed items and responses.
        billed: The keys, as in `SessionState.billed`, of new or changed transcription usage.
        unbilled: The times of usage that a repeated transcription replaced. Their sums by day are
            wrong now.
        conversations: The indexes of changed conversations.
        scores: The changed scores: what is scored (its kind and id), the name and the giver.
        metadata, session: True if the session's metadata, or its own row, changed.
        session_billed: True if the usage of the session as a whole changed.
        usage: True if it changed whether this session's usage is counted here or in another
            recording of the same call. All rows of its usage must be written again.
    """

    items: set[str] = field(default_factory=set)
    responses: set[str] = field(default_factory=set)
    billed: set[tuple[str, int]] = field(default_factory=set)
    unbilled: set[int | None] = field(default_factory=set)
    conversations: set[int] = field(default_factory=set)
    scores: set[tuple[ScoreTarget, str, str, str]] = field(default_factory=set)
    metadata: bool = False
    session: bool = False
    session_billed: bool = False
    usage: bool = False

    def __bool__(self) -> bool:
        return bool(
            self.session
            or self.metadata
            or self.items
            or self.responses
            or self.billed
            or self.conversations
            or self.scores
            or self.session_billed
            or self.usage
        )

    def clear(self) -> None:
        """Mark nothing as changed."""
        self.items.clear()
        self.responses.clear()
        self.billed.clear()
        self.unbilled.clear()
        self.conversations.clear()
        self.scores.clear()
        self.metadata = False
        self.session = False
        self.session_billed = False
        self.usage = False
