"""`EventStore`: the store's verbs for Python. Each CLI command is a thin call of one of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NoReturn

from eventstore.archive import seal
from eventstore.archive.copy_sessions import Copied, copy_sessions
from eventstore.archive.erase import erase_all
from eventstore.archive.move_segments import Moved, move_segments
from eventstore.archive.repair import Repaired, repair_session
from eventstore.archive.seal import Sealed
from eventstore.capture.import_file import Imported, import_file
from eventstore.errors import EventStoreError, Failure
from eventstore.pricing.prices import prices_from
from eventstore.queries import Queries
from eventstore.realtime.frames import Frame
from eventstore.store import engine as engines
from eventstore.store import project, schema
from eventstore.store.allowed_locations import base_url
from eventstore.store.appender import Append, Appended, append, append_together
from eventstore.store.connections import close_for_good
from eventstore.store.engine_options import keys_of, without_limit
from eventstore.store.erase_session import Erased
from eventstore.store.filters import check_metadata
from eventstore.store.keys import upgrade
from eventstore.store.scrub import scrub
from eventstore.store.sessions import check_session_id, metadata_frame
from eventstore.store.state_cache import StateCache
from eventstore.store.status import status
from eventstore.store.sum_days import sum_days
from eventstore.store.vacuum import vacuum
from eventstore.store.wal import Checkpointer
from eventstore.times import date_of, now

if TYPE_CHECKING:
    from eventstore.archive.call_audio import AudioWritten
    from eventstore.archive.plot import PlotFormat
    from eventstore.archive.sound_writer import AudioFormat


class EventStore(Queries):
    """A conversation store on SQLite or PostgreSQL. Safe to share between threads.

    In a forked process it has connections and threads of its own; a database in memory is copied.

    Args:
        url: `sqlite:///calls.db`, `postgresql://user@host/name`, …
        projection: `inline` keeps read models in step within each append; `deferred` leaves
            them to `project` (the command `eventstore project --follow`).
        check_schema: look whether the schema fits, and make it where the database is SQLite.
        time_limit: seconds that a query may take; None for any. It limits no other work.
        keys: the URL of the database of sessions' keys: what is written is encrypted, each
            session with its own. By default EVENTSTORE_KEYS; without it, nothing is encrypted.
        prices: a TOML file of your own prices and deployments (docs/prices.md), which is read now.
            By default the one that EVENTSTORE_PRICES names, which is read when money is first
            asked for; without it, prices are those of the package genai-prices.

    Raises:
        InvalidInputError: a URL that is none, or names a database that is not supported; a file of
            prices that cannot be used.
        SchemaError: the schema is missing or old (PostgreSQL), or newer than this code.
        DatabaseUnavailableError: the database cannot be reached.
    """

    def __init__(
        self,
        url: str = "sqlite:///eventstore.db",
        projection: Literal["inline", "deferred"] = "inline",
        check_schema: bool = True,
        keys: str | None = None,
        time_limit: float | None = None,
        prices: str | Path | None = None,
    ) -> None:
        keys = keys or os.environ.get("EVENTSTORE_KEYS")
        super().__init__(engines.create(url, keys, time_limit, prices_from(prices)))
        self._work = without_limit(self.engine)
        self._states = StateCache() if projection == "inline" else None
        self._checkpointer = Checkpointer(self.engine) if engines.has_wal(self.engine) else None
        if check_schema:
            schema.ensure(self.engine)

    def __enter__(self) -> EventStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a store is not sent to another process: open it there, by its URL")

    def close(self) -> None:
        """Close all connections. Whoever uses the store afterwards gets a `ClosedError`.

        Transactions that other threads are in come to their end. Closing again does nothing.
        """
        if self._checkpointer is not None:
            self._checkpointer.close()
        close_for_good(self.engine)

    def append(
        self,
        session_id: str,
        frames: Iterable[Frame],
        expected_seq: int | None = None,
        close: bool = False,
    ) -> Appended:
        """Append frames to a session in one transaction; all of them, or none.

        Args:
            session_id: the session, made where there is none.
            frames: a sequence, or an iterator, which is read once and never held whole.
            expected_seq: the seq that the session's last event must have (0: no events yet).
                The same append made again, after a lost answer, succeeds and adds nothing.
            close: no more will come.

        Returns:
            The seqs of the first and last frame, and whether they were there already.

        Raises:
            ConflictError: the session's head is another. ErasedError: it was erased.
            BrokenHeadError: events stand behind the head: see `repair`.
            InvalidInputError: a bad session id, direction or time.
            DatabaseUnavailableError: nothing was written.
        """
        check_session_id(session_id)
        done = append(self.engine, self._states, session_id, frames, expected_seq, close)
        if self._checkpointer is not None:
            self._checkpointer.appended(done.last_seq - done.first_seq + 1)
        return done

    def append_together(self, appends: Sequence[Append]) -> list[Appended]:
        """Append to several sessions in one transaction; all of it, or nothing.

        Args:
            appends: one for each session: its id, frames, `expected_seq` and `close`.

        Raises:
            ConflictError, ErasedError, InvalidInputError, DatabaseUnavailableError: as for
                `append`.
        """
        for one in appends:
            check_session_id(one.session_id)
        done = append_together(self.engine, self._states, appends)
        if self._checkpointer is not None:
            self._checkpointer.appended(sum(one.last_seq - one.first_seq + 1 for one in done))
        return done

    def set_metadata(self, session_id: str, metadata: Mapping[str, str]) -> Appended:
        """Set metadata pairs of a session, noted in its log as `eventstore.session.metadata`.

        Raises:
            InvalidInputError: more than 16 pairs in all, keys over 64 or values over 512
                characters.
        """
        check_metadata({**self.metadata(session_id), **check_metadata(metadata)})
        return self.append(session_id, [metadata_frame(metadata, now())])

    def import_file(
        self,
        path: str | Path | BinaryIO,
        session_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
        keep_going: bool = False,
        progress: Callable[[int], None] | None = None,
        redact: bool = False,
        failures: list[Failure] | None = None,
        format: str | None = None,
    ) -> list[Imported]:
        """Import a recording, of ours or of another tool: a session for each connection in it.

        Of several connections, one that cannot be stored stops no other.

        Args:
            path: a file, or a binary stream.
            session_id: the id to store it under, where it holds one connection; by default the
                server's, or one made from its contents.
            metadata: pairs to set on each session.
            keep_going: leave out lines that cannot be read.
            progress: called with the bytes read so far.
            redact: take secrets out of frames before they are written; each session notes how many.
            failures: takes those of several connections that cannot be stored; None to raise them
                at the end.
            format: `jsonl`, `har`, `csv` and so on (docs/import-and-export.md has all); None to
                tell it by what is in the file.

        Raises:
            InvalidInputError: a line that cannot be read, or another session under the same id.
            SomeFailedError: several connections could not be stored; all others are.
        """
        pairs = check_metadata(metadata or {})
        return import_file(
            self, path, session_id, pairs, keep_going, progress, redact, failures, format
        )

    def audio(
        self,
        session_id: str,
        target: str | Path | BinaryIO,
        format: AudioFormat = "wav",
        **selected: Any,
    ) -> AudioWritten:
        """Write what was heard in a session: the user left, the assistant right, in true time.

        Args:
            target: a file, or a binary stream that can seek.
            format: `wav`, `flac` or `ogg`.
            selected: `item`, `response` or `side`; `start`, `end` in seconds since the first
                event; `rate` in samples a second; as for `archive.call_audio.write_audio`.

        Raises:
            NotFoundError: no such session, or no sound of it. InvalidInputError: a bad argument.
            OSError: the target cannot be written.
        """
        from eventstore.archive.call_audio import write_audio  # numpy takes long to load

        path = Path(target) if isinstance(target, str) else target
        return write_audio(self, session_id, path, format, **selected)

    def plot(
        self,
        session_id: str,
        target: str | Path | BinaryIO,
        format: PlotFormat = "png",
        **selected: Any,
    ) -> None:
        """Draw what was heard in a session: both waveforms, turns and interruptions.

        Args:
            target: a file, or a binary stream.
            format: `png` or `svg`.
            selected: `item`, `response`, `side`, `start` and `end`, as for `audio`.

        Raises:
            NotFoundError, OSError: as for `audio`.
            InvalidInputError: a bad argument. EventStoreError: matplotlib is not installed.
        """
        from eventstore.archive.plot import plot_audio

        path = Path(target) if isinstance(target, str) else target
        plot_audio(self, session_id, path, format, **selected)

    def rebuild(
        self, session_ids: Iterable[str] | None = None, workers: int = 1
    ) -> Iterator[project.Projected]:
        """Rebuild read models from the log, each session atomically; yields each as it is done.

        One that fails stops no other. Where it is all, sums by day are made anew: by `sum_days`.

        Args:
            session_ids: which; None for all.
            workers: processes to share the work.

        Raises:
            SomeFailedError: at the end, with each session that could not be rebuilt.
            NotFoundError, ErasedError, DamagedError: the only one does not exist, or no more, or
                is damaged.
        """
        named = session_ids is not None
        ids = project.session_ids(self._work) if session_ids is None else session_ids
        return project.rebuild(self._work, list(ids), workers, named)

    def archive(
        self, session_ids: Iterable[str], workers: int = 1
    ) -> Iterator[Sealed | EventStoreError]:
        """Seal closed sessions: their events become segments, which read as before.

        Each session is sealed in one transaction, after its segments were read again and compared.

        Args:
            session_ids: which; `closed_sessions` finds them.
            workers: processes to share the work.

        Returns:
            For each session what was done, or why it cannot be: it is open, say.
        """
        return seal.seal_sessions(self._work, list(session_ids), workers)

    def unseal(self, session_id: str) -> int:
        """Turn a session's segments into events again; how many.

        Raises:
            NotFoundError: there is no such session.
            DamagedError: a segment cannot be read; nothing was changed.
        """
        return seal.unseal_session(self._work, session_id)

    def repair(self, session_id: str, dry_run: bool = False) -> Repaired:
        """Set a session's head behind its last event, and project the session anew.

        An append that meets events behind the head raises a `BrokenHeadError`, which names this.

        With `dry_run`, nothing is changed; it says what would be.

        Returns:
            What was mended, and what cannot be: where events are missing, nothing is changed.

        Raises:
            NotFoundError, ErasedError, DamagedError: nothing was changed.
        """
        return repair_session(self._work, session_id, dry_run)

    def copy(
        self,
        session_ids: Iterable[str],
        to: EventStore,
        then_delete: bool = False,
        dry_run: bool = False,
    ) -> Iterator[Copied | EventStoreError]:
        """Copy closed sessions to another store, each in one transaction, and read them again.

        Args:
            session_ids: which; `closed_sessions` finds them. What is there already is left alone.
            to: the other store.
            then_delete: delete each from this store once the other has it.
            dry_run: change nothing; say what would be done.

        Returns:
            For each session what was done, or why it cannot be: it is open, or damaged, say.

        Raises:
            InvalidInputError: it is the same store.
        """
        return copy_sessions(
            self._work, without_limit(to.engine), session_ids, then_delete, dry_run
        )

    def offload(
        self, session_ids: Iterable[str], to: str | None
    ) -> Iterator[Moved | EventStoreError]:
        """Move the bytes of sealed sessions out of the database, and back; every read finds them.

        Args:
            session_ids: which; `closed_sessions` finds them.
            to: a folder, or a URL of fsspec's (`s3://bucket/calls`) without credentials; None
                for back into the database. Bytes go into a folder there that is this store's own.
                This store reads them from there at once; others that open it do where the place
                is beside the SQLite database, or named by EVENTSTORE_SEGMENTS.

        Returns:
            For each session what was moved, or why it cannot be.
        """
        base = None if to is None else base_url(to)
        return move_segments(self._work, session_ids, base)

    def vacuum(self) -> None:
        """Give the space back that deleted rows have left in the database's files.

        It rewrites them: SQLite needs as much room again meanwhile.
        """
        vacuum(self._work)

    def project(self, waits: bool = False) -> Iterator[project.Projected]:
        """Project every session that is behind its log or was projected by an older version.

        One that fails stops no other, and `status` names it until it works.

        Args:
            waits: leave those alone that failed before, until their pause is over: for a worker
                that calls this again and again.

        Raises:
            SomeFailedError: at the end, with each session that could not be projected.
        """
        return project.catch_up(self._work, waits)

    def sum_days(self) -> Iterator[str]:
        """Keep sums of days that are over, so that usage is answered soon; yields each day summed.

        Answers are the same without them: a day without sums, or that was appended to since, is
        summed from its rows when it is asked for. Several processes may do it at once.

        Raises:
            SomeFailedError: at the end, with each day that could not be summed up.
        """
        return (date_of(day) for day in sum_days(self._work))

    def erase(
        self,
        session_ids: str | Iterable[str],
        audio_only: bool = False,
        reason: str | None = None,
        vacuum: bool = True,
    ) -> list[Erased]:
        """Erase sessions, or their audio, each in one transaction; nothing of it can be read again.

        Args:
            session_ids: which.
            audio_only: only the audio of closed sessions; their events stay.
            reason: why, which is kept.
            vacuum: write the database's files anew, so that no byte is left in them. PostgreSQL
                locks tables meanwhile, SQLite its file.

        Returns:
            What was erased; what had been before is left out.

        Raises:
            NotFoundError: there is no such session, where only one was named.
            InvalidInputError: audio of a session that is open, where only one was named.
            SomeFailedError: some of several could not be erased; all others are.
            DatabaseUnavailableError: not all was done; do it again.
        """
        ids = [session_ids] if isinstance(session_ids, str) else list(session_ids)
        try:
            return erase_all(self._work, ids, audio_only, reason)
        finally:
            if self._states is not None:
                for session_id in ids:
                    self._states.take(session_id)  # it holds what was said
            scrub(self._work, vacuum)

    def stream_ids(self) -> Iterator[str]:
        """The ids of all sessions in the log, projected or not, in order."""
        return project.session_ids(self._work)

    def status(self) -> dict[str, Any]:
        """What the store holds: schema, sessions, events, responses, and what is behind.

        A session is sealed when all of its events are.
        """
        return status(self.engine)

    def init(self) -> tuple[str | None, str]:
        """Create or upgrade the schema, and that of the keys; the migration before, and after.

        Raises:
            SchemaError: the schema is newer than this code.
        """
        keys = keys_of(self._work).engine
        if keys is not None:
            upgrade(keys)
        return schema.upgrade(self._work)
