"""What can be asked of a session's log: its events, their replay, and whether they are whole.

Only `events` and `export` give frames exactly as they are: in what all others give, secrets are
masked. Each verb imports what it needs when it is called, as those of `EventStore` do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from eventstore.common.pauses import Pause, waited
from eventstore.errors import DatabaseUnavailableError, Failure, InvalidInputError
from eventstore.verbs.conversations import Conversations
from eventstore.verbs.results import Results, attempted, collected, ids_of

if TYPE_CHECKING:
    from eventstore.archive.verifying.verify_results import SegmentDigest, Verified
    from eventstore.realtime.protocols import Protocol
    from eventstore.realtime.resources.session_config import ClientDialect
    from eventstore.replay.player.cue import Cue
    from eventstore.replay.reseed.item_seeds import AssistantAs
    from eventstore.replay.reseed.reseed import Reseed

Found = TypeVar("Found")


class LogQueries(Conversations):
    """The verbs that read one session's log: for `Queries`, which see a scope."""

    def export(self, session_ids: str | Iterable[str]) -> Iterator[bytes]:
        """Yield sessions as lines of JSON: `seq`, `at`, `direction` and `frame`.

        `import_file` makes equal sessions of them. If a session has an id of yours, and not the
        server's, its first line holds it.

        Args:
            session_ids: One session id, or several: their lines follow each other.

        Raises:
            NotFoundError: There is no such session. It is raised when the turn of that session
                comes, as are the errors below.
            ErasedError: A session was erased.
            DamagedError: An event cannot be read. Those before it are yielded.
            InvalidInputError: `session_ids` is neither an id nor several.
        """
        if isinstance(session_ids, str):
            return self._exported(session_ids)
        return chain.from_iterable(map(self._exported, ids_of(session_ids)))

    def _exported(self, session_id: str) -> Iterator[bytes]:
        from eventstore.capture.recording.session_ids import NAMING_TYPES, export_lines
        from eventstore.store.log.read_events import read_events

        reader, engine = self.reader, self._reads
        naming = read_events(engine, session_id, 1, reader.last_seq(session_id), NAMING_TYPES)
        return export_lines(session_id, reader.events(session_id), naming)

    def replay(self, session_id: str) -> Iterator[Cue]:
        """Yield a conversation as it happened: what was said, called and cut off, and when.

        Args:
            session_id: The session's id.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        from eventstore.replay.player.session_cues import session_cues

        return session_cues(self.reader, session_id)

    def follow(
        self,
        session_id: str,
        stopped: Callable[[], bool] | None = None,
        away: Callable[[DatabaseUnavailableError], None] | None = None,
    ) -> Iterator[Cue]:
        """Yield a conversation so far, and then each further cue as it happens.

        It ends when the session is closed. A cue comes at most about 0.2 s behind its commit.

        Args:
            session_id: The session's id.
            stopped: Asked several times a second, such as the `is_set` of a `threading.Event`. If
                it returns True, the iterator ends.
            away: Told once, each time that the database goes away. That does not end the iterator:
                the database is tried again. What this raises ends it.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
        """
        return waited(self._follow_steps(session_id, stopped, away), stopped or (lambda: False))

    def _follow_steps(
        self,
        session_id: str,
        stopped: Callable[[], bool] | None = None,
        away: Callable[[DatabaseUnavailableError], None] | None = None,
    ) -> Iterator[Cue | Pause]:
        """Yield what `follow` does. When there is nothing new, yield how long to wait."""
        from eventstore.replay.player.session_cues import followed_cues

        self.last_seq(session_id)
        return followed_cues(
            self.engine, session_id, stopped or (lambda: False), away or (lambda error: None)
        )

    def reseed(
        self,
        session_id: str,
        at: str | int | None = None,
        dialect: ClientDialect = "ga",
        audio: bool = False,
        max_items: int | None = None,
        assistant_as: AssistantAs = "text",
        to: Protocol | None = None,
        max_tokens: int = 8192,
    ) -> Reseed:
        """Return the client events that rebuild a conversation in a new session, and what is lost.

        A Live session becomes a `session.start` with a history. The history is text alone.

        Args:
            session_id: The session's id.
            at: The conversation after the event with this sequence number, or `"+12.5"` for so many
                seconds after the first event; None for now.
            dialect: The shape of the events: `ga` or `beta`.
            audio: True to send the user's speech as audio if the log has it; else its transcript.
            max_items: Only the last so many items; None for all.
            assistant_as: The assistant's words as its own `text`, or in `system` messages.
            to: The protocol of the new session, `realtime` or `live`; None for the old one's.
            max_tokens: How many tokens the history of a Live session has at most, by estimate: one
                for 3 bytes of UTF-8, and 8 for each message. The newest messages are kept.

        Raises:
            NotFoundError: There is no such session.
            ErasedError: The session was erased.
            InvalidInputError: An argument is wrong.
        """
        from eventstore.replay.reseed.client_images import client_images
        from eventstore.replay.reseed.reseed import reseed
        from eventstore.replay.reseed.user_audio import USER_AUDIO_TYPES, user_audio
        from eventstore.store.log.read_events import read_events
        from eventstore.store.queries.query_sessions import state_at

        self.check_seen(session_id)
        state = state_at(self._reads, session_id, at)
        heard = read_events(self._reads, session_id, 1, state.seq, USER_AUDIO_TYPES)
        sound = user_audio(state, heard) if audio else None
        images = client_images(state, lambda seq: read_events(self._reads, session_id, seq, seq))
        return reseed(state, dialect, sound, max_items, assistant_as, images, to, max_tokens)

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
        from eventstore.archive.verifying.verify_results import verification_failure

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
        from eventstore.archive.verifying.verify import verify_session

        kept = {} if expected is None else expected
        if not isinstance(kept, Mapping):
            raise InvalidInputError("`expected` has digests by the ids of sessions")

        def verified(session_id: str) -> Verified:
            self.check_seen(session_id)
            return verify_session(self.engine, session_id, kept.get(session_id))

        return attempted(ids_of(session_ids), verified)
