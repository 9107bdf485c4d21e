"""What can be asked of a store: the verbs of `EventStore` that write nothing.

Only `events` and `export` give frames exactly as they are: in what all others give, secrets are
masked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

from eventstore.archive.transcript import Turn, turns
from eventstore.archive.verify import SegmentDigest, Verified, verify_session
from eventstore.capture.connections import NAMING_TYPES, export_lines
from eventstore.conversations import Conversations
from eventstore.errors import DatabaseUnavailableError, InvalidInputError
from eventstore.realtime.catalogue import STREAMED_TEXTS
from eventstore.realtime.dialects import Dialect, render_item, render_response
from eventstore.realtime.mask import mask_value, mask_words
from eventstore.realtime.mask_session import SessionMask
from eventstore.realtime.session_config import ClientDialect
from eventstore.realtime.values import is_storable
from eventstore.replay.client_images import client_images
from eventstore.replay.cues import CUE_TYPES, Cue, cues
from eventstore.replay.reseed import AssistantAs, Reseed, reseed
from eventstore.replay.user_audio import USER_AUDIO_TYPES, user_audio
from eventstore.store import query_responses, query_sessions
from eventstore.store.choose_sessions import Choice, choose_sessions
from eventstore.store.engine_options import prices_of
from eventstore.store.filters import BasicFilter, Paging, ResponseFilter, SessionFilter, checked
from eventstore.store.follow import follow_events
from eventstore.store.query_responses import Page
from eventstore.store.read_stream import StoredEvent, read_events
from eventstore.store.session_pages import no_session
from eventstore.store.sessions import (
    Version,
    find_head,
    find_version,
    is_in_scope,
    read_metadata,
)
from eventstore.times import now, parse_age

# How many events before a piece of a text are looked at for its beginning.
_BEFORE, _FARTHEST = 500, 16_000


def _masked(events: Iterable[StoredEvent], mask: SessionMask) -> Iterator[StoredEvent]:
    for event in events:
        text = mask.mask(event.text).text
        yield event._replace(text=text, type=mask_words(event.type))


class Queries(Conversations):
    """The verbs that read. `EventStore` has them all; make one of those, or call its `scoped`."""

    def scoped(self, key: str, value: str) -> Queries:
        """The same store, of which only sessions with a pair of metadata are seen and counted.

        A response's own metadata do not make it one of theirs.

        Raises:
            InvalidInputError: no pair of metadata.
        """
        (scope,) = checked(BasicFilter, {"metadata": {key: value}}).metadata
        return Queries(self.engine, scope)

    def _see(self, session_id: str) -> None:
        """Raises NotFoundError where a session is out of scope, or its id is none that is kept."""
        if not is_storable(session_id):
            raise no_session(session_id)
        if self.scope is not None and not is_in_scope(self.engine, session_id, self.scope):
            raise no_session(session_id)

    def metadata(self, session_id: str) -> dict[str, str]:
        """The metadata that was set on a session."""
        self._see(session_id)
        return read_metadata(self.engine, session_id)

    def head(self, session_id: str) -> int:
        """The seq of a session's last event.

        Raises:
            NotFoundError: there is no such session. ErasedError: it was erased.
        """
        self._see(session_id)
        head = find_head(self.engine, session_id)
        if head is None:
            raise no_session(session_id)
        return head

    def version(self, session_id: str) -> Version:
        """Another one, and what was made of a session before is void.

        Raises:
            NotFoundError: there is no such session. ErasedError: it was erased.
        """
        self._see(session_id)
        version = find_version(self.engine, session_id)
        if version is None:
            raise no_session(session_id)
        return version

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
        return cues(_masked(events, SessionMask()))

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
        return cues(_masked(events, SessionMask()))

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
        self._see(session_id)
        state = query_sessions.state_at(self.engine, session_id, at)
        heard = read_events(self.engine, session_id, 1, state.seq, USER_AUDIO_TYPES)
        sound = user_audio(state, heard) if audio else None
        images = client_images(state, lambda seq: read_events(self.engine, session_id, seq, seq))
        return reseed(state, dialect, sound, max_items, assistant_as, images)

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
        mask = SessionMask()
        # A secret may have begun in an earlier piece of the same text.
        before = min(first - 1, self.head(session_id))
        for event in read_events(
            self.engine, session_id, self._texts_begin(session_id, before), before, STREAMED_TEXTS
        ):
            mask.mask(event.text)
        return _masked(self.events(session_id, first, last, type), mask)

    def _texts_begin(self, session_id: str, before: int) -> int:
        """From where the texts are read that may go on behind an event: their response's begin."""
        reach = _BEFORE
        while True:
            begin = max(1, before - reach)
            created = read_events(self.engine, session_id, begin, before, ["response.created"])
            if begin == 1 or reach >= _FARTHEST or next(created, None) is not None:
                return begin
            reach *= 2

    def sessions(
        self,
        *,
        limit: int = 20,
        after: str | None = None,
        before: str | None = None,
        order: Literal["asc", "desc"] = "desc",
        live: bool = False,
        summary: bool = False,
        **filters: Any,
    ) -> Page:
        """A page of sessions, newest first; every filter must hold.

        Args:
            live: only those that are open. Each has, under `eventstore`, `doing`
                (`user_speaking`, `answering` or `waiting`) and `last_words` (`role` and `text` of
                the last finished turn, or None).
            summary: each has, under `eventstore`, a `summary`: `turns`, `input_tokens`,
                `cached_tokens`, `output_tokens`, `cost_usd` (None where nothing has a known
                price), `unpriced` (whether something has none) and `slowest_ms`, the slowest
                answer: from the end of the user's speech to its first sound, or else from the
                response's creation to its first sound or text.
            limit: 1 to 100.
            after: the `last_id` of the page before.
            before: the `first_id` of the page behind; the last entries before it.
            order: `desc` or `asc` by time.
            filters: `metadata` (a mapping, or texts `K=V`, `K`, `K^=PREFIX`, `K!=V`), `model`,
                `status` (`live`, `ended`, `interrupted`, or `errors`: it has errors, or responses
                that failed or are incomplete), `text` (somebody said it: words, `"a phrase"`,
                `pre*`), `since`, `until` (ISO 8601 or epoch seconds).

        Raises:
            InvalidInputError: a bad filter. NotFoundError: `after` or `before` names no session.
        """
        paging = checked(Paging, {"limit": limit, "after": after, "before": before, "order": order})
        wanted = self._checked(SessionFilter, filters)
        page = query_sessions.query_sessions(self.engine, wanted, paging, live, summary)
        return page._replace(data=mask_value(page.data))

    def session_ids(self, **filters: Any) -> Iterator[str]:
        """The ids of all sessions that match, oldest first; filters as for `sessions`.

        Raises:
            InvalidInputError: a bad filter.
        """
        return query_sessions.session_ids(self.engine, self._checked(SessionFilter, filters))

    def session(self, session_id: str) -> dict[str, Any]:
        """A session's resource, with ours under `eventstore`.

        Raises:
            NotFoundError: there is no such session.
        """
        self._see(session_id)
        session: dict[str, Any] = mask_value(query_sessions.read_session(self.engine, session_id))
        return session

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
        self._see(session_id)
        shown: dict[str, Any] = mask_value(query_sessions.show_session(self.engine, session_id, at))
        if dialect != "wire":
            for conversation in shown["conversations"]:
                items = (render_item(item, dialect) for item in conversation["items"])
                conversation["items"] = [item for item in items if item is not None]
            shown["responses"] = [render_response(r, dialect) for r in shown["responses"]]
        return shown

    def transcript(self, session_id: str) -> list[Turn]:
        """A session as people read it: what was said and heard, called and answered, in order.

        Raises:
            NotFoundError: there is no such session.
        """
        errors = self.masked_events(session_id, type="error")
        return turns(self.show(session_id), errors, prices_of(self.engine))

    def waveform(self, session_id: str, check: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """What a player draws of a session: loudness, turns, words and marks on one axis.

        Args:
            check: called again and again while it is made. What it raises ends that.

        Returns:
            `start` and `end`, in seconds since the first event; for `user` and `assistant` the
            loudness from `start` on, 0 to 100, `per_second` values a second, empty where no sound
            is in the log; `turns` with their `words`, each with the second at which it begins, an
            estimate; `marks`: tool calls and errors.

        Raises:
            NotFoundError: there is no such session.
        """
        from eventstore.archive.waveform import waveform  # numpy takes long to load

        return waveform(self, session_id, check)

    def responses(
        self,
        *,
        limit: int = 20,
        after: str | None = None,
        before: str | None = None,
        order: Literal["asc", "desc"] = "desc",
        dialect: Dialect = "wire",
        **filters: Any,
    ) -> Page:
        """A page of responses, newest first; every filter must hold.

        Args:
            limit: 1 to 100.
            after: the `last_id` of the page before.
            before: the `first_id` of the page behind; the last entries before it.
            order: `desc` or `asc` by time.
            dialect: the shape of the resources.
            filters: `metadata` (a mapping, or texts `K=V`, `K`, `K^=PREFIX`, `K!=V`; a session's
                own counts for its responses), `status`, `reason`, `model`, `voice`, `modality`,
                `conversation`, `session`, `text`, `min_tokens`, `since`, `until`.

        Raises:
            InvalidInputError: a bad filter.
            NotFoundError, AmbiguousError: `after` or `before` names none, or several.
        """
        paging = checked(Paging, {"limit": limit, "after": after, "before": before, "order": order})
        wanted = self._checked(ResponseFilter, filters)
        page = query_responses.query_responses(self.engine, wanted, paging)
        page = page._replace(data=mask_value(page.data))
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
        resource = query_responses.read_response(self.engine, response_id, session, self.scope)
        return render_response(mask_value(resource), dialect)

    def closed_sessions(self, older_than: str | None = None, **filters: Any) -> Iterator[str]:
        """The ids of closed sessions, in order; one that is not projected yet fits no filter.

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
        choice = Choice(self._checked(BasicFilter, filters), closed=True, closed_before=before)
        return (chosen.session_id for chosen in choose_sessions(self.engine, choice))

    def verify(self, session_id: str, expected: Sequence[SegmentDigest] | None = None) -> Verified:
        """Recompute a session's digest from its log, and find what is changed, missing or added.

        Args:
            expected: digests that were kept elsewhere, to compare with. Where the session is not
                sealed, only these can tell a changed frame.

        Raises:
            NotFoundError: there is no such session.
        """
        self._see(session_id)
        return verify_session(self.engine, session_id, expected)
