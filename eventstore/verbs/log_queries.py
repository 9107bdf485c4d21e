"""What can be asked of a session's log: its events, their replay, and whether they are whole.

Only `events` and `export` give frames exactly as they are: in what all others give, secrets are
masked. Each verb imports what it needs when it is called, as those of `EventStore` do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Engine

from eventstore.errors import DatabaseUnavailableError, Failure
from eventstore.realtime.values import is_storable
from eventstore.store.filters.session_conditions import no_session
from eventstore.store.log.session_facts import (
    Revision,
    find_head,
    find_revision,
    has_pair,
    read_metadata,
)
from eventstore.verbs.conversations import Conversations
from eventstore.verbs.results import Results, attempted, collected, ids_of

if TYPE_CHECKING:
    from eventstore.archive.verify import SegmentDigest, Verified
    from eventstore.realtime.events import StoredEvent
    from eventstore.realtime.resources.session_config import ClientDialect
    from eventstore.replay.player.cues import Cue
    from eventstore.replay.reseed.reseed import AssistantAs, Reseed

Found = TypeVar("Found")


class LogQueries(Conversations):
    """The verbs that read one session's log: for `Queries`, which see a scope."""

    def _see(self, session_id: str) -> None:
        """Raises NotFoundError where a session is out of scope, or its id is none that is kept."""
        if not is_storable(session_id):
            raise no_session(session_id)
        scope = self.scope
        if scope is not None and not has_pair(self.engine, session_id, scope.key, scope.value):
            raise no_session(session_id)

    def _found(self, session_id: str, find: Callable[[Engine, str], Found | None]) -> Found:
        self._see(session_id)
        found = find(self.engine, session_id)
        if found is None:
            raise no_session(session_id)
        return found

    def metadata(self, session_id: str) -> dict[str, str]:
        """The metadata that was set on a session."""
        self._see(session_id)
        return read_metadata(self.engine, session_id)

    def last_seq(self, session_id: str) -> int:
        """Return the sequence number of the session's last event, or 0 if it has no events.

        Raises:
            NotFoundError: there is no such session. ErasedError: it was erased.
        """
        return self._found(session_id, find_head)

    def revision(self, session_id: str) -> Revision:
        """Return a token that changes whenever events are added to a session or erased from it.

        Compare it to decide whether something that was made of the session is still valid.

        Raises:
            NotFoundError: there is no such session. ErasedError: it was erased.
        """
        return self._found(session_id, find_revision)

    def events(
        self,
        session_id: str,
        first: int = 1,
        last: int | None = None,
        type: str | None = None,
    ) -> Iterator[StoredEvent]:
        """A session's events in order, each frame exactly as it was received.

        Args:
            first, last: seqs, both included; None for the last there is.
            type: a glob of types, such as `response.*`.

        Raises:
            NotFoundError: there is no such session.
        """
        from eventstore.store.log.read_events import read_events

        head = self.last_seq(session_id)
        end = head if last is None else min(last, head)
        return read_events(self.engine, session_id, max(1, first), end, type)

    def masked_events(
        self,
        session_id: str,
        first: int = 1,
        last: int | None = None,
        type: str | None = None,
    ) -> Iterator[StoredEvent]:
        """A session's events as `events` gives them, with "[removed]" in place of secrets.

        Raises:
            NotFoundError: there is no such session.
        """
        from eventstore.store.log.masked_events import mask_amid, masked

        mask = mask_amid(self.engine, session_id, min(first - 1, self.last_seq(session_id)))
        return masked(self.events(session_id, first, last, type), mask)

    def export(self, session_id: str) -> Iterator[bytes]:
        """A session as lines of JSON: `seq`, `at`, `direction`, `frame`. Import gives it back.

        A session that is stored under an id of the user's has it in its first line.

        Raises:
            NotFoundError: there is no such session.
        """
        from eventstore.capture.recording.connections import NAMING_TYPES, export_lines
        from eventstore.store.log.read_events import read_events

        naming = read_events(self.engine, session_id, 1, self.last_seq(session_id), NAMING_TYPES)
        return export_lines(session_id, self.events(session_id), naming)

    def replay(self, session_id: str) -> Iterator[Cue]:
        """A session's conversation as it happened: what was said, called and cut off, and when.

        Raises:
            NotFoundError: there is no such session.
        """
        from eventstore.realtime.masking.mask_session import SessionMask
        from eventstore.replay.player.cues import CUE_TYPES, cues
        from eventstore.store.log.masked_events import masked
        from eventstore.store.log.read_events import read_events

        events = read_events(self.engine, session_id, 1, self.last_seq(session_id), CUE_TYPES)
        return cues(masked(events, SessionMask()))

    def follow(
        self,
        session_id: str,
        stopped: Callable[[], bool] | None = None,
        away: Callable[[DatabaseUnavailableError], None] | None = None,
    ) -> Iterator[Cue]:
        """A session's conversation so far, then each further cue as it happens.

        It ends when the session is closed; a cue comes about 0.2 s behind its commit at most.

        Args:
            stopped: asked several times a second, such as the `is_set` of a `threading.Event`;
                true ends it.
            away: told once, each time that the database goes away, which does not end it: it is
                tried again. What this raises does.

        Raises:
            NotFoundError: there is no such session.
        """
        from eventstore.realtime.masking.mask_session import SessionMask
        from eventstore.replay.player.cues import CUE_TYPES, cues
        from eventstore.store.log.follow import follow_events
        from eventstore.store.log.masked_events import masked

        self.last_seq(session_id)
        events = follow_events(
            self.engine,
            session_id,
            CUE_TYPES,
            stopped or (lambda: False),
            away or (lambda error: None),
        )
        return cues(masked(events, SessionMask()))

    def reseed(
        self,
        session_id: str,
        at: str | int | None = None,
        dialect: ClientDialect = "ga",
        audio: bool = False,
        max_items: int | None = None,
        assistant_as: AssistantAs = "text",
    ) -> Reseed:
        """The client events that rebuild a conversation in a new session, and what they lack.

        Args:
            at: as it stood at a seq, or `+SECONDS` since the first event; None for now.
            dialect: the shape of the events.
            audio: send the user's speech as audio where the log has it, not as its transcript.
            max_items: the last so many items at most.
            assistant_as: the assistant's words as its own `text`, or in `system` messages.

        Raises:
            NotFoundError: there is no such session. InvalidInputError: a bad argument.
        """
        from eventstore.replay.reseed.client_images import client_images
        from eventstore.replay.reseed.reseed import reseed
        from eventstore.replay.reseed.user_audio import USER_AUDIO_TYPES, user_audio
        from eventstore.store.log.read_events import read_events
        from eventstore.store.queries.query_sessions import state_at

        self._see(session_id)
        state = state_at(self.engine, session_id, at)
        heard = read_events(self.engine, session_id, 1, state.seq, USER_AUDIO_TYPES)
        sound = user_audio(state, heard) if audio else None
        images = client_images(state, lambda seq: read_events(self.engine, session_id, seq, seq))
        return reseed(state, dialect, sound, max_items, assistant_as, images)

    def verify(
        self,
        session_ids: str | Iterable[str],
        expected: Mapping[str, Sequence[SegmentDigest]] | None = None,
    ) -> Results[Verified]:
        """Recompute the digests of sessions, and find what is changed, missing or added.

        Args:
            session_ids: One session id, or several.
            expected: For sessions by their ids, the `segments` that `verify` gave before and that
                were kept elsewhere, to compare with. If a session is not sealed, only these can
                tell a changed frame.

        Returns:
            For each session, its digests and its `problems`. A session with problems is in `done`,
            with what was found, and in `failed`. So is a session that does not exist in `failed`.

        Raises:
            InvalidInputError: `session_ids` is neither an id nor several.
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.archive.verify import not_whole

        return collected(self.iter_verify(session_ids, expected), not_whole)

    def iter_verify(
        self,
        session_ids: str | Iterable[str],
        expected: Mapping[str, Sequence[SegmentDigest]] | None = None,
    ) -> Iterator[Verified | Failure]:
        """Verify sessions as `verify` does, and yield each session as it is done.

        Yields:
            What was found, with its `problems`, or the `Failure` that says why a session could not
            be read.
        """
        from eventstore.archive.verify import verify_session

        kept = expected or {}

        def verified(session_id: str) -> Verified:
            self._see(session_id)
            return verify_session(self.engine, session_id, kept.get(session_id))

        return attempted(ids_of(session_ids), verified)
