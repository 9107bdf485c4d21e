"""The verbs of event_store.py for asyncio. `make docs` makes this module of that one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.aio.verbs.queries import AsyncQueries
from eventstore.aio.verbs.scores import AsyncScoring
from eventstore.aio.verbs.upkeep import AsyncUpkeep
from eventstore.event_store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from eventstore.capture.files.import_file import Imported
    from eventstore.errors import Failure
    from eventstore.sound.call_audio import AudioWritten, SoundLimit
    from eventstore.sound.plot import PlotFormat
    from eventstore.sound.sound_writer import AudioFormat
    from eventstore.sound.timeline.layout import Side
    from eventstore.store.database.statements.statement_arguments import ParameterValue
    from eventstore.store.database.statements.statement_rows import StatementRows


class AsyncFileVerbs(AsyncUpkeep, AsyncScoring):
    """The verbs of `EventStore`, each called in a thread."""

    @property
    def reader(self) -> AsyncQueries:
        """The verbs that only read: from the replica, if there is one.

        The store's own verbs do so as well, except for those whose results something is usually
        written by: `events`, `masked_events`, `last_seq`, `revision`, `metadata`, `session_ids`,
        `closed_sessions`, `follow` and `verify`.
        """
        return AsyncQueries(self._threads, lambda: self._source().reader)

    async def import_file(
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
        return await self._run(
            EventStore.import_file,
            path,
            session_id,
            metadata,
            keep_going,
            progress,
            redact,
            failures,
            format,
            input_rate=input_rate,
            output_rate=output_rate,
        )

    async def audio(
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
        return await self._run(
            EventStore.audio,
            session_id,
            target,
            format,
            item=item,
            response=response,
            side=side,
            start=start,
            end=end,
            rate=rate,
            progress=progress,
            limit=limit,
            recording=recording,
        )

    async def plot(
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
        return await self._run(
            EventStore.plot,
            session_id,
            target,
            format,
            item=item,
            response=response,
            side=side,
            start=start,
            end=end,
            recording=recording,
        )

    async def sql(
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
        return await self._run(
            EventStore.sql,
            statement,
            parameters,
            limit=limit,
            time_limit=time_limit,
        )
