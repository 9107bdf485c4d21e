"""`EventStore`: the store's verbs for Python. Each CLI command is a thin call of one of them.

What a verb needs beyond the store itself is imported when it is called, here and in the classes
below: a command that lists sessions loads neither what appends, nor the archive, nor what reads
files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from eventstore.errors import Failure
from eventstore.pricing.prices import prices_from
from eventstore.realtime.metadata import check_metadata
from eventstore.store.database import engine as engines
from eventstore.store.database import schema
from eventstore.store.database.engine_options import without_limit
from eventstore.store.sessions.log import Projection, WritableLog
from eventstore.verbs.upkeep import Upkeep

if TYPE_CHECKING:
    from eventstore.capture.files.import_file import Imported
    from eventstore.sound.call_audio import AudioWritten
    from eventstore.sound.plot import PlotFormat
    from eventstore.sound.sound_writer import AudioFormat


class EventStore(Upkeep, WritableLog):
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
        projection: Projection = "inline",
        check_schema: bool = True,
        keys: str | None = None,
        time_limit: float | None = None,
        prices: str | Path | None = None,
    ) -> None:
        keys = keys or os.environ.get("EVENTSTORE_KEYS")
        engine = engines.create(url, keys, time_limit, prices_from(prices))
        WritableLog.__init__(self, engine, projection)
        self._work = without_limit(self.engine)
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
            input_rate, output_rate: samples a second of the user's and of the model's PCM, 8000 to
                48000, where the server does not say them, or says them wrongly. Noted in the log.

        Raises:
            InvalidInputError: a line that cannot be read, a rate out of bounds, or another session
                under the same id.
            SomeFailedError: several connections could not be stored; all others are.
        """
        from eventstore.capture.files.import_file import check_rates, import_file

        pairs = check_metadata(metadata or {})
        rates = check_rates(input_rate, output_rate)
        return import_file(
            self, path, session_id, pairs, keep_going, progress, redact, failures, format, rates
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
                event; `rate` in samples a second; as for `sound.call_audio.write_audio`.

        Raises:
            NotFoundError: no such session, or no sound of it. InvalidInputError: a bad argument.
            OSError: the target cannot be written.
        """
        from eventstore.sound.call_audio import write_audio  # numpy takes long to load

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
        from eventstore.sound.plot import plot_audio

        path = Path(target) if isinstance(target, str) else target
        plot_audio(self, session_id, path, format, **selected)
