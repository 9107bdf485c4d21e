"""What can be asked of a session's log: its events, their replay, and whether they are whole.

Only `events` and `export` give frames exactly as they are: in what all others give, secrets are
masked. Each verb imports what it needs when it is called, as those of `EventStore` do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from eventstore.errors import DatabaseUnavailableError, Failure, InvalidInputError
from eventstore.verbs.conversations import Conversations
from eventstore.verbs.results import Results, attempted, collected, ids_of

if TYPE_CHECKING:
    from eventstore.archive.verify_results import SegmentDigest, Verified
    from eventstore.realtime.resources.session_config import ClientDialect
    from eventstore.replay.player.cues import Cue
    from eventstore.replay.reseed.reseed import AssistantAs, Reseed

Found = TypeVar("Found")


class LogQueries(Conversations):
    """The verbs that read one session's log: for `Queries`, which see a scope."""

    def export(self, session_id: str) -> Iterator[bytes]:
        """A session as lines of JSON: `seq`, `at`, `direction`, `frame`. Import gives it back.

        A session that is stored under an id of the user's has it in its first line.

        Raises:
            NotFoundError: there is no such session.
        """
        from eventstore.capture.recording.session_ids import NAMING_TYPES, export_lines
        from eventstore.store.log.read_events import read_events

        naming = read_events(self.engine, session_id, 1, self.last_seq(session_id), NAMING_TYPES)
        return export_lines(session_id, self.events(session_id), naming)

    def replay(self, session_id: str) -> Iterator[Cue]:
        """A session's conversation as it happened: what was said, called and cut off, and when.

        Raises:
            NotFoundError: there is no such session.
        """
        from eventstore.replay.player.session_cues import session_cues

        return session_cues(self, session_id)

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
        from eventstore.store.log.masked_events import mask_events

        self.last_seq(session_id)
        events = follow_events(
            self.engine,
            session_id,
            CUE_TYPES,
            stopped or (lambda: False),
            away or (lambda error: None),
        )
        return cues(mask_events(events, SessionMask()))

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

        self.check_seen(session_id)
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
        from eventstore.archive.verify_results import verification_failure

        return collected(self.iter_verify(session_ids, expected), verification_failure)

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

        kept = {} if expected is None else expected
        if not isinstance(kept, Mapping):
            raise InvalidInputError("`expected` has digests by the ids of sessions")

        def verified(session_id: str) -> Verified:
            self.check_seen(session_id)
            return verify_session(self.engine, session_id, kept.get(session_id))

        return attempted(ids_of(session_ids), verified)
