"""`EventStore`: the store's verbs for Python. Each CLI command is a thin call of one of them.

What a verb needs beyond the store itself is imported when it is called, here and in the classes
below: a command that lists sessions loads neither what appends, nor the archive, nor what reads
files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, get_args

from eventstore.common.arguments import (
    check_choice,
    check_seconds,
    check_text,
    check_url,
    checked_path,
    path_or_stream,
)
from eventstore.errors import Failure
from eventstore.pricing.prices import prices_from
from eventstore.realtime.metadata import check_metadata
from eventstore.store.database import engine as engines
from eventstore.store.database import schema
from eventstore.store.database.connections.pool import close_for_good
from eventstore.store.database.engine_options import REPLICA, replica_of, without_limit
from eventstore.store.sessions.log import ProjectionMode, WritableLog
from eventstore.verbs.queries import Queries
from eventstore.verbs.scores import Scoring
from eventstore.verbs.upkeep import Upkeep

if TYPE_CHECKING:
    from eventstore.capture.files.import_file import Imported
    from eventstore.sound.call_audio import AudioWritten, SoundLimit
    from eventstore.sound.plot import PlotFormat
    from eventstore.sound.sound_writer import AudioFormat
    from eventstore.sound.timeline.layout import Side
    from eventstore.store.consumers.projections.projection import Projection
    from eventstore.store.database.statements.statement_arguments import ParameterValue
    from eventstore.store.database.statements.statement_rows import StatementRows

#: How many seconds a replica may lag behind, by default.
READ_LAG = 10.0


class EventStore(Upkeep, Scoring):
    """A store of conversations on SQLite or PostgreSQL. It is safe to share between threads.

    A forked process has connections and threads of its own; a database in memory is copied. Use it
    in a `with` statement, or call `close`.

    Args:
        url: The database: `sqlite:///calls.db`, `postgresql://user@host/name`, …
        projection: `inline` keeps read models in step within each append. `deferred` leaves them to
            `project` (the command `eventstore project --follow`).
        check_schema: Look whether the schema fits, and make it if the database is SQLite.
        keys: The URL of the database of sessions' keys. What is written is encrypted then, each
            session with its own key. By default it is EVENTSTORE_KEYS; without it, nothing is
            encrypted.
        time_limit: How many seconds a query may take; None for any. No other work is limited.
        prices: A TOML file of your own prices and deployments (docs/prices.md), which is read now.
            By default it is the one that EVENTSTORE_PRICES names, which is read when money is first
            asked for. Without it, prices are those of the package genai-prices.
        read_url: The URL of a streaming replica of a PostgreSQL database (docs/databases.md). What
            this store has appended is always read; what others have, after `read_lag` at the
            latest. If the replica is behind or away, the primary is read.
        read_lag: How many seconds the replica may lag behind.
        projections: Projections of your own (docs/projections.md). Their tables are made if they
            are not there. Those of installed packages need not be given.

    Raises:
        InvalidInputError: The URL is none, or names a database that is not supported; or the file
            of prices cannot be used; or `read_url` leads to no replica of the database.
        SchemaError: The schema is missing or old (PostgreSQL), or newer than this code.
        DatabaseUnavailableError: The database cannot be reached.
    """

    def __init__(
        self,
        url: str = "sqlite:///eventstore.db",
        projection: ProjectionMode = "inline",
        check_schema: bool = True,
        keys: str | None = None,
        time_limit: float | None = None,
        prices: str | Path | None = None,
        read_url: str | None = None,
        read_lag: float = READ_LAG,
        projections: Sequence[Projection[Any]] = (),
    ) -> None:
        check_choice("projection", projection, get_args(ProjectionMode))
        check_url("url", url)
        if time_limit is not None:
            check_seconds("time_limit", time_limit)
        if prices is not None:
            prices = checked_path("prices", prices)
        if keys is not None:
            check_url("keys", keys)
        if projections != ():
            from eventstore.store.consumers.projections.projection import checked_projections

            projections = checked_projections(projections)
        engine = engines.create(url, keys, time_limit, prices_from(prices))
        WritableLog.__init__(self, engine, projection, tuple(projections))
        self._work = without_limit(self.engine)
        self._own_workers = {}
        if check_schema:
            schema.ensure(self.engine)
        if projections:
            self._add(projections)
        self._reader: Queries = self if read_url is None else self._on_replica(read_url, read_lag)

    def _add(self, projections: Sequence[Projection[Any]]) -> None:
        from eventstore.store.consumers.projections.projection_tables import add_projection

        for one in projections:
            add_projection(self.engine, one)

    def _on_replica(self, url: str, max_lag: float) -> Queries:
        from eventstore.store.database.read_replica import ReadReplica

        check_url("read_url", url)
        check_seconds("read_lag", max_lag)
        replica = ReadReplica(self.engine, engines.create_for_reading(url, self.engine), max_lag)
        replica.check()
        return Queries(self.engine.execution_options(**{REPLICA: replica}))

    @property
    def reader(self) -> Queries:
        """The verbs that only read: from the replica, if there is one.

        The store's own verbs do so as well, except for those whose results something is usually
        written by: `events`, `masked_events`, `last_seq`, `revision`, `metadata`, `session_ids`,
        `closed_sessions`, `follow` and `verify`.
        """
        return self._reader

    def close(self) -> None:
        """Close all connections. Any later use of the store raises `ClosedError`.

        Transactions that other threads have begun come to their end. Closing again does nothing.
        """
        super().close()
        replica = replica_of(self._reads)
        if replica is not None:
            close_for_good(replica.engine)

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
        *,
        input_rate: int | None = None,
        output_rate: int | None = None,
    ) -> list[Imported]:
        """Import a recording, of ours or of another tool: a session for each connection in it.

        If there are several connections, one that cannot be stored stops no other.

        Args:
            path: A file, or a binary stream.
            session_id: The id to store the session under, if there is one connection. By default it
                is the server's, or one made from the contents.
            metadata: Metadata to set on each session.
            keep_going: Leave out lines that cannot be read.
            progress: Called with the number of bytes read so far.
            redact: Take secrets out of frames before they are written. Each session notes how many.
            failures: Takes a `Failure` for each of several connections that cannot be stored; None
                to raise them at the end.
            format: `jsonl`, `har`, `csv` and so on (docs/import-and-export.md has all); None to
                tell it by what is in the file.
            input_rate: Samples a second of the user's PCM, 8000 to 48000, if the server does not
                say it, or says it wrongly. It is noted in the log.
            output_rate: The same of the model's PCM.

        Returns:
            Each session that was imported: its `session_id`, how many `events` it has, and so on.

        Raises:
            InvalidInputError: The file cannot be read, a line of it is wrong, an argument is
                wrong, or there is another session under the same id.
            SomeFailedError: Several connections could not be stored; all others are.
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.capture.files.import_file import import_file
        from eventstore.capture.files.import_rates import parse_rates

        file = path_or_stream("path", path, "read")
        for name, value in (("session_id", session_id), ("format", format)):
            if value is not None:
                check_text(name, value)
        pairs = check_metadata(metadata if metadata is not None else {})
        rates = parse_rates(input_rate, output_rate)
        return import_file(
            self, file, session_id, pairs, keep_going, progress, redact, failures, format, rates
        )

    def audio(
        self,
        session_id: str,
        target: str | Path | BinaryIO,
        format: AudioFormat = "wav",
        *,
        item: str | None = None,
        response: str | None = None,
        side: Side | None = None,
        start: float | None = None,
        end: float | None = None,
        rate: int | None = None,
        progress: Callable[[float, float], None] | None = None,
        limit: SoundLimit | None = None,
        recording: str | Path | BinaryIO | None = None,
    ) -> AudioWritten:
        """Write what was heard in a session: the user left, the assistant right, in true time.

        Args:
            session_id: The session's id.
            target: A file, or a binary stream that can seek. A file that is there is replaced once
                all is written.
            format: `wav` or `flac` (16 bits), or `ogg` (Vorbis).
            item: Only this item, in one channel.
            response: Only this response, in one channel.
            side: Only the `user` or the `assistant`, in one channel.
            start: Begin so many seconds after the session's first event; in a GPT-Live session, at
                this second of its timeline. The same holds for `end`.
            end: End so many seconds after the session's first event.
            rate: Samples a second, 8000 to 48000; by default the highest rate of what sounds.
            progress: Called with the seconds that are written, and with all there are.
            limit: How much sound may be asked for; None for any length.
            recording: A recording of a GPT-Live session that was downloaded from its server: its
                sound is taken instead of the log's. A file, or a binary stream that can seek.

        Raises:
            NotFoundError: There is no such session, item or response, or no sound of it.
            ErasedError: The session was erased.
            ErasedMeanwhileError: Its audio was erased while it was written.
            InvalidInputError: An argument is wrong, or it is more than a WAV file holds.
            OSError: The target cannot be written.
        """
        from eventstore.sound.call_audio import (  # numpy takes long to load
            AUDIO_FORMATS,
            write_audio,
        )

        check_choice("format", format, AUDIO_FORMATS)
        return write_audio(
            self.reader,
            session_id,
            path_or_stream("target", target, "write"),
            format,
            item=item,
            response=response,
            side=side,
            start=start,
            end=end,
            rate=rate,
            progress=progress,
            limit=limit,
            recording=_to_read(recording),
        )

    def plot(
        self,
        session_id: str,
        target: str | Path | BinaryIO,
        format: PlotFormat = "png",
        *,
        item: str | None = None,
        response: str | None = None,
        side: Side | None = None,
        start: float | None = None,
        end: float | None = None,
        recording: str | Path | BinaryIO | None = None,
    ) -> None:
        """Draw what was heard in a session: both waveforms, turns and interruptions.

        Args:
            session_id: The session's id.
            target: A file, or a binary stream.
            format: `png` or `svg`.
            item: Only this item.
            response: Only this response.
            side: Only the `user` or the `assistant`.
            start: Begin so many seconds after the session's first event; in a GPT-Live session, at
                this second of its timeline. The same holds for `end`.
            end: End so many seconds after the session's first event.
            recording: A downloaded recording of a GPT-Live session, as for `audio`.

        Raises:
            NotFoundError: There is no such session, item or response, or no sound of it.
            ErasedError: The session was erased.
            InvalidInputError: An argument is wrong.
            MissingExtraError: Matplotlib is not installed.
            OSError: The target cannot be written.
        """
        from eventstore.sound.plot import PLOT_FORMATS, plot_audio

        check_choice("format", format, PLOT_FORMATS)
        path = path_or_stream("target", target, "write")
        plot_audio(
            self.reader,
            session_id,
            path,
            format,
            item=item,
            response=response,
            side=side,
            start=start,
            end=end,
            recording=_to_read(recording),
        )

    def sql(
        self,
        statement: str,
        parameters: Mapping[str, ParameterValue] | None = None,
        *,
        limit: int = 1000,
        time_limit: float = 60.0,
    ) -> StatementRows:
        """Run one SQL statement that reads, and return its rows (docs/sql.md).

        The views `v_sessions`, `v_responses`, `v_items`, `v_usage`, `v_events` and so on stay as
        they are when the tables change. The database refuses everything but reading. Nothing is
        masked: what is in the views is what was recorded.

        Args:
            statement: A SELECT, in the database's own dialect, with `:name` for each parameter.
            parameters: The values of the parameters, by name.
            limit: The most rows to return.
            time_limit: How many seconds it may take.

        Returns:
            `columns`, `data` with a dict for each row, and `has_more` if there are more rows, or
            the rows have more than 64 MB.

        Raises:
            InvalidInputError: The database refuses the statement, such as one that writes, or
                several; or an argument is wrong.
            TimeLimitError: It takes longer than it may.
            DatabaseUnavailableError: The database cannot be reached.
        """
        from eventstore.store.database.statements import statement_arguments
        from eventstore.store.database.statements.run_statement import run_statement

        statement_arguments.check_statement(statement, limit, time_limit)
        given = statement_arguments.checked_parameters(parameters)
        return run_statement(self._reads, statement, given, limit, time_limit)


def _to_read(recording: str | Path | BinaryIO | None) -> Path | BinaryIO | None:
    return None if recording is None else path_or_stream("recording", recording, "read")
