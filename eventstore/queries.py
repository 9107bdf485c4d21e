"""What can be asked of a store: the verbs of `EventStore` that write nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from sqlalchemy import Engine

from eventstore.archive.verify import SegmentDigest, Verified, verify_session
from eventstore.capture.connections import NAMING_TYPES, export_lines
from eventstore.errors import DatabaseUnavailableError, InvalidInputError, NotFoundError
from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.realtime.dialects import Dialect, render_item, render_response
from eventstore.realtime.session_config import ClientDialect
from eventstore.replay.cues import CUE_TYPES, Cue, cues
from eventstore.replay.reseed import AssistantAs, Reseed, reseed
from eventstore.replay.user_audio import USER_AUDIO_TYPES, user_audio
from eventstore.store import project, query_responses, query_sessions, query_usage, schema
from eventstore.store.choose_sessions import closed_sessions
from eventstore.store.erasures import AUDIO, SESSION, count_erased
from eventstore.store.filters import Paging, ResponseFilter, SessionFilter, checked
from eventstore.store.follow import follow_events
from eventstore.store.query_responses import Page
from eventstore.store.read_stream import StoredEvent, read_events
from eventstore.store.sessions import find_head, read_metadata
from eventstore.store.transaction import read
from eventstore.times import now, parse_age

COUNTS = "SELECT COUNT(*), COALESCE(SUM(head_seq), 0) FROM streams WHERE erased_at IS NULL"


class Queries:
    """The verbs that read. `EventStore` has them all; make one of those."""

    engine: Engine

    def metadata(self, session_id: str) -> dict[str, str]:
        """The metadata that was set on a session."""
        return read_metadata(self.engine, session_id)

    def head(self, session_id: str) -> int:
        """The seq of a session's last event.

        Raises:
            NotFoundError: there is no such session. ErasedError: it was erased.
        """
        head = find_head(self.engine, session_id)
        if head is None:
            raise NotFoundError(f"no session {session_id}; list them with: eventstore sessions")
        return head

    def export(self, session_id: str) -> Iterator[bytes]:
        """A session as lines of JSON: `seq`, `at`, `direction`, `frame`. Import gives it back.

        A session that is stored under an id of the user's has it in its first line.

        Raises:
            NotFoundError: there is no such session.
        """
        naming = read_events(self.engine, session_id, 1, self.head(session_id), NAMING_TYPES)
        return export_lines(session_id, self.events(session_id), naming)

    def replay(self, session_id: str) -> Iterator[Cue]:
        """A session's conversation as it happened: what was said, called and cut off, and when.

        Raises:
            NotFoundError: there is no such session.
        """
        events = read_events(self.engine, session_id, 1, self.head(session_id), CUE_TYPES)
        return cues(events)

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
        self.head(session_id)
        events = follow_events(
            self.engine,
            session_id,
            CUE_TYPES,
            stopped or (lambda: False),
            away or (lambda error: None),
        )
        return cues(events)

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
        state = query_sessions.state_at(self.engine, session_id, at)
        heard = read_events(self.engine, session_id, 1, state.seq, USER_AUDIO_TYPES)
        sound = user_audio(state, heard) if audio else None
        return reseed(state, dialect, sound, max_items, assistant_as)

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
        head = self.head(session_id)
        end = head if last is None else min(last, head)
        return read_events(self.engine, session_id, max(1, first), end, type)

    def sessions(
        self,
        *,
        limit: int = 20,
        after: str | None = None,
        order: Literal["asc", "desc"] = "desc",
        live: bool = False,
        **filters: Any,
    ) -> Page:
        """A page of sessions, newest first.

        Args:
            live: only those that are open. Each has, under `eventstore`, `doing`
                (`user_speaking`, `answering` or `waiting`) and `last_words` (`role` and `text` of
                the last finished turn, or None).
            limit: 1 to 100.
            after: the `last_id` of the page before.
            order: `desc` or `asc` by time.
            filters: `metadata` (a mapping, or texts `K=V`, `K`, `K^=PREFIX`, `K!=V`), `model`,
                `since`, `until` (ISO 8601 or epoch seconds).

        Raises:
            InvalidInputError: a bad filter. NotFoundError: `after` names no session.
        """
        paging = checked(Paging, {"limit": limit, "after": after, "order": order})
        wanted = checked(SessionFilter, filters)
        return query_sessions.query_sessions(self.engine, wanted, paging, live)

    def session_ids(self, **filters: Any) -> Iterator[str]:
        """The ids of all sessions that match, oldest first; filters as for `sessions`.

        Raises:
            InvalidInputError: a bad filter.
        """
        return query_sessions.session_ids(self.engine, checked(SessionFilter, filters))

    def session(self, session_id: str) -> dict[str, Any]:
        """A session's resource, with ours under `eventstore`.

        Raises:
            NotFoundError: there is no such session.
        """
        return query_sessions.read_session(self.engine, session_id)

    def show(
        self, session_id: str, at: str | int | None = None, dialect: Dialect = "wire"
    ) -> dict[str, Any]:
        """A session whole: `session`, `conversations` with items, `responses`, `usage`.

        Args:
            at: the state at a seq, or `+SECONDS` since its first event; None for now.
            dialect: the shape of items and responses.

        Raises:
            NotFoundError: there is no such session. InvalidInputError: a bad `at`.
        """
        shown = query_sessions.show_session(self.engine, session_id, at)
        if dialect != "wire":
            for conversation in shown["conversations"]:
                items = (render_item(item, dialect) for item in conversation["items"])
                conversation["items"] = [item for item in items if item is not None]
            shown["responses"] = [render_response(r, dialect) for r in shown["responses"]]
        return shown

    def conversation(self, conversation_id: str, session: str | None = None) -> dict[str, Any]:
        """A conversation with its items in order.

        Args:
            session: its session, where several have a conversation of this id.

        Raises:
            NotFoundError, AmbiguousError: none, or several sessions' have the id.
        """
        return query_sessions.read_conversation(self.engine, conversation_id, session)

    def responses(
        self,
        *,
        limit: int = 20,
        after: str | None = None,
        order: Literal["asc", "desc"] = "desc",
        dialect: Dialect = "wire",
        **filters: Any,
    ) -> Page:
        """A page of responses, newest first; every filter must hold.

        Args:
            limit: 1 to 100.
            after: the `last_id` of the page before.
            order: `desc` or `asc` by time.
            dialect: the shape of the resources.
            filters: `metadata` (a mapping, or texts `K=V`, `K`, `K^=PREFIX`, `K!=V`; a session's
                own counts for its responses), `status`, `model`, `voice`, `modality`,
                `conversation`, `session`, `text`, `min_tokens`, `since`, `until`.

        Raises:
            InvalidInputError: a bad filter.
            NotFoundError, AmbiguousError: `after` names none, or several.
        """
        paging = checked(Paging, {"limit": limit, "after": after, "order": order})
        wanted = checked(ResponseFilter, filters)
        page = query_responses.query_responses(self.engine, wanted, paging)
        if dialect == "wire":
            return page
        return page._replace(data=[render_response(r, dialect) for r in page.data])

    def response(
        self, response_id: str, session: str | None = None, dialect: Dialect = "wire"
    ) -> dict[str, Any]:
        """A `realtime.response` resource.

        Args:
            session: its session, where several have a response of this id.
            dialect: `wire` as its server had it, or the full `beta` or `ga` shape.

        Raises:
            NotFoundError, AmbiguousError: none, or several sessions' have the id.
        """
        resource = query_responses.read_response(self.engine, response_id, session)
        return render_response(resource, dialect)

    def usage(self, by: str | None = None, **filters: Any) -> dict[str, Any]:
        """Usage summed: tokens by modality, cached ones apart, transcription included, money.

        Args:
            by: `session`, `model`, `day` or `metadata:KEY`; None for the total alone.
            filters: as for `responses`.

        Returns:
            `data`, a line a group, and `total`. What has no known price is under `unpriced`.

        Raises:
            InvalidInputError: a bad grouping or filter.
        """
        return query_usage.query_usage(self.engine, by, checked(ResponseFilter, filters))

    def closed_sessions(self, older_than: str | None = None, **filters: Any) -> Iterator[str]:
        """The ids of closed sessions, in order.

        Args:
            older_than: closed so long ago: `7d`, `12h`, `2w`.
            filters: `metadata`, `model`, `since` and `until`, as for `sessions`.

        Raises:
            InvalidInputError: a bad age or filter.
        """
        try:
            before = None if older_than is None else now() - parse_age(older_than)
        except ValueError as error:
            raise InvalidInputError(str(error)) from error
        return closed_sessions(self.engine, checked(SessionFilter, filters), before)

    def stream_ids(self) -> Iterator[str]:
        """The ids of all sessions in the log, projected or not, in order."""
        return project.session_ids(self.engine)

    def verify(self, session_id: str, expected: Sequence[SegmentDigest] | None = None) -> Verified:
        """Recompute a session's digest from its log, and find what is changed, missing or added.

        Args:
            expected: digests that were kept elsewhere, to compare with. Where the session is not
                sealed, only these can tell a changed frame.

        Raises:
            NotFoundError: there is no such session.
        """
        return verify_session(self.engine, session_id, expected)

    def status(self) -> dict[str, Any]:
        """What the store holds: schema, sessions, events, responses, and what is behind."""
        with read(self.engine) as tx:
            sessions, events = tx.rows(COUNTS)[0]
            erased = count_erased(tx)
            responses = tx.rows("SELECT COUNT(*) FROM responses")[0][0]
        return {
            "object": "eventstore.status",
            "database": self.engine.url.render_as_string(hide_password=True),
            "schema": schema.revision(self.engine),
            "projector_version": PROJECTOR_VERSION,
            "sessions": int(sessions),
            "events": int(events),
            "responses": int(responses),
            "erased_sessions": erased[SESSION],
            "erased_audio": erased[AUDIO],
            "behind": project.count_behind(self.engine),
        }
